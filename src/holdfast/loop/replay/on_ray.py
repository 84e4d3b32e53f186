"""Goes through courses on a Ray cluster: one task a course, each in a process of its own.

The folder of the replay must be on storage that every node sees under the same path, and every node
must have this version of Holdfast and what the project imports. A task whose node dies is started
again, and goes on where the course was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import UnavailableError, UsageError
from holdfast.loop.replay.course import OUTCOME
from holdfast.loop.replay.processes import BLINK, Share, check, shares, start

RETRIES = 3


def run_on_ray(folders: Sequence[Path], address: str, share: Share) -> dict[str, str]:
    """Goes through courses on a cluster.

    Args:
        folders: of the courses; those that are over are left alone.
        address: of the cluster, such as ``auto``, ``10.0.0.1:6379`` or ``ray://10.0.0.1:10001``.
        share: told how far they are.

    Returns:
        By the name of a course's folder, the id of the node that went through it.

    Raises:
        UsageError: when Ray is not installed.
        UnavailableError: when the cluster cannot be reached.
        HoldfastError: what went wrong in the first course that failed; the others are stopped.
    """
    ray = _ray()
    waiting = [folder for folder in folders if not (folder / OUTCOME).exists()]
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UnavailableError(
            "replay.no_cluster",
            f"no Ray cluster answers at {address}: {error}",
            "Name the address that 'ray status' shows, or leave --ray out.",
        ) from None
    try:
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(go_through)
        tasks = {task.remote(str(folder)): folder for folder in waiting}
        nodes, left = {}, list(tasks)
        while left:
            done, left = ray.wait(left, timeout=BLINK * 5)
            share(shares(folders))
            for one in done:
                folder = tasks[one]
                nodes[folder.name] = ray.get(one)
                check(folder)
        return nodes
    finally:
        ray.shutdown()


def go_through(folder: str) -> str:
    """What a task does: goes through one course; returns the id of its node."""
    ray = _ray()
    node: str = ray.get_runtime_context().get_node_id()
    process = start(Path(folder))
    try:
        process.wait()
    finally:
        process.kill()
    return node


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError(
            "replay.ray_missing", "Ray is not installed here",
            "Install the extra: pip install 'holdfast[ray]'.",
        ) from None  # fmt: skip
    return ray

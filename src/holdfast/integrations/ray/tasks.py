"""A function over many things, one task each, on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from holdfast.errors import UsageError

T = TypeVar("T")
R = TypeVar("R")


def each(
    function: Callable[[T], R], items: Sequence[T], *, address: str | None = None
) -> Iterator[R]:
    """Results of a function for each item, as they come, in no order.

    Args:
        function: runs on the nodes, with what it refers to sent along.
        items: what it is called with.
        address: of the cluster; None: the one this process is connected to, or a new one here.

    Raises:
        UsageError: when Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise UsageError(
            "cluster.no_ray", "Ray is not installed", "Install it: pip install 'holdfast[ray]'."
        ) from None
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)
    # A plain function, since Ray names tasks after it and takes no partial.
    task = ray.remote(lambda item: function(item))
    return _finished(ray, [task.remote(item) for item in items])


def _finished(ray: Any, running: list[Any]) -> Iterator[Any]:
    left = running
    while left:
        done, left = ray.wait(left)
        yield ray.get(done[0])

"""Run by the interpreter that has Ray: a cluster of two nodes of one core, and a replay on it."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from holdfast.loop.replay.history import Columns
from holdfast.loop.replay.on_ray import run_on_ray
from holdfast.loop.replay.ordering import Order, Replay, gather, prepare
from holdfast.loop.replay.running import run_course


def ordered(folder: Path, out: str) -> Replay:
    columns = Columns(time="t", label="y", prediction="p", features=("x", "z", "kind"))
    policies = tuple(str(folder / f"p{place}.toml") for place in range(4))
    order = Order(
        source="history.parquet", columns=columns, policies=policies, every=timedelta(days=1)
    )
    return prepare(order, folder, folder, folder / out, lambda text: None)


def main(folder: Path) -> None:
    here = ordered(folder, "here")
    for course in here.courses:
        run_course(course)
    memory = 80 * 2**20
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1, "object_store_memory": memory, "include_dashboard": False,
        },
    )  # fmt: skip
    try:
        cluster.add_node(num_cpus=1, object_store_memory=memory)
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        ray.shutdown()
        there = ordered(folder, "there")
        nodes = run_on_ray(there.courses, cluster.address, lambda shares: None)
    finally:
        cluster.shutdown()
    said = {"nodes": nodes, "here": gather(here).to_dict(), "there": gather(there).to_dict()}
    (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

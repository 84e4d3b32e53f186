"""Summarises partitions on a local cluster of two nodes: ``two_nodes.py FOLDER``.

The folder holds ``reference.json`` and ``part-*.parquet``; ``found.parquet`` and ``nodes.txt`` are
written there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import ray
from ray.cluster_utils import Cluster

from holdfast.integrations.ray.tasks import each
from holdfast.monitoring.history import summarise_partitions
from holdfast.records import Reference


def main(folder: Path) -> None:
    """One processor a node, so that both must work."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        found = summarise_partitions(
            [pl.scan_parquet(path) for path in sorted(folder.glob("part-*.parquet"))],
            Reference.from_json((folder / "reference.json").read_bytes()),
            each,
            model="late", version=2, slices=["origin"],
        )  # fmt: skip
        found.write_parquet(folder / "found.parquet")
        (folder / "nodes.txt").write_text(str(sum(node["Alive"] for node in ray.nodes())))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

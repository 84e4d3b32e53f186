"""Dagster in one process, with its instance on SQLite. Prints the seconds of the second run."""

from __future__ import annotations

import time

import steps
from dagster import DagsterInstance, job, op


@op
def load():
    return steps.load()


@op
def train(rows):
    return steps.train(rows)


@op
def evaluate(model, rows):
    return steps.evaluate(model, rows)


@op
def register(model, score):
    return steps.register(model, score)


@job
def pipeline():
    rows = load()
    model = train(rows)
    register(model, evaluate(model, rows))


if __name__ == "__main__":
    with DagsterInstance.get() as instance:
        pipeline.execute_in_process(instance=instance)
        began = time.perf_counter()
        pipeline.execute_in_process(instance=instance)
        print(time.perf_counter() - began)

"""Imports what will be needed while another process works: heavy libraries take seconds."""

from __future__ import annotations

import contextlib
import importlib
import threading

from holdfast.registry.client import import_mlflow

TRAINING = ("holdfast.registry.build", "sklearn.pipeline", "skl2onnx", "onnxruntime")
JUDGING = ("onnxruntime", "scipy.special", "holdfast.gate.evaluate")


def warm(modules: tuple[str, ...]) -> threading.Thread:
    """Imports modules in a thread; one that is missing is left to whoever really needs it."""

    def run() -> None:
        for name in modules:
            with contextlib.suppress(ImportError):
                import_mlflow() if name == "mlflow" else importlib.import_module(name)

    thread = threading.Thread(target=run, name="holdfast-warm", daemon=True)
    thread.start()
    return thread

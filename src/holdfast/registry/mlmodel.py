"""The folder MLflow reads a version from: MLmodel, requirements, an example, and the bundle.

Written with ``mlflow.models`` alone, so that registering does not import ``mlflow.pyfunc``.
"""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

from holdfast.bundle.manifest import LOCK_FILE
from holdfast.bundle.predictor import read_golden
from holdfast.records.bundle import BundleManifest
from holdfast.records.signature import Field, Signature

BUNDLE_FOLDER = "bundle"
LOADER = "holdfast.bundle.pyfunc"
EXAMPLE_FILE = "input_example.json"
SERVING_EXAMPLE_FILE = "serving_input_example.json"
EXAMPLE_ROWS = 5


def write_mlmodel(folder: Path, bundle: Path, manifest: BundleManifest, run: str) -> None:
    """Fills an empty folder with an MLflow model around a bundle.

    Args:
        folder: to be filled.
        bundle: the sealed bundle; copied into ``bundle/``.
        manifest: its manifest.
        run: id of the MLflow run.
    """
    from mlflow.models import Model

    shutil.copytree(bundle, folder / BUNDLE_FOLDER)
    _write_environment(folder, (bundle / LOCK_FILE).read_text(encoding="utf-8"))
    model = Model(
        artifact_path="model",
        run_id=run,
        utc_time_created=manifest.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        signature=mlflow_signature(manifest.signature),
        saved_input_example_info=_write_example(folder, bundle, manifest),
    )
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        data=BUNDLE_FOLDER,
        python_version=platform.python_version(),
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    )
    model.add_flavor("holdfast", bundle=BUNDLE_FOLDER, predictor=manifest.predictor)
    model.save(folder / "MLmodel")


def mlflow_signature(signature: Signature) -> Any:
    """The signature as MLflow's own type."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    def column(field: Field) -> Any:
        kind: Any = DataType[mlflow_type(field)]
        if field.type == "vector":
            kind = Array(kind)
        if field.name == "probability" and len(signature.classes) > 2:
            kind = Array(kind)
        return ColSpec(kind, name=field.name, required=not field.nullable)

    inputs = Schema([column(field) for field in signature.inputs])
    return ModelSignature(inputs=inputs, outputs=Schema([column(f) for f in signature.outputs]))


def mlflow_type(field: Field) -> str:
    """MLflow's type of a column, or of what a vector holds: pandas holds integers with nulls as
    doubles, so it is told so.

    >>> mlflow_type(Field(name="a", type="long", nullable=True))
    'double'
    """
    if field.type == "vector" or (field.type == "long" and field.nullable):
        return "double"
    return field.type


def _write_environment(folder: Path, lock: str) -> None:
    """MLflow's three environment files, from the lock: nothing is inferred."""
    version = platform.python_version()
    (folder / "requirements.txt").write_text(lock, encoding="utf-8")
    (folder / "python_env.yaml").write_text(
        f"python: {version}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n",
        encoding="utf-8",
    )
    (folder / "conda.yaml").write_text(
        f"name: holdfast\nchannels:\n- conda-forge\ndependencies:\n- python={version}\n- pip\n"
        "- pip:\n  - -r requirements.txt\n",
        encoding="utf-8",
    )


def _write_example(folder: Path, bundle: Path, manifest: BundleManifest) -> dict[str, Any]:
    _, golden = read_golden(bundle, manifest)
    names = list(golden.columns)
    rows = [list(row) for row in zip(*golden.columns.values(), strict=True)][:EXAMPLE_ROWS]
    split = {"columns": names, "data": rows}
    (folder / EXAMPLE_FILE).write_text(json.dumps(split), encoding="utf-8")
    serving = json.dumps({"dataframe_split": split})
    (folder / SERVING_EXAMPLE_FILE).write_text(serving, encoding="utf-8")
    return {
        "artifact_path": EXAMPLE_FILE,
        "serving_input_path": SERVING_EXAMPLE_FILE,
        "type": "dataframe",
        "pandas_orient": "split",
    }

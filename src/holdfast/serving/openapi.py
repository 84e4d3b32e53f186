"""The OpenAPI document of what is live: each model's own columns, with a row that works."""

from __future__ import annotations

from typing import Any

from holdfast.records import Field
from holdfast.serving.about import VERSION
from holdfast.serving.router import LiveRoute, Loaded
from holdfast.serving.server import ModelServer

Json = dict[str, Any]

_TYPES: dict[str, Json] = {
    "double": {"type": "number"},
    "long": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
_SAMPLES: dict[str, Any] = {
    "double": 0.5, "long": 1, "boolean": True, "string": "text",
    "datetime": "2025-01-01T00:00:00Z",
}  # fmt: skip
_TENSOR_TYPES = {
    "double": "FP64", "long": "INT64", "boolean": "BOOL", "string": "BYTES", "datetime": "BYTES",
}  # fmt: skip


def document(server: ModelServer) -> Json:
    """The whole document; made when asked for, from the routes of that moment."""
    live = [server.routes.live[name] for name in sorted(server.routes.live)]
    schemas: Json = {
        "Problem": _object({"error": {"type": "string"}}, ["error"]),
        "MlflowProblem": _object(
            {"error_code": {"type": "string"}, "message": {"type": "string"}},
            ["error_code", "message"],
        ),
    }
    paths: Json = {}
    if live:
        paths["/invocations"] = {"post": _invocations(live)}
    for route in live:
        name = route.model
        schemas[f"{name}.Row"] = row_schema(route.champion)
        schemas[f"{name}.Answer"] = answer_schema(route.champion)
        paths[f"/v1/models/{name}:predict"] = {"post": _v1(route)}
        paths[f"/v2/models/{name}/infer"] = {"post": _v2(route)}
        paths[f"/v2/models/{name}"] = {"get": _get("Columns and versions", name)}
    for path, summary in _OTHERS.items():
        paths[path] = {"get": _get(summary, "server")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast: predictions",
            "version": VERSION,
            "description": "The same rows give the same answers under every contract: MLflow's, "
            "KServe's V1 and the Open Inference Protocol V2.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


_OTHERS = {
    "/ping": "MLflow and SageMaker: ready for traffic",
    "/v1/models": "KServe V1: models",
    "/v2": "V2: this server",
    "/v2/health/live": "V2: the process is alive",
    "/v2/health/ready": "V2: ready for traffic",
}


def row_schema(loaded: Loaded) -> Json:
    """JSON schema of one row."""
    properties = {field.name: _cell(field) for field in loaded.signature.inputs}
    if loaded.signature.id is not None:
        properties[loaded.signature.id] = {
            "type": ["string", "integer"],
            "description": "your own id; labels are joined by it",
        }
    schema = _object(properties, [field.name for field in loaded.signature.inputs])
    return {**schema, "examples": [sample_row(loaded)]}


def answer_schema(loaded: Loaded) -> Json:
    """JSON schema of the answer for one row."""
    if loaded.task == "regression":
        return {"type": "number"}
    share: Json = {"type": "number", "minimum": 0, "maximum": 1}
    classes = list(loaded.signature.classes)
    if loaded.task != "binary":
        many = {"minItems": len(classes), "maxItems": len(classes)}
        share = {"type": "array", "items": share, **many, "description": f"in the order {classes}"}
    return _object(
        {"prediction": {"enum": classes}, "probability": share}, ["prediction", "probability"]
    )


def sample_row(loaded: Loaded) -> Json:
    """A row that the model answers: a golden row when the bundle has one."""
    if loaded.example:
        return dict(loaded.example)
    return {field.name: _SAMPLES[field.type] for field in loaded.signature.inputs}


def _cell(field: Field) -> Json:
    kind = _TYPES[field.type]
    return {**kind, "type": [kind["type"], "null"]} if field.nullable else dict(kind)


def _object(properties: Json, required: list[str]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _predictions(route: LiveRoute) -> Json:
    return _object({"predictions": _list(_ref(f"{route.model}.Answer"))}, ["predictions"])


def _invocations(live: list[LiveRoute]) -> Json:
    forms: list[Json] = []
    examples: Json = {}
    for route in live:
        row = sample_row(route.champion)
        rows = _list(_ref(f"{route.model}.Row"))
        split = _object(
            {"columns": _list({"type": "string"}), "data": _list({"type": "array"})}, ["data"]
        )
        forms += [
            _object({"dataframe_records": rows}, ["dataframe_records"]),
            _object({"dataframe_split": split}, ["dataframe_split"]),
            _object({"instances": rows}, ["instances"]),
            _object({"inputs": {"type": "object"}}, ["inputs"]),
        ]
        columns = {"columns": list(row), "data": [list(row.values())]}
        examples[f"{route.model}: records"] = {"value": {"dataframe_records": [row]}}
        examples[f"{route.model}: split"] = {"value": {"dataframe_split": columns}}
    answers = {"anyOf": [_predictions(route) for route in live]}
    operation = _post("Score rows as MLflow does", "mlflow", {"anyOf": forms}, examples, answers)
    operation["parameters"] = [
        {
            "name": "X-Holdfast-Model",
            "in": "header",
            "required": len(live) > 1,
            "schema": {"enum": [route.model for route in live]},
        }
    ]
    return operation


def _v1(route: LiveRoute) -> Json:
    body = _object({"instances": _list(_ref(f"{route.model}.Row"))}, ["instances"])
    examples = {"one row": {"value": {"instances": [sample_row(route.champion)]}}}
    return _post("Score rows as KServe V1 does", route.model, body, examples, _predictions(route))


def _v2(route: LiveRoute) -> Json:
    inputs = [
        {
            "name": field.name,
            "datatype": _TENSOR_TYPES[field.type],
            "shape": [1],
            "data": [sample_row(route.champion)[field.name]],
        }
        for field in route.champion.signature.inputs
    ]
    tensor = {"type": "object", "required": ["name", "datatype", "shape"]}
    body = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "inputs": _list(tensor)},
        "required": ["inputs"],
    }
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {"outputs": _list(tensor)},
    }
    examples = {"one row": {"value": {"inputs": inputs}}}
    return _post("Score tensors, V2", route.model, body, examples, answer)


def _post(summary: str, tag: str, body: Json, examples: Json, answer: Json) -> Json:
    problem = _ref("MlflowProblem" if tag == "mlflow" else "Problem")
    wrong = {"description": "The rows cannot be answered", "content": _json(problem)}
    headers = {
        name: {"schema": {"type": "string"}}
        for name in ("X-Holdfast-Version", "X-Holdfast-Prediction-Id")
    }
    return {
        "summary": summary,
        "tags": [tag],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": examples}},
        },
        "responses": {
            "200": {"description": "Answers", "headers": headers, "content": _json(answer)},
            **dict.fromkeys(("400", "413", "415", "500", "503"), wrong),
        },
    }


def _get(summary: str, tag: str) -> Json:
    return {
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "It is so"}, "503": {"description": "Not now"}},
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}

"""The OpenAPI document of what is live: each model's own columns, with a row that works."""

from __future__ import annotations

import sys

from holdfast.records import Field
from holdfast.serving.about import VERSION
from holdfast.serving.operations import (
    OTHERS,
    PROBLEMS,
    Json,
    closed,
    get,
    invocations,
    items,
    model_paths,
    ref,
    sample_row,
    score,
    vertex,
)
from holdfast.serving.platforms import Platform
from holdfast.serving.router import Loaded
from holdfast.serving.server import ModelServer

_MOST = sys.float_info.max
_TYPES: dict[str, Json] = {
    "double": {"type": "number", "minimum": -_MOST, "maximum": _MOST},
    "long": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}


def document(server: ModelServer, platform: Platform) -> Json:
    """The whole document; made when asked for, from the routes of that moment."""
    live = [server.routes.live[name] for name in sorted(server.routes.live)]
    limit = server.limits.rows
    schemas = dict(PROBLEMS)
    paths: Json = {}
    if live and platform.predict is not None:
        paths[platform.predict] = {"post": vertex(live)}
    if live:
        paths["/invocations"] = {"post": invocations(live)}
        paths["/score"] = {"post": score(live)}
    for route in live:
        name = route.model
        schemas[f"{name}.Row"] = row_schema(route.champion)
        schemas[f"{name}.Rows"] = rows_schema(name, route.champion, limit)
        schemas[f"{name}.Answer"] = answer_schema(route.champion)
        paths |= model_paths(route)
    for path, item in OTHERS.items():
        paths.setdefault(path, {}).update(item)
    if platform.health is not None:
        paths.setdefault(platform.health, {})["get"] = get("Vertex AI: ready for traffic", "server")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast: predictions",
            "version": VERSION,
            "description": "The same rows give the same answers under every contract: MLflow's, "
            "SageMaker's, Vertex AI's, Azure ML's, KServe's V1 and the Open Inference Protocol V2.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def row_schema(loaded: Loaded) -> Json:
    """JSON schema of one row."""
    properties = {field.name: _cell(field) for field in loaded.signature.inputs}
    schema = closed(properties, [field.name for field in loaded.signature.inputs])
    return {**schema, "examples": [sample_row(loaded)]}


def rows_schema(model: str, loaded: Loaded, limit: int) -> Json:
    """JSON schema of the rows of a request: with the caller's own id in all of them, or in none."""
    bounds = {"minItems": 1, "maxItems": limit}
    plain = {**items(ref(f"{model}.Row")), **bounds}
    key = loaded.signature.id
    if key is None:
        return plain
    properties = {field.name: _cell(field) for field in loaded.signature.inputs}
    properties[key] = {
        "description": "your own id; labels are joined by it",
        "anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, _TYPES["long"]],
    }
    return {"anyOf": [plain, {**items(closed(properties, list(properties))), **bounds}]}


def answer_schema(loaded: Loaded) -> Json:
    """JSON schema of the answer for one row."""
    if loaded.task == "regression":
        return {"type": "number"}
    share: Json = {"type": "number", "minimum": 0, "maximum": 1}
    classes = list(loaded.signature.classes)
    if loaded.task != "binary":
        many = {"minItems": len(classes), "maxItems": len(classes)}
        share = {"type": "array", "items": share, **many, "description": f"in the order {classes}"}
    return closed(
        {"prediction": {"enum": classes}, "probability": share}, ["prediction", "probability"]
    )


def _cell(field: Field) -> Json:
    kind = _vector(field.width) if field.width else _TYPES[field.type]
    return {**kind, "type": [kind["type"], "null"]} if field.nullable else dict(kind)


def _vector(width: int) -> Json:
    return {"type": "array", "items": _TYPES["double"], "minItems": width, "maxItems": width}

"""The operations of the OpenAPI document: one for each path of each contract."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from holdfast.serving.inference import DATATYPES
from holdfast.serving.router import LiveRoute, Loaded

Json = dict[str, Any]

_SAMPLES: dict[str, Any] = {
    "double": 0.5, "long": 1, "boolean": True, "string": "text",
    "datetime": "2025-01-01T00:00:00Z",
}  # fmt: skip
_TEXT: Json = {"schema": {"type": "string"}}
_BYTES: Json = {"schema": {"type": "string", "format": "binary"}}


def closed(properties: Json, required: list[str]) -> Json:
    """Schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def ref(name: str) -> Json:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def items(of: Json) -> Json:
    """Schema of a list."""
    return {"type": "array", "items": of}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


PROBLEMS: Json = {
    "Problem": closed({"error": {"type": "string"}}, ["error"]),
    "MlflowProblem": closed(
        {"error_code": {"type": "string"}, "message": {"type": "string"}},
        ["error_code", "message"],
    ),
}


def sample_row(loaded: Loaded) -> Json:
    """A row that the model answers: a golden row when the bundle has one."""
    if loaded.example:
        return dict(loaded.example)
    return {
        field.name: [0.5] * field.width if field.width else _SAMPLES[field.type]
        for field in loaded.signature.inputs
    }


def get(summary: str, tag: str, *, media: str = "application/json", mlflow: bool = False) -> Json:
    """Something to read; 404 and 503 say that there is no model, or no traffic wanted."""
    problem = _json(ref("MlflowProblem" if mlflow else "Problem"))
    fine = {"description": "It is so", "content": {media: {"schema": {}}}}
    wrong = {"description": "Not now, or not here", "content": problem}
    # A health check says 503 in the shape of its own contract.
    unready = {"description": "Not now", "content": {"application/json": {"schema": {}}}}
    statuses = {"200": fine, "401": wrong, "404": wrong, "503": unready}
    return {"summary": summary, "tags": [tag], "responses": statuses}


OTHERS: Json = {
    "/": {"get": get("Azure ML and KServe V1: the process is alive", "server")},
    "/ping": {
        "get": get(
            "MLflow, SageMaker: ready for traffic", "server", media="text/plain", mlflow=True
        )
    },
    "/health": {"get": get("MLflow: ready for traffic", "server", media="text/plain", mlflow=True)},
    "/version": {"get": get("MLflow: version of the server", "server", media="text/plain")},
    "/execution-parameters": {
        "get": get("SageMaker: how a batch is to be sent", "server", mlflow=True)
    },
    "/v1/models": {"get": get("KServe V1: models", "server")},
    "/v2": {"get": get("V2: this server", "server")},
    "/v2/health/live": {"get": get("V2: the process is alive", "server")},
    "/v2/health/ready": {"get": get("V2: ready for traffic", "server")},
}


def model_paths(route: LiveRoute) -> Json:
    """The paths that name a model."""
    name = route.model
    paths: Json = {
        f"/v1/models/{name}": {"get": get("KServe V1: this model", name)},
        f"/v1/models/{name}:predict": {"post": _v1(route)},
    }
    for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{route.champion.version}"):
        paths[path] = {"get": get("V2: columns and versions", name)}
        paths[f"{path}/ready"] = {"get": get("V2: ready for traffic", name)}
        paths[f"{path}/infer"] = {"post": _v2(route)}
    return paths


def invocations(live: list[LiveRoute]) -> Json:
    """``POST /invocations`` in all forms."""
    operation = _post(
        "Score rows as MLflow and SageMaker do", "mlflow",
        {"anyOf": [form for route in live for form in _mlflow_forms(route)]},
        _mlflow_examples(live), _answers(live),
    )  # fmt: skip
    content = operation["requestBody"]["content"]
    if not all(route.converter.widths for route in live):  # a cell of CSV holds no vector
        content["text/csv"] = _TEXT
    content["application/jsonlines"] = _TEXT
    content["application/vnd.apache.parquet"] = _BYTES
    operation["responses"]["200"]["content"] |= {"text/csv": _TEXT, "application/jsonlines": _TEXT}
    return {**operation, "parameters": [_which(live)]}


def score(live: list[LiveRoute]) -> Json:
    """``POST /score``."""
    forms = [form for route in live for form in _mlflow_forms(route)]
    for route in live:
        forms.append(_with_params("input_data", ref(f"{route.model}.Rows")))
        forms.append(_with_params("input_data", _split(route)))
        forms.append(_with_params("data", ref(f"{route.model}.Rows")))
    examples = {
        route.model: {"value": {"input_data": [sample_row(route.champion)]}} for route in live
    }
    operation = _post(
        "Score rows as Azure ML does", "azure", {"anyOf": forms}, examples, _answers(live)
    )
    ids = [
        {"name": name, "in": "header", "schema": {"type": "string", "maxLength": 100}}
        for name in ("x-request-id", "x-ms-client-request-id")
    ]
    operation["responses"]["431"] = operation["responses"]["400"]
    return {**operation, "parameters": [_which(live), *ids]}


def vertex(live: list[LiveRoute]) -> Json:
    """The predict route that Vertex AI chose."""
    none = {"anyOf": [{"type": "null"}, closed({}, [])]}
    forms = [
        closed({"instances": ref(f"{route.model}.Rows"), "parameters": none}, ["instances"])
        for route in live
    ]
    examples = {
        route.model: {"value": {"instances": [sample_row(route.champion)]}} for route in live
    }
    return _post(
        "Score rows as Vertex AI does", "vertex", {"anyOf": forms}, examples, _answers(live)
    )


def _mlflow_forms(route: LiveRoute) -> list[Json]:
    rows, row = ref(f"{route.model}.Rows"), ref(f"{route.model}.Row")
    cells = _cells(route)
    columns = closed({name: _exactly([cell]) for name, cell in cells.items()}, list(cells))
    columns["description"] = "a list for each column, all of one length; here one row"
    return [
        _with_params("dataframe_records", rows),
        _with_params("dataframe_split", _split(route)),
        _with_params("instances", rows),
        _with_params("inputs", {"anyOf": [rows, row, columns]}),
    ]


def _split(route: LiveRoute) -> Json:
    cells = _cells(route)
    data = {**items(_exactly(list(cells.values()))), "minItems": 1}
    columns = {"const": list(cells), "description": "in any order; the cells in the same"}
    return closed({"columns": columns, "data": data, "index": {}}, ["data"])


def _cells(route: LiveRoute) -> Json:
    row = f"#/components/schemas/{route.model}.Row/properties"
    names = [field.name for field in route.champion.signature.inputs]
    return {name: {"$ref": f"{row}/{_pointer(name)}"} for name in names}


def _pointer(name: str) -> str:
    """A name within a reference: escaped as RFC 6901 and RFC 3986 say."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="")


def _exactly(cells: list[Json]) -> Json:
    """Schema of a list of just these."""
    return {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}


def _with_params(name: str, schema: Json) -> Json:
    return closed({name: schema, "params": {"anyOf": [{"type": "null"}, closed({}, [])]}}, [name])


def _mlflow_examples(live: list[LiveRoute]) -> Json:
    examples: Json = {}
    for route in live:
        row = sample_row(route.champion)
        columns = {"columns": list(row), "data": [list(row.values())]}
        examples[f"{route.model}: records"] = {"value": {"dataframe_records": [row]}}
        examples[f"{route.model}: split"] = {"value": {"dataframe_split": columns}}
    return examples


def _answers(live: list[LiveRoute]) -> Json:
    return {"anyOf": [_predictions(route) for route in live]}


def _predictions(route: LiveRoute) -> Json:
    return closed({"predictions": items(ref(f"{route.model}.Answer"))}, ["predictions"])


def _which(live: list[LiveRoute]) -> Json:
    return {
        "name": "X-Holdfast-Model",
        "in": "header",
        "required": len(live) > 1,
        "schema": {"enum": [route.model for route in live]},
    }


def _v1(route: LiveRoute) -> Json:
    rows, row = ref(f"{route.model}.Rows"), sample_row(route.champion)
    body = {"anyOf": [closed({name: rows}, [name]) for name in ("instances", "inputs")]}
    examples = {"one row": {"value": {"instances": [row]}}}
    return _post("Score rows as KServe V1 does", route.model, body, examples, _predictions(route))


def _v2(route: LiveRoute) -> Json:
    row = sample_row(route.champion)
    inputs = [
        {
            "name": field.name,
            "datatype": DATATYPES[field.type],
            "shape": [1, field.width] if field.width else [1],
            "data": row[field.name] if type(row[field.name]) is list else [row[field.name]],
        }
        for field in route.champion.signature.inputs
    ]
    tensor = {"type": "object", "required": ["name", "datatype", "shape"]}
    body = {
        "type": "object",
        "properties": {"id": {"type": ["string", "null"]}, "inputs": items(tensor)},
        "required": ["inputs"],
    }
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {"outputs": items(tensor)},
    }
    examples = {"one row": {"value": {"inputs": inputs}}}
    return _post("Score tensors, V2", route.model, body, examples, answer)


def _post(summary: str, tag: str, body: Json, examples: Json, answer: Json) -> Json:
    problem = ref("MlflowProblem" if tag == "mlflow" else "Problem")
    wrong = {"description": "The rows cannot be answered", "content": _json(problem)}
    headers = {
        name: {"schema": {"type": "string"}}
        for name in ("X-Holdfast-Version", "X-Holdfast-Prediction-Id")
    }
    statuses = ("400", "401", "404", "406", "408", "413", "415", "500", "503")
    return {
        "summary": summary,
        "tags": [tag],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": examples}},
        },
        "responses": {
            "200": {"description": "Answers", "headers": headers, "content": _json(answer)},
            **dict.fromkeys(statuses, wrong),
        },
    }

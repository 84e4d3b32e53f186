"""Messages of gRPC to rows, and answers to messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.serving.converter import Converter
from holdfast.serving.inference import (
    Asked,
    Description,
    check_id,
    check_output,
    read_rows,
    results,
)
from holdfast.serving.rpc.protocol import message
from holdfast.serving.server import Answer
from holdfast.serving.tensors import (
    ELEMENTS,
    Result,
    Tensor,
    check_parameters,
    finite,
    fit,
    pack,
    rows_of,
    unpack,
    wrong,
)

_Response = message("ModelInferResponse")
_Metadata = message("ModelMetadataResponse")
_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def read_request(given: Any, converter: Converter) -> Asked:
    """Rows and wishes of a ``ModelInferRequest``.

    Raises:
        RequestError: when tensors, outputs or parameters cannot be taken.
    """
    check_id(given.id)
    if not given.inputs:
        raise wrong("inputs must be a list of tensors")
    raw = given.raw_input_contents
    if raw and len(raw) != len(given.inputs):
        raise wrong("raw_input_contents must hold every input, or none")
    tensors = [
        _tensor(item, raw[position] if raw else None, f"input {position}", converter)
        for position, item in enumerate(given.inputs)
    ]
    binary = _parameters(given).get("binary_data_output", bool(raw))
    for output in given.outputs:
        check_output(output.name, converter)
        _parameters(output)
    outputs = dict.fromkeys((output.name for output in given.outputs), binary)
    return Asked(read_rows(tensors, converter), given.id or None, outputs, binary is True)


def _tensor(item: Any, raw: bytes | None, where: str, converter: Converter) -> Tensor:
    datatype = item.datatype
    if datatype not in ELEMENTS:
        raise wrong(f"{where} needs a name and a known datatype")
    width = converter.widths.get(item.name, 1)
    rows = rows_of(list(item.shape), where, converter.limit, width)
    _parameters(item)
    filled = [field.name for field, _ in item.contents.ListFields()]
    if raw is not None:
        if filled:
            raise wrong(f"{where} has contents beside the raw ones")
        return Tensor(item.name, datatype, rows, unpack(raw, datatype, rows * width, where))
    wanted = _CONTENTS.get(datatype)
    if wanted is None:
        raise wrong(f"{where} is {datatype}, which only raw contents can hold")
    if filled not in ([], [wanted]):
        raise wrong(f"{where} must have its values in {wanted}")
    contents = getattr(item.contents, wanted)
    if len(contents) != rows * width:
        raise wrong(f"{where} has contents that do not fit its shape")
    return Tensor(item.name, datatype, rows, _values(contents, datatype, where))


def _values(contents: Any, datatype: str, where: str) -> list[Any]:
    if datatype.startswith("FP"):
        with np.errstate(invalid="ignore"):  # a signalling NaN, which is refused like the other
            return finite(np.array(contents, dtype=np.float64), where)
    if datatype == "BYTES":
        try:
            return [text.decode() for text in contents]
        except UnicodeDecodeError:
            raise wrong(f"{where} has BYTES that are not UTF-8") from None
    return fit(list(contents), datatype, where)


def _parameters(item: Any) -> dict[str, Any]:
    given = {}
    for name, parameter in item.parameters.items():
        choice = parameter.WhichOneof("parameter_choice")
        given[name] = None if choice is None else getattr(parameter, choice)
    return check_parameters(given)


def write_response(answer: Answer, asked: Asked) -> bytes:
    """A ``ModelInferResponse``, its tensors in the form in which the inputs came."""
    response = _Response(
        model_name=answer.model,
        model_version=str(answer.loaded.version),
        id=asked.id if asked.id is not None else answer.prediction_id,
    )
    response.parameters["prediction_id"].string_param = answer.prediction_id
    for result in results(answer, asked):
        output = response.outputs.add(
            name=result.name, datatype=result.datatype, shape=result.values.shape
        )
        if asked.binary:
            response.raw_output_contents.append(pack(result))
        else:
            getattr(output.contents, _CONTENTS[result.datatype]).extend(_plain(result))
    body: bytes = response.SerializeToString()
    return body


def _plain(result: Result) -> list[Any]:
    values = result.values.reshape(-1).tolist()
    return [str(value).encode() for value in values] if result.datatype == "BYTES" else values


def write_metadata(about: Description) -> Any:
    """A ``ModelMetadataResponse``."""
    given = about._asdict()
    for kind in ("inputs", "outputs"):
        given[kind] = [shape._asdict() for shape in given[kind]]
    return _Metadata(**given)

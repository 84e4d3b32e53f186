"""The messages of the Open Inference Protocol over gRPC, from ``inference.proto``.

The classes are made when this is imported, from the compiled definition, in a registry of their
own. Generated modules would register them for the whole process, where those of tritonclient,
kserve or mlserver, which a model may import, clash with them; and would run with the version of
protobuf that wrote them and the next, while a model may need an older one.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

__all__ = ["SERVICE", "DecodeError", "message"]

SERVICE = "inference.GRPCInferenceService"

_compiled = files(__package__).joinpath("inference.binpb").read_bytes()
_pool = DescriptorPool()
for _file in FileDescriptorSet.FromString(_compiled).file:
    _pool.Add(_file)


def message(name: str) -> Any:
    """The class of a message.

    >>> message("ServerLiveResponse")(live=True).SerializeToString().hex()
    '0801'
    """
    return GetMessageClass(_pool.FindMessageTypeByName(f"inference.{name}"))

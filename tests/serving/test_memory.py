from __future__ import annotations

from typing import Any

from holdfast.records import Artefact
from holdfast.serving.memory import Growth, memory_of, release_free_memory, resident


def manifest(toys: Any, kind: str, **sizes: int) -> Any:
    files = tuple(
        Artefact(path=name.replace("_", "/" if name.startswith("native") else "."), sha256="",
                 size=size)
        for name, size in sizes.items()
    )  # fmt: skip
    import msgspec

    return msgspec.structs.replace(toys.Toy().manifest, predictor=kind, files=files)


def test_what_was_measured_counts_but_never_less_than_the_files(toys: Any) -> None:
    onnx = manifest(toys, "onnx", model_onnx=1_000_000, native_pkl=7_000_000)
    assert memory_of(onnx, 8_500_000) == 8_500_000
    assert memory_of(onnx, 100) == 1_000_000
    assert memory_of(onnx, None) == 10_000_000
    native = manifest(toys, "native", model_onnx=1_000_000, native_pkl=7_000_000)
    assert memory_of(native, None) == 14_000_000
    assert memory_of(manifest(toys, "onnx", model_onnx=1), None) == 256 * 2**10


def test_growth_is_measured_when_a_load_was_alone() -> None:
    growth = Growth()
    before = resident()
    assert before > 0
    end = growth.begin()
    held = bytearray(64 * 2**20)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    grown = end()
    assert grown is not None
    assert 60 * 2**20 < grown < 80 * 2**20
    one, other = growth.begin(), growth.begin()
    assert other() is None
    assert one() is None
    assert growth.begin()() is not None
    del held
    release_free_memory()
    assert resident() < before + 32 * 2**20

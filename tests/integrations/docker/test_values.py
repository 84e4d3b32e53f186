"""No value becomes more than a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.integrations.docker.values import plain, public_address

MEANT_ELSEWHERE = set(" \t\r\n\\\"'`$#{}[]()<>|&;,=!*?~^%\0")


@given(
    st.text(max_size=40) | st.from_regex(r"[a-z]{1,5}[\s\S]{0,3}[A-Z]{3} [a-z]*", fullmatch=True)
)
def test_what_passes_means_only_itself(text: str) -> None:
    try:
        passed = plain("value", text)
    except UsageError:
        assert not text or MEANT_ELSEWHERE & set(text) or not text.isascii() or not text.isalnum()
    else:
        assert passed == text
        assert text
        assert not MEANT_ELSEWHERE & set(text)
        assert text.isascii()
        assert not text.startswith("-")


@pytest.mark.parametrize(
    "value",
    [
        "python:3.11-slim",
        "python:3.11-slim@sha256:0a",
        "localhost:5000/py_thon:3.12",
        "/opt/x",
        "3",
    ],
)
def test_what_is_needed_passes(value: str) -> None:
    assert plain("value", value) == value


@pytest.mark.parametrize(
    "value",
    ["x\nRUN id", 'x" evil="1', "$(id)", "${BASE}", "a\\", "x y", "-v", "", "x\n", "ü", "a" * 600],
)
def test_what_could_be_an_instruction_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"render\.unsafe_value"):
        plain("value", value)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("https://ana:secret@models/x", "render.secret_address"),
        ("https://models/x?X-Amz-Signature=1", "render.secret_address"),
        ("https://models/x#1", "render.secret_address"),
        ("s3://bucket/x", "render.address"),
        ("models/x", "render.address"),
        ("https://models/x\nUSER root", "render.unsafe_value"),
    ],
)
def test_an_address_in_an_image_is_no_secret(address: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        public_address("--fetch", address)
    assert caught.value.code == code
    assert "secret@" not in str(caught.value)


def test_a_public_address_passes() -> None:
    address = "https://models.internal/churn/3"
    assert public_address("--fetch", address) == address

"""Policies: what a part of a spec would be instead, to be compared with what it is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.errors import SpecError
from holdfast.spec.parse import make_spec, read_toml
from holdfast.spec.types import Spec

POLICY_TABLES = ("monitor", "gate", "release", "retrain")


def read_policy(file: Path) -> dict[str, Any]:
    """The tables of a policy: TOML with some of ``[monitor]``, ``[gate]``, ``[release]`` and
    ``[retrain]``, and in them only the keys that differ from the project's.

    Raises:
        SpecError: when the file is missing, malformed, or has other tables.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(
            "policy.missing", f"the policy {file} cannot be read: {error.strerror}",
            "Name a TOML file with [monitor], [gate], [release] or [retrain].",
        ) from None  # fmt: skip
    tables = read_toml(text, file)
    for name, table in tables.items():
        if name not in POLICY_TABLES or not isinstance(table, dict):
            near = difflib.get_close_matches(name, POLICY_TABLES, n=1)
            raise SpecError(
                "policy.not_policy",
                f"{file}: '{name}' is no table that a policy may have",
                f"Did you mean [{near[0]}]?" if near else
                f"A policy has {', '.join(f'[{table}]' for table in POLICY_TABLES)}.",
            )  # fmt: skip
    return tables


def overlaid(text: str, policy: Mapping[str, Any], file: Path) -> Spec:
    """A project's spec with what a policy says instead.

    Args:
        text: of the project's ``holdfast.toml``.
        policy: of :func:`read_policy`; empty for the project's own.
        file: the ``holdfast.toml``; named in errors, and its folder is the spec's root.

    Raises:
        SpecError: when the two together say something that cannot be meant.
    """
    raw = read_toml(text, file)
    changed = {name: {**raw.get(name, {}), **table} for name, table in policy.items()}
    return make_spec({**raw, **changed}, file)

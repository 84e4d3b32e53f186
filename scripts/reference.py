"""Writes docs/reference from the code: the spec from its types, errors and commands from theirs.

.venv/bin/python scripts/reference.py            writes the pages
.venv/bin/python scripts/reference.py --check    exit status 1 when one is out of date
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from error_codes import faults, kinds

from holdfast.cli.root import COMMANDS, root
from holdfast.serving.limits import Limits, format_size
from holdfast.spec import Fairness, Section, Spec, format_duration
from holdfast.spec.channels import COMMON, KINDS, SECRETS
from holdfast.statistics.metrics import metric_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "reference"
HINT = "<!-- Written by scripts/reference.py from the code; do not edit. -->"

SPEC_HEAD = f"""{HINT}

# `holdfast.toml`

One model, declared. Unknown keys are errors that name the nearest key that exists. Paths are
relative to the folder of the file. Durations are written like `20ms`, `6h`, `7d` or `1h 30m`; sizes
like `200MiB` or `4GiB`.
"""

ERRORS_HEAD = f"""{HINT}

# Errors

Every error has a stable code, a sentence that says what happened and where, and a fix. `…` stands
for what is filled in. With `--json` a command prints them on stderr as
`{{"error": {{"code", "message", "fix"}}}}`; the control API answers with the same object. The data
port answers in the shape of each contract and never repeats the input.

| kind | meaning | HTTP | exit status |
|---|---|---|---|"""

CLI_HEAD = f"""{HINT}

# Commands

Exit status 0 is success, 1 an error that has a code (see [errors](errors.md)), 2 wrong usage, 130
stopped by Ctrl-C. Some commands add a meaning of their own, said below. Errors go to stderr.
`holdfast COMMAND --help` shows the same as this page.

Every command takes `--help`. Most take these as well:

| option | meaning |
|---|---|"""


def spec_page() -> str:
    """Every key of ``holdfast.toml``: type, default, meaning."""
    lines = [SPEC_HEAD]
    for name, kind in typing.get_type_hints(Spec).items():
        listed = typing.get_args(kind)[:1] if typing.get_origin(kind) is tuple else ()
        if isinstance(kind, type) and issubclass(kind, Section):
            lines += _section(name, kind)
        elif listed and issubclass(listed[0], Section):
            lines += _section(name, listed[0], f"[[{name}]]")
            lines += _kinds()
    lines += _section("gate.fairness", Fairness, "gate.fairness")
    lines += ["## Metrics", "", "`gate.metric` is one of these scikit-learn scorer names.", ""]
    lines += ["| task | names |", "|---|---|"]
    for task in ("binary", "multiclass", "regression"):
        names = ", ".join(f"`{name}`" for name in metric_names(task))
        lines.append(f"| {task} | {names} |")
    return "\n".join(lines) + "\n"


def _kinds() -> Iterator[str]:
    """Which keys each kind of channel needs and takes."""
    yield "| kind | needs | takes |"
    yield "|---|---|---|"
    for kind, parts in KINDS.items():
        needs, takes = (", ".join(f"`{key}`" for key in keys) or "–" for keys in parts)
        yield f"| `{kind}` | {needs} | {takes} |"
    common = ", ".join(f"`{key}`" for key in COMMON[1:])
    secrets = ", ".join(f"`{key}`" for key in SECRETS)
    yield ""
    yield f"All take {common}. A text `$NAME` stands for the environment variable of that name."
    yield f"{secrets}, and `url` of Slack, must be written so: a secret in the file is refused."
    yield ""


def _section(name: str, kind: type[Section], head: str = "") -> Iterator[str]:
    yield f"## `{head or f'[{name}]'}`"
    yield ""
    yield (kind.__doc__ or "").partition(": ")[2].strip().capitalize()
    yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        meaning = next((m.description for m in _metas(hint) if m.description), "")
        default = "required" if field.required else _default(_default_of(field))
        yield f"| `{field.name}` | {_type(hint)} | {default} | {meaning} |"
    yield ""


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _default(value: Any) -> str:
    return "none" if value is None else f"`{_toml(value)}`"


def _metas(hint: Any) -> Iterator[msgspec.Meta]:
    if typing.get_origin(hint) is typing.Annotated:
        inner, *metas = typing.get_args(hint)
        yield from _metas(inner)
        yield from (meta for meta in metas if isinstance(meta, msgspec.Meta))


def _type(hint: Any) -> str:
    """A type in the words of a TOML file, with its bounds."""
    bounds = [
        f"{sign} {value:g}"
        for meta in _metas(hint)
        for sign, value in ((">", meta.gt), ("≥", meta.ge), ("<", meta.lt), ("≤", meta.le))
        if value is not None
    ]
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    word = _word(hint)
    return f"{word}, {', '.join(bounds)}" if bounds else word


def _word(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin is typing.Literal:
        return ", ".join(f"`{_toml(value)}`" for value in arguments)
    if origin is dict:
        return f"table of: {_type(arguments[1])}"
    if origin is tuple:
        return f"list of: {_type(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, Section):
        return "table"
    words = {str: "text", float: "number", int: "whole number", bool: "true or false"}
    return "duration" if hint is timedelta else words[hint]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def errors_page() -> str:
    """Every error: its code, its sentence, and what to do."""
    lines = [ERRORS_HEAD]
    for kind in kinds():
        meaning = (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")
        lines.append(f"| `{kind.__name__}` | {meaning} | {kind.http_status} | {kind.exit_status} |")
    lines += [
        "",
        "A `RequestError` may carry another HTTP status of its own, such as 413 or 415.",
        "",
    ]
    found = sorted(set(faults()))
    for part in sorted({fault.code.partition(".")[0] for fault in found}):
        lines += [f"## {part}", "", "| code | kind | message | fix |", "|---|---|---|---|"]
        own = [fault for fault in found if fault.code.partition(".")[0] == part]
        lines += [
            f"| `{one.code}` | {one.kind.removesuffix('Error')} | {one.message} | {one.fix} |"
            for one in own
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def cli_page() -> str:
    """Every command with its arguments and options."""
    lines = [
        CLI_HEAD,
        *(f"| `{option}` | {meaning} |" for option, meaning in SHARED.items()),
        "",
    ]
    context = click.Context(root, info_name="holdfast")
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        lines += _command(command, name, context)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            inner = command.get_command(context, part)
            assert inner is not None
            yield from _command(inner, part, context)
        return
    yield f"## `{context.command_path}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    yield ""
    records = [part.get_help_record(context) for part in command.get_params(context)]
    rows = [row for row in records if row and row[0] not in (*SHARED, "-h, --help", "--help")]
    if rows:
        yield "| option | meaning |"
        yield "|---|---|"
        for option, meaning in rows:
            plain = option[1:-1] if option.startswith("[") else option
            words = meaning
            if not meaning or meaning.startswith("[default"):
                words = f"{ARGUMENTS.get(plain, '')} {meaning}".strip()
            yield f"| `{option.replace('|', ' or ')}` | {words.replace('|', ' or ')} |"
        yield ""
    if command.epilog:
        yield " ".join(command.epilog.split()).replace("Example: ", "Example: `", 1) + "`"
        yield ""


def limits_page() -> str:
    """The page of all bounds on requests."""
    lines = [LIMITS_HEAD]
    for field in msgspec.structs.fields(Limits):
        (meta,) = _metas(field.type)
        unit = (meta.extra or {}).get("unit", "")
        default = format_size(field.default) if unit == "bytes" else f"{field.default:g} {unit}"
        lines.append(f"| `{field.name}` | {meta.description} | {default.strip()} |")
    return "\n".join(lines) + "\n"


ARGUMENTS = {
    "FOLDER": "Folder of the new project; the present one by default.",
    "VERSION": "Number of the version.",
    "DIR": "New folder for the files, or one that was rendered before.",
    "BUNDLE": "Folder of a bundle, its address, `models:/name@alias` or `models:/name/3`.",
    "FILE": "File with the labels; `-` for standard input.",
    "TIME": "ISO 8601; UTC unless it names a zone.",
    "--strategy [direct|shadow|canary]": "Instead of the strategy in `holdfast.toml`.",
    "--host TEXT": "Address to listen on; off loopback HOLDFAST_TOKEN is required.",
}

LIMITS_HEAD = f"""{HINT}

# Limits

What one caller, one request and all of them together may cost a server. Each is set with
`holdfast serve --limit NAME=VALUE`, which may be given several times, or with the variable
`HOLDFAST_LIMIT_NAME` (the name in capitals), which `holdfast up` hands on. Sizes are written like
`12MiB`.

| name | what | default |
|---|---|---|"""

SHARED = {
    "--project DIRECTORY": "Folder of holdfast.toml; the present one by default.",
    "--json": "Print one JSON document instead of text.",
    "-v, --verbose": "Say more, on stderr.",
}

GENERATED: dict[str, Callable[[], str]] = {
    "spec.md": spec_page,
    "errors.md": errors_page,
    "cli.md": cli_page,
    "limits.md": limits_page,
}


def main() -> int:
    """Writes the pages, or with ``--check`` says which are out of date."""
    stale = 0
    for name, make in GENERATED.items():
        page, text = PAGES / name, make()
        known = page.read_text(encoding="utf-8") if page.exists() else ""
        if known == text:
            continue
        if "--check" in sys.argv:
            print(f"{page.relative_to(ROOT)} is out of date: run scripts/reference.py")
            stale = 1
        else:
            page.write_text(text, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return stale


if __name__ == "__main__":
    sys.exit(main())

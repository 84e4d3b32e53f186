"""Channels: found by entry point, opened with the secrets of the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import msgspec

from holdfast.errors import DeliveryError, SpecError
from holdfast.ports.notifier import GROUP, MakeNotifier, Notifier
from holdfast.records import Notification
from holdfast.spec import Notify
from holdfast.spec.channels import SECRETS, variable_of

LONGEST_SAID = 300


def kinds() -> list[str]:
    """The kinds that are installed, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def check_kind(channel: Notify) -> None:
    """Makes sure that something installed can send to a channel.

    Raises:
        SpecError: when nothing can.
    """
    known = kinds()
    if channel.kind not in known:
        near = difflib.get_close_matches(channel.kind, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"Installed are: {', '.join(known)}."
        raise SpecError("notify.unknown_kind", f"no channel of kind '{channel.kind}'", fix)


def payload(channel: Notify, root: Path, notification: Notification) -> str:
    """What would be sent, with the names of variables in the place of their values."""
    return _open(_with_paths(channel, root)).payload(notification)


def send(
    channel: Notify,
    root: Path,
    notification: Notification,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Sends one notification, once.

    Args:
        channel: its table of ``holdfast.toml``.
        root: the project's folder.
        notification: what is told.
        environ: where secrets are; of this process by default.

    Returns:
        What came back, one line without secrets.

    Raises:
        DeliveryError: when it was not taken, or that is not known; whatever the notifier raised.
    """
    filled, secrets = _filled(
        _with_paths(channel, root), os.environ if environ is None else environ
    )
    try:
        return _line(_open(filled).send(notification), secrets)
    except DeliveryError as error:
        raise DeliveryError(
            error.code, _line(error.message, secrets), error.fix, error.retry_after
        ) from None
    except Exception as error:  # noqa: BLE001 - plug-ins fail in any way; their text may be secret
        said = _line(f"{type(error).__name__}: {error}", secrets)
        raise DeliveryError(
            "notify.fault",
            f"channel '{channel.channel}' failed: {said}",
            "This is a fault of the channel's code: report it.",
        ) from None


def unset(channel: Notify, environ: Mapping[str, str] | None = None) -> list[str]:
    """The variables that a channel names and that are not set."""
    env = os.environ if environ is None else environ
    named = [*_variables(channel).values(), *filter(None, map(variable_of, channel.to))]
    return [name for name in named if not env.get(name)]


def _open(channel: Notify) -> Notifier:
    check_kind(channel)
    (point, *_) = entry_points(group=GROUP, name=channel.kind)
    return cast("MakeNotifier", point.load())(channel)


def _variables(channel: Notify) -> dict[str, str]:
    """Key → the variable it names."""
    found = {}
    for key in channel.__struct_fields__:
        value = getattr(channel, key)
        name = variable_of(value) if isinstance(value, str) else None
        if name is not None:
            found[key] = name
    return found


def _filled(channel: Notify, env: Mapping[str, str]) -> tuple[Notify, list[str]]:
    """The channel with its variables' values, and those that are secret."""
    missing = unset(channel, env)
    if missing:
        raise DeliveryError(
            "notify.unset",
            f"channel '{channel.channel}' needs {', '.join(missing)}, which is not set",
            "Set it in the environment of the control plane, and of 'holdfast notify test'.",
        )
    values = {key: env[name].strip() for key, name in _variables(channel).items()}
    secrets = [value for key, value in values.items() if key in (*SECRETS, "url")]
    to = tuple(env[variable] if (variable := variable_of(one)) else one for one in channel.to)
    return msgspec.structs.replace(channel, **values, to=to), secrets


def _with_paths(channel: Notify, root: Path) -> Notify:
    if channel.ca is None or variable_of(channel.ca) is not None:
        return channel
    return msgspec.structs.replace(channel, ca=str(root / channel.ca))


def _line(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(text.split())[:LONGEST_SAID]

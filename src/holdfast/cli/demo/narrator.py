"""Tells the story in plain sentences and holds every stage to its word."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable
from typing import Any

import click


class DemoError(Exception):
    """A stage did not do what it must."""


class Narrator:
    """Prints what happens, with the seconds since the start, and keeps the numbers.

    Args:
        as_json: print the story on stderr and one JSON document of the numbers on stdout.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._start = time.monotonic()
        self._checks = 0
        self.numbers: dict[str, Any] = {}

    def stage(self, title: str) -> None:
        """Begins a stage."""
        self._line("")
        self._line(click.style(title, bold=True))

    def say(self, text: str) -> None:
        """One plain sentence."""
        seconds = f"{time.monotonic() - self._start:5.1f}s  "
        lines = textwrap.wrap(text, 92) or [""]
        self._line(click.style(seconds, dim=True) + lines[0])
        for line in lines[1:]:
            self._line(" " * len(seconds) + line)

    def must(self, held: bool, sentence: str, **numbers: Any) -> None:
        """Holds the product to a sentence; the demo fails when it is not true.

        Raises:
            DemoError: when it did not hold.
        """
        self.numbers.update(numbers)
        if not held:
            raise DemoError(f"did not hold: {sentence}")
        self._checks += 1
        self.say(f"{click.style('✓', fg='green')} {sentence}")

    def summary(self) -> None:
        """Ends the story."""
        seconds = time.monotonic() - self._start
        self.numbers["seconds"] = round(seconds, 1)
        self._line("")
        self._line(f"All {self._checks} checks held, in {seconds:.0f} seconds.")
        if self._as_json:
            import msgspec

            print(msgspec.json.format(msgspec.json.encode(self.numbers), indent=2).decode())

    def failed(self, why: str, logs: Iterable[str]) -> None:
        """Says what did not hold, with the ends of the logs."""
        for line in logs:
            print(line, file=sys.stderr)
        print(f"{click.style('FAILED', fg='red')} {why}", file=sys.stderr)

    def _line(self, text: str) -> None:
        click.echo(text, err=self._as_json)

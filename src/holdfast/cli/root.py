"""The root command: finds subcommands lazily and turns errors into sentences and exit statuses."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from holdfast.errors import HoldfastError, UsageError, UserCodeError

# Command to the module that has it and one line of help, so that --help imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("holdfast.cli.demo.command", "the whole loop on real flights, offline"),
    "init": ("holdfast.cli.project", "scaffold a project"),
    "check": ("holdfast.cli.project", "validate spec, data and code without training"),
    "train": ("holdfast.cli.train", "data version, run, evaluation, registered version"),
    "gate": ("holdfast.cli.train", "verdict on a version against the champion"),
    "card": ("holdfast.cli.train", "model card of a version, as HTML or Markdown"),
    "release": ("holdfast.cli.release", "take a version live, step by step"),
    "pause": ("holdfast.cli.release", "halt the loop of a model"),
    "resume": ("holdfast.cli.release", "let the loop of a model go on"),
    "rollback": ("holdfast.cli.release", "put an earlier version live at once"),
    "up": ("holdfast.cli.processes", "servers, recorder, control plane and dashboard, here"),
    "serve": ("holdfast.cli.processes", "the data plane alone"),
    "control": ("holdfast.cli.processes", "the control plane alone"),
    "render": ("holdfast.cli.render", "files for another product: an image, a compose file"),
    "build": ("holdfast.cli.build", "build a version's image with the local engine, and try it"),
    "labels": ("holdfast.cli.labels", "take in what turned out to be true"),
    "status": ("holdfast.cli.inspect", "what is live and how it does"),
    "versions": ("holdfast.cli.inspect", "every version with its lineage"),
    "history": ("holdfast.cli.inspect", "what happened, newest first"),
    "incidents": ("holdfast.cli.inspect", "what is wrong, and what was"),
    "report": ("holdfast.cli.report", "what happened in a window, as one HTML file"),
    "notify": ("holdfast.cli.notify", "who is told what, and whether it arrived"),
    "replay": ("holdfast.cli.replay", "the whole operation on history, on simulated time"),
    "live-at": ("holdfast.cli.inspect", "which version answered at a time"),
    "audit": ("holdfast.cli.inspect", "re-check the hash chain of every decision"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the loop."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


EPILOG = """\b
Two minutes from nothing:
  holdfast demo                    watch the whole loop on real data
  holdfast init my-model           start a project of your own
  cd my-model && holdfast train && holdfast gate && holdfast up
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast", prog_name="holdfast")
def root() -> None:
    """Takes a model to production, keeps it working, and knows when it stops."""


def run() -> None:
    """Runs the command line; every error is one sentence, a code, and the fix, on stderr."""
    as_json = "--json" in sys.argv
    verbose = bool({"-v", "--verbose"} & set(sys.argv))
    try:
        status = root.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        if as_json:
            show(UsageError("usage.command", error.format_message(), "See --help."), as_json)
        else:
            error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (such as head) went away; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 - a fault of ours must look like one
        if verbose:
            traceback.print_exception(error)
        known = error if isinstance(error, HoldfastError) else _fault(error)
        show(known, as_json)
        sys.exit(known.exit_status)
    sys.exit(status if isinstance(status, int) else 0)


def _fault(error: Exception) -> HoldfastError:
    return HoldfastError(
        "holdfast.fault",
        f"a fault of Holdfast itself: {type(error).__name__}: {error}",
        "Run it again with -v and report what it prints.",
    )


def show(error: HoldfastError, as_json: bool) -> None:
    """Prints an error for people, or as JSON."""
    if as_json:
        import msgspec

        print(msgspec.json.encode({"error": error.as_dict()}).decode(), file=sys.stderr)
        return
    if isinstance(error, UserCodeError) and error.traceback:
        print(f"--- your code ---\n{error.traceback.rstrip()}\n-----------------", file=sys.stderr)
    print(f"error: {error.message} ({error.code})", file=sys.stderr)
    if error.fix:
        print(f"  fix: {error.fix}", file=sys.stderr)

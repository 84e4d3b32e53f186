"""The boundary around user code: what goes wrong inside is theirs, and is shown as theirs."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.errors import UserCodeError

_NOT_THEIRS = (str(Path(__file__).parent), importlib.__file__, "<frozen importlib")


def find_callable(target: str, root: Path) -> Callable[..., Any]:
    """Imports ``module:callable``.

    Raises:
        UserCodeError: ``user.import_failed`` or ``user.no_such_callable``.
    """
    module_name, _, name = target.partition(":")
    module = _import(module_name, root)
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    if found is not None:
        what = f"'{name}' in {module_name} is not a callable but {type(found).__name__}"
        raise UserCodeError("user.no_such_callable", what, "Name a function in holdfast.toml.")
    known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
    near = difflib.get_close_matches(name, known, n=1)
    own = [key for key in known if getattr(vars(module)[key], "__module__", "") == module_name]
    fix = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(own) or 'none'}."
    raise UserCodeError("user.no_such_callable", f"{module_name} has no '{name}'", fix)


def guarded(target: str, call: Callable[[], Any]) -> Any:
    """Runs a piece of user code.

    Raises:
        UserCodeError: ``user.raised``, ``user.memory`` or ``user.exited`` with the user's
            traceback, without our frames.
    """
    try:
        return call()
    except UserCodeError:
        raise
    except SystemExit as error:
        raise UserCodeError(
            "user.exited",
            f"{target} called sys.exit({error.code!r})",
            "Return the result instead of leaving the process.",
            own_traceback(error),
        ) from error
    except MemoryError as error:
        raise UserCodeError(
            "user.memory",
            f"{target} ran out of memory",
            "Use fewer rows ([retrain] window) or a smaller model.",
            own_traceback(error),
        ) from error
    except BaseException as error:
        raise UserCodeError(
            "user.raised",
            f"{target} raised {type(error).__name__}: {_first_line(error)}",
            "Mend the code at the last line of the traceback.",
            own_traceback(error),
        ) from error


def own_traceback(error: BaseException) -> str:
    """The traceback from the first frame that is the user's."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    # When no frame is left (a syntax error, say), the error itself names the place.
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_ours(file: str) -> bool:
    return file.startswith(_NOT_THEIRS)


def _import(name: str, root: Path) -> Any:
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            near = difflib.get_close_matches(name, [path.stem for path in root.glob("*.py")], n=1)
            fix = f"Did you mean '{near[0]}'?" if near else "Check 'module:callable' and the file."
            raise UserCodeError(
                "user.import_failed", f"there is no module '{name}' in {root}", fix
            ) from None
        raise UserCodeError(
            "user.import_failed",
            f"{name} needs '{missing}', which is not installed",
            f"Install it in the environment of Holdfast ({sys.prefix}).",
            own_traceback(error),
        ) from error
    except SystemExit as error:
        raise UserCodeError(
            "user.exited",
            f"importing {name} called sys.exit({error.code!r})",
            'Put what a script does under: if __name__ == "__main__".',
            own_traceback(error),
        ) from error
    except BaseException as error:
        raise UserCodeError(
            "user.import_failed",
            f"importing {name} raised {type(error).__name__}: {_first_line(error)}",
            "Mend the code at the last line of the traceback.",
            own_traceback(error),
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else ""

"""Artefact: what loading the bundle would run."""

from __future__ import annotations

from holdfast.bundle.pickles import UNKNOWN
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.sentences import plural
from holdfast.records import Check

NAME = "artefact"

MODULES = frozenset(
    {
        "asyncio", "code", "codeop", "commands", "ctypes", "ftplib", "http", "imaplib", "imp",
        "importlib", "multiprocessing", "nt", "ntpath", "os", "pdb", "pip", "pkgutil", "platform",
        "posix", "posixpath", "pty", "pydoc", "requests", "runpy", "shutil", "signal", "smtplib",
        "socket", "socketserver", "ssl", "subprocess", "sys", "tempfile", "telnetlib", "threading",
        "timeit", "trace", "urllib", "urllib3", "httpx", "webbrowser", "xmlrpc", "zipimport",
    }
)  # fmt: skip
"""Modules no estimator has to import to be loaded; each can start programs, reach files or the net.

Of what pickles have been seen to abuse: picklescan's and fickling's lists, and Python's own docs.
"""

NAMES = frozenset(
    {
        "builtins.eval", "builtins.exec", "builtins.compile", "builtins.open",
        "builtins.__import__", "builtins.breakpoint", "builtins.input", "builtins.globals",
        "builtins.locals", "builtins.vars", "builtins.setattr", "builtins.delattr",
        "operator.attrgetter", "operator.methodcaller",
        "io.open", "io.FileIO", "codecs.open", "pathlib.Path.write_bytes", "logging.FileHandler",
        "pickle.loads", "pickle.load", "_pickle.loads", "_pickle.load", "marshal.loads",
        "types.CodeType", "types.FunctionType", "numpy.load", "numpy.fromfile", "numpy.save",
        "numpy.testing._private.utils.runstring", "joblib.load", "pandas.read_pickle",
        "pandas.io.pickle.read_pickle", "torch.load", "torch.hub.load",
    }
)  # fmt: skip
"""Names that run code, reach files, or are the usual way around a list such as this."""


def check_artefact(evidence: GateEvidence) -> Check | None:
    """Fails when loading the bundle's pickle would import something that a model never needs.

    The pickle is read opcode by opcode and never loaded. A list of what is bad can be evaded; that
    is why a server loads a pickle only when this installation sealed it. This check says when a
    training was given something that it should not have packed.

    Returns:
        The check, or None when the bundle was not looked at.
    """
    found = evidence.imports
    if found is None:
        return None
    bad = sorted(name for name in found if unsafe(name))
    if bad:
        said = f"loading this version would import {bad[0]}, which no model needs"
        if len(bad) > 1:
            said += f"; {plural(len(bad), 'such name')} in all"
        said += ": do not load it, and find out how it got there"
    elif found:
        said = f"loading it imports {plural(len(found), 'name')}, and none of them is unsafe"
        if any(name.startswith("cloudpickle.") for name in found):
            said += "; it carries functions or classes of the project itself"
    else:
        said = "nothing in it is a pickle, so loading it runs no code"
    return Check(
        name=NAME,
        outcome="fail" if bad else "pass",
        sentence=said,
        value=len(bad),
        low=len(bad),
        high=len(bad),
        threshold=0,
        detail=tuple(
            {"import": name, "outcome": "fail" if unsafe(name) else "pass"}
            for name in sorted(found, key=lambda name: (not unsafe(name), name))[:200]
        ),
    )


def unsafe(name: str) -> bool:
    """Whether a dotted name is on one of the lists.

    >>> unsafe("posix.system"), unsafe("sklearn.tree._tree.Tree"), unsafe("builtins.eval")
    (True, False, True)
    """
    return name == UNKNOWN or name.partition(".")[0] in MODULES or name in NAMES

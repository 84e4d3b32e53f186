"""The environment lock: which distributions a run used."""

from __future__ import annotations

import re
from importlib.metadata import distributions

_SEPARATORS = re.compile(r"[-_.]+")


def environment_lock() -> str:
    """One line ``name==version`` for each installed distribution, sorted; pip can read it back.

    Names are normalised as PyPI does (PEP 503). Of a distribution that is installed twice the
    first on ``sys.path`` counts, because that is the one Python imports.
    """
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name:  # a folder left over from an interrupted installation has none
            found.setdefault(_SEPARATORS.sub("-", name).lower(), distribution.version)
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found))

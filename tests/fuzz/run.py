"""Fuzzes one target: ``run.py TARGET SECONDS``; what it finds stays in the corpus as a file.

The corpus begins with ``seeds/TARGET`` and grows in a folder of its own. An input that breaks a
target is written to ``seeds/TARGET``, where the plain tests run it from then on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
LONGEST = 4096

with atheris.instrument_imports(include=["holdfast.serving", "holdfast.recording"]):
    sys.path.insert(0, str(HERE))
    from targets import TARGETS


def main() -> None:
    """Runs until the time is over or something breaks."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    seeds = HERE / "seeds" / name
    corpus = Path.cwd() / ".fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0], str(corpus), str(seeds), f"-max_total_time={seconds}", f"-max_len={LONGEST}",
        f"-artifact_prefix={seeds}/", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
        f"-dict={HERE / 'words.txt'}", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

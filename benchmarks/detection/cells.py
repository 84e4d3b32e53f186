"""Streams judged, each kept as soon as it is: a run that was ended goes on where it was."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
from options import cache

import holdfast
from detection import classical, ours, workers
from detection.judge import Track
from detection.scenarios import Scenario

HERE = Path(__file__).parent
PRODUCT = Path(holdfast.__file__).parent
OURS = ("monitoring", "statistics", "records")
SCRIPTS = {
    "river": "river_peer.py", "evidently": "evidently_peer.py", "nannyml": "nannyml_peer.py"
}  # fmt: skip

Tracks = dict[str, Track]


class Cell(NamedTuple):
    """One stream judged by one family of monitors.

    Args:
        scenario: whose stream.
        seed: which of its streams.
        family: ``holdfast``, ``scipy`` or a peer.
        knobs: at all settings, or at the default only.
        python: of the peer's environment.
        version: of the peer.
    """

    scenario: Scenario
    seed: int
    family: str
    knobs: bool = True
    python: Path | None = None
    version: str = ""

    def file(self) -> Path:
        """Where it is kept: another name for other streams, another version or other code."""
        parts = (repr(self.scenario), self.seed, self.family, self.knobs, self.version,
                 _code(self.family))  # fmt: skip
        name = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
        return cache() / "detection" / name[:2] / f"{name}.json"


class Done(NamedTuple):
    """A cell with what was found, or why nothing was."""

    cell: Cell
    tracks: Tracks
    error: str = ""


def judge(cells: Sequence[Cell], jobs: int, tell: Callable[[str], None]) -> list[Done]:
    """All cells, those that are not kept in ``jobs`` processes; in no order."""
    done, missing = [], {}
    for cell in cells:
        if cell.file().exists():
            done.append(Done(cell, _read(cell)))
        else:
            missing.setdefault((cell.scenario, cell.seed), []).append(cell)
    tell(f"{len(done)} of {len(cells)} judgements are kept from before")
    for number, found in enumerate(_spread(list(missing.values()), jobs), 1):
        done.extend(found)
        if number % 50 == 0:
            tell(f"{number} of {len(missing)} streams")
    return done


def _spread(groups: list[list[Cell]], jobs: int) -> Iterator[list[Done]]:
    if jobs <= 1 or len(groups) < 2:
        yield from map(_judge, groups)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_judge, group) for group in groups]):
            yield future.result()


def _judge(group: list[Cell]) -> list[Done]:
    """All families on one stream, which is drawn once."""
    stream = group[0].scenario.draw(group[0].seed)
    result = []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        arrays = Path(folder) / "stream.npz"
        for cell in group:
            try:
                if cell.python is None:
                    tracks = (ours if cell.family == "holdfast" else classical).watch(stream)
                else:
                    slow = cell.seed % 4 == 0 and cell.knobs
                    workers.write(stream, arrays, slow=slow, knobs=cell.knobs)
                    tracks = workers.watch(cell.python, SCRIPTS[cell.family], arrays)
            except workers.PeerError as error:
                result.append(Done(cell, {}, f"{cell.family}, {cell.scenario.name}: {error}"))
                continue
            _keep(cell, tracks)
            result.append(Done(cell, tracks))
    return result


def _keep(cell: Cell, tracks: Tracks) -> None:
    file = cell.file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as draft:
        draft.write(msgspec.json.encode(tracks))
    Path(draft.name).replace(file)


def _read(cell: Cell) -> Tracks:
    return msgspec.json.decode(cell.file().read_bytes(), type=Tracks)


@lru_cache
def _code(family: str) -> str:
    """Digest of the code that a judgement depends on."""
    files = [HERE / name for name in ("streams.py", "learned.py")]
    if family == "holdfast":
        files += [HERE / "ours.py", *(f for part in OURS for f in (PRODUCT / part).rglob("*.py"))]
    elif family == "scipy":
        files.append(HERE / "classical.py")
    else:
        files += [HERE / "peers" / name for name in (SCRIPTS[family], "answering.py")]
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(file.read_bytes())
    return whole.hexdigest()

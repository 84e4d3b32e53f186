"""The wheel is one: pip installs it, and what it installs is this Holdfast."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import holdfast
from holdfast.integrations.docker.wheel import own_wheel


def test_each_file_is_recorded_with_its_digest() -> None:
    name, data = own_wheel()
    archive = zipfile.ZipFile(io.BytesIO(data))
    info = f"{name.partition('-py3')[0]}.dist-info"
    lines = [line.rsplit(",", 2) for line in archive.read(f"{info}/RECORD").decode().splitlines()]
    recorded = {path: digest for path, digest, _ in lines}
    assert sorted(recorded) == sorted(archive.namelist())
    for path, digest in recorded.items():
        if digest:
            found = hashlib.sha256(archive.read(path)).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(found).rstrip(b"=").decode()
    assert not [path for path in recorded if "__pycache__" in path or path.startswith("/")]


def test_the_same_installation_gives_the_same_bytes() -> None:
    assert own_wheel.__wrapped__() == own_wheel()


def test_pip_installs_it_and_it_runs_as_the_original(tmp_path: Path) -> None:
    name, data = own_wheel()
    (tmp_path / name).write_bytes(data)
    target = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", str(tmp_path / name), str(target)], check=True
    )
    source = Path(holdfast.__file__).parent
    for file in ("serving/probe.py", "integrations/docker/locks/serve.txt", "loop/record.py"):
        assert (target / "holdfast" / file).read_bytes() == (source / file).read_bytes()
    code = (
        "import holdfast, importlib.metadata as m; "
        "print(holdfast.__file__, m.distribution('holdfast').entry_points)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(target)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(target) in done.stdout
    assert "holdfast.cli:main" in done.stdout

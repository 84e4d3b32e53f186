"""Other products, each in a virtual environment of its own in the user's cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from options import Options, cache
from processes import clean_environment

PACKAGES = {
    "dagster": ["dagster", "scikit-learn"],
    "prefect": ["prefect", "fastapi<0.140", "scikit-learn"],  # 3.8 fails on newer FastAPI
    "mlflow": ["mlflow", "scikit-learn", "pandas"],
    # mlserver 1.7 fails on newer uvloop
    "mlserver": [
        "mlserver",
        "mlserver-sklearn",
        "mlserver-mlflow",
        "uvloop<0.22",
        "scikit-learn",
        "pandas",
    ],
    "bentoml": ["bentoml", "scikit-learn", "pandas"],
    "litserve": ["torch==2.13.0", "litserve", "scikit-learn", "pandas"],
    "river": ["river", "scipy"],
    "ray": ["ray[serve]", "scikit-learn", "pandas"],
    "evidently": ["evidently", "pandas<3", "polars"],  # 0.7 fails on newer pandas
    # Neither says all that it needs; whylogs fails on newer numpy.
    "nannyml": ["nannyml", "statsmodels", "polars"],
    "whylogs": ["whylogs[viz]", "numpy<2", "pandas<3", "pyarrow<22", "scipy", "polars"],
}
LEFT_OUT = "Airflow and ZenML were left out: they install in many minutes and gigabytes."
INSTALL_SECONDS = 900.0


def environment(name: str, options: Options) -> tuple[Path | None, list[str]]:
    """The Python of a product's environment, made when asked for; or why there is none."""
    if not options.peers:
        return None, [f"{name} is measured with --peers only."]
    python = cache() / name / "bin" / "python"
    done = cache() / name / "installed"
    if done.exists():
        return python, [f"{name}: {done.read_text().strip()}"]
    print(f"    installing {name} in {cache() / name}")
    try:
        shutil.rmtree(cache() / name, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(cache() / name)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        ours = f"scikit-learn=={version_of('scikit-learn')}"  # it reads what ours has written
        wanted = [ours if one == "scikit-learn" else one for one in PACKAGES[name]]
        subprocess.run([*pip, "install", "--quiet", *wanted], check=True, timeout=INSTALL_SECONDS)
        out = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    except (subprocess.SubprocessError, OSError) as error:
        return None, [f"{name} was left out: it could not be installed ({error})"]
    pinned = out.splitlines()
    version = next((line for line in pinned if line.startswith(f"{name}==")), name)
    done.write_text(f"{version}, {len(pinned)} packages\n")
    return python, [f"{name}: {done.read_text().strip()}"]


def run(python: Path, script: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a script prints in such an environment.

    Raises:
        RuntimeError: when it fails.
    """
    done = subprocess.run(
        [str(python), str(script), *arguments], capture_output=True, text=True, check=False,
        env=clean_environment(**(env or {})), timeout=300,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script.name}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout

import subprocess
import sys

import pytest

import holdfast.store
from holdfast.store.store import Store as Original


def test_the_package_offers_the_store() -> None:
    assert holdfast.store.Store is Original
    with pytest.raises(AttributeError, match="Shop"):
        holdfast.store.Shop  # noqa: B018


def test_imports_stay_light() -> None:
    code = (
        "import sys, holdfast.store.blobs; assert 'sqlalchemy' not in sys.modules;"
        "import holdfast.store.store; heavy = {'alembic', 'polars', 'pandas', 'sklearn', 'mlflow'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

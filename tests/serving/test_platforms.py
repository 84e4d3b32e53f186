from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.serving.platforms import Platform, find_bundle, read_platform

VERTEX = {
    "AIP_HTTP_PORT": "8085",
    "AIP_HEALTH_ROUTE": "/alive",
    "AIP_PREDICT_ROUTE": "/answer",
    "AIP_STORAGE_URI": "gs://bucket/model",
    "AIP_ENDPOINT_ID": "12",
    "AIP_DEPLOYED_MODEL_ID": "34",
}


def test_no_platform_asks_for_nothing() -> None:
    assert read_platform({}) == Platform()
    # Variables of a notebook or of the SDK do not make a platform.
    assert read_platform({"SAGEMAKER_REGION": "eu", "AIP_MODEL_DIR": "/m"}) == Platform()


def test_sagemaker(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    plain = read_platform(environ)
    assert plain == Platform(
        name="sagemaker", host="0.0.0.0", port=8080, model=str(tmp_path / "model")
    )
    environ |= {
        "SAGEMAKER_BIND_TO_PORT": "8099",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
    }
    full = read_platform(environ)
    assert (full.port, full.workers, full.accept) == (8099, 3, "text/csv")
    assert read_platform({"SAGEMAKER_BIND_TO_PORT": "8099"}).model == "/opt/ml/model"


def test_vertex_says_its_routes_or_they_follow_from_the_ids() -> None:
    said = read_platform(VERTEX)
    assert said == Platform(
        name="vertex", host="0.0.0.0", port=8085, model="gs://bucket/model", health="/alive",
        predict="/answer",
    )  # fmt: skip
    unsaid = read_platform({**VERTEX, "AIP_HEALTH_ROUTE": "", "AIP_PREDICT_ROUTE": ""})
    assert unsaid.health == "/v1/endpoints/12/deployedModels/34"
    assert unsaid.predict == "/v1/endpoints/12/deployedModels/34:predict"
    bare = read_platform({"AIP_HTTP_PORT": "8080", "AIP_STORAGE_URI": ""})
    assert (bare.health, bare.predict, bare.model) == (None, None, None)
    assert read_platform({"AIP_HTTP_PORT": "0"}).port == 0  # any free one


def test_azure() -> None:
    found = read_platform({"AZUREML_MODEL_DIR": "/models/late/1", "WORKER_COUNT": "2"})
    assert found == Platform(
        name="azure", host="0.0.0.0", port=5001, workers=2, model="/models/late/1"
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"AIP_HTTP_PORT": "http"},
        {"SAGEMAKER_BIND_TO_PORT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "0"},
        {"AIP_HTTP_PORT": "65536"},
        {"AIP_HTTP_PORT": "²"},
        {"SAGEMAKER_BIND_TO_PORT": "-1"},
        {"AZUREML_MODEL_DIR": "/m", "WORKER_COUNT": "two"},
        {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": "alive"},
        {"AIP_PREDICT_ROUTE": "answer"},
    ],
)
def test_variables_that_cannot_be(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=list(environ)[-1]) as caught:
        read_platform(environ)
    assert caught.value.code == "serve.platform"


def test_the_bundle_is_found_at_the_place_or_below_it(tmp_path: Path) -> None:
    bundle = tmp_path / "model" / "1" / "late"
    bundle.mkdir(parents=True)
    with pytest.raises(UsageError, match="there is no bundle"):
        find_bundle(str(tmp_path))
    (bundle / "bundle.json").touch()
    for place in (tmp_path, tmp_path / "model", bundle):
        assert find_bundle(str(place)) == bundle
    other = tmp_path / "other"
    other.mkdir()
    (other / "bundle.json").touch()
    with pytest.raises(UsageError, match="2 bundles"):
        find_bundle(str(tmp_path))


def test_addresses_and_folders_that_are_not_here(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gs://no-such-bucket/late is not on this machine"):
        find_bundle("gs://no-such-bucket/late")
    with pytest.raises(UsageError, match="there is no bundle"):
        find_bundle(str(tmp_path / "gone"))

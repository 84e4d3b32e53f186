"""The compose file, read back as compose would read it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.errors import UsageError
from holdfast.integrations.docker.compose import TARGET, ComposeOptions
from holdfast.loop.rendering import write

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "stack"
    write(TARGET.render(None, ComposeOptions()), folder)
    return folder


@pytest.fixture(scope="module")
def services(stack: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((stack / "compose.yaml").read_text())
    for name, service in found["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith((".", "$")) or source in found["volumes"], (name, volume)
        assert set(service["networks"]) <= found["networks"].keys()
        assert set(service.get("depends_on", {})) <= found["services"].keys()
    return found["services"]


def test_it_has_every_part(services: dict[str, Any]) -> None:
    assert services.keys() == {"serve", "record", "control", "postgres", "prometheus"}


def test_the_targets_are_stages_of_the_image(stack: Path, services: dict[str, Any]) -> None:
    text = (stack / "image" / "Dockerfile").read_text()
    for name in ("serve", "record", "control"):
        build = services[name]["build"]
        assert (stack / build["context"] / "Dockerfile").exists()
        assert f" AS {build['target']}\n" in text
        assert (stack / "image" / f"{name}.txt").exists()


def test_our_containers_have_few_rights_and_one_home(services: dict[str, Any]) -> None:
    for name in ("serve", "record", "control"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "home:/var/lib/holdfast" in service["volumes"]


def test_nothing_is_published_off_loopback(services: dict[str, Any]) -> None:
    published = {
        name: port for name, service in services.items() for port in service.get("ports", [])
    }
    assert published.keys() == {"serve", "control", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_secrets_come_from_the_environment(stack: Path) -> None:
    text = (stack / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == {"HOLDFAST_TOKEN", "POSTGRES_PASSWORD", "HOLDFAST_PROJECT"}
    example = (stack / "env.example").read_text()
    assert {line[:-1] for line in example.splitlines() if line.endswith("=")} == required


def test_images_can_be_chosen_and_add_nothing_else() -> None:
    chosen = ComposeOptions(postgres="registry.internal/postgres:17.2", prometheus="prom:1")
    text = str(TARGET.render(None, chosen).files["compose.yaml"])
    assert yaml.safe_load(text)["services"]["postgres"]["image"] == chosen.postgres
    for evil in ("x\n    privileged: true", "x # y", "{a: b}"):
        with pytest.raises(UsageError, match=r"render\.unsafe_value"):
            TARGET.render(None, ComposeOptions(postgres=evil))


def test_the_rules_name_metrics_that_the_server_has(stack: Path) -> None:
    from holdfast.serving.metrics import Metrics

    rules = yaml.safe_load((stack / "prometheus" / "rules.yml").read_text())
    named = {
        metric
        for group in rules["groups"]
        for rule in group["rules"]
        for metric in re.findall(r"holdfast_\w+", rule["expr"])
    }
    families = {family.name: family.type for family in Metrics().registry.collect()}
    endings = {"counter": ["_total"], "histogram": ["_bucket"], "gauge": [""]}
    known = {name + end for name, kind in families.items() for end in endings.get(kind, [])}
    assert named
    assert named <= known


@pytest.mark.docker
def test_promtool_accepts_scrape_config_and_rules(stack: Path) -> None:
    folder = stack / "prometheus"
    for arguments in (["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"]):
        done = subprocess.run(
            ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docker
def test_the_rules_alert_when_they_must(stack: Path, tmp_path: Path) -> None:
    cases = (HERE / "rules_test.yml").read_text()
    (tmp_path / "rules_test.yml").write_text(cases)
    (tmp_path / "rules.yml").write_text((stack / "prometheus" / "rules.yml").read_text())
    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

"""What a build is lent of this machine's pip."""

from __future__ import annotations

from pathlib import Path

from holdfast.integrations.docker.pip_settings import CERTIFICATE, pip_files, pip_settings


def test_the_environment_wins_over_files_and_disks_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text(
        "[global]\nindex-url = https://a/simple\ntimeout = 7\n"
        "extra-index-url =\n  file:///opt/x\n  https://b/simple\n[install]\ntrusted-host = b\n"
    )
    text, certificate = pip_settings({"PIP_INDEX_URL": "https://ana:word@c/simple"}, [file])
    assert certificate is None
    lines = text.splitlines()
    assert lines[0] == "[global]"
    assert "index-url = https://ana:word@c/simple" in lines
    assert "extra-index-url = https://b/simple" in lines
    assert "trusted-host = b" in lines
    assert "timeout = 7" in lines


def test_certificates_are_lent_too(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    text, certificate = pip_settings({"PIP_CERT": str(ca)}, [])
    assert certificate == ca
    assert f"cert = {CERTIFICATE}" in text


def test_a_certificate_that_is_not_there_is_not_named(tmp_path: Path) -> None:
    text, certificate = pip_settings({"PIP_CERT": str(tmp_path / "none")}, [])
    assert certificate is None
    assert "cert" not in text


def test_pip_own_files_are_found(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/named.conf"}
    found = pip_files(env)
    assert found[0] == Path("/etc/pip.conf")
    assert tmp_path / ".config" / "pip" / "pip.conf" in found
    assert found[-1] == Path("/named.conf")


def test_without_settings_there_is_nothing_to_lend() -> None:
    assert pip_settings({}, []) == ("", None)

"""The rendered image: its structure, its lineage, and what cannot be put into it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.integrations.docker.image import TARGET, ImageOptions, image_lock
from holdfast.integrations.docker.values import plain
from holdfast.ports.rendering import Subject

INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip


def text_of(subject: Subject, **options: object) -> str:
    content = TARGET.render(subject, ImageOptions(**options)).files["Dockerfile"]  # type: ignore[arg-type]
    assert isinstance(content, str)
    return content


def instructions(text: str) -> list[str]:
    """The instructions, each on one line, as Docker joins them."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()


def words(text: str) -> list[str]:
    return [line.split()[0] for line in instructions(text)]


GOLDEN = """ARG
FROM USER WORKDIR RUN COPY RUN COPY RUN USER
FROM USER WORKDIR RUN COPY RUN COPY RUN USER
FROM USER ARG LABEL ENV RUN COPY COPY WORKDIR VOLUME USER STOPSIGNAL HEALTHCHECK ENTRYPOINT
FROM USER ARG LABEL ENV RUN COPY COPY WORKDIR VOLUME USER EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT
CMD""".split()  # noqa: SIM905


def test_its_structure(subject: Subject) -> None:
    text = text_of(subject)
    assert words(text) == GOLDEN
    lines = instructions(text)
    assert lines[-2:] == ['ENTRYPOINT ["/opt/holdfast/bin/holdfast"]', 'CMD ["serve"]']
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM ${BASE} AS record-packages", "FROM ${BASE} AS serve-packages",
        "FROM ${BASE} AS record", "FROM ${BASE} AS serve",
    ]  # fmt: skip
    for line in lines:
        if line.startswith(("RUN", "ENTRYPOINT", "CMD")):  # exec form: no shell reads them
            assert isinstance(json.loads(line[line.index("[") :]), list)


def test_the_last_user_is_not_root(subject: Subject) -> None:
    users = [line for line in instructions(text_of(subject)) if line.startswith("USER")]
    assert users[-1] == "USER 10001:10001"
    assert users[-3] == "USER 10001:10001"  # of the recorder


def test_labels_lead_back_to_run_code_and_data(subject: Subject) -> None:
    version = subject.version
    assert version is not None
    text = text_of(subject)
    for name, value in {
        "io.holdfast.model": "tiny",
        "io.holdfast.version": "1",
        "io.holdfast.run": version.run,
        "io.holdfast.dataset": version.dataset,
        "io.holdfast.bundle": version.bundle,
        "io.holdfast.code": version.code.digest,
    }.items():
        assert text.count(f'{name}="{value}"') == 2  # server and recorder


def test_a_commit_is_the_revision(subject: Subject) -> None:
    assert subject.version is not None
    code = msgspec.structs.replace(subject.version.code, commit="a" * 40, dirty=True)
    version = msgspec.structs.replace(subject.version, code=code, parent=7)
    text = text_of(replace(subject, version=version))
    assert f'org.opencontainers.image.revision="{"a" * 40}"' in text
    assert 'io.holdfast.dirty="true"' in text
    assert 'io.holdfast.parent="7"' in text


def test_without_a_version_the_bundle_is_enough(subject: Subject) -> None:
    text = text_of(replace(subject, version=None))
    assert "HOLDFAST_SERVE_VERSION" not in text
    assert f"HOLDFAST_SERVE_DIGEST={subject.digest}" in text


def test_the_context_holds_what_is_listed_and_no_more(subject: Subject) -> None:
    files = TARGET.render(subject, ImageOptions()).files
    ignore = files[".dockerignore"]
    assert isinstance(ignore, str)
    assert ignore.splitlines()[0] == "*"
    allowed = {line[1:] for line in ignore.splitlines()[1:]}
    copied = {
        source
        for line in instructions(text_of(subject))
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == allowed == files.keys() - {"Dockerfile", ".dockerignore"}


def test_the_same_version_gives_the_same_files(subject: Subject) -> None:
    assert TARGET.render(subject, ImageOptions()) == TARGET.render(subject, ImageOptions())


def test_a_bundle_may_be_fetched_at_start(subject: Subject) -> None:
    rendering = TARGET.render(subject, ImageOptions(fetch="https://models.internal/tiny/1"))
    assert "bundle" not in rendering.files
    text = str(rendering.files["Dockerfile"])
    assert "COPY bundle" not in text
    assert "HOLDFAST_SERVE_BUNDLE=https://models.internal/tiny/1" in text
    assert f"HOLDFAST_SERVE_DIGEST={subject.digest}" in text


def test_callers_are_asked_for_a_token_unless_told_otherwise(subject: Subject) -> None:
    assert "ANONYMOUS" not in text_of(subject)
    assert "HOLDFAST_ANONYMOUS=1" in text_of(subject, anonymous=True)


def test_packages_are_locked_with_hashes() -> None:
    for name in ("serve", "record", "control"):
        requirements = re.sub(r"\\\n", "", image_lock(name)).splitlines()
        assert requirements
        for line in requirements:
            assert re.match(r"[a-z0-9.-]+(\[\w+\])?==[\w.+]+ ", line), line
            assert "--hash=sha256:" in line
    for heavy in ("pandas", "polars", "scikit-learn", "mlflow"):
        assert f"{heavy}==" not in image_lock("serve")


def test_a_native_model_gets_the_environment_of_its_training(native: Subject) -> None:
    files = TARGET.render(native, ImageOptions()).files
    lock, text = str(files["environment.txt"]), str(files["Dockerfile"])
    assert "hashes were not recorded" in lock
    wanted = {line for line in native.lock.splitlines() if not line.startswith("holdfast==")}
    assert set(lock.splitlines()[1:]) == wanted
    assert "--require-hashes" not in text
    assert "HOLDFAST_ALLOW_PICKLE=1" in text
    assert text.count("-packages\n") == 1  # one environment serves and records


def test_a_foreign_pickle_is_not_rendered_unasked(native: Subject) -> None:
    with pytest.raises(UsageError, match=r"render\.pickle"):
        TARGET.render(replace(native, trusted=False), ImageOptions())


@pytest.mark.parametrize(
    "line", ["--index-url https://evil", "evil @ https://evil/x.whl", "-e .", "a", "a==1 ; x"]
)
def test_a_lock_names_versions_and_nothing_else(native: Subject, line: str) -> None:
    with pytest.raises(UsageError):
        TARGET.render(replace(native, lock=f"numpy==2\n{line}\n"), ImageOptions())


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["x\nRUN id", 'x"\nRUN id\nLABEL a="', "x\\\nRUN id", "$(id)", "x' RUN id"]),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(where=st.sampled_from(["model", "run", "dataset", "commit", "base", "fetch"]), evil=HOSTILE)
def test_nothing_in_a_bundle_or_an_option_adds_an_instruction(
    subject: Subject, where: str, evil: str
) -> None:
    options, manifest, version = {}, subject.manifest, subject.version
    assert version is not None
    if where in ("base", "fetch"):
        options[where] = evil
    elif where == "commit":
        code = msgspec.structs.replace(version.code, commit=evil)
        version = msgspec.structs.replace(version, code=code)
    else:
        manifest = msgspec.structs.replace(manifest, **{where: evil})
    hostile = replace(subject, manifest=manifest, version=version)
    try:
        text = text_of(hostile, **options)
    except UsageError:
        return
    assert set(words(text)) <= INSTRUCTIONS
    assert [word for word in words(text) if word == "RUN"] == ["RUN"] * GOLDEN.count("RUN")
    assert not evil or plain("value", evil) == evil


def test_a_rendered_folder_has_no_secret(subject: Subject, shared: object, tmp_path: Path) -> None:
    from holdfast.loop.rendering import write

    key = (shared.home / "key").read_bytes()  # type: ignore[attr-defined]
    write(TARGET.render(subject, ImageOptions()), tmp_path / "image")
    for file in (tmp_path / "image").rglob("*"):
        if file.is_file():
            assert key not in file.read_bytes()
            assert key.hex().encode() not in file.read_bytes()

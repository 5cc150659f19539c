"""Damaged or foreign states in both JitRL engines: one sentence, and nothing changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.mvp import JitRLMVPEngine
from engines.jitrl.settings import JitRLFullSettings, PassageSettings
from engines.protocol import CheckpointError, Document
from tests.engines.learning import AVIARY, HARBOUR, learn, tiny_host

FULL = JitRLFullSettings(
    passages=PassageSettings(chunk_tokens=48, overlap_tokens=12), window=64, window_overlap=32
)
# As many tokens and chunks as HARBOUR, so that nothing but its content is another.
TWIN = Document.from_text(HARBOUR.text.replace("1742", "1743"), "Twin")
CUTS = {"empty": 0, "length": 4, "header": 60, "middle": 0.5, "end": -1}


@pytest.fixture(scope="module")
def host():
    return tiny_host()


@pytest.fixture(params=["mvp", "full"])
def engine(request, host, tmp_path):
    """Has learned one document, and others are in the checkpoint that ``saved`` gives."""
    return made(request.param, host, tmp_path / "own")


def made(kind, host, folder, *documents):
    engine = JitRLMVPEngine(host) if kind == "mvp" else JitRLFullEngine(host, FULL, folder=folder)
    for document in documents or [AVIARY]:
        learn(engine, document)
    return engine


@pytest.fixture
def saved(engine, tmp_path):
    """A checkpoint of two documents, each file a copy that may be damaged."""
    kind = engine.name.removeprefix("jitrl-")
    made(kind, engine.host, tmp_path / "other", HARBOUR, TWIN).save(tmp_path / "linked")
    shutil.copytree(tmp_path / "linked", tmp_path / "saved")
    return tmp_path / "saved"


def manifest_of(folder: Path):
    return json.loads((folder / "manifest.json").read_text())


def write_manifest(folder: Path, manifest) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))


def state(engine, tmp_path):
    files = sorted(path.name for path in (tmp_path / "own").rglob("*"))
    return engine.documents, engine.retrieve("Who keeps the parrots?"), files


def assert_refused(engine, folder, tmp_path):
    before = state(engine, tmp_path)
    with pytest.raises(CheckpointError) as refused:
        engine.load(folder)
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence and "saved" in sentence
    assert state(engine, tmp_path) == before


def test_the_same_weights_with_other_tokens_are_refused(engine, saved, tmp_path):
    manifest = manifest_of(saved)
    write_manifest(saved, manifest | {"tokenizer": "0" * 16})
    assert_refused(engine, saved, tmp_path)
    with pytest.raises(CheckpointError, match="another tokenizer"):
        engine.load(saved)


def test_what_is_whole_is_loaded(engine, saved):
    engine.load(saved)
    assert [report.id for report in engine.documents] == [HARBOUR.id, TWIN.id]


@pytest.mark.parametrize("place", CUTS.values(), ids=CUTS.keys())
def test_a_file_cut_short_is_refused(engine, saved, tmp_path, place):
    for part in manifest_of(saved)["parts"].values():
        path = saved / part["file"]
        content = path.read_bytes()
        path.write_bytes(content[: place if isinstance(place, int) else len(content) // 2])
        assert_refused(engine, saved, tmp_path)
        path.write_bytes(content)
    engine.load(saved)


def test_a_changed_byte_is_refused(engine, saved, tmp_path):
    for part in manifest_of(saved)["parts"].values():
        path = saved / part["file"]
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert_refused(engine, saved, tmp_path)
        path.write_bytes(content)


def test_a_file_that_is_gone_or_named_but_not_there_is_refused(engine, saved, tmp_path):
    manifest = manifest_of(saved)
    for name, part in manifest["parts"].items():
        (saved / part["file"]).rename(saved / "elsewhere")
        assert_refused(engine, saved, tmp_path)
        (saved / "elsewhere").rename(saved / part["file"])
        other = {**part, "file": part["file"].replace("-", "-0", 1)}
        write_manifest(saved, manifest | {"parts": manifest["parts"] | {name: other}})
        assert_refused(engine, saved, tmp_path)
        write_manifest(saved, manifest)


def test_a_part_that_the_manifest_lacks_is_refused(engine, saved, tmp_path):
    manifest = manifest_of(saved)
    for name in manifest["parts"]:
        parts = {other: part for other, part in manifest["parts"].items() if other != name}
        write_manifest(saved, manifest | {"parts": parts})
        assert_refused(engine, saved, tmp_path)


def test_the_file_of_another_document_is_refused(engine, saved, tmp_path):
    manifest = manifest_of(saved)
    parts = manifest["parts"]
    for first in [name for name in parts if name.startswith(HARBOUR.id)]:
        second = first.replace(HARBOUR.id, TWIN.id)
        swapped = parts | {first: parts[second], second: parts[first]}
        write_manifest(saved, manifest | {"parts": swapped})
        assert_refused(engine, saved, tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "something else"}'])
def test_a_manifest_that_is_none_is_refused(engine, saved, tmp_path, text):
    (saved / "manifest.json").write_text(text)
    assert_refused(engine, saved, tmp_path)


def test_the_state_of_another_model_or_engine_is_refused(engine, saved, tmp_path):
    kind = engine.name.removeprefix("jitrl-")
    stranger = made(kind, tiny_host(seed=1), tmp_path / "own")
    assert_refused(stranger, saved, tmp_path)
    other = made("full" if kind == "mvp" else "mvp", engine.host, tmp_path / "own")
    assert_refused(other, saved, tmp_path)


def test_a_folder_without_a_checkpoint_is_named(engine, tmp_path):
    assert_refused(engine, tmp_path / "never saved", tmp_path)

"""Saved states are listed, compared, renamed and deleted without a model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from engines import catalogue, checkpoints
from engines.locks import locked
from engines.protocol import CheckpointError, EngineError


def document(number: int, **values: object) -> dict[str, object]:
    row = {
        "id": f"{number:012x}",
        "title": f"Document {number}",
        "tokens": 100 * number,
        "loss_before": 3.2,
        "loss_after": 1.25,
        "held_out_loss_before": 3.0,
        "held_out_loss_after": 3.03,
        "objective": "next_token",
        "learned_at": "2025-01-01T00:00:00+00:00",
        "muted": False,
    }
    return row | values


def save(root: Path, name: str, *numbers: int, **values: object) -> Path:
    manifest = {
        "engine": "ttt",
        "model": "tiny",
        "fingerprint": "f",
        "alpha": 0.5,
        "saved_at": "2025-01-01T00:00:00+00:00",
        "settings": {"seed": 0, "retention": 1.0},
        "documents": [document(number) for number in numbers],
    }
    parts = {f"{n:012x}": {"values": torch.full((50 * n,), float(n))} for n in numbers}
    checkpoints.write(root / name, manifest | values, parts)
    return root / name


def manifest_changed(folder: Path, **values: object) -> None:
    path = folder / checkpoints.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_nothing_saved_is_an_empty_list(tmp_path):
    assert catalogue.listing(tmp_path / "none") == []
    (tmp_path / "README.md").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    assert catalogue.listing(tmp_path) == []


def test_the_newest_comes_first_with_its_figures(tmp_path):
    save(tmp_path, "old", 1)
    folder = save(tmp_path, "new", 1, 2, saved_at="2025-02-01T00:00:00+00:00")
    new, old = catalogue.listing(tmp_path)
    assert (new.name, old.name) == ("new", "old")
    assert (new.engine, new.model, new.documents, new.alpha) == ("ttt", "tiny", 2, 0.5)
    assert new.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert new.fault is old.fault is None


def test_a_broken_one_never_hides_the_others(tmp_path):
    save(tmp_path, "good", 1)
    (save(tmp_path, "torn", 1) / "manifest.json").write_text("{")
    manifest_changed(save(tmp_path, "newer", 1), version=3)
    manifest_changed(save(tmp_path, "first", 1), version=1)
    manifest_changed(save(tmp_path, "rows", 1), documents="none")
    next(save(tmp_path, "lacking", 1).glob("*.safetensors")).unlink()
    (save(tmp_path, "cut", 1) / "manifest.json").unlink()
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "manifest.json").write_text("[]")
    good, *others = catalogue.listing(tmp_path)
    assert (good.name, good.fault) == ("good", None)
    faults = {saved.name: saved.fault for saved in others}
    told = {
        "torn": "damaged manifest",
        "newer": "update it",
        "first": "older form",
        "rows": "is damaged",
        "lacking": "damaged in its part '000000000001'",
        "cut": "cut short: clear it away",
        "web": "not written by cl-workbench",
    }
    assert faults.keys() == told.keys()
    for name, words in told.items():
        assert words in faults[name]
        assert "\n" not in faults[name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told_of(tmp_path):
    folder = save(tmp_path, "shut", 1)
    folder.chmod(0)
    (saved,) = catalogue.listing(tmp_path)
    folder.chmod(0o700)
    assert "may not be read" in saved.fault


def test_details_give_each_document_its_size_on_disk(tmp_path):
    folder = save(tmp_path, "a", 1, 2)
    manifest_changed(folder, documents=[document(1), document(2, muted=True, loss_after="low")])
    found = catalogue.details(folder)
    first, second = found.documents
    sizes = {part.name: part.bytes for part in found.parts}
    assert (first.bytes, second.bytes) == (sizes[first.id], sizes[second.id])
    assert (first.loss_after, second.loss_after) == (1.25, None)
    assert (first.muted, second.muted) == (False, True)
    assert found.settings == {"seed": 0, "retention": 1.0}


def test_verifying_finds_a_flipped_bit(tmp_path):
    folder = save(tmp_path, "a", 1)
    (file,) = folder.glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert catalogue.details(folder).saved.fault is None
    assert "damaged in its part" in catalogue.details(folder, verify=True).saved.fault


def test_two_are_compared_by_documents_and_settings(tmp_path):
    a = save(tmp_path, "a", 1, 2)
    b = save(tmp_path, "b", 2, 3, settings={"seed": 1, "retention": 1.0}, alpha=0.75)
    found = catalogue.compare(a, b)
    assert [one.title for one in found.only_a] == ["Document 1"]
    assert [(x.id, y.id) for x, y in found.both] == [(f"{2:012x}", f"{2:012x}")]
    assert [one.title for one in found.only_b] == ["Document 3"]
    assert found.settings == (("seed", 0, 1),)
    assert (found.a.alpha, found.b.alpha, found.same_model) == (0.5, 0.75, True)
    other = save(tmp_path, "other", 1, fingerprint="g", model="big")
    assert not catalogue.compare(a, other).same_model


def test_a_damaged_one_is_not_compared(tmp_path):
    a = save(tmp_path, "a", 1)
    with pytest.raises(CheckpointError, match="no checkpoint 'b'"):
        catalogue.compare(a, tmp_path / "b")


def test_renaming_moves_all_of_it(tmp_path):
    save(tmp_path, "a", 1)
    catalogue.rename(tmp_path, "a", "b")
    (saved,) = catalogue.listing(tmp_path)
    assert (saved.name, saved.fault) == ("b", None)


def test_renaming_never_overwrites_or_leaves_the_folder(tmp_path):
    save(tmp_path, "a", 1)
    save(tmp_path, "b", 2)
    (tmp_path / "empty").mkdir()
    for taken in ("b", "empty", "a"):
        with pytest.raises(CheckpointError, match="choose another name"):
            catalogue.rename(tmp_path, "a", taken)
    with pytest.raises(EngineError, match="can't be a checkpoint name"):
        catalogue.rename(tmp_path, "a", "../up")
    with pytest.raises(CheckpointError, match="no checkpoint 'c'"):
        catalogue.rename(tmp_path, "c", "d")
    assert {saved.name for saved in catalogue.listing(tmp_path)} == {"a", "b"}


def test_deleting_frees_what_it_says_and_leaves_no_folder(tmp_path):
    folder = save(tmp_path, "a", 1, 2)
    size = catalogue.listing(tmp_path)[0].bytes
    assert catalogue.delete(folder) == catalogue.Deleted(size)
    assert not folder.exists()


def test_deleting_keeps_files_that_are_not_ours(tmp_path):
    folder = save(tmp_path, "a", 1)
    (folder / "notes.txt").write_text("mine")
    (folder / "manifest.json.d").mkdir()
    assert catalogue.delete(folder).left == ("manifest.json.d", "notes.txt")
    assert (folder / "notes.txt").read_text() == "mine"


def test_what_is_not_ours_is_not_deleted(tmp_path):
    web = tmp_path / "web"
    web.mkdir()
    (web / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    (tmp_path / "notes" / "manifest.json").write_text("{")
    for folder in (web, tmp_path / "notes", tmp_path):
        with pytest.raises(CheckpointError, match="not written by cl-workbench"):
            catalogue.delete(folder)
    assert (web / "manifest.json").exists()
    assert (tmp_path / "notes" / "notes.txt").exists()


def test_power_lost_while_deleting_leaves_it_whole_or_to_be_cleared_away(tmp_path):
    faults = []
    for calls in range(6):
        folder = save(tmp_path, f"a{calls}", 1, 2)
        with pytest.MonkeyPatch.context() as patch:
            left = [calls]
            real = os.unlink

            def unlink(path, *, left=left, real=real, **options):
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(5, "Input/output error")
                real(path, **options)

            patch.setattr(os, "unlink", unlink)
            try:
                catalogue.delete(folder)
            except CheckpointError:
                faults.append(catalogue.details(folder).saved.fault)
        if folder.exists():
            catalogue.delete(folder)
        assert not folder.exists()
    assert faults[0] is None
    assert len(faults) == 3
    assert all("cut short" in fault for fault in faults[1:])


def test_a_folder_that_can_not_be_looked_into_is_one_sentence(tmp_path, monkeypatch):
    (save(tmp_path, "a", 1) / "manifest.json").unlink()

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CheckpointError, match=r"can't be looked into \(Permission denied\)"):
        catalogue.delete(tmp_path / "a")
    with pytest.raises(CheckpointError, match="can't be looked into"):
        catalogue.rename(tmp_path, "a", "b")


def test_what_is_being_saved_is_not_called_cut_short(tmp_path):
    folder = save(tmp_path, "a", 1)
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    with locked(folder):
        (saved,) = catalogue.listing(tmp_path)
        assert saved.fault == "'a' is being written now: look again when that is done."
        (folder / "manifest.json").write_bytes(manifest)
        (saved,) = catalogue.listing(tmp_path)
        assert (saved.fault, saved.documents) == (None, 1)  # what was saved before still counts
    (folder / "manifest.json").unlink()
    assert "cut short" in catalogue.details(folder).saved.fault


def test_a_number_beyond_all_measure_hides_no_checkpoint(tmp_path):
    save(tmp_path, "good", 1)
    folder = save(tmp_path, "odd", 1)
    manifest_changed(folder, alpha=10**400, documents=[document(1, tokens=10**400)])
    assert {saved.name for saved in catalogue.listing(tmp_path)} == {"good", "odd"}
    found = catalogue.details(folder)
    assert (found.saved.alpha, found.documents[0].tokens) == (None, None)


def test_a_link_is_not_deleted_nor_what_it_leads_to(tmp_path):
    folder = save(tmp_path, "a", 1)
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(CheckpointError, match="is a symbolic link and stays as it is"):
        catalogue.delete(link)
    assert link.is_symlink()
    assert catalogue.details(folder).saved.fault is None

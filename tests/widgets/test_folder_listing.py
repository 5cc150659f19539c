from __future__ import annotations

from pathlib import Path

import pytest

from widgets.folder_listing import find_files, leads_back, list_folder

SUFFIXES = frozenset({".txt", ".md"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.md", "C.TXT", "picture.png", ".hidden.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "sub" / "deep" / "harbour.txt").write_text("x")
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_folders_come_first_and_only_what_can_be_read_is_listed(folder: Path) -> None:
    listing = list_folder(folder, SUFFIXES)
    assert [entry.path.name for entry in listing.entries] == ["sub", "a.md", "b.txt", "C.TXT"]
    assert listing.entries[0].is_folder


def test_a_big_folder_is_cut_and_says_by_how_much(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("x")
    listing = list_folder(tmp_path, SUFFIXES, limit=10)
    assert len(listing.entries) == 10
    assert listing.left_out == 20


def test_a_folder_that_is_gone_gives_a_reason(tmp_path: Path) -> None:
    listing = list_folder(tmp_path / "gone", SUFFIXES)
    assert listing.entries == ()
    assert listing.reason


def test_a_filter_finds_files_anywhere_below_in_any_case(folder: Path) -> None:
    found = find_files(folder, "HARB", SUFFIXES)
    assert [entry.path.name for entry in found.entries] == ["harbour.txt"]


def test_a_link_that_leads_back_is_found_and_not_followed(folder: Path) -> None:
    loop = folder / "sub" / "again"
    loop.symlink_to(folder, target_is_directory=True)
    assert leads_back(loop, folder)
    assert not leads_back(folder / "sub" / "deep", folder)
    found = find_files(folder, "harbour", SUFFIXES)
    assert len(found.entries) == 1


def test_a_link_to_itself_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "me").symlink_to(tmp_path / "me")
    assert list_folder(tmp_path, SUFFIXES).entries == ()


def test_a_search_is_bounded_and_can_be_stopped(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("x")
    cut = find_files(tmp_path, "txt", SUFFIXES, max_matches=5)
    assert len(cut.entries) == 5
    assert "5" in (cut.reason or "")
    assert find_files(tmp_path, "zzz", SUFFIXES, max_visited=7).reason
    assert find_files(tmp_path, "txt", SUFFIXES, stop=lambda: True).entries == ()

from __future__ import annotations

from pathlib import Path

import pytest
from driving import drive, screen_text, until
from textual.pilot import Pilot
from textual.widgets import Input

from widgets.documents_pane import DocumentsPane
from widgets.documents_tree import DocumentsTree

SUFFIXES = frozenset({".txt", ".md"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "papers").mkdir(parents=True)
    (root / "papers" / "[bold]odd[b].txt").write_text("x")
    (root / "harbour.md").write_text("x")
    (root / "papers" / "loop").symlink_to(root, target_is_directory=True)
    return root


def test_a_folder_is_read_when_it_is_opened(folder: Path) -> None:
    tree = DocumentsTree(folder, SUFFIXES)

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(tree.root.children) == 2)
        papers = tree.root.children[0]
        assert not papers.children
        papers.expand()
        await until(pilot, lambda: len(papers.children) == 2)
        assert "[bold]odd[b].txt" in screen_text(pilot.app)

    drive(tree, body)


def test_a_link_that_leads_back_ends_there(folder: Path) -> None:
    tree = DocumentsTree(folder, SUFFIXES)

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(tree.root.children) == 2)
        papers = tree.root.children[0].expand()
        await until(pilot, lambda: len(papers.children) == 2)
        papers.children[0].expand()
        await until(pilot, lambda: "leads back" in _plain(screen_text(pilot.app)))

    drive(tree, body)


def _plain(text: str) -> str:
    return text.replace("a link back", "leads back")


def test_enter_opens_a_file_and_moving_chooses_it(folder: Path) -> None:
    tree = DocumentsTree(folder, SUFFIXES)

    async def body(pilot: Pilot[None]) -> None:
        tree.focus()
        await until(pilot, lambda: len(tree.root.children) == 2)
        await pilot.press("j", "j")
        assert tree.chosen is not None
        assert tree.chosen.path == folder / "harbour.md"
        await pilot.press("enter")
        await pilot.pause()

    messages = drive(tree, body)
    assert [m.path for m in messages if isinstance(m, DocumentsTree.Opened)] == [
        folder / "harbour.md"
    ]


def test_marks_say_what_is_learned_and_what_is_being_learned(folder: Path) -> None:
    tree = DocumentsTree(folder, SUFFIXES)

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(tree.root.children) == 2)
        tree.marks = {folder / "harbour.md": 0.41}
        await pilot.pause()
        assert "● harbour.md  41%" in screen_text(pilot.app)
        tree.marks = {folder / "harbour.md": 1.0}
        await pilot.pause()
        assert "● harbour.md" in screen_text(pilot.app)
        assert "%" not in screen_text(pilot.app)

    drive(tree, body)


def test_typing_filters_and_escape_brings_the_folder_back(folder: Path) -> None:
    pane = DocumentsPane(folder, SUFFIXES)
    tree = pane.tree_of_files

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(tree.root.children) == 2)
        pane.focus_filter()
        await pilot.press("o", "d", "d")
        await until(pilot, lambda: "odd" in _labels(tree))
        assert len(tree.root.children) == 1
        assert "[bold]odd[b].txt  papers" in screen_text(pilot.app)
        assert pane.query_one(Input).value == "odd"
        await pilot.press("escape")
        await until(pilot, lambda: len(tree.root.children) == 2)
        assert tree.has_focus

    drive(pane, body)


def _labels(tree: DocumentsTree) -> str:
    return " ".join(str(node.label) for node in tree.root.children)


def test_an_empty_and_a_missing_folder_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in (("empty", "nothing to learn"), ("gone", "no such file")):
        tree = DocumentsTree(tmp_path / name, SUFFIXES)

        async def body(pilot: Pilot[None], tree: DocumentsTree = tree, words: str = words) -> None:
            await until(pilot, lambda: words in _labels(tree))
            assert tree.chosen is not None

        drive(tree, body)


def test_the_parent_folder_can_be_shown(folder: Path) -> None:
    tree = DocumentsTree(folder / "papers", SUFFIXES)

    async def body(pilot: Pilot[None]) -> None:
        tree.focus()
        await until(pilot, lambda: bool(tree.root.children))
        await pilot.press("u")
        await until(pilot, lambda: "harbour.md" in _labels(tree))
        assert tree.folder == folder

    drive(tree, body)

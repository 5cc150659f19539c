"""A folder is shown before it is read: sorted, nothing twice, what is left out with its reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.documents import ReadOptions, UnreadableDocument, preview_folder, read_paths
from engines.protocol import Document, DocumentError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"Words of {name}.")


def relative(folder: Path, paths: tuple[Path, ...]) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def reasons(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): why for p, why in preview_folder(folder).left_out}


def test_documents_come_sorted_from_all_levels(tmp_path: Path) -> None:
    fill(tmp_path, "b.md", "a.TXT", "sub/deep/c.jsonl", "sub/a.rst", "z.markdown")
    preview = preview_folder(tmp_path)
    assert relative(tmp_path, preview.readable) == [
        "a.TXT", "b.md", "sub/a.rst", "sub/deep/c.jsonl", "z.markdown",
    ]  # fmt: skip
    assert preview.left_out == ()


def test_hidden_and_other_files_are_left_out_and_are_no_failure(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", ".git/config.txt", ".notes.md", "photo.jpg")
    assert list(reasons(tmp_path)) == [".git", ".notes.md", "photo.jpg"]
    assert "is hidden" in reasons(tmp_path)[".notes.md"]
    assert "unsupported kind" in reasons(tmp_path)["photo.jpg"]
    assert [type(e) for e in read_paths([tmp_path])] == [Document]


def test_what_should_have_been_readable_is_a_failure(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "bad.md")
    (tmp_path / "bad.md").write_bytes(b"\0\0")
    (tmp_path / "empty.md").touch()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "gone.md").symlink_to("nowhere.md")
    failed = [e for e in read_paths([tmp_path]) if isinstance(e, UnreadableDocument)]
    assert sorted(Path(f.path).name for f in failed) == [
        "bad.md",
        "empty.md",
        "gone.md",
        "pipe.txt",
    ]
    assert all(f.reason.endswith(".") for f in failed)


def test_a_link_back_up_is_a_loop_and_ends(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "sub/b.md")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    preview = preview_folder(tmp_path)
    assert relative(tmp_path, preview.readable) == ["a.md", "sub/b.md"]
    assert [Path(p).name for p, _ in preview.failed] == ["self", "up"]
    assert all("symlink loop" in why for _, why in preview.failed)


def test_links_are_followed_and_nothing_is_read_twice(tmp_path: Path) -> None:
    fill(tmp_path / "outside", "far.md")
    fill(tmp_path / "in", "a.md")
    (tmp_path / "in" / "again.md").symlink_to("a.md")
    os.link(tmp_path / "in" / "a.md", tmp_path / "in" / "hard.md")
    (tmp_path / "in" / "out1").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "out2").symlink_to(tmp_path / "outside")
    preview = preview_folder(tmp_path / "in")
    assert relative(tmp_path / "in", preview.readable) == ["a.md", "out1/far.md"]
    assert list(reasons(tmp_path / "in")) == ["again.md", "hard.md", "out2"]
    assert preview.failed == ()


def test_a_folder_without_documents_is_a_failure_that_says_so(tmp_path: Path) -> None:
    fill(tmp_path, "photo.jpg")
    (event,) = read_paths([tmp_path])
    assert isinstance(event, UnreadableDocument)
    assert event.reason == (
        f"{tmp_path} holds no document; put .txt, .md, .markdown, .rst or .jsonl files into it."
    )


def test_too_large_files_are_told_in_the_preview(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "sub/longer-name.md")
    limit = (tmp_path / "a.md").stat().st_size / 1e6
    preview = preview_folder(tmp_path, ReadOptions(max_megabytes=limit))
    assert relative(tmp_path, preview.readable) == ["a.md"]
    assert "more than the limit" in preview.failed[0][1]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may list everything")
def test_a_closed_folder_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "closed/b.md")
    (tmp_path / "closed").chmod(0)
    try:
        events = list(read_paths([tmp_path]))
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert [type(e) for e in events] == [UnreadableDocument, Document]


def test_very_deep_folders_are_no_trouble(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 400)
    deep.mkdir(parents=True)
    fill(deep, "a.md")
    assert preview_folder(tmp_path).readable == (deep / "a.md",)


def test_only_a_folder_can_be_previewed(tmp_path: Path) -> None:
    fill(tmp_path, "a.md")
    with pytest.raises(DocumentError, match="is not a folder"):
        preview_folder(tmp_path / "a.md")
    with pytest.raises(DocumentError, match="can't be listed"):
        preview_folder(tmp_path / "gone")

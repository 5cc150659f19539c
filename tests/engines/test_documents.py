"""Every kind of file becomes a document or one clear sentence, and the others still go on."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.documents import (
    SUFFIXES,
    ReadOptions,
    UnreadableDocument,
    read_file,
    read_paths,
    read_stream,
)
from engines.protocol import Document, DocumentError

Write = Callable[[str, bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    """The sentence with which ``path`` is refused."""
    with pytest.raises(DocumentError) as refused:
        read_file(path, options)
    assert refused.value.path == str(path)
    assert_sentence(refused.value.reason)
    return refused.value.reason


def assert_sentence(reason: str) -> None:
    assert "\n" not in reason
    assert reason.endswith(".")


def test_a_document_knows_its_id_title_and_path(write: Write) -> None:
    path = write("notes.md", "Some words first.\n\n# The *real* `title` #\n\nText.\n")
    document = Document.from_path(path)
    assert document.text == "Some words first.\n\n# The *real* `title` #\n\nText.\n"
    assert document.id == hashlib.sha256(document.text.encode()).hexdigest()[:12]
    assert document.title == "The *real* title"
    assert document.path == str(path)
    assert document.notes == ()


def test_the_same_text_is_the_same_document_wherever_it_lies(write: Write) -> None:
    one = read_file(write("a.txt", "Same words.\n"))
    other = read_file(write("b/c.md", b"\xef\xbb\xbfSame words.\r\n"))
    assert one.id == other.id == Document.from_text("Same words.\n", "Named").id


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n  First line here.\nSecond.", "First line here."),
        ("Harbour\n=======\n\ntext", "Harbour"),
        ("```\n# a comment in code\n```\n\n## After it\n", "After it"),
        ("---\n***\nWords", "Words"),
        ("# [Linked](http://x.example/y) name", "Linked name"),
        ("#\n#hashtag line", "#hashtag line"),
        ("…", "untitled"),
        ("x" * 200, "x" * 79 + "…"),
        ("A\x9b31m\u202etitle", "A 31m title"),
    ],
)
def test_a_title_is_found(text: str, title: str) -> None:
    assert Document.from_text(text).title == title


def test_a_given_title_wins_and_stays_on_one_line() -> None:
    assert Document.from_text("# Other\n", "My\nname").title == "My name"
    assert Document.from_text("# Other\n", "  ").title == "Other"


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("Grüße – 波\n".encode(), None),
        (b"\xef\xbb\xbf" + "Grüße – 波\n".encode(), None),
        ("Grüße – 波\r\n".encode("utf-16"), None),
        (b"\xfe\xff" + "Grüße – 波\r".encode("utf-16-be"), None),
        ("Grüße – 波\n".encode("utf-32"), None),
        ("Gr\x1b\x7füße – 波\n".encode(), "2 control characters removed"),
    ],
)
def test_unicode_in_its_forms_reads_alike(write: Write, content: bytes, note: str | None) -> None:
    document = read_file(write("a.txt", content))
    assert document.text == "Grüße – 波\n"
    assert document.notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("“Curly quotes” – it’s a test of the café’s naïve façade.", "cp1252"),
        ("Grüße aus München. Die Straße ist schön, der Fluß auch.", "cp1252"),
        ("Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi.", "cp1250"),
        ("Привет, мир! Это проверка кодировки текста.", "cp1251"),
        ("我是一个学生，今天天气很好。我们去公园玩。", "gb18030"),
    ],
)
def test_an_older_encoding_is_told_and_noted(write: Write, text: str, encoding: str) -> None:
    document = read_file(write("a.txt", text.encode(encoding)))
    assert document.text == text
    assert document.notes == (f"read as {encoding}",)


def test_a_cut_utf8_file_keeps_its_good_part(write: Write) -> None:
    text = "Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du. Äöü äöü äöü."
    document = read_file(write("a.txt", (text + "é").encode()[:-1]))
    assert document.text == text + "\ufffd"
    assert document.notes == ("1 broken UTF-8 byte replaced by \ufffd",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\t\r\n\xc2\xa0", "nothing but white space"),
        ("a.txt", b"\xef\xbb\xbf", "nothing but white space"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is binary"),
        ("a.md", bytes(range(1, 32)) * 4, "is binary"),
        ("a.txt", b"\xff\xfe\x00\xd8", "not valid UTF-16"),
        ("a.txt", b"\xef\xbb\xbf\xff\xff", "not valid UTF-8"),
        ("a.txt", "a\0b".encode("utf-16"), "NUL"),
        ("a.txt", b"\x81\x8d\x8f\x90\x9d\x81\xff", "unknown encoding"),
        ("a.pdf", b"%PDF-1.7", "unsupported kind"),
        ("README", b"text", "unsupported kind"),
        ("a.jsonl", b"\n \n", "nothing but white space"),
        ("a.jsonl", b"nope\n", "no usable line (it is not JSON)"),
    ],
)
def test_bad_content_is_refused(write: Write, name: str, content: bytes, words: str) -> None:
    assert words in refusal(write(name, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.txt").startswith("There is no file ")
    assert refusal(tmp_path / "gone.txt" / "below.txt").startswith("There is no file ")


def test_a_path_with_nul_is_refused() -> None:
    with pytest.raises(DocumentError, match="can't be read"):
        read_file("a\0b.txt")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_pipe_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not an ordinary file" in refusal(tmp_path / "pipe.txt")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    assert "not an ordinary file" in refusal(tmp_path / "null.txt")


def test_a_symlink_loop_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("b.txt")
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert "symlink loop" in refusal(tmp_path / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_lack_of_permission_is_told(write: Write) -> None:
    path = write("secret.txt", "words")
    path.chmod(0)
    assert "permission" in refusal(path)


def test_too_large_a_file_names_the_limit(write: Write) -> None:
    path = write("big.txt", "word " * 500)
    assert "more than the limit of 0.001 MB" in refusal(path, ReadOptions(max_megabytes=0.001))


class _Growing(io.FileIO):
    """A file that someone else writes to while it is read."""

    def read(self, size: int | None = -1) -> bytes:
        with Path(str(self.name)).open("ab") as writer:
            writer.write(b"one more line\n")
        return super().read(-1 if size is None else size)


class _Exchanged(io.FileIO):
    """A file that is replaced by another of the same size while it is read."""

    def read(self, size: int | None = -1) -> bytes:
        other = Path(str(self.name)).with_suffix(".new")
        other.write_text("four")
        other.replace(str(self.name))
        return super().read(-1 if size is None else size)


@pytest.mark.parametrize("kind", [_Growing, _Exchanged])
def test_a_file_that_changes_while_it_is_read_is_refused(
    write: Write, kind: type[io.FileIO]
) -> None:
    def opened(path: Path) -> BinaryIO:
        return kind(str(path))  # type: ignore[return-value]

    path = write("log.txt", "text")
    with pytest.raises(DocumentError, match="changed while it was read"):
        read_file(path, opener=opened)


def test_a_file_name_with_strange_bytes_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\x1b[31m.txt")
    path.write_text("words")
    document = read_file(path)
    assert document.path is not None
    assert document.path.encode().decode().isprintable()
    assert document.path.endswith("caf\ufffd\ufffd[31m.txt")


def test_standard_input_is_a_document_without_a_path() -> None:
    document = read_stream(io.BytesIO(b"# Piped\n\nwords\n"))
    assert (document.title, document.path) == ("Piped", None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Standard input is empty"),
        (b"  \n", "Standard input holds nothing but white space"),
        (b"\0\1", "Standard input is binary"),
        (b"x" * 2_000, "Standard input is longer than the limit of 0.001 MB"),
    ],
)
def test_bad_standard_input_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as refused:
        read_stream(io.BytesIO(content), ReadOptions(max_megabytes=0.001))
    assert_sentence(refused.value.reason)
    assert refused.value.path == "-"


def test_one_bad_file_does_not_stop_the_others(write: Write, tmp_path: Path) -> None:
    good, bad, last = write("a.txt", "one"), write("b.txt", ""), write("c.txt", "three")
    events = list(read_paths([good, bad, tmp_path / "gone.txt", last]))
    assert [type(e) for e in events] == [Document, UnreadableDocument, UnreadableDocument, Document]
    assert [e.path for e in events] == [
        str(p) for p in (good, bad, tmp_path / "gone.txt", last)
    ]  # fmt: skip
    assert all("\n" not in e.reason for e in events if isinstance(e, UnreadableDocument))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=400)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "ignore")),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_bytes_give_a_document_or_one_sentence(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    try:
        document = read_file(path)
    except DocumentError as error:
        assert_sentence(error.reason)
    else:
        assert document.text.strip()
        assert document.title
        assert "\r" not in document.text
        document.text.encode("utf-8")

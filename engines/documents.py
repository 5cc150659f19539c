"""Texts from files, folders and streams; each failure is one sentence that says what to do.

``read_file`` gives one ``Document`` or raises ``DocumentError``.  ``read_paths`` goes
through files and folders and never raises: what can't be read comes as an
``UnreadableDocument`` and the others still go on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engines.decoding import clean, decode
from engines.folders import (
    DEFAULT_MAX_MEGABYTES,
    SUFFIXES,
    FolderPreview,
    document_kind_fault,
    kinds,
    list_folder,
    shown,
)
from engines.jsonlines import Fields, NoUsableLineError, parse_lines
from engines.protocol import Document, DocumentError
from engines.titles import one_line, title_of

__all__ = [
    "SUFFIXES",
    "FolderPreview",
    "ReadOptions",
    "UnreadableDocument",
    "document_from_text",
    "preview_folder",
    "read_file",
    "read_paths",
    "read_stream",
    "samples",
]

_MEGABYTE = 1_000_000

Opener = Callable[[Path], BinaryIO]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read.

    The field names are those of JSON lines: the first of ``text_fields`` that a line has
    is its text.  A file above ``max_megabytes`` (millions of bytes) is refused.
    """

    text_fields: tuple[str, ...] = ("text", "content")
    question_field: str = "question"
    answer_field: str = "answer"
    max_megabytes: float = DEFAULT_MAX_MEGABYTES

    @property
    def fields(self) -> Fields:
        """The field names of JSON lines."""
        return Fields(self.text_fields, self.question_field, self.answer_field)


@dataclass(frozen=True, slots=True)
class UnreadableDocument:
    """A file or folder that could not be read, and one sentence that says why."""

    path: str
    reason: str


def document_from_text(
    text: str,
    title: str | None = None,
    *,
    path: str | None = None,
    questions: Sequence[tuple[str, tuple[str, ...]]] = (),
    notes: Sequence[str] = (),
) -> Document:
    """Make a document of ``text``, cleaned as ``engines.decoding.clean`` says.

    Without a ``title`` it is the first Markdown heading, else the first line with a word
    in it, cut to 80 characters.

    Raises:
        DocumentError: if the text holds a NUL character or nothing but white space.
    """
    subject = shown(path) if path else "The text"
    if "\0" in text:
        raise DocumentError(
            f"{subject} holds a NUL character, so it is not plain text; remove it.", path
        )
    text, cleaned = clean(text)
    if not text.strip():
        raise DocumentError(
            f"{subject} holds nothing but white space; choose a text with words in it.", path
        )
    return Document(
        id=hashlib.sha256(text.encode("utf-8")).hexdigest()[:12],
        title=one_line(title or "") or title_of(text),
        text=text,
        path=path,
        questions=tuple(questions),
        notes=(*notes, *cleaned),
    )


def read_file(
    path: str | Path, options: ReadOptions | None = None, *, opener: Opener | None = None
) -> Document:
    """Read one text, Markdown or JSON-lines file.

    ``opener`` opens the file for reading bytes; the default never blocks on a pipe.

    Raises:
        DocumentError: if there is no such file, or it is empty, binary, of an unsupported
            kind, too large, unreadable, no ordinary file, or changed while it was read.
    """
    options = options or ReadOptions()
    path = Path(path)
    try:
        content = _read_stable(path, options.max_megabytes, opener or _open_without_waiting)
        return _document(content, path, options)
    except NoUsableLineError as error:
        raise NoUsableLineError(error.reason, error.why, shown(path)) from None
    except DocumentError as error:
        raise DocumentError(error.reason, shown(path)) from error.__cause__
    except (OSError, ValueError) as error:
        raise DocumentError(_why_unreadable(path, error), shown(path)) from error


def read_stream(
    binary: BinaryIO, options: ReadOptions | None = None, *, suffix: str = ".txt"
) -> Document:
    """Read one document from an open stream, such as ``sys.stdin.buffer``, to its end.

    ``suffix`` tells the kind: ``.jsonl`` for JSON lines, else text or Markdown.

    Raises:
        DocumentError: as ``read_file`` where it applies.
    """
    options = options or ReadOptions()
    limit = int(options.max_megabytes * _MEGABYTE)
    subject = "Standard input"
    try:
        content = binary.read(limit + 1)
    except (OSError, ValueError) as error:
        raise DocumentError(f"{subject} can't be read; pipe a text into it.", "-") from error
    if len(content) > limit:
        raise DocumentError(
            f"{subject} is longer than the limit of {options.max_megabytes:g} MB; "
            "give less of it or raise documents.max_megabytes.",
            "-",
        )
    if not content:
        raise DocumentError(f"{subject} is empty; pipe a text into it.", "-")
    try:
        return _parsed(content, subject, suffix, options, path=None, fallback_title=None)
    except DocumentError as error:
        reason = error.reason.replace("The text", subject, 1)
        raise DocumentError(reason, "-") from error.__cause__


def read_paths(
    paths: Iterable[str | Path], options: ReadOptions | None = None
) -> Iterator[Document | UnreadableDocument]:
    """Read files and folders in the order given; failures are yielded, never raised.

    In a folder, hidden files and other kinds are passed over without a word
    (``preview_folder`` names them); what should have been readable is yielded as failed.
    """
    for found in expand_paths(paths, options):
        yield read_or_fault(found, options) if isinstance(found, Path) else found


def expand_paths(
    paths: Iterable[str | Path], options: ReadOptions | None = None
) -> Iterator[Path | UnreadableDocument]:
    """The files that ``read_paths`` reads, each folder as what it holds; none is opened."""
    for path in map(Path, paths):
        try:
            if not path.is_dir():
                yield path
                continue
            preview = preview_folder(path, options)
        except DocumentError as error:
            yield UnreadableDocument(shown(path), error.reason)
        except OSError as error:
            yield UnreadableDocument(shown(path), _why_unreadable(path, error))
        else:
            yield from _expanded(path, preview)


def read_or_fault(path: Path, options: ReadOptions | None = None) -> Document | UnreadableDocument:
    """Read one file, or say why it can't be read.  Never raises for what a file holds."""
    try:
        return read_file(path, options)
    except DocumentError as error:
        return UnreadableDocument(shown(path), error.reason)


def preview_folder(path: str | Path, options: ReadOptions | None = None) -> FolderPreview:
    """List what a folder holds that can be read, sorted, and what is left out and why.

    Raises:
        DocumentError: if ``path`` is not a folder that can be listed.
    """
    limit = (options or ReadOptions()).max_megabytes
    return list_folder(Path(path), max_megabytes=limit)


def samples() -> tuple[Path, ...]:
    """The three sample documents that come with the workbench."""
    return tuple(sorted((Path(__file__).parent / "samples").glob("*.md")))


def _expanded(path: Path, preview: FolderPreview) -> Iterator[Path | UnreadableDocument]:
    for failed, reason in preview.failed:
        yield UnreadableDocument(shown(failed), reason)
    if not preview.readable and not preview.failed:
        reason = f"{shown(path)} holds no document; put {kinds()} files into it."
        yield UnreadableDocument(shown(path), reason)
    yield from preview.readable


def _read_stable(path: Path, max_megabytes: float, opener: Opener) -> bytes:
    """The bytes of a file that was the same before and after it was read."""
    status = path.stat()
    fault = document_kind_fault(path, status, max_megabytes)
    if fault is not None:
        raise DocumentError(fault)
    with opener(path) as stream:
        before = os.fstat(stream.fileno())
        content = stream.read(before.st_size + 1)
        after = os.fstat(stream.fileno())
    if len({_version(s) for s in (status, before, after, path.stat())}) > 1:
        raise DocumentError(
            f"{shown(path)} changed while it was read; try again when nothing writes to it."
        )
    return content


def _version(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _open_without_waiting(path: Path) -> BinaryIO:
    # Between the check and the opening a pipe may have taken the file's place; opening
    # that for reading would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DocumentError(f"{shown(path)} is not an ordinary file; choose a text file.")
    return os.fdopen(descriptor, "rb")


def _document(content: bytes, path: Path, options: ReadOptions) -> Document:
    subject = shown(path)
    # Two files of the same name must not count as one because they were read from their folders.
    place = shown(path.absolute())
    return _parsed(content, subject, path.suffix, options, path=place, fallback_title=path.stem)


def _parsed(
    content: bytes,
    subject: str,
    suffix: str,
    options: ReadOptions,
    *,
    path: str | None,
    fallback_title: str | None,
) -> Document:
    text, notes = decode(content, subject)
    if suffix.lower() != ".jsonl":
        return document_from_text(text, path=path, notes=notes)
    text, cleaned = clean(text)
    lines = parse_lines(text, options.fields, subject)
    return document_from_text(
        lines.text,
        lines.title or fallback_title,
        path=path,
        questions=lines.questions,
        notes=(*notes, *cleaned, *lines.notes),
    )


def _why_unreadable(path: Path, error: Exception) -> str:
    name = shown(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"There is no file {name}; check its spelling."
    if isinstance(error, PermissionError):
        return f"{name} can't be read for lack of permission; change its permissions or copy it."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return f"{name} is a symlink loop; choose the file that was meant."
    detail = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{name} can't be read ({detail}); copy it elsewhere and try again."

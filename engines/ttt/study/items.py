"""Study items as JSON lines that people read and edit.

A line is ``{"kind": "cloze", "prompt": "…", "answer": "…", "passage": "…"}``; ``kind`` may
be left out (``given``), and ``question`` stands for ``prompt`` too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from engines.atomic import write_atomically
from engines.decoding import counted, decode
from engines.protocol import DocumentError, StudyItem, StudyKind

KINDS: tuple[str, ...] = get_args(StudyKind)
_MOST_BYTES = 64_000_000


class _BadLineError(Exception):
    """Why one line is no study item; caught below and put into the one error."""


def read_items(path: str | Path) -> tuple[StudyItem, ...]:
    """Read study items from the file at ``path``; blank lines don't count.

    Raises:
        DocumentError: if the file can't be read, holds no item, or a line is none; it names
            the first bad line and says how many more there are.
    """
    path = Path(path)
    name = path.name
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DocumentError(f"{name} is too large for study items; split it.", str(path))
        content = path.read_bytes()
        text, _ = decode(content, name) if content else ("", ())
    except OSError as error:
        reason = error.strerror or str(error)
        raise DocumentError(
            f"{name} can't be read ({reason}); check its name and permissions.", str(path)
        ) from error
    return parse_items(text, name, str(path))


def parse_items(text: str, name: str, path: str | None = None) -> tuple[StudyItem, ...]:
    """The study items in ``text``, one a line; ``name`` is what errors call the file.

    Raises:
        DocumentError: as ``read_items``.
    """
    items: list[StudyItem] = []
    bad: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            items.append(_item(line))
        except _BadLineError as error:
            bad.append(f"{name} line {number}: {error}")
    if bad:
        more = f" ({counted(len(bad) - 1, 'more bad line')})" if len(bad) > 1 else ""
        raise DocumentError(f"{bad[0]}{more}.", path)
    if not items:
        raise DocumentError(f"{name} holds no study item; write one a line.", path)
    return tuple(items)


def format_items(items: Sequence[StudyItem]) -> str:
    """``items`` as JSON lines, every field of each."""
    return "".join(
        json.dumps(
            {"kind": i.kind, "prompt": i.prompt, "answer": i.answer, "passage": i.passage},
            ensure_ascii=False,
        )
        + "\n"
        for i in items
    )


def write_items(path: str | Path, items: Sequence[StudyItem]) -> None:
    """Write ``items`` to the file at ``path``, whole or not at all.

    Raises:
        EngineError: if the file can't be written.
    """
    write_atomically(Path(path), format_items(items))


def _item(line: str) -> StudyItem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _BadLineError("it is not JSON; mend the line or delete it") from None
    if not isinstance(row, dict):
        raise _BadLineError("it is not a JSON object; write {...} or delete it")
    kind = row.get("kind", "given")
    if kind not in KINDS:
        raise _BadLineError(f"its kind is {kind!r}; allowed are {', '.join(KINDS)}")
    prompt = "question" if "prompt" not in row and "question" in row else "prompt"
    return StudyItem(
        kind=cast(StudyKind, kind),
        prompt=_filled(row, prompt),
        answer=_filled(row, "answer"),
        passage=_text(row, "passage"),
    )


def _filled(row: dict[str, object], field: str) -> str:
    if field not in row:
        raise _BadLineError(f"it has no '{field}'; add one or delete the line")
    text = _text(row, field)
    if not text:
        raise _BadLineError(f"its '{field}' is empty; fill it in or delete the line")
    return text


def _text(row: dict[str, object], field: str) -> str:
    value = row.get(field, "")
    if not isinstance(value, str):
        raise _BadLineError(f"its '{field}' is not a text; put it in quotation marks")
    if "\0" in value:
        raise _BadLineError(f"its '{field}' holds a NUL character; remove it")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _BadLineError(f"its '{field}' holds half a character; remove it")
    return value.strip()

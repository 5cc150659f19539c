"""Bullets from elsewhere: exported Markdown, the prompt form, the package before this one.

Nothing is trusted: what is read becomes ADD operations, which are judged like a role's, so a
bullet that gives orders or holds an address waits for a person.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.ace.bullet import MAX_COUNT, MAX_TEXT_CHARACTERS, NO_SOURCE, Source
from engines.ace.files import FORMAT, VERSION
from engines.ace.limits import Limits
from engines.ace.operations import Add
from engines.ace.playbook import MAX_BULLETS, PlaybookError
from engines.ace.prompt_form import unescaped
from engines.ace.review import Offered, offer_each
from engines.ace.revisions import History
from engines.ace.rows import history_of
from engines.ace.sections import OTHER, id_parts, section_name

MAX_BYTES = 16_000_000
_NOTES = 5

# Of lines without white space around them; none looks twice at a character of a hostile line.
_BULLET = re.compile(
    r"(?:[-*+]\s+)?\[([^\]\s]{1,64})\]\s+helpful=(\d{1,9})\s+harmful=(\d{1,9})\s+::\s?(.*)"
)
_ITEM = re.compile(r"[-*+]\s+(\S.*)")
_HEADING = re.compile(r"#{1,6}\s+([^#\s].*)")
_INDENT = 3  # a line that is further to the right is no bullet's
_LOOP = re.compile(r"loop_([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds: bullets as ADD operations with their sources, and what was left out."""

    bullets: tuple[tuple[Add, Source], ...]
    notes: tuple[str, ...] = ()


def read_file(path: Path) -> Imported:
    """Read one file of any form that is understood.

    Raises:
        PlaybookError: if it can't be read, is too large, or holds no bullet.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PlaybookError(f"{path} has more than {MAX_BYTES / 1e6:.0f} MB: split it.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise PlaybookError(f"Can't read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PlaybookError(f"{path} is not UTF-8 text: save it as that.") from error
    return read_text(text)


def read_text(text: str) -> Imported:
    """The bullets of Markdown, of the prompt form, or of an earlier package's JSON.

    Raises:
        PlaybookError: if there is no bullet in it.
    """
    imported = _json(text) if text.lstrip()[:1] == "{" else _lines(text)
    if not imported.bullets:
        raise PlaybookError(
            "There is no bullet to import: a bullet is a line '- text' below a heading, or "
            "'[id] helpful=0 harmful=0 :: text'."
        )
    if len(imported.bullets) > MAX_BULLETS:
        raise PlaybookError(f"There are more than {MAX_BULLETS} bullets in it: split it.")
    return imported


def import_into(
    history: History,
    imported: Imported,
    limits: Limits | None = None,
    *,
    at: str | None = None,
    note: str = "",
) -> Offered:
    """Add ``imported`` to ``history`` as one revision.

    An id is kept where it fits its section and no bullet of this playbook ever had its number;
    so a playbook imported into an empty one keeps its ids.  Else the bullet gets a new one.
    """
    ordered = sorted(imported.bullets, key=_number)
    return offer_each(history, ordered, limits, origin="import", at=at, note=note)


def _number(bullet: tuple[Add, Source]) -> tuple[bool, int]:
    parts = id_parts(bullet[0].id)
    return (False, parts[1]) if parts else (True, 0)


def _lines(text: str) -> Imported:
    section, bullets, notes = OTHER, list[tuple[Add, Source]](), list[str]()
    for number, whole in enumerate(text.splitlines(), start=1):
        line = whole.strip()
        if whole[: _INDENT + 1].isspace():
            continue
        if heading := _HEADING.fullmatch(line):
            section = _section(heading[1].rstrip("# \t"))
        elif found := _BULLET.fullmatch(line):
            id_, helpful, harmful, rest = found.groups()
            counts = min(int(helpful), MAX_COUNT), min(int(harmful), MAX_COUNT)
            bullets.append((Add(section, unescaped(rest), "", *counts, id_), NO_SOURCE))
        elif item := _ITEM.fullmatch(line):
            bullets.append((Add(section, unescaped(item[1])), NO_SOURCE))
        elif line.startswith("["):
            notes.append(f"line {number} was left out: it is not written as a bullet")
    return Imported(tuple(bullets), _few(notes))


def _section(heading: str) -> str:
    """The heading as a section; one that can't be a section's name gives ``other``."""
    try:
        return section_name(heading)
    except ValueError:
        return OTHER


def _json(text: str) -> Imported:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlaybookError(
            "It is not whole JSON, so it was cut or changed: save or export it again."
        ) from error
    if isinstance(found, dict) and found.get("format") == FORMAT:
        return _own(found)
    rows = found.get("strategies") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise PlaybookError(
            "It is JSON, but neither a playbook of cl-workbench nor one of "
            "continual-learning-slm, which has a list 'strategies'."
        )
    bullets, notes = list[tuple[Add, Source]](), list[str]()
    for place, row in enumerate(rows, start=1):
        rule = _rule(row)
        if rule is None:
            notes.append(f"strategy {place} was left out: it has no text 'rule'")
        else:
            bullets.append((Add("strategies", rule), _source(row)))
    return Imported(tuple(bullets), _few(notes))


def _own(found: dict[str, Any]) -> Imported:
    """The present bullets of a saved playbook; its revisions stay where they are."""
    if found.get("version") != VERSION:
        raise PlaybookError("It was saved by another version of cl-workbench: update this one.")
    try:
        bullets = history_of(found["revisions"]).playbook.bullets
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlaybookError("The playbook in it is damaged: export it again.") from error
    return Imported(
        tuple((Add(b.section, b.text, "", b.helpful, b.harmful, b.id), b.source) for b in bullets)
    )


def _rule(row: Any) -> str | None:
    rule = row.get("rule") if isinstance(row, dict) else row
    usable = isinstance(rule, str) and rule.strip() and len(rule) <= 8 * MAX_TEXT_CHARACTERS
    return rule if isinstance(rule, str) and usable else None


def _source(row: Any) -> Source:
    source = row.get("source") if isinstance(row, dict) else None
    loop = _LOOP.fullmatch(source) if isinstance(source, str) else None
    return Source(loop=int(loop[1])) if loop else NO_SOURCE


def _few(notes: list[str]) -> tuple[str, ...]:
    more = len(notes) - _NOTES
    return tuple(notes) if more <= 0 else (*notes[:_NOTES], f"{more} more were left out")

"""One rule of a playbook, with its counters, where it comes from and what it said before."""

from __future__ import annotations

import dataclasses
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from engines.ace.sections import bullet_id, id_parts, section_name

MAX_TEXT_CHARACTERS = 2000
MAX_COUNT = 1_000_000_000
MAX_PAST_TEXTS = 20
MAX_QUESTION_CHARACTERS = 500
MAX_DOCUMENT_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Source:
    """What a bullet was learned from: a document's id, a question, the loop it was asked in.

    A long question is cut to ``MAX_QUESTION_CHARACTERS``.
    """

    document: str | None = None
    question: str | None = None
    loop: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "document", _cut(self.document, MAX_DOCUMENT_CHARACTERS))
        object.__setattr__(self, "question", _cut(self.question, MAX_QUESTION_CHARACTERS))


def _cut(text: str | None, most: int) -> str | None:
    return None if text is None else text[:most].encode("utf-8", "replace").decode()


NO_SOURCE = Source()


@dataclass(frozen=True, slots=True)
class PastText:
    """A text that bullet ``id`` had until ``revision``; another's id where it was merged."""

    id: str
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Bullet:
    """A rule under a stable id.

    ``created`` and ``updated`` are numbers of revisions, ``created_at`` and ``updated_at``
    their times in ISO 8601.  ``past`` holds the latest ``MAX_PAST_TEXTS`` earlier texts, oldest
    first; those before are in the revisions.
    """

    id: str
    section: str
    text: str
    helpful: int = 0
    harmful: int = 0
    source: Source = NO_SOURCE
    created: int = 0
    created_at: str = ""
    updated: int = 0
    updated_at: str = ""
    past: tuple[PastText, ...] = ()

    @property
    def number(self) -> int:
        """The number in the id; no other bullet of the playbook ever had it."""
        return int(self.id.rpartition("-")[2])

    def rewritten(
        self, text: str, revision: int, at: str, merged: tuple[PastText, ...] = ()
    ) -> Bullet:
        """This bullet with another text; its own and ``merged`` join the past texts."""
        own = () if text == self.text else (PastText(self.id, self.text, revision),)
        past = (*self.past, *own, *merged)[-MAX_PAST_TEXTS:]
        return dataclasses.replace(self, text=text, past=past, updated=revision, updated_at=at)

    def counted(self, helpful: int, harmful: int, revision: int, at: str) -> Bullet:
        """This bullet with so many more votes."""
        return dataclasses.replace(
            self,
            helpful=min(self.helpful + helpful, MAX_COUNT),
            harmful=min(self.harmful + harmful, MAX_COUNT),
            updated=revision,
            updated_at=at,
        )


def now() -> str:
    """The present time in UTC as revisions keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def clean_text(text: str, limit: int = MAX_TEXT_CHARACTERS) -> str:
    """``text`` on one line with single spaces.

    Raises:
        ValueError: with one sentence, if nothing is left, it is longer than ``limit``
            characters, or it holds characters that no text has.
    """
    if len(text) > 8 * limit:
        raise ValueError(f"the text has {len(text):,} characters; at most {limit} are kept")
    line = " ".join(text.split())
    if not line:
        raise ValueError("the text is empty")
    if len(line) > limit:
        raise ValueError(f"the text has {len(line):,} characters; at most {limit} are kept")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in line):
        raise ValueError("the text holds control characters")
    if not any(letter.isalnum() for letter in line):
        raise ValueError("the text has no word in it")
    return line


def check_bullet(bullet: Bullet) -> None:
    """Raise ``ValueError`` with a reason where ``bullet`` could not have been made here."""
    parts = id_parts(bullet.id)
    if section_name(bullet.section) != bullet.section:
        raise ValueError(f"the section of {bullet.id} is not written as sections are")
    if parts is None or bullet.id != bullet_id(bullet.section, parts[1]):
        raise ValueError(f"the id {bullet.id} does not fit the section '{bullet.section}'")
    if clean_text(bullet.text) != bullet.text:
        raise ValueError(f"the text of {bullet.id} is not on one line")
    if not (0 <= bullet.helpful <= MAX_COUNT and 0 <= bullet.harmful <= MAX_COUNT):
        raise ValueError(f"a counter of {bullet.id} is out of range")
    if not 0 <= bullet.created <= bullet.updated:
        raise ValueError(f"{bullet.id} was updated before it was made")
    if len(bullet.past) > MAX_PAST_TEXTS:
        raise ValueError(f"{bullet.id} has too many past texts")

"""What one role was asked and said, as it is read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from widgets import figures
from widgets.plain_text import one_line, plain
from widgets.record_table import Record, RecordColumn
from widgets.role_frame import RoleChange, change_line

COLUMNS = (
    RecordColumn("#", right=True),
    RecordColumn("LOOP", least=8),
    RecordColumn("Q", right=True),
    RecordColumn("ROLE", least=5),
    RecordColumn("TOKENS", right=True),
    RecordColumn("TIME", right=True, drop=2),
    RecordColumn("TRIES", right=True, drop=3),
    RecordColumn("WHAT CAME OF IT", least=12),
)
_FAINT = "$foreground 60%"
_HEADING = "bold $accent"


@dataclass(frozen=True, slots=True)
class RoleTurnRow:
    """One turn of a role with what came of it, or a remark between turns, whose role is empty.

    ``loop`` says in which loop it was, or what else it was for; ``question`` counts from 1, 0
    where there is none.  ``prompt`` pairs who speaks with the words.  ``failed`` where its
    answer was no good; ``problems`` are those of each attempt.
    """

    number: int
    loop: str
    question: int
    role: str
    asked: str = ""
    tokens: int = 0
    seconds: float = 0.0
    attempts: int = 0
    right: bool | None = None
    failed: bool = False
    thinking: str = ""
    said: str = ""
    prompt: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    changes: tuple[RoleChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def came_of_it(self) -> str:
        """The verdict, the operations or the failure in a few words."""
        parts = []
        if self.failed:
            parts.append("not usable")
        if self.right is not None:
            parts.append("✓ right" if self.right else "✗ wrong")
        for verdict in ("accepted", "refused", "held"):
            if count := sum(change.verdict == verdict for change in self.changes):
                parts.append(f"{count} {verdict}")
        return ", ".join(parts) or (one_line(self.notes[0]) if self.notes else "")

    def record(self) -> Record:
        """The row of the table."""
        told = bool(self.role)
        cells = (
            f"{self.number:,}",
            self.loop,
            figures.count(self.question) if self.question else "",
            self.role or "–",
            figures.count(self.tokens) if told else "",
            f"{self.seconds:.1f} s" if told else "",
            figures.count(self.attempts) if told else "",
            self.came_of_it,
        )
        return Record(cells)

    def holds(self, words: str) -> bool:
        """Whether ``words``, case-folded, stand anywhere in it."""
        texts = (
            self.asked, self.said, self.thinking, self.loop, self.came_of_it, *self.notes,
            *self.problems, *(text for _, text in self.prompt),
            *(f"{change.done} {change.text} {change.why}" for change in self.changes),
        )  # fmt: skip
        return any(words in text.casefold() for text in texts)


def turn_text(row: RoleTurnRow, width: int) -> Content:
    """The whole of a row: what came of it first, then what was said, thought and asked."""
    parts = [_head(row)]
    if row.asked:
        parts.append(_part("Question", one_line(row.asked)))
    if row.changes:
        lines = [change_line(change, max(width, 20)) for change in row.changes]
        parts.append(_titled("Operations", Content("\n").join(lines)))
    parts += [Content.styled(one_line(note), "$warning") for note in row.notes]
    if row.problems:
        told = [f"attempt {n}: {one_line(why)}" for n, why in enumerate(row.problems, start=1)]
        parts.append(_part("Not usable as it was", "\n".join(told)))
    if row.role:
        parts.append(_part("Said", plain(row.said).strip() or "(nothing)"))
    if row.thinking:
        thought = Content.styled(plain(row.thinking).strip(), f"italic {_FAINT}")
        parts.append(_titled("Thought", thought))
    parts += [_part(f"Asked, {speaker}", plain(text).strip()) for speaker, text in row.prompt]
    if row.role and not row.prompt:
        parts.append(Content.styled("The trace got too long to keep what was asked here.", _FAINT))
    return Content("\n\n").join(parts)


def filtered(rows: Sequence[RoleTurnRow], role: str, words: str) -> list[RoleTurnRow]:
    """The rows of ``role``, or of all where it is empty, that hold ``words``."""
    folded = words.casefold()
    kept = (row for row in rows if not role or row.role == role)
    return [row for row in kept if not folded or row.holds(folded)]


def _head(row: RoleTurnRow) -> Content:
    question = f", question {row.question}" if row.question else ""
    facts = f"   {row.loop}{question}"
    if row.role:
        tries = f", {row.attempts} attempts" if row.attempts != 1 else ""
        facts += f"   {figures.count(row.tokens)} tokens, {row.seconds:.1f} s{tries}"
    verdict = Content()
    if row.right is not None:
        said = ("   ✓ right", "$success") if row.right else ("   ✗ wrong", "$warning")
        verdict = Content.styled(*said)
    return Content.assemble((row.role or "between turns", "bold"), (facts, _FAINT), verdict)


def _part(title: str, text: str) -> Content:
    return _titled(title, Content(text))


def _titled(title: str, text: Content) -> Content:
    return Content.assemble((title, _HEADING), "\n", text)

"""The changes of a playbook as lines, the newest first, and what one of them did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from widgets import figures
from widgets.plain_text import one_line, padded, plain
from widgets.playbook_bullets import changed_lines
from widgets.playbook_lines import LineList, Lines

MAX_CHANGES = 200
MAX_OUTCOMES = 60
WITH_TIME = 64
_COUNTS_WIDTH = 12


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision: ``added``, ``changed`` and ``removed`` count bullets, ``held`` and
    ``refused`` operations; ``in_force`` is false where it was undone or left behind."""

    number: int
    at: str
    origin: str
    note: str = ""
    score: float | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    held: int = 0
    refused: int = 0
    in_force: bool = True


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One bullet that differs: its text ``before`` and ``after`` (one empty where it came or
    went), and the votes that came to it."""

    kind: Literal["added", "removed", "changed"]
    id: str
    section: str
    before: str = ""
    after: str = ""
    helpful: int = 0
    harmful: int = 0


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One operation that changed nothing: refused or held, and why."""

    verdict: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """What lies between two revisions; ``outcomes`` where they follow each other.

    ``more`` changes are left out of ``changes``.
    """

    title: str
    about: tuple[str, ...]
    changes: tuple[ChangeRow, ...]
    outcomes: tuple[OutcomeRow, ...] = ()
    more: int = 0


class RevisionList(LineList):
    """A line for each revision; the newest is on top, ``other`` is the marked other end."""

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id)
        self._count = 0
        self._row: Callable[[int], RevisionRow] | None = None
        self.other: int | None = None

    @property
    def marked(self) -> int | None:
        """The number of the revision under the cursor."""
        return None if self.cursor is None else self._count - 1 - self.cursor

    def show_revisions(self, count: int, row: Callable[[int], RevisionRow]) -> None:
        """Show revisions 0 to ``count - 1``, of which ``row`` gives those that are seen.

        The cursor stays on its revision; at the top it goes along with new ones.
        """
        top = self.cursor in {None, 0} or self.marked is None or self.marked >= count
        at = 0 if top or self.marked is None else count - 1 - self.marked
        self._count, self._row = count, row
        self.show_lines(Lines(count, self._line), at)

    def _line(self, index: int, width: int) -> Content:
        number = self._count - 1 - index
        if self._row is None:
            return Content()
        return revision_line(self._row(number), width, self.other == number, self._count)


def revision_heading(width: int, count: int) -> str:
    """The headings over the columns."""
    digits = max(len(str(count)), 3)
    time = f"{'WHEN':<16}  " if width >= WITH_TIME else ""
    return f"  {'NO':>{digits}}  {time}{'FROM':<9}  {'BULLETS':<{_COUNTS_WIDTH}}  SCORE  NOTE"


def revision_line(row: RevisionRow, width: int, is_other: bool, count: int) -> Content:
    """One revision; dim where it doesn't count any more."""
    digits = max(len(str(count)), 3)
    faint = "$foreground 50%"
    time = f"{padded(one_line(row.at), 16)}  " if width >= WITH_TIME else ""
    line = Content.assemble(
        ("● " if is_other else "  ", "bold $accent"),
        f"{row.number:>{digits}}  {time}{padded(one_line(row.origin), 9)}  ",
    )
    counts = counted(row)
    gap = " " * max(_COUNTS_WIDTH - counts.cell_length, 0)
    score = figures.percent(row.score)
    score_style = "bold" if row.score is not None else "$foreground 40%"
    line = Content.assemble(line, counts, gap, (f"  {score:>5}  ", score_style), one_line(row.note))
    waits = [f"{n} {word}" for n, word in ((row.held, "held"), (row.refused, "refused")) if n]
    if waits:
        said = ", ".join(waits)
        line += Content.styled(f"{'; ' if row.note else ''}{said}", "$warning")
    return line if row.in_force else line.stylize(faint)


def counted(row: RevisionRow) -> Content:
    """How many bullets came, changed and went: ``+2 ~1 -3``."""
    parts = [
        Content.styled(f"{mark}{number}", style)
        for mark, number, style in (
            ("+", row.added, "$success"),
            ("~", row.changed, "$accent"),
            ("-", row.removed, "$error"),
        )
        if number
    ]
    return Content(" ").join(parts) if parts else Content.styled("0", "$foreground 40%")


def revision_detail(facts: RevisionFacts) -> Content:
    """Each bullet that differs with plain marks: + came, - went, ~ changed."""
    lines = [Content.styled(one_line(facts.title), "bold")]
    lines += [Content.styled(one_line(line), "$foreground 70%") for line in facts.about]
    lines.append(Content())
    if not facts.changes:
        lines.append(Content.styled("No bullet differs.", "$foreground 60%"))
    for change in facts.changes:
        lines += _change_lines(change)
    if facts.more:
        lines.append(Content.styled(f"and {facts.more:,} more", "$foreground 60%"))
    if facts.outcomes:
        lines += [Content(), Content.styled("Not applied", "bold $warning")]
    for outcome in facts.outcomes[:MAX_OUTCOMES]:
        lines.append(
            Content.assemble(
                (f"{one_line(outcome.verdict)}: {one_line(outcome.why)}\n", "$warning"),
                (f"  {one_line(outcome.what)}", "$foreground 80%"),
            )
        )
    if len(facts.outcomes) > MAX_OUTCOMES:
        lines.append(Content(f"and {len(facts.outcomes) - MAX_OUTCOMES:,} more"))
    return Content("\n").join(lines)


def _change_lines(change: ChangeRow) -> list[Content]:
    id_ = one_line(change.id)
    if change.kind == "changed":
        votes = votes_text(change.helpful, change.harmful)
        heading = Content.assemble(("~ ", "bold $accent"), (id_, "bold"), "   ", votes)
        if change.before == change.after:
            return [heading]
        return [heading, *changed_lines(change.before, change.after)]
    added = change.kind == "added"
    mark, style = ("+ ", "$success") if added else ("- ", "$error")
    heading = Content.assemble(
        (mark, f"bold {style}"),
        (id_, "bold"),
        (f"   {one_line(change.section)}", "$foreground 60%"),
    )
    return [heading, Content.styled(mark + plain(change.after if added else change.before), style)]


def votes_text(helpful: int, harmful: int) -> Content:
    """Votes that came or went: ``helpful +1``; empty where there are none."""
    parts: Sequence[Content] = [
        Content.styled(f"{name} {votes:+,}", style)
        for name, votes, style in (
            ("helpful", helpful, "$success"),
            ("harmful", harmful, "$error"),
        )
        if votes
    ]
    return Content("  ").join(parts)

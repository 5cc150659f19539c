"""The bullets of a playbook as lines, by section or in another order, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from widgets import figures
from widgets.plain_text import fitted, one_line, padded, plain
from widgets.playbook_lines import LineList, Lines
from widgets.word_changes import marked

MAX_ID_WIDTH = 22
MAX_SECTION_WIDTH = 16
WITH_SECTION = 90
REMOVED, ADDED = "strike $error", "bold underline $success"


@dataclass(frozen=True, slots=True)
class BulletRow:
    """One bullet: its votes are counts."""

    id: str
    section: str
    text: str
    helpful: int = 0
    harmful: int = 0


@dataclass(frozen=True, slots=True)
class Touch:
    """A revision that changed a bullet: ``what`` it did, and both texts where that changed."""

    number: int
    at: str
    origin: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class BulletFacts:
    """All that is known of one bullet; ``touches`` are the newest first."""

    row: BulletRow
    source: str
    created: str
    updated: str
    touches: tuple[Touch, ...] = ()


@dataclass(frozen=True, slots=True)
class BulletColumns:
    """The widths that ids and counters need."""

    id: int = 2
    helpful: int = 4
    harmful: int = 4
    section: int = 0

    @classmethod
    def of(cls, rows: Sequence[BulletRow], with_section: bool) -> BulletColumns:
        """The widths of the widest, within limits."""
        section = max((cell_len(row.section) for row in rows), default=0) if with_section else 0
        return cls(
            min(max((len(row.id) for row in rows), default=2), MAX_ID_WIDTH),
            max(4, *(len(f"+{row.helpful:,}") for row in rows)) if rows else 4,
            max(4, *(len(f"-{row.harmful:,}") for row in rows)) if rows else 4,
            min(section, MAX_SECTION_WIDTH),
        )

    def heading(self, width: int) -> str:
        """The headings over the columns."""
        section = f"{padded('SECTION', self.section)}  " if self._has_section(width) else ""
        counts = f"{'HELP':>{self.helpful}} {'HARM':>{self.harmful}}"
        return f" {padded('ID', self.id)}  {counts}  {section}TEXT"

    def line(self, row: BulletRow, width: int) -> Content:
        """One bullet; the text is cut where the line ends."""
        section = padded(one_line(row.section), self.section)
        left = f" {padded(one_line(row.id), self.id)}  "
        counts = self.helpful + self.harmful + 3
        room = max(width - len(left) - counts, 0)
        return Content.assemble(
            (left, "$foreground 70%"),
            (f"{f'+{row.helpful:,}':>{self.helpful}} ", "$success" if row.helpful else _FAINT),
            (f"{f'-{row.harmful:,}':>{self.harmful}}  ", "$error" if row.harmful else _FAINT),
            (f"{section}  ", "$foreground 70%") if self._has_section(width) else "",
            # A long text is cut before it is made safe: a list of 5,000 draws at once.
            one_line(row.text[: 2 * room]),
        )

    def _has_section(self, width: int) -> bool:
        return bool(self.section) and width >= WITH_SECTION


_FAINT = "$foreground 40%"


class BulletList(LineList):
    """A line for each bullet; with headings where they are ``grouped`` by section."""

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id)
        self.columns = BulletColumns()
        self._entries: list[BulletRow | Content] = []

    @property
    def marked(self) -> BulletRow | None:
        """The bullet under the cursor."""
        entry = self._entries[self.cursor] if self.cursor is not None else None
        return entry if isinstance(entry, BulletRow) else None

    def show_bullets(
        self, rows: Sequence[BulletRow], grouped: bool, marked_id: str | None, empty: str
    ) -> None:
        """Show ``rows`` in their order with the cursor on that of ``marked_id``.

        Where it is gone the cursor stays at its line, so that one may remove several in a row.
        """
        at = self.cursor or 0
        self.columns = BulletColumns.of(rows, not grouped)
        self._entries = _grouped(rows) if grouped else list(rows)
        headings = frozenset(i for i, e in enumerate(self._entries) if isinstance(e, Content))
        for place, entry in enumerate(self._entries):
            if isinstance(entry, BulletRow) and entry.id == marked_id:
                at = place
                break
        self.show_lines(Lines(len(self._entries), self._line, headings), at, empty)

    def _line(self, index: int, width: int) -> Content:
        entry = self._entries[index]
        return entry if isinstance(entry, Content) else self.columns.line(entry, width)


def _grouped(rows: Sequence[BulletRow]) -> list[BulletRow | Content]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.section] = counts.get(row.section, 0) + 1
    entries: list[BulletRow | Content] = []
    section: str | None = None
    for row in rows:
        if row.section != section:
            section = row.section
            title = f" {fitted(one_line(section), 40)}"
            entries.append(
                Content.assemble(
                    (title, "bold $accent"), (f"  {counts[section]:,}", "$foreground 60%")
                )
            )
        entries.append(row)
    return entries


def bullet_detail(facts: BulletFacts) -> Content:
    """One bullet in full: text, votes, where it comes from, and every change to it."""
    row = facts.row
    heading = Content.assemble(
        (one_line(row.id), "bold $success"), (f"   {one_line(row.section)}", "$foreground 70%")
    )
    votes = Content.assemble(
        (f"helpful {figures.count(row.helpful)}", "$success" if row.helpful else _FAINT), "   ",
        (f"harmful {figures.count(row.harmful)}", "$error" if row.harmful else _FAINT),
    )  # fmt: skip
    lines = [heading, Content(), Content(plain(row.text)), Content(), votes]
    lines += [
        Content.assemble((f"{name:<9}", "$foreground 60%"), one_line(text))
        for name, text in (
            ("source", facts.source),
            ("created", facts.created),
            ("updated", facts.updated),
        )
    ]
    if facts.touches:
        lines += [Content(), Content.styled("Its changes, the latest first", "bold")]
    for touch in facts.touches:
        lines += _touch_lines(touch)
    return Content("\n").join(lines)


def _touch_lines(touch: Touch) -> list[Content]:
    when = f"{touch.number:>4}  {one_line(touch.at)}  {one_line(touch.origin)}: "
    lines = [Content.assemble((when, "$foreground 60%"), one_line(touch.what))]
    if touch.before:
        lines += changed_lines(touch.before, touch.after)
    return lines


def changed_lines(before: str, after: str) -> list[Content]:
    """Two texts below each other, with the words that differ marked in each."""
    old, new = plain(before), plain(after)
    return [
        Content.styled("- ", "$error") + marked(old, new, REMOVED),
        Content.styled("+ ", "$success") + marked(new, old, ADDED),
    ]

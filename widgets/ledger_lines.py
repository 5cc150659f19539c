"""One learned document as the ledger writes it: title, losses, cost, and marks."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from widgets import figures
from widgets.guard_lines import overlaps
from widgets.plain_text import one_line, padded

EMPTY = Content.styled("Nothing learned yet.", "$foreground 60%")
_INDENT = 3
_FAINT, _MUTED = "$foreground 70%", "$foreground 45%"
_MIN_OVERLAP_WIDTH = 20
Part = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One learned document; losses in nats per token.

    ``overlaps`` pairs earlier documents' titles with shares (0..1); ``held_out_budget`` is
    the relative rise that was allowed while it was learned.
    """

    id: str
    title: str
    tokens: int
    loss_before: float | None
    loss_after: float | None
    held_out_before: float | None = None
    held_out_after: float | None = None
    held_out_budget: float | None = None
    answers_kept: float | None = None
    answers_probed: int = 0
    overlaps: tuple[tuple[str, float], ...] = ()
    size_bytes: int | None = None
    chunks: int = 0
    muted: bool = False

    @property
    def held_out_change(self) -> float | None:
        """The relative change of the held-out loss."""
        return figures.relative_change(self.held_out_after, self.held_out_before)


def lines_of(position: int, entry: LedgerEntry, width: int) -> Content:
    """Title with marks, then what learning brought and cost, in ``width`` cells."""
    lines = [_title(position, entry, width), *_figures(entry, width - _INDENT)]
    text = Content("\n").join(lines)
    return Content.styled(text.plain, _MUTED) if entry.muted else text


def _title(position: int, entry: LedgerEntry, width: int) -> Content:
    marks = ["muted"] if entry.muted else []
    marks += [figures.size(entry.size_bytes)] if entry.size_bytes is not None else []
    end = "".join(f"  {mark}" for mark in marks)
    title = padded(one_line(entry.title), max(width - _INDENT - len(end), 1))
    return Content.assemble(
        (f"{position:>2} ", "$foreground 60%"), (title, "bold"), (end, "$foreground 70%")
    )


def _figures(entry: LedgerEntry, room: int) -> list[Content]:
    """The numbers in as few lines as they need; tokens only where there is room left."""
    lines: list[list[Part]] = [[]]
    for part in _needed(entry):
        if lines[-1] and _width([*lines[-1], part]) > room:
            lines.append([])
        lines[-1].append(part)
    _add_tokens(lines, entry, room)
    _add_overlaps(lines, entry, room)
    return [_line(parts) for parts in lines]


def _needed(entry: LedgerEntry) -> list[Part]:
    parts: list[Part] = [(_gain(entry), "$success")]
    if (change := entry.held_out_change) is not None:
        budget = entry.held_out_budget
        cost = f"{figures.signed_percent(change)} {figures.verdict(change, budget)}".rstrip()
        parts.append((cost, "$warning" if figures.is_risky(change, budget) else _FAINT))
    if entry.answers_kept is not None:
        parts.append((figures.kept(entry.answers_kept, entry.answers_probed), _FAINT))
    return parts


def _gain(entry: LedgerEntry) -> str:
    """What was won: a lower loss, or where none is measured the passages to retrieve."""
    if entry.loss_before is None and entry.chunks:
        return figures.chunks(entry.chunks)
    return f"{figures.number(entry.loss_before)} → {figures.number(entry.loss_after)}"


def _add_tokens(lines: list[list[Part]], entry: LedgerEntry, room: int) -> None:
    part = (f"{figures.count(entry.tokens)} tok", _FAINT)
    for line in lines:
        if _width([*line, part]) <= room:
            line.append(part)
            return


def _add_overlaps(lines: list[list[Part]], entry: LedgerEntry, room: int) -> None:
    if not entry.overlaps:
        return
    left = room - _width(lines[-1]) - 2
    if left < _MIN_OVERLAP_WIDTH + len("overlap "):
        lines.append([])
        left = room
    text = overlaps(entry.overlaps, left - len("overlap "))
    lines[-1].append((f"overlap {text}", _FAINT))


def _line(parts: list[Part]) -> Content:
    between: list[Part] = []
    for part in parts:
        between += [("  ", ""), part]
    return Content.assemble((" " * _INDENT, ""), *between[1:])


def _width(parts: list[Part]) -> int:
    return sum(cell_len(text) for text, _ in parts) + 2 * max(len(parts) - 1, 0)

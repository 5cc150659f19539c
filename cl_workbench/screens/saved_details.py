"""What a saved state holds and how two differ, in lines for the panel beside the list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.content import Content

from cl_workbench.commands.table import size_text, time_text
from engines.catalogue import Comparison, Details, Saved, SavedDocument
from widgets import figures
from widgets.plain_text import one_line


def details_text(details: Details) -> Content:
    """A saved state: when and of what, its documents, or what is wrong with it."""
    saved = details.saved
    lines = [_heading(saved.name)]
    if saved.fault is not None:
        return Content("\n").join([*lines, Content.styled(one_line(saved.fault), "$error")])
    lines += [
        _plain(f"saved {time_text(saved.saved_at)}, {size_text(saved.bytes)}"),
        _plain(f"{saved.engine or figures.ABSENT} on {saved.model or 'an unnamed model'}"),
        *_dial(details),
        Content(),
    ]
    documents = [_document(document) for document in details.documents]
    return Content("\n").join([*lines, *(documents or [_plain("No documents.")])])


def comparison_text(comparison: Comparison) -> Content:
    """Documents in both and in one alone, α, and each setting that differs."""
    a, b = comparison.a, comparison.b
    lines = [_heading(f"{a.name} and {b.name}")]
    if not comparison.same_model:
        lines.append(Content.styled("They were learned by different models.", "$warning"))
    if (a.alpha, b.alpha) != (None, None):
        lines.append(_plain(f"α {figures.number(a.alpha)} and {figures.number(b.alpha)}"))
    lines += _section("In both", (_pair(*pair) for pair in comparison.both))
    lines += _section(f"Only in {a.name}", map(_document, comparison.only_a))
    lines += _section(f"Only in {b.name}", map(_document, comparison.only_b))
    settings = (
        _plain(f"{key}: {_value(in_a)} and {_value(in_b)}")
        for key, in_a, in_b in comparison.settings
    )
    return Content("\n").join([*lines, *_section("Settings that differ", settings)])


def saved_cells(saved: Saved) -> tuple[str, ...]:
    """The cells of one row of the list."""
    if saved.fault is not None:
        return (saved.name, "", "", "", "", size_text(saved.bytes))
    return (
        saved.name,
        time_text(saved.saved_at),
        str(saved.documents),
        "" if saved.alpha is None else figures.number(saved.alpha),
        saved.model or figures.ABSENT,
        size_text(saved.bytes),
    )


def _dial(details: Details) -> list[Content]:
    """Where the dial stood, or how strongly it was set to bias; nothing for a state without."""
    if details.saved.alpha is not None:
        return [_plain(f"α {figures.number(details.saved.alpha)}")]
    for key, name in (("strength", "bias"), ("context_strength", "context strength")):
        strength = (details.settings or {}).get(key)
        if type(strength) in {int, float}:
            return [_plain(f"{figures.strength(strength, name)} as set")]
    return []


def _section(title: str, lines: Iterable[Content]) -> list[Content]:
    found = list(lines)
    count = f"{one_line(title)} ({len(found)})" if found else f"{one_line(title)}: none"
    return [Content(), Content.styled(count, "bold"), *found]


def _heading(text: str) -> Content:
    return Content.styled(one_line(text), "bold $accent")


def _plain(text: str) -> Content:
    return Content(one_line(text))


def _document(document: SavedDocument) -> Content:
    muted = "  muted" if document.muted else ""
    losses = _losses(document)
    return Content.assemble(
        one_line(document.title),
        (f"  {losses}" if losses else "", "$success"),
        (muted, "$warning"),
    )


def _pair(first: SavedDocument, second: SavedDocument) -> Content:
    losses, others = _losses(first), _losses(second)
    if losses != others:
        losses = f"{losses or figures.ABSENT} and {others or figures.ABSENT}"
    return Content.assemble(one_line(first.title), (f"  {losses}" if losses else "", "$success"))


def _losses(document: SavedDocument) -> str:
    """Both losses; nothing for an engine that measures none."""
    if document.loss_before is None and document.loss_after is None:
        return ""
    return f"{figures.number(document.loss_before)} → {figures.number(document.loss_after)}"


def _value(value: Any) -> str:
    return "not set" if value is None else str(value)

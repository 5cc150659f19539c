"""What an answer carried besides its words, as the panes' own values."""

from __future__ import annotations

from collections.abc import Sequence

from cl_workbench.messages import AnswerEnded
from engines.protocol import Citation, Nudge, Passage, Retrieval
from widgets.lifted_answer import MovedToken, strongest_first
from widgets.passages import BiasedToken, PassageRow, biased
from widgets.sources import Source


def sources_of(event: AnswerEnded) -> tuple[Source, ...]:
    """The passages cited, in their order, each with the words that the answer rests on."""
    return tuple(
        Source(citation.number, citation.title, cited_words(citation))
        for citation in event.citations
    )


def note_of(event: AnswerEnded) -> str:
    """What a person should know of the retrieval, such as that nothing was found."""
    return (event.retrieval.note or "") if event.retrieval is not None else ""


def moved_tokens(event: AnswerEnded) -> tuple[MovedToken, ...]:
    """The tokens of the answer that were lifted or lowered, in their order."""
    return tuple(
        MovedToken(nudge.text, nudge.amount, begin, end, nudge.passages)
        for nudge, (begin, end) in zip(event.nudges, event.spans, strict=True)
        if nudge.amount
    )


def passage_rows(
    retrieval: Retrieval, citations: Sequence[Citation], moved: Sequence[MovedToken] = ()
) -> tuple[PassageRow, ...]:
    """The passages in the order of their rank, with what is cited and was moved by each."""
    return tuple(
        PassageRow(
            passage.title,
            passage.number,
            passage.text,
            passage.score,
            passage.reference,
            _cited_spans(passage, citations),
            tuple(_token(nudge) for nudge in retrieval.nudges if index in nudge.passages),
            _said([token for token in moved if index in token.passages]),
        )
        for index, passage in enumerate(retrieval.passages)
    )


def bias_lines(retrieval: Retrieval, moved: Sequence[MovedToken]) -> tuple[str, ...]:
    """What was biased from the start, and what in the answer none of the passages tells of."""
    lines = []
    if retrieval.nudges:
        lines.append(f"Biased from the start: {biased([*map(_token, retrieval.nudges)])}.")
    if others := [token for token in moved if not token.passages]:
        lines.append(f"Moved by none of these: {biased(_said(others))}.")
    return tuple(lines) if lines or moved else ("No logits were moved.",)


def _said(moved: Sequence[MovedToken]) -> tuple[BiasedToken, ...]:
    return tuple(BiasedToken(token.text, token.amount) for token in strongest_first(moved))


def _token(nudge: Nudge) -> BiasedToken:
    return BiasedToken(nudge.text, nudge.amount)


def _cited_spans(passage: Passage, citations: Sequence[Citation]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (citation.start, citation.end)
        for citation in citations
        if citation.end > citation.start
        and (citation.document_id, citation.passage) == (passage.document_id, passage.text)
    )


def cited_words(citation: Citation) -> str:
    """The part of the passage that the answer rests on; all of it where that can't be told."""
    return citation.passage[citation.start : citation.end] or citation.passage

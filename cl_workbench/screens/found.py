"""What an answer carried besides its words, as the panes' own values."""

from __future__ import annotations

from collections.abc import Sequence

from cl_workbench.messages import AnswerEnded
from engines.protocol import Citation, Nudge, Passage, Retrieval
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


def passage_rows(retrieval: Retrieval, citations: Sequence[Citation]) -> tuple[PassageRow, ...]:
    """The passages in the order of their rank, with what is cited of each."""
    return tuple(
        PassageRow(
            passage.title,
            passage.number,
            passage.text,
            passage.score,
            passage.reference,
            _cited_spans(passage, citations),
            tuple(_token(nudge) for nudge in retrieval.nudges if index in nudge.passages),
        )
        for index, passage in enumerate(retrieval.passages)
    )


def bias_lines(retrieval: Retrieval, nudges: Sequence[Nudge]) -> tuple[str, ...]:
    """What was biased from the start and in the answer's own tokens, a line for each."""
    lines = []
    if retrieval.nudges:
        lines.append(f"Biased from the start: {biased([*map(_token, retrieval.nudges)])}.")
    if nudges:
        strongest = sorted(nudges, key=lambda nudge: abs(nudge.amount))
        by_text = {nudge.text: nudge for nudge in strongest}
        said = [_token(by_text[text]) for text in dict.fromkeys(n.text for n in nudges)]
        lines.append(f"In the answer: {biased(said)}.")
    return tuple(lines) or ("No logits were moved.",)


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

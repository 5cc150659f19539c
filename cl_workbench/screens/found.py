"""What an answer carried besides its words, as the panes' own values."""

from __future__ import annotations

from cl_workbench.messages import AnswerEnded
from engines.protocol import Citation
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


def cited_words(citation: Citation) -> str:
    """The part of the passage that the answer rests on; all of it where that can't be told."""
    return citation.passage[citation.start : citation.end] or citation.passage

"""Answering in a conversation, with the playbook and passages in view."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence

from engines.ace.fitting import Fitted, fitted
from engines.ace.playbook import Playbook
from engines.ace.prompts import REPLIER, Brief
from engines.decoding import counted
from engines.jitrl.citing import cited
from engines.language_models.protocol import LanguageModel, Request
from engines.protocol import EngineError, Passage, Piece, Retrieval, Sampling, Turn


def reply(
    model: LanguageModel,
    turns: Sequence[Turn],
    sampling: Sampling,
    playbook: Playbook,
    found: Retrieval,
    revision: int,
) -> Generator[Piece, None, tuple[str, Playbook]]:
    """Stream an answer to the last turn; returns it whole, with the bullets that were shown.

    The first piece tells which passages were used, the last cites.

    Raises:
        EngineError: if the last turn is not a user's, or nothing fits into the context.
    """
    if not turns or turns[-1].role != "user":
        raise EngineError("There is no question to answer: end with one.")
    brief = _brief(turns, playbook, found.passages)

    def request(shorter: Brief) -> Request:
        return Request.of(shorter.turns(), sampling)

    fit = fitted(model, brief, request, revision)
    used = _numbered(fit.brief.passages)
    yield Piece("", tokens=0, retrieval=_told(found, used, fit))
    answer = ""
    writing = model.stream(fit.request)
    try:
        for chunk in writing:
            answer += chunk.text
            yield Piece(chunk.text, tokens=1 if chunk.text or chunk.thinking else 0)
    finally:
        writing.close()
    rests_on = cited(answer, used)
    if rests_on.citations:
        yield Piece(rests_on.marker, tokens=0, citations=rests_on.citations)
    return answer, fit.brief.playbook or Playbook()


def _brief(turns: Sequence[Turn], playbook: Playbook, passages: Sequence[Passage]) -> Brief:
    # The person's own system prompt joins ours: many templates take only one.
    own = [turn.content for turn in turns if turn.role == "system"]
    return Brief(
        "\n".join([*own, REPLIER]),
        {"question": turns[-1].content},
        "Answer the question.",
        playbook if playbook.bullets else None,
        tuple(passages),
        tuple(turn for turn in turns[:-1] if turn.role != "system"),
    )


def _numbered(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    return tuple(dataclasses.replace(p, reference=n) for n, p in enumerate(passages, start=1))


def _told(found: Retrieval, used: tuple[Passage, ...], fit: Fitted) -> Retrieval:
    left_out = [
        f"{counted(count, what)}{whose}"
        for count, what, whose in (
            (fit.passages_left_out, "passage", ""),
            (fit.bullets_left_out, "bullet", " of the playbook"),
            (fit.turns_left_out, "exchange", " of the conversation"),
        )
        if count
    ]
    note = f"Left out for lack of room: {', '.join(left_out)}." if left_out else found.note
    return dataclasses.replace(found, passages=(*used, *found.passages[len(used) :]), note=note)

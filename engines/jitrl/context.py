"""Passages put before the question, as many as there is room for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from engines.conversation import without_oldest_exchange
from engines.host import ModelHost
from engines.jitrl.citing import without_markers
from engines.jitrl.sentences import sentence_spans
from engines.protocol import Passage, Turn

INSTRUCTION = "Answer from these passages, and cite the one that you use like [1]."
_LEAST_KEPT = 1 / 3  # of the text of a passage that is cut


@dataclass(frozen=True, slots=True)
class Context:
    """The turns to prompt with, and what became of the passages.

    ``passages`` are those that were given, in their order; the ones in the prompt have
    their ``reference`` and the text that was put there, as the document has it: the model
    reads (n) for an [n] of its own, so that it isn't copied as a citation.  ``tokens`` is by
    how much the prompt is longer for them.
    """

    turns: tuple[Turn, ...]
    passages: tuple[Passage, ...]
    tokens: int

    @property
    def used(self) -> tuple[Passage, ...]:
        """The passages in the prompt, [1] first."""
        return tuple(passage for passage in self.passages if passage.reference is not None)


def with_passages(
    host: ModelHost,
    turns: Sequence[Turn],
    passages: Sequence[Passage],
    *,
    new_tokens: int,
    budget: int,
) -> Context:
    """Put ``passages`` before the last question, in at most ``budget`` tokens.

    They get what the turns that ``host.fit`` keeps leave free; the first that doesn't fit is
    cut at the end of a sentence if at least a third of it stays.  Without passages, or
    without a last user turn to put them in, the turns come back as they are.

    Raises:
        EngineError: if the question alone leaves no room for ``new_tokens``.
    """
    whole = len(host.fit(turns, new_tokens))
    unchanged = Context(tuple(turns), tuple(passages), 0)
    if not passages or turns[-1].role != "user":
        return unchanged
    room = min(budget, host.context_limit - new_tokens - whole)
    prompt = _Prompt(host, _kept(host, turns, whole), whole)
    placed = _placed(prompt, passages, room)
    if not any(passage.reference for passage in placed):
        return unchanged
    used = [passage for passage in placed if passage.reference is not None]
    return Context(tuple(prompt.turns_with(used)), tuple(placed), prompt.tokens(used))


def _kept(host: ModelHost, turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """The turns that ``host.fit`` made ``tokens`` of."""
    kept = list(turns)
    while len(host.prompt(kept)) > tokens:
        kept = without_oldest_exchange(kept)
    return kept


def _placed(prompt: _Prompt, passages: Sequence[Passage], room: int) -> list[Passage]:
    placed: list[Passage] = []
    used: list[Passage] = []
    full = False
    for passage in passages:
        numbered = dataclasses.replace(passage, reference=len(used) + 1)
        fitting = None if full else _fitting(prompt, used, numbered, room)
        if fitting is not None:
            used.append(fitting)
            full = len(fitting.text) < len(passage.text)
        placed.append(dataclasses.replace(passage, reference=None) if fitting is None else fitting)
    return placed


def _fitting(
    prompt: _Prompt, used: Sequence[Passage], passage: Passage, room: int
) -> Passage | None:
    """``passage`` whole or cut at the end of a sentence, None where too little is left of it."""
    if not passage.text.strip():
        return None
    if prompt.tokens([*used, passage]) <= room:
        return passage
    ends = [end for _, end in sentence_spans(passage.text)]
    ends = [end for end in ends if len(passage.text) * _LEAST_KEPT <= end < len(passage.text)]
    best = None
    while ends:  # halve: each further sentence makes the prompt longer
        middle = len(ends) // 2
        cut = _cut(passage, ends[middle])
        if prompt.tokens([*used, cut]) <= room:
            best, ends = cut, ends[middle + 1 :]
        else:
            ends = ends[:middle]
    return best


def _cut(passage: Passage, end: int) -> Passage:
    return dataclasses.replace(passage, text=passage.text[:end], end=passage.start + end)


class _Prompt:
    """The turns that are kept, and how long the prompt gets with passages in it."""

    def __init__(self, host: ModelHost, turns: Sequence[Turn], tokens: int) -> None:
        self._host = host
        self._turns = list(turns)
        self._tokens = tokens
        self._marks = _special_marks(host)

    def tokens(self, passages: Sequence[Passage]) -> int:
        return len(self._host.prompt(self.turns_with(passages))) - self._tokens

    def turns_with(self, passages: Sequence[Passage]) -> list[Turn]:
        parts = [
            f"[{p.reference}] {self._plain(p.title)}\n{self._plain(p.text.strip())}"
            for p in passages
        ]
        question = self._turns[-1].content
        content = "\n\n".join([*parts, INSTRUCTION, question])
        return [*self._turns[:-1], Turn("user", content)]

    def _plain(self, text: str) -> str:
        """``text`` with no mark in it that would be taken for a turn's end or a citation."""
        for mark in self._marks:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        return without_markers(text)


def _special_marks(host: ModelHost) -> tuple[str, ...]:
    """The special tokens of the model as they are written, such as ``<|im_end|>``."""
    added = host.tokenizer.added_tokens_decoder.values()
    return tuple(str(token.content) for token in added if token.special and len(token.content) > 1)

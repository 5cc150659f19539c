"""The return of each stored token, moved by a person's verdicts and moved back to the bit.

Only the verdicts are kept.  Returns follow from them: 1 for every stored token (its
document wrote it there), then one step towards an aim for each verdict in its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, get_args

import torch
from torch import Tensor

from engines.abilities import Feedback, Rating
from engines.protocol import EngineError

START = 1.0
_AIMS: dict[Rating, float] = {"up": 2.0, "down": -1.0}


@dataclass(frozen=True, slots=True)
class Used:
    """Stored tokens of one document that an answer rested on, and how much on each.

    ``indices`` are rows of the document's state file, each once; ``weights`` are 0…1, the
    largest at each token of the answer 1.
    """

    document_id: str
    indices: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ``Feedback`` with what it touched."""

    feedback: Feedback
    rate: float
    used: tuple[Used, ...]


class Returns:
    """Returns ``[tokens]`` per document, and the verdicts that they follow from.

    ``version`` is another number after every change, for those who keep copies.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._values: dict[str, Tensor] = {}
        self._verdicts: list[Verdict] = []
        self.version = 0

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """All verdicts in force, in their order."""
        return tuple(verdict.feedback for verdict in self._verdicts)

    def of(self, document_id: str) -> Tensor:
        """The returns of a document, ``[tokens]`` float32 on the CPU; not to be written to."""
        return self._values[document_id]

    def add(self, document_id: str, tokens: int) -> None:
        """Take in a document of ``tokens`` stored tokens, each with a return of 1."""
        self.forget(document_id)
        self._tokens[document_id] = tokens
        self._replay([document_id])

    def forget(self, document_id: str) -> None:
        """Drop a document and its part of the verdicts; those that touched no other go too."""
        self._tokens.pop(document_id, None)
        self._values.pop(document_id, None)
        kept = (_without(verdict, document_id) for verdict in self._verdicts)
        self._verdicts = [verdict for verdict in kept if verdict.used]
        self.version += 1

    def rate(
        self,
        rating: Rating,
        used: Sequence[Used],
        *,
        rate: float,
        question: str,
        answer: str,
        tokens: int,
        rated_at: str,
    ) -> Feedback:
        """Move the returns of ``used`` towards 2 (up) or −1 (down) and keep the verdict.

        return_i += ``rate`` · w_i · (aim − return_i).

        Raises:
            EngineError: if nothing that is stored was used.
            ValueError: if ``used`` names rows that aren't there or odd weights.
        """
        shares = tuple(part for part in map(_counted, used) if part.indices)
        entries = sum(len(part.indices) for part in shares)
        if not entries:
            raise EngineError(
                "The last answer used nothing that is stored, so there is nothing to rate."
            )
        number = 1 + max((verdict.feedback.number for verdict in self._verdicts), default=0)
        feedback = Feedback(number, rating, question, answer, tokens, entries, rated_at)
        verdict = Verdict(feedback, rate, shares)
        _check(verdict, self._tokens)
        self._verdicts.append(verdict)
        self._replay([part.document_id for part in shares])
        return feedback

    def undo(self) -> Feedback:
        """Take the last verdict back; returns are then exactly as before it.

        Raises:
            EngineError: if there is none.
        """
        if not self._verdicts:
            raise EngineError("There is no rating to undo.")
        last = self._verdicts.pop()
        self._replay([part.document_id for part in last.used])
        return last.feedback

    def _replay(self, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            self._values[document_id] = self._replayed(document_id)
        self.version += 1

    def _replayed(self, document_id: str) -> Tensor:
        values = torch.full((self._tokens[document_id],), START)
        for verdict in self._verdicts:
            aim = _AIMS[verdict.feedback.rating]
            for part in verdict.used:
                if part.document_id == document_id:
                    rows = torch.tensor(part.indices)
                    step = verdict.rate * torch.tensor(part.weights)
                    values[rows] += step * (aim - values[rows])
        return values

    def to_json(self) -> list[dict[str, Any]]:
        """The verdicts as plain values."""
        return [
            {
                "feedback": asdict(verdict.feedback),
                "rate": verdict.rate,
                "used": [
                    {
                        "document_id": part.document_id,
                        "indices": [*part.indices],
                        "weights": [*part.weights],
                    }
                    for part in verdict.used
                ],
            }
            for verdict in self._verdicts
        ]

    @classmethod
    def from_json(cls, data: object, tokens: Mapping[str, int]) -> Returns:
        """What ``to_json`` gave, for documents of so many ``tokens`` each.

        Raises:
            ValueError: if it is anything else, or doesn't fit the documents.
        """
        found = cls()
        try:
            verdicts = [_verdict(entry) for entry in cast(Any, data)]
            for verdict in verdicts:
                _check(verdict, tokens)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"These are no verdicts: {error}") from error
        for document_id, count in tokens.items():
            found.add(document_id, count)
        found._verdicts = verdicts
        found._replay([*tokens])
        return found


def _counted(used: Used) -> Used:
    rows = [(row, w) for row, w in zip(used.indices, used.weights, strict=True) if w != 0]
    return replace(used, indices=tuple(r for r, _ in rows), weights=tuple(w for _, w in rows))


def _without(verdict: Verdict, document_id: str) -> Verdict:
    used = tuple(part for part in verdict.used if part.document_id != document_id)
    if len(used) == len(verdict.used):
        return verdict
    entries = sum(len(part.indices) for part in used)
    return replace(verdict, used=used, feedback=replace(verdict.feedback, entries=entries))


def _verdict(entry: Mapping[str, Any]) -> Verdict:
    used = tuple(
        Used(part["document_id"], tuple(part["indices"]), tuple(part["weights"]))
        for part in entry["used"]
    )
    return Verdict(Feedback(**entry["feedback"]), entry["rate"], used)


def _check(verdict: Verdict, tokens: Mapping[str, int]) -> None:
    """Raise ``ValueError`` for a verdict that can't have been given on these documents."""
    _check_feedback(verdict.feedback)
    documents = [part.document_id for part in verdict.used]
    if not documents or len({*documents}) != len(documents) or not {*documents} <= tokens.keys():
        raise ValueError("A verdict must name each of its documents once, and only stored ones")
    for part in verdict.used:
        whole = all(type(i) is int and 0 <= i < tokens[part.document_id] for i in part.indices)
        once = len({*part.indices}) == len(part.indices) == len(part.weights) > 0
        if not (whole and once and all(_is_share(weight) for weight in part.weights)):
            raise ValueError(f"A verdict touches rows that '{part.document_id}' doesn't have")
    if not _is_share(verdict.rate):
        raise ValueError(f"A verdict's rate must be in 0…1, not {verdict.rate}")


def _check_feedback(feedback: Feedback) -> None:
    words = (feedback.question, feedback.answer, feedback.rated_at)
    counts = (feedback.number, feedback.tokens, feedback.entries)
    if (
        feedback.rating not in get_args(Rating)
        or not all(isinstance(word, str) for word in words)
        or not all(type(count) is int and count >= 0 for count in counts)
    ):
        raise ValueError(f"This is no verdict: {feedback}")


def _is_share(number: object) -> bool:
    return isinstance(number, int | float) and 0 <= number <= 1

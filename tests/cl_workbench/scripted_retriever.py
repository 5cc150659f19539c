"""An engine that answers from passages that it finds, without a model or an index.

What it finds and cites is what ``retrieval`` and ``citations`` of the script hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scripted_engine import ScriptedHost, UndialledEngine, words

from engines.protocol import (
    Citation,
    LearnReport,
    Nudge,
    Passage,
    Piece,
    Retrieval,
    Sampling,
    Turn,
)

LAMP = "The lamp was first lit in 1871."
LIGHT = f"The light stands at the end of the mole. {LAMP} It turns twice a minute."
BIRDS = "Forty birds of nine kinds live in it."
FOUND = Retrieval(
    "How often does the light turn?",
    (
        Passage("a" * 12, "The harbour light", 2, LIGHT, 0.8125, 0, len(LIGHT), reference=1),
        Passage("a" * 12, "The harbour light", 1, "Three keepers look after the light.", 0.41,
                reference=2),
        Passage("b" * 12, "The [b]aviary[/b]", 7, BIRDS, 0.05),
    ),
    context_tokens=143,
    nudges=(Nudge(" lamp", 1.5, (0,)), Nudge("1871", 1.25, (0, 1))),
)  # fmt: skip
CITED = (Citation("a" * 12, "The harbour light", LIGHT, 0.8125, 1, LIGHT.index(LAMP),
                  LIGHT.index(LAMP) + len(LAMP)),)  # fmt: skip
NOTHING = Retrieval(
    "What is the price of tin?",
    note="Nothing relevant was found, so the answer is without context.",
)


class RetrievingEngine(UndialledEngine):
    """Finds what it was told to, and says so with its answers; no loss is measured."""

    name = "jitrl-mvp"
    strength_limit = 4.0

    def __init__(self, host: ScriptedHost) -> None:
        super().__init__(host)
        self._strength = 0.0

    @property
    def strength(self) -> float:
        """How strongly tokens are biased; a change to it is noted."""
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        self.script.alphas.append(value)
        self._strength = value

    def retrieve(self, query: str) -> Retrieval:
        """What the script finds, under this query."""
        return replace(self.script.retrieval or NOTHING, query=query)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """The passages with the first piece, one nudged token, the citations with the last."""
        script, found = self.script, self.script.retrieval
        if found is not None:
            yield Piece("", 0, retrieval=found)
        for piece in words(script, script.learned_answer):
            nudged = Nudge("light", 0.75) if piece.text == " light" and self._strength else None
            yield replace(piece, nudge=nudged)
        yield Piece("", 0, citations=script.citations)

    def _report(self, document, tokens, start) -> LearnReport:  # type: ignore[no-untyped-def]
        report = super()._report(document, tokens, start)
        return replace(
            report, loss_before=None, loss_after=None, held_out_loss_before=None,
            held_out_loss_after=None, alpha=None, objective=None, passes=0, answers_kept=None,
            gate_open_share=None, chunks=2,
        )  # fmt: skip

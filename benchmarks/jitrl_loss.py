"""What both JitRL engines do to the likelihood of learned and of other text.

    python benchmarks/jitrl_loss.py [--answers 5] [--new-tokens 48] [--conditions base full …]

The eight documents of ``data/truth.jsonl`` are learned four at a time, so each is once a
learned one and once another one.  Everything is scored on the path that chat takes: the
engine's own ``reply`` writes a given answer, token by token, and each token's nats are read
from the logits it would have chosen by.
    learned text    32 tokens of a learned document are asked to be continued; the next 48
    other text      the same of a document that is not learned, the other four stored
    held-out text   the same of the general passages that the gate is calibrated on
    learned answer  questions on a learned document, the first right answer
    other answer    questions on a document that is not learned
    general answer  trivia questions, the first right answer
Conditions:
    base            the unchanged model
    mvp             JitRL MVP by its defaults: retrieved passages in the prompt, no bias
    mvp bias 4      the same with a bias of 4 nats on the passages' words
    knn-lm          plain kNN-LM (arXiv 1911.00172): the same stored states and neighbours,
                    a share of 0.25 of the probability, everywhere
    full            JitRL Full by its defaults
    full last       the same with the states of the last layer
    full mixed      the same neighbours and gate, a share of 0.25 instead of advantages
Nats per token are means over texts, with the 95 % bootstrap interval over them.  ``kept`` is
the share of general questions whose greedy answer is the base's to the letter.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from evaluation import Learnable, learnables, question_turns, short_questions
from reporting import publish, summary

from cl_workbench import (
    Engine,
    JitRLFullEngine,
    JitRLFullSettings,
    JitRLMVPEngine,
    ModelHost,
    Sampling,
    Turn,
)
from engines.host import Adjuster
from engines.jitrl.calibration import Calibration, Measure
from engines.jitrl.neighbours import Gate
from engines.texts import held_out_passages

BEGINNING = 32  # tokens of a text that are shown
GO_ON = "Go on with this text: "
KEPT_TOKENS = 16
LAST_LAYER = 29
NAMES = (
    "learned text", "other text", "held-out text", "learned answer", "other answer",
    "general answer",
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A prompt and the tokens ``[tokens]`` that are to be written."""

    turns: list[Turn]
    wanted: torch.Tensor


class Forced:
    """An ``Adjuster`` that has given tokens written, and keeps what each would have cost."""

    def __init__(self, inner: Adjuster | None, wanted: torch.Tensor) -> None:
        self._inner = inner
        self._wanted = wanted.tolist()
        self.nats: list[float] = []

    def adjust(self, seen: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        moved = logits if self._inner is None else self._inner.adjust(seen, logits)
        target = self._wanted[len(self.nats)]
        self.nats.append(-float(moved.float().log_softmax(dim=-1)[0, target]))
        forced = torch.full_like(logits, -torch.inf)
        forced[0, target] = 0.0
        return forced

    def chosen(self, token: int) -> Any:
        return None if self._inner is None else self._inner.chosen(token)


class ForcingHost(ModelHost):
    """A host whose answers are written as given while ``wanted`` is set."""

    wanted: torch.Tensor | None = None
    nats: Sequence[float] = ()

    def generate(
        self,
        prompt: torch.Tensor,
        sampling: Sampling,
        *,
        adjuster: Adjuster | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        if self.wanted is None:
            yield from super().generate(prompt, sampling, adjuster=adjuster, **options)
            return
        forced = Forced(adjuster, self.wanted)
        yield from super().generate(prompt, sampling, adjuster=forced, **options)
        self.nats = forced.nats


class Ungated(Calibration):
    """Neighbours count in full however far they are, as in plain kNN-LM."""

    def of(self, *known: Any) -> Measure:
        return replace(super().of(*known), gate=Gate(1e30, 2e30))


def knn_lm(host: ModelHost) -> Engine:
    engine = JitRLFullEngine(host, JitRLFullSettings(mix="interpolate", share=0.25))
    engine._calibration = Ungated(host, engine.settings, engine._projection)
    return engine


def mvp(host: ModelHost, strength: float) -> Engine:
    engine = JitRLMVPEngine(host)
    engine.strength = strength
    return engine


def full(host: ModelHost, **changes: Any) -> Engine:
    return JitRLFullEngine(host, replace(JitRLFullSettings(), **changes))


CONDITIONS: dict[str, Callable[[ModelHost], Engine | None]] = {
    "base": lambda _: None,
    "mvp": lambda host: mvp(host, 0.0),
    "mvp bias 4": lambda host: mvp(host, 4.0),
    "knn-lm": knn_lm,
    "full": full,
    "full last": lambda host: full(host, layer=LAST_LAYER),
    "full mixed": lambda host: full(host, mix="interpolate", share=0.25),
}


@dataclass(frozen=True)
class Settings:
    answers: int = 5
    general: int = 15
    kept: int = 15
    new_tokens: int = 48
    conditions: tuple[str, ...] = tuple(CONDITIONS)


class Material:
    """The texts to score, made once."""

    def __init__(self, host: ModelHost, s: Settings) -> None:
        self._host = host
        self._s = s
        self.documents = learnables()
        self.texts = [self._parts(one.document.text, (40, 170)) for one in self.documents]
        self.answers = [self._answers(one) for one in self.documents]
        self.held_out = [t for p in held_out_passages() for t in self._parts(p, (40,))]
        trivia = short_questions()
        self.general = [self._answer(i.question, i.answers[0]) for i in trivia[: s.general]]
        self.questions = [question_turns(i.question) for i in trivia[-s.kept :]]

    def _parts(self, text: str, places: Sequence[int]) -> list[Text]:
        ids = self._host.encode(text)
        parts = []
        for place in places:
            begin = place + BEGINNING
            wanted = ids[begin : begin + self._s.new_tokens]
            shown = self._host.tokenizer.decode(ids[place:begin])
            parts.append(Text([Turn("user", GO_ON + shown)], wanted))
        return parts

    def _answers(self, one: Learnable) -> list[Text]:
        return [self._answer(i.question, i.answers[0]) for i in one.items[: self._s.answers]]

    def _answer(self, question: str, answer: str) -> Text:
        ids = self._host.tokenizer(answer, add_special_tokens=False).input_ids
        return Text(question_turns(question), torch.tensor(ids))


def nats(host: ForcingHost, engine: Engine | None, text: Text) -> float:
    """Mean nats per token of the wanted answer, by the logits of the engine's reply."""
    host.wanted, host.nats = text.wanted, ()
    sampling = Sampling(max_new_tokens=len(text.wanted))
    try:
        for _ in (engine or host).reply(text.turns, sampling):
            pass
    finally:
        host.wanted = None
    return fmean(host.nats)


def answer(host: ModelHost, engine: Engine | None, turns: list[Turn]) -> str:
    pieces = (engine or host).reply(turns, Sampling(max_new_tokens=KEPT_TOKENS))
    return "".join(piece.text for piece in pieces if piece.tokens)


def measured(
    host: ForcingHost, engine: Engine | None, material: Material
) -> dict[str, list[float]]:
    """Nats of every text of each kind, and every general answer's text under ``kept``."""
    found: dict[str, list[Any]] = {name: [] for name in (*NAMES, "kept")}
    numbers = range(len(material.documents))
    for half in (0, 1):
        learned = [n for n in numbers if n % 2 == half]
        _learn(engine, [material.documents[n] for n in learned])
        for n in numbers:
            kind = "learned" if n in learned else "other"
            score = [nats(host, engine, text) for text in material.texts[n]]
            found[f"{kind} text"] += score
            found[f"{kind} answer"] += [nats(host, engine, text) for text in material.answers[n]]
        found["held-out text"] += [nats(host, engine, text) for text in material.held_out]
        found["general answer"] += [nats(host, engine, text) for text in material.general]
        found["kept"] += [answer(host, engine, turns) for turns in material.questions]
    return found


def _learn(engine: Engine | None, documents: Sequence[Learnable]) -> None:
    if engine is None:
        return
    engine.reset()
    for one in documents:
        for _ in engine.learn(one.document):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("answers", "general", "kept", "new_tokens"):
        kind = "--" + name.replace("_", "-")
        parser.add_argument(kind, type=int, default=getattr(Settings, name))
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    a = parser.parse_args()
    names = ("base", *(name for name in a.conditions if name != "base"))
    s = Settings(a.answers, a.general, a.kept, a.new_tokens, names)
    host = ForcingHost.load("embedded")
    material = Material(host, s)
    found: dict[str, dict[str, Any]] = {}
    with suppress(KeyboardInterrupt):
        for name in s.conditions:
            rows = measured(host, CONDITIONS[name](host), material)
            found[name] = {kind: summary(rows[kind]) for kind in NAMES}
            written = rows["kept"]
            base = found["base"].setdefault("written", written)
            same = [float(a == b) for a, b in zip(written, base, strict=True)]
            found[name] |= {"kept": summary(same), "written": written, "nats": rows}
            print(name, *(f"{kind} {found[name][kind]['mean']:.3f}" for kind in NAMES), flush=True)
    cells = [["nats per token", *found]]
    for kind in (*NAMES, "kept"):
        cells.append([kind, *(_cell(found[name][kind]) for name in found)])
        cells.append(["  n", *(str(found[name][kind]["n"]) for name in found)])
    publish("jitrl_loss", {"conditions": found}, cells)


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()

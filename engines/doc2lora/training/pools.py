"""The contexts of a run: read, cut, held out, and drawn from by the curriculum.

Nothing here imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.doc2lora.training.examples import (
    Asked,
    Context,
    read_contexts,
    sentences,
    sentences_of,
)
from engines.doc2lora.training.hub_rows import PREFIX, read_dataset
from engines.doc2lora.training.needles import needles
from engines.doc2lora.training.self_written import completions, swapped
from engines.doc2lora.training.settings import SourceSettings, StageSettings, TrainingSettings
from engines.protocol import EngineError

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Pool:
    """A source's contexts: those to train on with their lengths in tokens, and those held out."""

    train: tuple[Context, ...]
    lengths: tuple[int, ...]
    held_out: tuple[Context, ...]


def read_pools(settings: TrainingSettings, count: Count) -> dict[str, Pool]:
    """Every source's contexts, by its name.  ``count`` gives the tokens of a text.

    Raises:
        DocumentError: if a file can't be read.
        EngineError: if a source has nothing to train on.
    """
    texts = {
        name: _texts(source, Path(settings.data), name, settings.seed)
        for name, source in settings.sources.items()
        if source.path
    }
    percent = settings.watch.held_out_percent
    filler = [
        sentence
        for contexts in texts.values()
        for context in contexts
        if not context.is_held_out(percent)
        for sentence in sentences(context.origin or context.text)
    ]
    for name, source in settings.sources.items():
        if source.needles:
            texts[name] = needles(
                source.needles,
                filler,
                count,
                length=source.needle_tokens,
                source=name,
                seed=settings.seed,
            )
    return {name: _pool(name, found, percent, count) for name, found in texts.items()}


def _texts(source: SourceSettings, data: Path, name: str, seed: int) -> list[Context]:
    if source.path.startswith(PREFIX):
        contexts = read_dataset(source.path, name)
    else:
        contexts = read_contexts(data / source.path, name)
    if source.unit == "sentence":
        contexts = sentences_of(contexts)
    contexts = contexts[: source.limit or None]
    if source.swaps:
        contexts = contexts + swapped(contexts, source.swaps, seed)
    return completions(contexts, seed) if source.completions else contexts


def _pool(name: str, contexts: Sequence[Context], percent: float, count: Count) -> Pool:
    held = [c for c in contexts if c.is_held_out(percent)]
    train = [c for c in contexts if not c.is_held_out(percent)]
    if not train:
        raise EngineError(f"sources.{name} has no context to train on: lower held_out_percent.")
    return Pool(tuple(train), tuple(count(c.text) for c in train), tuple(held))


def needed(pools: Mapping[str, Pool], stages: Sequence[StageSettings]) -> list[Context]:
    """Every context that some stage can put to the teacher, each once."""
    found: dict[str, Context] = {}
    for stage in stages:
        for name, weight in stage.sources.items():
            for n in _eligible(pools[name], stage) if weight and stage.distil else ():
                context = pools[name].train[n]
                found[context.key] = context
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Drawn:
    """A context for one step, those of its questions to ask, and into how many chunks to cut."""

    context: Context
    asked: tuple[Asked, ...]
    chunks: int = 1


class Sampler:
    """Draws each step's contexts: every one of a source once before any comes again.

    All that it does follows from ``seed`` and its ``state``, so a run that is resumed goes on
    as if it had not been interrupted.

    Raises:
        EngineError: if a stage has a source without contexts of its lengths.
    """

    def __init__(
        self, pools: Mapping[str, Pool], stages: Sequence[StageSettings], seed: int
    ) -> None:
        self._pools = pools
        self._stages = tuple(stages)
        self._seed = seed
        self._places: dict[str, int] = {}
        self._orders: dict[str, tuple[int, list[int]]] = {}
        self._eligible: dict[str, list[int]] = {}
        for n, stage in enumerate(self._stages):
            for name, weight in stage.sources.items():
                self._eligible[f"{n}/{name}"] = found = _eligible(pools[name], stage)
                if weight and not found:
                    raise EngineError(
                        f"stages[{n}] draws from {name}, which has no context of "
                        f"{stage.context_tokens[0]} to {stage.context_tokens[1]} tokens: change "
                        "its context_tokens."
                    )

    @property
    def state(self) -> dict[str, Any]:
        """Plain values that ``restore`` takes."""
        return dict(self._places)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a sampler with the same settings had got to."""
        self._places = {str(name): int(place) for name, place in state.items()}

    def stage_at(self, step: int) -> int:
        """The number of the stage that a step (from 0) belongs to; the last one goes on."""
        for n, stage in enumerate(self._stages):
            step -= stage.steps
            if step < 0:
                return n
        return len(self._stages) - 1

    def draw(self, step: int, number: int) -> list[Drawn]:
        """``number`` contexts for a step (from 0), with questions chosen, the shortest first."""
        n = self.stage_at(step)
        stage = self._stages[n]
        chance = random.Random(f"{self._seed} step {step}")
        names, weights = list(stage.sources), list(stage.sources.values())
        drawn = []
        for name in chance.choices(names, weights, k=number):
            at = self._next(n, name)
            context, length = self._pools[name].train[at], self._pools[name].lengths[at]
            asked = chance.sample(context.asked, min(stage.questions, len(context.asked)))
            drawn.append((length, Drawn(context, tuple(asked), _chunks(chance, length, stage))))
        return [one for _, one in sorted(drawn, key=lambda pair: (pair[1].chunks, pair[0]))]

    def _next(self, stage: int, name: str) -> int:
        """The place in the pool of the next context of a source in this stage."""
        key = f"{stage}/{name}"
        place = self._places.get(key, 0)
        turn, within = divmod(place, len(self._eligible[key]))
        if self._orders.get(key, (-1, []))[0] != turn:
            order = list(self._eligible[key])
            random.Random(f"{self._seed} {key} {turn}").shuffle(order)
            self._orders[key] = (turn, order)
        self._places[key] = place + 1
        return self._orders[key][1][within]


def _eligible(pool: Pool, stage: StageSettings) -> list[int]:
    low, high = stage.context_tokens
    return [n for n, length in enumerate(pool.lengths) if low <= length <= high]


def _chunks(chance: random.Random, length: int, stage: StageSettings) -> int:
    fewest, most = stage.chunks
    fitting = max(1, length // stage.min_chunk_tokens)
    return chance.randint(min(fewest, fitting), min(most, fitting))

"""Going down the document's loss, pass by pass, under the guard's eyes."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass

import torch

from engines.protocol import Decision, EngineError, Progress
from engines.ttt.batches import Batch, Batches
from engines.ttt.gating import Gating
from engines.ttt.guard import Guard, Reading
from engines.ttt.learner import Learner, LearnerState
from engines.ttt.limits import is_out_of_memory
from engines.ttt.measuring import Measuring
from engines.ttt.progress import STEP_WORK, Meter
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import Recordings

TOKENS_PER_PROBE = 512  # with general text, at least, unless the settings say how often
LOOK_SECONDS = 0.1  # on a GPU losses are fetched no more often than the screen is drawn
SMALLEST_WINDOW = 16
MOST_EXPLOSIONS = 4

Events = Generator[Progress, Decision | None, None]


@dataclass(frozen=True, slots=True)
class Best:
    """The last state that kept within the budgets, and after how many passes it was."""

    state: LearnerState
    passes: float


class Descent:
    """Runs the passes of one lesson; the learner ends in the state to keep.

    Attributes:
        notes: what a person should know of how it went.
    """

    def __init__(
        self,
        learner: Learner,
        batches: Batches,
        text: Recordings,
        *,
        measuring: Measuring,
        gating: Gating,
        meter: Meter,
        settings: TTTSettings,
        before: Reading,
    ) -> None:
        self._learner = learner
        self._batches = batches
        self._text = text
        self._measuring = measuring
        self._gating = gating
        self._meter = meter
        self._settings = settings
        self._guard = Guard(settings, before)
        self._best = Best(learner.state(), 0.0)
        self._passes = settings.gradient_steps
        self._done = 0.0
        self._explosions = 0
        self._probes = 1
        self._unprobed = 0
        self._looked = 0.0
        self._unseen: list[torch.Tensor] = []
        self._ended = False
        self._reached: str | None = None
        self.notes: list[str] = []

    @property
    def passes_kept(self) -> int:
        """How many whole passes are in the state that is kept."""
        return int(self._best.passes + 1e-9)

    def events(self) -> Events:
        """All passes, one event per batch and one per probe."""
        while self._goes_on():
            while self._goes_on():
                yield from self._pass()
            if not self._all_finite():
                self._ended = False
                yield self._event(guard=self.notes[-1])
            elif self._unprobed and self._guard.watches:
                yield from self._look()
        if self._reached:
            self._told(self._reached)
        if self._best.passes < self._done:
            self._best = Best(self._learner.state(), self._done)

    def _goes_on(self) -> bool:
        return not self._ended and self._done < self._passes - 1e-9

    def _pass(self) -> Events:
        """One pass, or what is left of it; ends early if it has to be begun anew."""
        count = self._batches.steps
        for batch in self._batches.one_pass():
            began = time.perf_counter()
            values = self._step(batch)
            if values is None:
                yield self._event(guard=self.notes[-1])
                return
            self._meter.learned(batch.tokens, time.perf_counter() - began)
            self._meter.did(STEP_WORK * (batch.tokens + batch.held_tokens))
            self._unprobed += batch.tokens + batch.held_tokens
            self._done += 1 / count
            self._learner.set_alpha(self._learner.alpha_after(self._done))
            yield self._event(
                step=round(self._done * count),
                steps=self._passes * count,
                passes_done=int(self._done + 1e-9),
                **values,
            )
            reached = self._done
            yield from self._after(round(self._done * count), count)
            if self._ended or self._done < reached or not self._goes_on():
                return
        yield from self._rank_anew()

    def _after(self, step: int, count: int) -> Events:
        """What a step may be followed by: a probe, and a look at the target."""
        last = step % count == 0
        due = self._is_due(step, last=last)
        if self._probe_is_worth_it(due, last=last):
            yield from self._look()
        if due and not self._ended:
            yield from self._aim()

    def _step(self, batch: Batch) -> dict[str, float] | None:
        """One gradient step; its losses where they were fetched, None if it has to be undone."""
        losses = None
        try:
            losses = self._learner.step(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if losses is None:  # outside the handler, whose traceback would hold the step's memory
            self._shrink()
            return None
        self._unseen.append(losses.document)
        if losses.retention is not None:
            self._unseen.append(losses.retention)
        on_cpu = losses.document.device.type == "cpu"
        if not on_cpu and time.perf_counter() - self._looked < LOOK_SECONDS:
            return {}
        self._looked = time.perf_counter()
        if not self._all_finite():
            return None
        values = {"loss": float(losses.document)}
        if losses.retention is not None:
            values["retention_loss"] = float(losses.retention)
        return values

    def _all_finite(self) -> bool:
        """Fetch the losses not seen yet; one that isn't finite undoes what led to it."""
        fetched = [float(value) for value in self._unseen]
        self._unseen = []
        wild = [value for value in fetched if not math.isfinite(value)]
        if wild:
            self._halve(wild[0])
        return not wild

    def _go_back(self, learning_rate: float | None = None) -> None:
        self._learner.restore(self._best.state, learning_rate)
        self._done = self._best.passes
        self._reached = None
        self._unseen = []
        self._unprobed = 0

    def _shrink(self) -> None:
        """Memory ran out: go back and on with half the window, or say what to set."""
        window = self._batches.window // 2
        if window < SMALLEST_WINDOW:
            raise EngineError(
                "There is not enough memory to learn this: lower ttt.retention_tokens, "
                "ttt.context_tokens or the number of modified layers. Nothing was changed."
            )
        self._batches.window = window
        self._go_back()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._told(f"memory ran out: mini-batches of {window} tokens from there on")

    def _halve(self, value: float) -> None:
        """The loss exploded: go back and on at half the rate, or say what to set."""
        self._explosions += 1
        if self._explosions > MOST_EXPLOSIONS:
            raise EngineError(
                f"The loss became {value} again at every rate tried: lower ttt.learning_rate. "
                "Nothing was changed."
            )
        self._go_back(self._learner.learning_rate / 2)
        self._told(
            f"the loss became {value}: went back to {self._best.passes:.3g} passes and on at a "
            f"learning rate of {self._learner.learning_rate:.2g}"
        )

    def _is_due(self, step: int, *, last: bool) -> bool:
        every = self._settings.guard_every_batches
        return step % every == 0 if every else last

    def _probe_is_worth_it(self, due: bool, *, last: bool) -> bool:
        """A probe costs as much as some hundred tokens learned: not after each pass of a few."""
        if self._settings.guard_every_batches and self._guard.watches:
            return due
        return last and (not self._goes_on() or self._unprobed >= TOKENS_PER_PROBE)

    def _look(self) -> Events:
        """Probe; keep this state as the best, or go back to the best and act."""
        if not self._all_finite():
            yield self._event(guard=self.notes[-1])
            return
        self._unprobed = 0
        now = yield from self._measuring.probe(self._learner.duals, "learning")
        if now.held_out is not None and not math.isfinite(now.held_out):
            self._halve(now.held_out)
            yield self._event(guard=self.notes[-1])
            return
        self._probes += 1
        yield self._event(
            held_out_loss=now.held_out, answers_kept=now.answers_kept, probes=self._probes
        )
        fault = self._guard.fault(now)
        if fault is None:
            self._best = Best(self._learner.state(), self._done)
            return
        self._guard.retreats += 1
        yield from self._act(fault)

    def _act(self, fault: str) -> Events:
        self._go_back()
        back = f"{fault}: went back to {self._best.passes:.3g} passes"
        action: str = self._settings.guard_action
        if action == "pause":
            decision = yield self._event(guard=f"{back} and paused", paused=True)
            action = decision or "stop"
        if action == "continue":
            self._guard.lifted = True
            self._ended = False
            self._told(f"{back} and on without the guard, as decided")
        elif action == "stop" or self._guard.gives_up:
            self._ended = True
            self._told(f"{back} and stopped")
        else:
            self._ended = False
            self._go_back(self._learner.learning_rate / 2)
            self._told(f"{back} and on at a learning rate of {self._learner.learning_rate:.2g}")
        yield self._event(guard=self.notes[-1], paused=False)

    def _told(self, note: str) -> None:
        self.notes.append(note)

    def _aim(self) -> Events:
        """Is the target reached?"""
        target = self._settings.target_loss
        if target is None:
            return
        loss = yield from self._measuring.text_loss(self._text, self._learner.duals, "learning")
        yield self._event(loss=loss)
        if loss <= target:
            self._ended = True
            self._reached = f"ended after {self._done:.3g} passes, at a loss of {loss:.2f}"

    def _rank_anew(self) -> Events:
        """After a whole pass: are other neurons to learn now?"""
        every, passes = self._settings.gate_recompute_passes, round(self._done)
        if not (every and self._gating.gated and passes % every == 0 and passes < self._passes):
            return
        for _ in self._gating.read_again(self._text, self._learner.duals):
            yield self._meter.event("ranking neurons anew")
        opened, gate = self._gating.opened()
        self._learner.open(opened)
        yield self._event(gate=gate)

    def _event(self, **measured: object) -> Progress:
        return self._meter.event(
            "learning",
            alpha=self._learner.alpha,
            learning_rate=self._learner.learning_rate,
            **measured,
        )

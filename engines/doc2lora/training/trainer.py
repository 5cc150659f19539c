"""The loop: steps, evaluations and checkpoints, told as events."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from engines.doc2lora import stored
from engines.doc2lora.training.base import Base
from engines.doc2lora.training.batches import Batch
from engines.doc2lora.training.curve import Window
from engines.doc2lora.training.descent import learning_rate, set_rate
from engines.doc2lora.training.events import (
    Evaluated,
    Finished,
    Prepared,
    Sample,
    Saved,
    Skipped,
    StepDone,
    TeacherProgress,
    TrainingEvent,
)
from engines.doc2lora.training.lesson import Totals, give
from engines.doc2lora.training.run import Run, prepare
from engines.doc2lora.training.run_folder import Kept
from engines.doc2lora.training.saving import save_checkpoint
from engines.doc2lora.training.settings import TrainingSettings
from engines.doc2lora.training.together import Processes
from engines.locks import locked
from engines.protocol import EngineError

Stop = Callable[[], bool]


class _StoppedError(Exception):
    """A step was given up because the run is to stop."""


def train(
    settings: TrainingSettings,
    *,
    base: Base | None = None,
    stop: Stop = lambda: False,
) -> Iterator[TrainingEvent]:
    """Train until the last stage is done, going on from the run folder's latest checkpoint.

    Under ``accelerate launch`` each process takes its share of a step's contexts; the first
    one alone evaluates and writes.

    Args:
        base: a model that is loaded already, instead of ``settings.base_model``.
        stop: asked often; once true a checkpoint is written and the run ends.

    Closing the iterator writes a checkpoint too.

    Raises:
        BusyError: if another process is training in the run folder.
        EngineError: if something that the run needs can't be used, or too many steps in a row
            gave numbers that are not finite.
    """
    processes = Processes(settings.device)
    with ExitStack() as held:
        if processes.is_first:
            folder = Path(settings.run_folder)
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder, seconds=0))
        run = prepare(settings, base, processes.device)
        processes.same([*run.network.parameters(), *run.average.weights.values()])
        yield from _Loop(run, processes, stop).events()


@dataclass(slots=True)
class _Loop:
    run: Run
    processes: Processes
    stop: Stop
    saved: int = 0
    saved_at: float = field(default_factory=perf_counter)
    window: Window = field(default_factory=Window)

    def events(self) -> Iterator[TrainingEvent]:
        run, position = self.run, self.run.position
        self.saved = position.step
        yield self._begin()
        try:
            if run.settings.teacher.ahead:
                yield from self._ask_teacher()
            if position.step == 0:
                yield from self._evaluated()
            while position.step < run.settings.steps and not self.processes.any(self.stop()):
                yield from self._step()
                if position.step % run.settings.watch.evaluate_steps == 0:
                    yield from self._evaluated()
                minutes = (perf_counter() - self.saved_at) / 60
                if self.processes.any(minutes >= run.settings.watch.checkpoint_minutes):
                    yield self._save()
            yield from self._end()
        finally:
            if position.step > self.saved:
                self._save()
            run.store.flush()

    def _begin(self) -> Prepared:
        run = self.run
        contexts = [context for pool in run.pools.values() for context in pool.train]
        event = Prepared(
            str(run.folder.folder),
            len(contexts),
            sum(len(c.asked) for c in contexts),
            len(run.held_out.contexts),
            run.parameters,
            run.position.step,
            run.settings.steps,
            self.processes.count,
        )
        if self.processes.is_first:
            run.folder.begin(run.settings)
            run.folder.forget_after(run.position.step)
            run.folder.status("running", run.position.step, run.settings.steps)
            self._write(event)
        return event

    def _ask_teacher(self) -> Iterator[TeacherProgress]:
        mine = self.processes.share(self.run.needed())
        for taught in self.run.store.fill(mine):
            yield TeacherProgress(taught.done, taught.of)
            if self.stop():
                break
        self.processes.wait()
        self.run.store.reload()

    def _step(self) -> Iterator[TrainingEvent]:
        run, position = self.run, self.run.position
        began, before = perf_counter(), run.sampler.state
        try:
            fault = self._descend(position.step)
        except _StoppedError:
            run.sampler.restore(before)
            run.optimiser.zero_grad()
            return
        position.step += 1
        position.sampler = run.sampler.state
        seconds = perf_counter() - began
        position.seconds += seconds
        self.window.seconds += seconds
        if fault:
            yield self._skipped(fault)
        else:
            position.skipped = 0
        if position.step % run.settings.watch.log_steps == 0 and self.window.steps:
            yield self._logged()

    def _descend(self, step: int) -> str:
        """One optimiser step; returns why it was skipped, or nothing."""
        run = self.run
        batches = self._batches(step)
        totals = self._totals(batches)
        if not totals.documents:
            return "none of its questions fits the model"
        sums = torch.zeros(4, dtype=torch.float64)
        weights = run.loss_at(step)
        for batch in batches:
            if self.processes.count == 1 and self.stop():
                raise _StoppedError
            lesson = give(run.base, run.network, batch, totals, weights)
            lesson.loss.backward()  # type: ignore[no-untyped-call]
            parts = (lesson.loss, lesson.distil, lesson.gold, lesson.size)
            sums += torch.stack([p.detach().double().cpu() for p in parts])
        sums = self.processes.total(sums)
        learning = [p for p in run.network.parameters() if p.requires_grad]
        self.processes.add_gradients(learning)
        norm = torch.nn.utils.clip_grad_norm_(learning, run.settings.optimiser.clip).item()
        if not (torch.isfinite(sums).all() and norm < float("inf")):
            run.optimiser.zero_grad()
            return f"its loss is {sums[0].item():.4g} and the norm of its gradient {norm:.4g}"
        set_rate(run.optimiser, learning_rate(step, run.settings.steps, run.settings.optimiser))
        run.optimiser.step()
        run.optimiser.zero_grad()
        run.average.update(run.network)
        self._count(sums, norm, totals, batches)
        return ""

    def _batches(self, step: int) -> list[Batch]:
        """This process's share of a step's contexts in batches of like lengths."""
        run, wanted = self.run, self.run.settings.optimiser
        drawn = self.processes.share(run.sampler.draw(step, wanted.contexts))
        form = random.Random(f"{run.settings.seed} form {step}").randrange(
            len(run.settings.prompts)
        )
        size = wanted.contexts_at_once
        parts = [drawn[n : n + size] for n in range(0, len(drawn), size)]
        taught = run.settings.stages[run.sampler.stage_at(step)].distil > 0
        made = (run.batcher.batch(part, form, taught=taught) for part in parts)
        return [batch for batch in made if batch is not None]

    def _totals(self, batches: list[Batch]) -> Totals:
        tokens = sum(sum(map(sum, b.lengths)) for b in batches)
        documents = sum(map(len, batches))
        found = self.processes.total(torch.tensor([tokens, documents], dtype=torch.float64))
        tokens, documents = found.tolist()
        average = self.run.settings.loss.average
        return Totals(tokens if average == "token" else documents, tokens, documents)

    def _count(self, sums: Any, norm: float, totals: Totals, batches: list[Batch]) -> None:
        seen = torch.tensor(
            [sum(b.rows for b in batches), sum(b.tokens for b in batches)], dtype=torch.float64
        )
        questions, tokens = self.processes.total(seen).tolist()
        self.window.add(sums.tolist(), norm, totals, questions, tokens)

    def _logged(self) -> StepDone:
        run, done = self.run, self.run.position.step
        rate = learning_rate(done - 1, run.settings.steps, run.settings.optimiser)
        stage = run.sampler.stage_at(done - 1)
        event = self.window.line(done, stage, rate, run.position.seconds)
        self.window = Window()
        self._write(event)
        if self.processes.is_first:
            run.folder.status("running", done, run.settings.steps)
        return event

    def _skipped(self, reason: str) -> Skipped:
        position, most = self.run.position, self.run.settings.optimiser.max_skipped
        position.skipped += 1
        event = Skipped(position.step, reason)
        self._write(event)
        if position.skipped >= most:
            raise EngineError(
                f"{most} steps in a row gave numbers that are not finite, so training was given "
                f"up at step {position.step}: lower optimiser.learning_rate, or set precision to "
                "float32, and resume."
            )
        return event

    def _evaluated(self) -> Iterator[Evaluated | Sample]:
        run, position = self.run, self.run.position
        if self.processes.is_first and run.held_out.contexts:
            network = run.averaged()
            event = run.held_out.evaluate(network, position.step, position.seconds)
            if position.step and (position.best is None or event.lora < position.best):
                position.best = event.lora
                event = dataclasses.replace(event, is_best=True)
                card = self._card() | {"evaluation": dataclasses.asdict(event)}
                weights = network.state_dict()
                stored.save(
                    run.folder.best, network.config, weights, dtype=torch.bfloat16, card=card
                )
            self._write(event)
            yield event
            number = run.settings.watch.samples
            for sample in run.held_out.samples(network, position.step, number):
                self._write(sample)
                yield sample
        self.processes.wait()

    def _save(self) -> Saved:
        run = self.run
        folder = run.folder.checkpoint(f"step-{run.position.step}")
        run.store.flush()
        if self.processes.is_first:
            save_checkpoint(
                folder,
                run.position,
                run.network,
                run.network.config,
                run.average,
                run.optimiser,
                card=self._card(),
            )
            run.folder.made_latest(folder, run.settings.watch.keep)
        self.processes.wait()
        self.saved, self.saved_at = run.position.step, perf_counter()
        return Saved(run.position.step, str(folder))

    def _end(self) -> Iterator[TrainingEvent]:
        run, position = self.run, self.run.position
        done = position.step >= run.settings.steps
        if done and position.step % run.settings.watch.evaluate_steps:
            yield from self._evaluated()
        if position.step > self.saved:
            yield self._save()
        if self.processes.is_first:
            run.folder.status("done" if done else "stopped", position.step, run.settings.steps)
        yield Finished(position.step, "done" if done else "stopped")

    def _card(self) -> dict[str, Any]:
        run = self.run
        return {
            "steps": run.position.step,
            "of_steps": run.settings.steps,
            "seconds": round(run.position.seconds),
            "base_model": run.base.name,
            "settings": run.settings.to_json(),
        }

    def _write(self, event: Kept) -> None:
        if self.processes.is_first:
            self.run.folder.append(event)

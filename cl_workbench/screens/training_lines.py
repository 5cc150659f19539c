"""From the events of a training run to the frame that is drawn of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cl_workbench.training_watch import RunNews
from engines.doc2lora.training.events import (
    Evaluated,
    Finished,
    Prepared,
    Sample,
    Skipped,
    StepDone,
    TrainingEvent,
)
from widgets.training_frame import EvaluationRow, SampleRow, TrainingFrame

MOST_POINTS = 480
_Steps = tuple[tuple[int, float], ...]


def told(frame: TrainingFrame, news: RunNews) -> TrainingFrame:
    """The frame with what was told since the last time."""
    frame = replace(frame, state="running", step=news.step, steps=news.steps)
    for event in news.events:
        frame = _with(frame, event)
    return frame


def _with(frame: TrainingFrame, event: TrainingEvent) -> TrainingFrame:
    match event:
        case Prepared():
            frame = _prepared(frame, event)
        case StepDone():
            frame = _stepped(frame, event)
        case Evaluated():
            kept = [row for row in frame.evaluations if row.step < event.step]
            kept = [replace(row, best=row.best and not event.is_best) for row in kept]
            frame = replace(frame, evaluations=(*kept, _evaluation(event)))
        case Sample():
            others = [row for row in frame.samples if row.step == event.step]
            frame = replace(frame, samples=(*others, _sample(event)))
        case Skipped():
            frame = replace(frame, skipped=frame.skipped + 1, skipped_why=event.reason)
        case Finished():
            frame = replace(frame, state=event.reason, step=event.step)
    return frame


def _prepared(frame: TrainingFrame, event: Prepared) -> TrainingFrame:
    return replace(
        frame,
        parameters=event.parameters,
        contexts=event.contexts,
        questions=event.questions,
        held_out=event.held_out,
    )


def _stepped(frame: TrainingFrame, event: StepDone) -> TrainingFrame:
    step = event.step
    return replace(
        frame,
        stage=event.stage,
        learning_rate=event.learning_rate,
        tokens_per_second=event.tokens_per_second,
        seconds=event.seconds,
        loss=_longer(frame.loss, step, event.loss),
        gold=_longer(frame.gold, step, event.gold),
        distil=_longer(frame.distil, step, event.distil),
    )


def _longer(steps: _Steps, step: int, value: float) -> _Steps:
    """One point more; a run that was gone on with does the steps after its checkpoint again."""
    kept: Sequence[tuple[int, float]] = [point for point in steps if point[0] < step]
    if len(kept) >= MOST_POINTS:
        kept = [*kept[:-1:2], kept[-1]]
    return (*kept, (step, value))


def _evaluation(event: Evaluated) -> EvaluationRow:
    return EvaluationRow(
        step=event.step,
        closed_book=event.closed_book,
        lora=event.lora,
        other=event.other_document,
        in_context=event.in_context,
        gain=event.gain_share,
        own=event.document_share,
        best=event.is_best,
    )


def _sample(event: Sample) -> SampleRow:
    return SampleRow(
        event.step, event.question, event.gold, event.closed_book, event.lora, event.in_context
    )

"""From the engine's events to what the learn pane and the ledger draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cl_workbench.messages import EngineFailed, EngineState, LearnBegan, LearnSummary, ModelFacts
from cl_workbench.screens import lora_lines, role_lines
from engines.ace.events import AceProgress
from engines.doc2lora.events import Doc2LoraProgress
from engines.protocol import GateSnapshot, LearnReport, Overlap, Progress
from widgets import figures
from widgets.gate_heatmap import GateBins
from widgets.learn_frame import LEARNED, LearnFrame, Notice
from widgets.ledger_lines import LedgerEntry
from widgets.trend import Point, bounded

MAX_REASONS = 6
PLAYBOOK = "playbook"
"""The objective of a document that was learned by questions to a language model."""
_MIN_SHARE_TO_EXTRAPOLATE = 0.02


@dataclass(frozen=True, slots=True)
class Learned:
    """The document that the learn pane shows: which one, and its latest frame.

    ``probes`` counts how often the guard had looked at the latest step.
    """

    document_id: str
    path: Path | None
    frame: LearnFrame
    probes: int = 0


def begun(event: LearnBegan) -> Learned:
    """An empty frame for a document whose learning has begun."""
    path = Path(event.path).absolute() if event.path else None
    place = f"document {event.number} of {event.count}" if event.count > 1 else ""
    frame = LearnFrame(title=event.title, stage="starting", fraction=0.0, place=place)
    return Learned(event.document_id, path, frame)


def advanced(learned: Learned, progress: Progress) -> Learned:
    """The frame with one more step on its curves."""
    frame = _guarded(learned, progress)
    frame = replace(
        frame,
        stage=progress.stage,
        fraction=progress.fraction,
        tokens=progress.tokens or frame.tokens,
        pass_number=min(progress.passes_done + 1, progress.passes),
        passes=progress.passes,
        step=progress.step,
        steps=progress.steps,
        tokens_per_second=progress.tokens_per_second,
        seconds=progress.seconds,
        seconds_left=seconds_left(progress),
        loss=_longer(frame.loss, progress.fraction, progress.loss),
        alpha=_longer(frame.alpha, progress.fraction, progress.alpha),
        gate=gate_bins(progress.gate) if progress.gate is not None else frame.gate,
        objective=progress.objective or frame.objective,
        retention_loss=_either(progress.retention_loss, frame.retention_loss),
        learning_rates=_rates(frame, progress.learning_rate),
        overlaps=titled_shares(progress.overlaps) or frame.overlaps,
    )
    if isinstance(progress, AceProgress):
        frame = replace(frame, roles=role_lines.advanced(frame.roles, progress))
    if isinstance(progress, Doc2LoraProgress):
        # Its losses are means over what is scored so far, no course that learning takes.
        frame = replace(frame, loss=(), lora=lora_lines.advanced(frame.lora, progress))
    return replace(learned, frame=frame, probes=progress.probes)


def _guarded(learned: Learned, progress: Progress) -> LearnFrame:
    """The frame with what the guard saw and did; its curves grow only when it looked."""
    frame = learned.frame
    held_out, answers = frame.held_out, frame.answers
    if progress.probes != learned.probes or not held_out:
        held_out = _longer(held_out, progress.fraction, progress.held_out_loss)
    if progress.probes != learned.probes or not answers:
        answers = _longer(answers, progress.fraction, progress.answers_kept)
    return replace(
        frame,
        held_out=held_out,
        held_out_before=_either(progress.held_out_loss_before, frame.held_out_before),
        held_out_budget=_either(progress.held_out_budget, frame.held_out_budget),
        answers=answers,
        answers_probed=progress.answers_probed or frame.answers_probed,
        answers_budget=_either(progress.answers_budget, frame.answers_budget),
        guard=progress.guard or frame.guard,
        paused=progress.paused,
    )


def finished(learned: Learned, report: LearnReport) -> Learned:
    """The frame as learning left it: the bar full, no time left, the report's last values."""
    frame = replace(
        learned.frame,
        stage=LEARNED,
        fraction=1.0,
        seconds_left=None,
        tokens=report.tokens_read,
        tokens_per_second=report.tokens_per_second,
        loss=() if learned.frame.lora else _whole(learned.frame.loss, report),
        alpha=_longer(learned.frame.alpha, 1.0, report.alpha),
        held_out=_longer(learned.frame.held_out, 1.0, report.held_out_loss_after),
        held_out_before=_either(report.held_out_loss_before, learned.frame.held_out_before),
        answers=_longer(learned.frame.answers, 1.0, report.answers_kept),
        answers_probed=report.answers_probed or learned.frame.answers_probed,
        objective=learned.frame.objective or report.objective,  # the former says why, too
        overlaps=titled_shares(report.overlaps) or learned.frame.overlaps,
        paused=False,
        roles=role_lines.ended(learned.frame.roles),
    )
    return replace(learned, frame=frame)


def _whole(points: Sequence[Point], report: LearnReport) -> tuple[Point, ...]:
    """The loss from before learning to after it; no more than was measured on the way."""
    if report.loss_before is None or report.loss_after is None:
        return tuple(points)
    return bounded([(0.0, report.loss_before), *points, (1.0, report.loss_after)])


def decided(learned: Learned) -> Learned:
    """The frame once a person has answered the pause."""
    return replace(learned, frame=replace(learned.frame, paused=False))


def seconds_left(progress: Progress) -> float | None:
    """The time yet to go at the speed so far; None before there is a speed."""
    if progress.fraction < _MIN_SHARE_TO_EXTRAPOLATE:
        return None
    return progress.seconds * (1 - progress.fraction) / progress.fraction


def gate_bins(gate: GateSnapshot) -> GateBins:
    """The engine's snapshot as the heatmap's own value."""
    return GateBins(gate.layers, gate.neurons, gate.bins, gate.open_share, gate.calibrated)


def titled_shares(overlaps: Sequence[Overlap]) -> tuple[tuple[str, float], ...]:
    """Overlaps as titles and shares."""
    return tuple((overlap.title, overlap.share) for overlap in overlaps)


def ledger_entry(
    report: LearnReport,
    *,
    held_out_budget: float | None = None,
    size_bytes: int | None = None,
    muted: bool = False,
) -> LedgerEntry:
    """The engine's report as the ledger's own value, with what the report doesn't know."""
    return LedgerEntry(
        id=report.id,
        title=report.title,
        tokens=report.tokens_read,
        loss_before=report.loss_before,
        loss_after=report.loss_after,
        chunks=report.chunks,
        held_out_before=report.held_out_loss_before,
        held_out_after=report.held_out_loss_after,
        held_out_budget=held_out_budget,
        answers_kept=report.answers_kept,
        answers_probed=report.answers_probed,
        overlaps=titled_shares(report.overlaps),
        size_bytes=size_bytes,
        muted=muted,
    )


def ledger_entries(state: EngineState, budgets: Mapping[str, float | None]) -> list[LedgerEntry]:
    """What was learned, in order; ``budgets`` are those of documents learned just now."""
    return [
        ledger_entry(
            report,
            held_out_budget=budgets.get(report.id),
            size_bytes=state.bytes_of.get(report.id),
            muted=report.id in state.muted,
        )
        for report in state.ledger
    ]


def loading_notice(text: str) -> Notice:
    """The model is being loaded."""
    lines = (text, "You can choose documents (4) meanwhile; l puts them in line. esc cancels.")
    return Notice("loading", "Loading the model", lines)


def empty_notice(model: ModelFacts | None) -> Notice:
    """Nothing is being learned: what to press."""
    lines = [
        "Choose a file or a folder in Documents (4) and press l.",
        "p learns a path that you type; c asks the model as it is.",
    ]
    if model is not None:
        size = f", {model.parameters / 1e6:,.0f} million parameters" if model.parameters else ""
        lines += [
            "",
            f"Model: {model.name}{size}, {model.dtype} on {model.device}",
            _sentence(model.why),
        ]
    return Notice("empty", "Nothing is being learned", tuple(lines))


def failed_notice(event: EngineFailed) -> Notice:
    """The model was not loaded: why, and what to do."""
    if event.cancelled:
        dropped = "What waited for it in line was dropped." if event.dropped else ""
        lines = [line for line in (dropped, _WITHOUT_MODEL) if line]
        return Notice("cancelled", event.sentence, tuple(lines))
    again = "m tries it again; where settings are wrong, correct them and start again."
    return Notice("failed", "There is no model", (event.sentence, again, _WITHOUT_MODEL))


def summary_notice(
    summary: LearnSummary, held_out_budget: float | None = None, *, lora: bool = False
) -> Notice:
    """What came of a learn job, in words; ``lora`` where documents become LoRAs."""
    reasons = _shortened(tuple(failure.sentence for failure in summary.failed))
    if len(summary.learned) == 1 and not summary.failed and summary.cancelled is None:
        return _report_notice(summary.learned[0], held_out_budget, lora=lora)
    reasons += _shortened(_notes(summary.learned))
    if summary.cancelled is not None:
        heading = f"Cancelled {summary.cancelled}: nothing of it was kept"
        lines = (f"Learned before that: {_count(summary.learned)}.",) if summary.learned else ()
        return Notice("cancelled", heading, (*lines, *reasons, "l learns it again."))
    if not summary.learned:
        return Notice("failed", "Nothing was learned", reasons or ("No document was found.",))
    heading = f"Learned {_count(summary.learned)}"
    if summary.failed:
        heading += f", {len(summary.failed)} failed"
    return Notice("done", heading, (*reasons, _NEXT))


def _notes(reports: Sequence[LearnReport]) -> tuple[str, ...]:
    return tuple(f"{report.title}: {note}" for report in reports for note in report.notes)


_WITHOUT_MODEL = "Reading documents still works."
_NEXT = "c asks about it, b compares before and after, x forgets it."
_NEXT_OF_ROLES = "c asks about it, B shows the playbook, T what the roles said, x forgets it."


def _gain(report: LearnReport, *, lora: bool = False) -> str:
    if report.objective == PLAYBOOK:
        asked = f"{report.study_items:,} question{'' if report.study_items == 1 else 's'}"
        return f"{asked} in {report.passes} loop{'' if report.passes == 1 else 's'}"
    if report.loss_before is None and report.chunks:
        return f"{figures.chunks(report.chunks)} {'in a LoRA' if lora else 'to retrieve'}"
    losses = f"{figures.number(report.loss_before)} → {figures.number(report.loss_after)}"
    return f"loss {losses} nats per token"


def _report_notice(
    report: LearnReport, held_out_budget: float | None, *, lora: bool = False
) -> Notice:
    change = figures.relative_change(report.held_out_loss_after, report.held_out_loss_before)
    losses = _gain(report, lora=lora)
    if change is not None:
        mark = figures.verdict(change, held_out_budget)
        losses += f", held-out {figures.signed_percent(change)} {mark}".rstrip()
    if report.answers_kept is not None:
        losses += f", answers {figures.kept(report.answers_kept, report.answers_probed)}"
    read = f"{figures.count(report.tokens_read)} of {figures.count(report.tokens)} tokens"
    if report.gate_open_share is not None:
        read += f", {figures.percent(report.gate_open_share)} of the neurons open"
    heading = f"Learned {report.title} in {figures.duration(report.seconds)}"
    facts = (f"{losses}, {read}",) if report.objective == PLAYBOOK else (losses, read)
    next_ = _NEXT_OF_ROLES if report.objective == PLAYBOOK else _NEXT
    return Notice("done", heading, (*facts, *_shortened(report.notes), next_))


def _shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    if len(lines) <= MAX_REASONS:
        return lines
    return (*lines[:MAX_REASONS], f"… and {len(lines) - MAX_REASONS} more.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _count(reports: Sequence[LearnReport]) -> str:
    return "1 document" if len(reports) == 1 else f"{len(reports)} documents"


def _longer(points: tuple[Point, ...], share: float, value: float | None) -> tuple[Point, ...]:
    return points if value is None else bounded([*points, (share, value)])


def _rates(frame: LearnFrame, now: float | None) -> tuple[float, float] | None:
    """The first learning rate and the present one."""
    if now is None:
        return frame.learning_rates
    return (frame.learning_rates[0] if frame.learning_rates else now, now)


def _either(new: float | None, old: float | None) -> float | None:
    return old if new is None else new

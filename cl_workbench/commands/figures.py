"""The figures of learning as short phrases for people, the same in every command."""

from __future__ import annotations

from cl_workbench.commands.lora_learning import lora_detail, lora_stage
from cl_workbench.terminal_text import one_line
from engines.ace.events import AceProgress
from engines.decoding import counted
from engines.doc2lora.events import Doc2LoraProgress
from engines.protocol import Overlap, Progress


def signed_percent(share: float) -> str:
    """``0.0042`` as ``+0.4 %``; what rounds to nothing has no minus sign."""
    return f"{round(100 * share, 1) + 0.0:+.1f} %"


def relative_change(before: float | None, after: float | None) -> float | None:
    """By which share of ``before`` it changed; None where that isn't known."""
    if before is None or after is None or before == 0:
        return None
    return (after - before) / before


def answers_kept(share: float | None, probed: int) -> str | None:
    """``38/40 answers kept``, or None where none were probed."""
    if share is None or not probed:
        return None
    return f"{round(share * probed)}/{probed} answers kept"


def learning_detail(event: Progress) -> str:
    """The numbers of one step, as far as there are any.

    As in ``loss 2.31  held-out +0.4 % (budget 1 %)  38/40 answers kept  812 tokens/s``.
    """
    if isinstance(event, AceProgress):
        return _playbook_detail(event)
    if isinstance(event, Doc2LoraProgress):
        return lora_detail(event)
    parts = [
        None if event.loss is None else f"loss {event.loss:.2f}",
        _held_out(event),
        answers_kept(event.answers_kept, event.answers_probed),
        None if event.tokens_per_second is None else f"{event.tokens_per_second:.0f} tokens/s",
    ]
    return "  ".join(part for part in parts if part)


def learning_stage(event: Progress) -> str:
    """What is being done, as in ``loop 2 of 3, question 4 of 12`` or ``chunk 3 of 12``."""
    if isinstance(event, Doc2LoraProgress):
        return lora_stage(event)
    if not isinstance(event, AceProgress) or not event.question:
        return event.stage
    if event.purpose == "learning":
        return f"loop {event.loop} of {event.loops}, question {event.question} of {event.questions}"
    return f"{event.purpose} {event.question} of {event.questions}"


def _playbook_detail(event: AceProgress) -> str:
    before, after = event.validation_before, event.validation
    validation = None
    if before is not None and after is not None:
        validation = f"validation {100 * before:.0f} → {100 * after:.0f} %"
    parts = [
        event.role or None,
        None if event.score is None else f"{100 * event.score:.0f} % right",
        validation,
        counted(event.bullets, "bullet"),
        f"{event.spent_tokens:,} tokens" if event.spent_tokens else None,
    ]
    return "  ".join(part for part in parts if part)


def passed_budget(event: Progress) -> str:
    """Which budget is passed, for the question to a person at a paused learn."""
    return _risen(event) or one_line(event.guard or "a budget of the guard is passed")


def overlap_phrase(overlaps: tuple[Overlap, ...]) -> str:
    """``The mill 31 %, The harbour 4 %``, the largest first."""
    ranked = sorted(overlaps, key=lambda overlap: -overlap.share)
    return ", ".join(f"{one_line(o.title)} {100 * o.share:.0f} %" for o in ranked)


def _held_out(event: Progress) -> str | None:
    rise = relative_change(event.held_out_loss_before, event.held_out_loss)
    if rise is None:
        return None if event.held_out_loss is None else f"held-out {event.held_out_loss:.2f}"
    budget = "" if event.held_out_budget is None else f" (budget {_budget(event.held_out_budget)})"
    return f"held-out {signed_percent(rise)}{budget}"


def _budget(share: float) -> str:
    return f"{100 * share:.3g} %"


def _risen(event: Progress) -> str | None:
    rise = relative_change(event.held_out_loss_before, event.held_out_loss)
    if rise is None or event.held_out_budget is None or rise <= event.held_out_budget:
        return None
    return f"held-out rose {100 * rise:.1f} % (budget {_budget(event.held_out_budget)})"

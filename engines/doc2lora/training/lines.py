"""Events of a training run as lines for people.

Nothing here imports torch.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from engines.doc2lora.training.events import (
    Evaluated,
    Finished,
    Prepared,
    Sample,
    Saved,
    Skipped,
    StepDone,
    TeacherProgress,
)


@singledispatch
def line_of(event: Any) -> str:
    """One event as one line."""
    return str(event)


@line_of.register
def _(event: Prepared) -> str:
    return (
        f"{event.questions:,} questions on {event.contexts:,} contexts, {event.held_out} held out; "
        f"{event.parameters / 1e6:.1f}M parameters; step {event.step} of {event.steps}; "
        f"run folder {event.run_folder}"
    )


@line_of.register
def _(event: TeacherProgress) -> str:
    return f"teacher: {event.done:,} of {event.of:,} contexts"


@line_of.register
def _(event: StepDone) -> str:
    return (
        f"step {event.step} (stage {event.stage + 1}): loss {event.loss:.3f}, distil "
        f"{event.distil:.3f}, gold {event.gold:.3f}, LoRA {event.lora_size:.5f}, gradient "
        f"{event.gradient_norm:.2f}, rate {event.learning_rate:.2e}, "
        f"{event.tokens_per_second:.0f} tokens/s, {event.seconds / 60:.1f} min"
    )


@line_of.register
def _(event: Evaluated) -> str:
    share = "none" if event.gain_share is None else f"{event.gain_share:.0%}"
    own = "none" if event.document_share is None else f"{event.document_share:.0%}"
    sources = "".join(
        f"\n  {name}: {values[0]:.3f}, {values[1]:.3f}, {values[2]:.3f}, {values[3]:.3f}"
        for name, values in event.by_source.items()
    )
    return (
        f"evaluation at {event.step}: gold NLL closed book {event.closed_book:.3f}, LoRA "
        f"{event.lora:.3f}, another document's LoRA {event.other_document:.3f}, in context "
        f"{event.in_context:.3f}; share of the gain {share}, of it by the document {own}; "
        f"agreement {event.closed_book_agreement:.0%} to {event.agreement:.0%}"
        f"{' (best)' if event.is_best else ''}{sources}"
    )


@line_of.register
def _(event: Sample) -> str:
    return (
        f"  {event.question} [{event.gold}] closed book: {event.closed_book!r}, LoRA: "
        f"{event.lora!r}, in context: {event.in_context!r}"
    )


@line_of.register
def _(event: Skipped) -> str:
    return f"step {event.step} was skipped: {event.reason}"


@line_of.register
def _(event: Saved) -> str:
    return f"saved {event.folder}"


@line_of.register
def _(event: Finished) -> str:
    return f"{event.reason} at step {event.step}"

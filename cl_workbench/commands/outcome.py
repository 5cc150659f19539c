"""What came of a ``learn``: the object for programs, and the lines for people."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import click

from cl_workbench.commands.figures import answers_kept, relative_change, signed_percent
from cl_workbench.commands.lora_learning import lora_line, lora_record
from cl_workbench.commands.tally import PlaybookOutcome
from cl_workbench.terminal_text import one_line
from engines.decoding import counted
from engines.doc2lora.events import Doc2LoraProgress
from engines.documents import UnreadableDocument
from engines.protocol import LearnReport

REPORTED = (
    "id",
    "path",
    "title",
    "tokens",
    "tokens_read",
    "loss_before",
    "loss_after",
    "held_out_loss_before",
    "held_out_loss_after",
    "seconds",
    "tokens_per_second",
    "gate_open_share",
    "objective",
    "passes",
    "study_items",
    "chunks",
    "answers_kept",
    "answers_probed",
    "overlaps",
    "notes",
)


@dataclass(slots=True)
class Outcome:
    """What became of the documents so far.

    ``playbook`` is there if the engine keeps one, ``loras`` (by the documents' ids) if it makes
    some; ``practised`` if it learned from questions alone.
    """

    engine: str
    model: str | None = None
    learned: list[LearnReport] = field(default_factory=list)
    failed: list[UnreadableDocument] = field(default_factory=list)
    interrupted: bool = False
    saved: str | None = None
    save_error: str | None = None
    seconds: float = 0.0
    playbook: PlaybookOutcome | None = None
    practised: bool = False
    loras: dict[str, Doc2LoraProgress] | None = None

    @property
    def exit_code(self) -> int:
        """130 if interrupted, 1 if a document or the saving failed, else 0."""
        faults = self.playbook.faults if self.playbook is not None else []
        return 130 if self.interrupted else int(bool(self.failed or self.save_error or faults))

    def record(self) -> dict[str, Any]:
        """The object that ``--json`` prints.

        ``playbook`` is there only with an engine that keeps one, ``loras`` only with one that
        makes some, ``save_error`` only if saving failed.
        """
        record: dict[str, Any] = {
            "engine": self.engine,
            "model": self.model,
            "seconds": round(self.seconds, 3),
            "documents": [_reported(report) for report in self.learned],
            "failed": [{"path": f.path, "reason": f.reason} for f in self.failed],
        }
        if self.playbook is not None:
            record["playbook"] = self.playbook.record()
        if self.loras is not None:
            record["loras"] = {id_: lora_record(lora) for id_, lora in self.loras.items()}
        return record | ({"save_error": self.save_error} if self.save_error else {})


def summarise(outcome: Outcome) -> None:
    """Print a line on each learned document and one on all of them."""
    for report in outcome.learned:
        click.echo(summary_line(report))
        if outcome.loras and report.id in outcome.loras:
            click.echo(lora_line(outcome.loras[report.id]))
    total = len(outcome.learned) + len(outcome.failed)
    with_model = f" with {outcome.engine} on {one_line(outcome.model)}" if outcome.model else ""
    saved = f", saved as {outcome.saved}" if outcome.saved else ""
    if outcome.save_error:
        saved = ", but not saved"
    what = f"Learned {len(outcome.learned)} of {total}"
    if outcome.practised and not outcome.learned:
        what = "Practised on questions alone"
    for line in outcome.playbook.lines() if outcome.playbook is not None else ():
        click.echo(line)
    click.echo(f"{what}{with_model} in {outcome.seconds:.1f} s{saved}.")
    if outcome.failed:
        paths = ", ".join(one_line(failure.path) for failure in outcome.failed)
        click.echo(f"Not learned: {paths}")


def summary_line(report: LearnReport) -> str:
    """One line on one learned document: losses, objective, what it cost, tokens, time."""
    parts = [
        _losses(report),
        _held_out(report),
        answers_kept(report.answers_kept, report.answers_probed),
        _tokens(report),
        f"{report.seconds:.1f} s",
    ]
    said = ", ".join(part for part in parts if part)
    return f"{one_line(report.title)} ({report.id}): {said}"


def _reported(report: LearnReport) -> dict[str, Any]:
    values = dataclasses.asdict(report)
    return {name: values[name] for name in REPORTED}


def _losses(report: LearnReport) -> str:
    if report.loss_before is None or report.loss_after is None:
        return counted(report.chunks, "chunk") if report.chunks else ""
    return f"loss {report.loss_before:.2f} to {report.loss_after:.2f}{_how(report)}"


def _how(report: LearnReport) -> str:
    if report.objective is None:
        return ""
    items = f" with {counted(report.study_items, 'item')}" if report.study_items else ""
    return f" by {report.objective}{items}"


def _held_out(report: LearnReport) -> str | None:
    rise = relative_change(report.held_out_loss_before, report.held_out_loss_after)
    return None if rise is None else f"held-out {signed_percent(rise)}"


def _tokens(report: LearnReport) -> str:
    if report.tokens_read < report.tokens:
        return f"{report.tokens_read:,} of {report.tokens:,} tokens"
    return f"{report.tokens_read:,} tokens"

"""What came of a ``learn``: the object for programs, and the lines for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import click

from cl_workbench.terminal_text import one_line
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
    "notes",
)


@dataclass(slots=True)
class Outcome:
    """What became of the documents so far."""

    engine: str
    model: str | None = None
    learned: list[LearnReport] = field(default_factory=list)
    failed: list[UnreadableDocument] = field(default_factory=list)
    interrupted: bool = False
    saved: str | None = None
    save_error: str | None = None
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """130 if interrupted, 1 if a document or the saving failed, else 0."""
        return 130 if self.interrupted else int(bool(self.failed or self.save_error))

    def record(self) -> dict[str, Any]:
        """The object that ``--json`` prints; ``save_error`` is there only if saving failed."""
        record = {
            "engine": self.engine,
            "model": self.model,
            "seconds": round(self.seconds, 3),
            "documents": [{k: getattr(r, k) for k in REPORTED} for r in self.learned],
            "failed": [{"path": f.path, "reason": f.reason} for f in self.failed],
        }
        return record | ({"save_error": self.save_error} if self.save_error else {})


def summarise(outcome: Outcome) -> None:
    """Print a line on each learned document and one on all of them."""
    for report in outcome.learned:
        click.echo(summary_line(report))
    total = len(outcome.learned) + len(outcome.failed)
    with_model = f" with {outcome.engine} on {one_line(outcome.model)}" if outcome.model else ""
    saved = f", saved as {outcome.saved}" if outcome.saved else ""
    if outcome.save_error:
        saved = ", but not saved"
    click.echo(
        f"Learned {len(outcome.learned)} of {total}{with_model} in {outcome.seconds:.1f} s{saved}."
    )
    if outcome.failed:
        paths = ", ".join(one_line(failure.path) for failure in outcome.failed)
        click.echo(f"Not learned: {paths}")


def summary_line(report: LearnReport) -> str:
    """One line on one learned document: losses before and after, tokens, time."""
    read = f"{report.tokens_read:,} tokens"
    if report.tokens_read < report.tokens:
        read = f"{report.tokens_read:,} of {report.tokens:,} tokens"
    held_out = ""
    if report.held_out_loss_before is not None and report.held_out_loss_after is not None:
        held_out = f", held-out {report.held_out_loss_before:.2f} to "
        held_out += f"{report.held_out_loss_after:.2f}"
    return (
        f"{one_line(report.title)} ({report.id}): loss {report.loss_before:.2f} to "
        f"{report.loss_after:.2f}{held_out}, {read}, {report.seconds:.1f} s"
    )

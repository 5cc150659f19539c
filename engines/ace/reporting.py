"""What a learn's report says of the playbook."""

from __future__ import annotations

import dataclasses

from engines.ace.loop import Learned
from engines.decoding import counted
from engines.protocol import LearnReport


def reported(report: LearnReport, learned: Learned | None, notes: tuple[str, ...]) -> LearnReport:
    """``report`` with what was ``learned`` from questions; None where there were none."""
    if learned is None:
        return dataclasses.replace(report, notes=(*report.notes, *notes))
    asked = len(learned.questions.learned)
    if learned.scores:
        aside = counted(len(learned.questions.validation), "question")
        course = " → ".join(f"{score:.0%}" for score in learned.scores)
        notes = (*notes, f"Validation on {aside} kept apart: {course}.")
    if learned.counts.skipped:
        notes = (*notes, f"{counted(learned.counts.skipped, 'answer')} of a role not usable.")
    return dataclasses.replace(
        report,
        notes=(*report.notes, *notes),
        objective="playbook" if asked else None,
        passes=len(learned.right),
        study_items=asked,
    )

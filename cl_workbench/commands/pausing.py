"""A paused learn, put to the person at the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cl_workbench.commands.figures import passed_budget

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from cl_workbench.commands.interrupts import Interrupts
    from engines.protocol import Decision, Progress

CHOICES = "[g]o on, go on [s]lower, [k]eep what there is?"
NOBODY_ASKED = (
    "The guard paused and there was no terminal to ask at, so the best state so far was kept: "
    "--guard slower goes on at half the rate instead."
)

_DECISIONS: dict[str, Decision] = {
    "g": "continue", "go": "continue", "go on": "continue", "continue": "continue",
    "s": "slower", "slower": "slower", "go on slower": "slower",
    "k": "stop", "keep": "stop", "stop": "stop",
}  # fmt: skip


def can_ask() -> bool:
    """Whether a person at a terminal sees what is on stderr and can type an answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_how_to_go_on(
    event: Progress, display: ProgressDisplay, interrupts: Interrupts
) -> Decision | None:
    """What the person decides; None if the input ended or Ctrl-C was pressed."""
    question = f"{_sentence_case(passed_budget(event))}: {CHOICES} "
    with display.suspended(), interrupts.raised():
        try:
            while True:
                click.echo(question, err=True, nl=False)
                typed = sys.stdin.readline()
                if not typed:
                    return None
                decision = _DECISIONS.get(" ".join(typed.lower().split()))
                if decision is not None:
                    return decision
                click.echo("Type g, s or k and press enter.", err=True)
        except KeyboardInterrupt:
            click.echo("", err=True)
            return None


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What ``learn`` does besides where ACE learns: its playbook, its figures, its trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cl_workbench.commands.new_file import check_new, write_new
from cl_workbench.commands.session import require_ace
from cl_workbench.commands.tally import PlaybookOutcome, Tally
from cl_workbench.home import made
from cl_workbench.terminal_text import one_line
from engines.ace import files
from engines.ace.events import AceProgress
from engines.ace.playbook import PlaybookError
from engines.ace.revisions import History
from engines.ace.trace import TraceEntry, Tracer
from engines.protocol import EngineError, Progress

if TYPE_CHECKING:
    from cl_workbench.commands.options import Workspace
    from engines.ace.engine import AceEngine

_TRACES = (".md", ".json")


@dataclass(frozen=True, slots=True)
class AceChoices:
    """The options of ``learn`` that only ACE has."""

    qa: Path | None = None
    playbook: str | None = None
    trace: Path | None = None

    def check(self, engine: str, settings_given: tuple[str, ...]) -> None:
        """Refuse these options, and those for ACE's settings, with another engine.

        Raises:
            UsageError: if ``engine`` is another, or the trace has no known ending.
            EngineError: if the trace's file exists.
        """
        given = [name for name in ("qa", "playbook", "trace") if getattr(self, name) is not None]
        for option in (*given, *settings_given):
            require_ace(f"--{option}", engine)
        if self.trace is not None:
            if self.trace.suffix.lower() not in _TRACES:
                raise click.UsageError(
                    "A trace is written as Markdown or JSON: let --trace end in .md or .json."
                )
            check_new(self.trace, option="--trace")

    def kept(self, workspace: Workspace) -> History | None:
        """The playbook to begin with, if it is there; its folder is made if it isn't.

        Raises:
            EngineError: if it can't be read, or no file can be written there.
        """
        if self.playbook is None:
            return None
        folder = made(workspace.home.playbooks)
        there = files.path_of(folder, self.playbook).exists()
        return files.load(folder, self.playbook) if there else None


@dataclass(slots=True)
class PlaybookKeeper:
    """Follows each learn of ``engine``, and saves the playbook after it if it has a name."""

    engine: AceEngine
    folder: Path
    choices: AceChoices
    outcome: PlaybookOutcome
    _tracers: list[Tracer] = field(default_factory=list)

    @classmethod
    def of(
        cls, engine: AceEngine, workspace: Workspace, choices: AceChoices, begun: History | None
    ) -> PlaybookKeeper:
        """Let ``engine`` go on from the playbook ``begun``, if there is one."""
        if begun is not None:
            engine.history = begun
        outcome = PlaybookOutcome(engine.history, choices.playbook)
        return cls(engine, workspace.home.playbooks, choices, outcome)

    def begin(self, title: str, id_: str | None) -> None:
        """A learn begins."""
        self.outcome.tallies.append(Tally(title, id_))
        model = self.engine.model
        self._tracers.append(Tracer(title, model.name, model.where))

    def see(self, event: Progress) -> None:
        """Take in what is told of it."""
        if not isinstance(event, AceProgress):
            return
        self.outcome.tallies[-1].take(event)
        if self.choices.trace is not None:
            for entry in _entries(event):
                self._tracers[-1].add(entry)

    def end(self, *, whole: bool) -> None:
        """The learn is over, or was broken off: what was learned until there is saved."""
        tally = self.outcome.tallies[-1]
        tally.whole = whole
        if self.choices.playbook is None:
            self.outcome.history = self.engine.history
            return
        partly = tally.history is not None and tally.history.next > self.engine.history.next
        if not whole and partly and tally.history is not None:
            self.engine.history = tally.history
        self.outcome.history = self.engine.history
        if whole or partly:
            self._save()

    def finish(self) -> None:
        """Write the trace."""
        file = self.choices.trace
        if file is None or not self._tracers:
            return
        try:
            write_new(file, self._traced(file.suffix.lower()), option="--trace")
        except EngineError as error:
            self._fault(f"The trace was not written: {error}")
        else:
            self.outcome.trace = str(file)

    def _save(self) -> None:
        """Save under the name, or under one beside it where another program was there first."""
        name = str(self.outcome.name)
        try:
            path = files.save(self.folder, name, self.engine.history)
        except PlaybookError as error:
            self._save_beside(name, error)
        except EngineError as error:
            self._fault(f"The playbook was not saved: {error}")
        else:
            self.outcome.path = str(path)

    def _save_beside(self, name: str, error: PlaybookError) -> None:
        spare = next(free for free in _spares(name) if not self._taken(free))
        try:
            path = files.save(self.folder, spare, self.engine.history)
        except EngineError:
            self._fault(f"The playbook was not saved: {error}")
            return
        self.outcome.name, self.outcome.path = spare, str(path)
        self._fault(f"{error} It was saved as {spare}.")

    def _taken(self, name: str) -> bool:
        return files.path_of(self.folder, name).exists()

    def _fault(self, sentence: str) -> None:
        self.outcome.faults.append(sentence)
        click.echo(one_line(sentence), err=True)

    def _traced(self, ending: str) -> str:
        traces = [tracer.trace() for tracer in self._tracers]
        if ending == ".md":
            return "\n".join(trace.to_markdown() for trace in traces)
        if len(traces) == 1:
            return traces[0].to_json()
        return "[\n" + ",\n".join(trace.to_json().rstrip() for trace in traces) + "\n]\n"


def _entries(event: AceProgress) -> Iterator[TraceEntry]:
    """What of an event is kept: a turn, a verdict, a patch, a remark."""
    place = (event.purpose, event.loop, event.question, event.asked)
    if event.turn is not None:
        yield TraceEntry(*place, turn=event.turn)
    elif event.message:
        yield TraceEntry(*place, note=event.message)
    if event.right is not None:
        yield TraceEntry(*place, right=event.right)
    if event.outcomes:
        yield TraceEntry(*place, outcomes=event.outcomes)


def _spares(name: str) -> Iterator[str]:
    number = 1
    while True:
        number += 1
        ending = f"-{number}"
        yield name[: 64 - len(ending)] + ending

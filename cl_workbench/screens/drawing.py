"""From the engine thread's events to the panes: the only place that knows both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cl_workbench.messages import (
    AnswerBegan,
    AnswerEnded,
    AnswerText,
    DialSet,
    EngineFailed,
    EngineReady,
    EngineState,
    Event,
    JobFailed,
    LearnBegan,
    LearnDone,
    LearnFailed,
    Learning,
    LearnSummary,
    Loading,
    ModelFacts,
    Noted,
    Rated,
    RatingOn,
    RatingUndone,
    StateChanged,
    Streamed,
    Work,
    WorkBegan,
    WorkEnded,
)
from cl_workbench.screens import learning
from cl_workbench.screens.conversation import Conversation
from cl_workbench.screens.dials import dial_reading, draw_dial, engine_words
from cl_workbench.screens.playbook_view import PlaybookView
from cl_workbench.screens.work_state import work_state
from engines.ace.events import AceProgress
from engines.ace.revisions import History
from widgets import figures
from widgets.chat_panel import Knowledge
from widgets.guard_lines import PAUSED, over_budget
from widgets.progress_line import ProgressLine
from widgets.status_line import StatusLine, WorkState
from widgets.workspace import Workspace

Tell = Callable[[str, bool], None]
_PAUSE_KEYS = "g goes on, w goes on slower, t keeps it so; 1 shows it."
_BACK = "Go back to the workbench to decide:"


class Drawing:
    """Keeps what the screen knows of the engine and draws it into the panes.

    Args:
        status: the line at the top.
        progress: the line below it, for small terminals.
        tell: shows a sentence in passing; True if it tells of a failure.
        covered: whether another screen lies over the panes now.
        playbook_budget: the most tokens that a playbook may hold.
    """

    def __init__(
        self,
        status: StatusLine,
        progress: ProgressLine,
        workspace: Workspace,
        conversation: Conversation,
        tell: Tell,
        covered: Callable[[], bool] = lambda: False,
        playbook_budget: int | None = None,
    ) -> None:
        self._covered = covered
        self._playbook_budget = playbook_budget
        self._learns_asked = 0
        self._status = status
        self._progress = progress
        self._tell = tell
        self.conversation = conversation
        self._workspace = workspace
        self.model: ModelFacts | None = None
        self.state: EngineState | None = None
        self.work: Work | None = None
        self.failure: str | None = None
        self.uses_learned = True
        self._dials_out = 0
        self._loading = self._failed = learning.loading_notice("starting")
        self._current: learning.Learned | None = None
        self._budgets: dict[str, float | None] = {}
        self._history: History | None = None
        workspace.learn.notice = self._loading
        self._handlers: dict[type, Callable[[Any], None]] = {
            WorkBegan: self._work_began,
            WorkEnded: self._work_ended,
            Loading: self._loading_on,
            EngineReady: self._engine_ready,
            EngineFailed: self._engine_failed,
            StateChanged: lambda event: self._state_changed(event.state),
            DialSet: self._dial_set,
            LearnBegan: self._learn_began,
            Learning: self._learning,
            LearnDone: self._learn_done,
            LearnFailed: lambda event: None,  # the summary tells of all of them at once
            LearnSummary: self._learn_summary,
            AnswerBegan: lambda event: None,
            AnswerText: self.conversation.add,
            AnswerEnded: self.conversation.end,
            Rated: self.conversation.rated,
            RatingOn: self.conversation.rating_on,
            RatingUndone: lambda event: self.conversation.undone(),
            Noted: lambda event: self._tell(event.text, False),
            JobFailed: lambda event: self._tell(event.sentence, True),
        }

    def on_event(self, kind: type, handler: Callable[[Any], None]) -> None:
        """Let events of ``kind``, which none of the panes shows, go to ``handler``."""
        self._handlers[kind] = handler

    def draw(self, events: Iterable[Event]) -> bool:
        """Draw ``events`` in order; true if the keys that apply may have changed."""
        kinds, paused = set(), self.paused
        for event in events:
            kinds.add(type(event))
            self._handlers[type(event)](event)
        if Learning in kinds:
            self._draw_learning()
        return paused != self.paused or bool(
            kinds - {Learning, AnswerText, Loading, RatingOn, Streamed}
        )

    @property
    def learned_count(self) -> int:
        """How many documents the engine has learned."""
        return len(self.state.ledger) if self.state else 0

    @property
    def holds_something(self) -> bool:
        """Whether there is anything to save or to forget: documents, or a changed playbook."""
        history = self.state.history if self.state else None
        return self.learned_count > 0 or bool(history and len(history.revisions) > 1)

    @property
    def active_count(self) -> int:
        """How many of them count: all but the muted ones."""
        return self.learned_count - (len(self.state.muted) if self.state else 0)

    @property
    def answers_from_learned(self) -> bool:
        """Whether the next answer uses what was learned."""
        return self.uses_learned and self.active_count > 0

    @property
    def paused(self) -> bool:
        """Whether learning waits for a person to decide."""
        return self.work == "learning" and bool(self._current and self._current.frame.paused)

    @property
    def learns(self) -> bool:
        """Whether something is being learned or in line to be."""
        return self._learns_asked > 0

    def playbook_view(self) -> PlaybookView:
        """The playbook as it is now, also in the middle of a learning."""
        learns = self.work == "learning"
        frame = self._current.frame if self._current and learns else None
        titles = {report.id: report.title for report in self.state.ledger} if self.state else {}
        return PlaybookView(
            self._history, learns, frame.stage if frame else "", self._playbook_budget, titles
        )

    def learn_asked(self) -> None:
        """A learning was put in line; it may wait for other work."""
        self._learns_asked += 1

    def decided(self) -> None:
        """A person has decided; the engine follows."""
        if self._current is not None:
            self._current = learning.decided(self._current)
            self._draw_learning()

    def turn_alpha(self, step: float) -> float | None:
        """Show α changed by ``step`` and return it; None where there is no α.

        The engine follows later and answers each change with ``DialSet``; showing it at
        once lets quick presses add up.
        """
        if self.state is None or self.state.alpha is None:
            return None
        alpha = round(min(max(self.state.alpha + step, 0.0), 1.0), 4)
        self._dialled(replace(self.state, alpha=alpha))
        return alpha

    def turn_strength(self, step: float) -> float | None:
        """Show the strength changed by ``step`` and return it, as with α."""
        if self.state is None or self.state.strength is None:
            return None
        strength = min(max(self.state.strength + step, 0.0), self.state.strength_limit)
        self._dialled(replace(self.state, strength=round(strength, 4)))
        return self.state.strength

    def _dialled(self, state: EngineState) -> None:
        self.state = state
        self._dials_out += 1
        self._draw_dial()
        self._draw_knowledge()

    def _draw_dial(self) -> None:
        draw_dial(self._status, self.state)

    def set_alpha(self, alpha: float) -> bool:
        """Show ``alpha``; false where that is no change."""
        now = self.state.alpha if self.state else None
        return now not in {None, alpha} and self.turn_alpha(alpha - (now or 0.0)) is not None

    def can(self, ability: str) -> bool:
        """Whether the engine keeps the protocol ``ability`` of ``engines.abilities``."""
        return self.state is not None and ability in self.state.abilities

    @property
    def rated(self) -> bool:
        """Whether there is a verdict that can be taken back."""
        return self.state is not None and bool(self.state.feedback)

    def switch_voice(self) -> None:
        """Let the base model answer, or the learned one again."""
        self.uses_learned = not self.uses_learned
        self._draw_knowledge()

    def loading_begins(self) -> None:
        """The model is loaded, perhaps after that failed before."""
        self.failure = None
        self._loading = learning.loading_notice("starting")
        self._workspace.learn.loading_fraction = None
        self._draw_idle_learn_pane()

    def closing(self) -> None:
        """The program waits for the engine to stop."""
        self._status.state = WorkState("closing", "closing")

    def _work_began(self, event: WorkBegan) -> None:
        self.work = event.work
        if event.work == "loading":
            self.loading_begins()
        self._draw_state()

    def _work_ended(self, event: WorkEnded) -> None:
        self.work = None
        self._learns_asked -= event.work == "learning"
        self._draw_state()

    def _draw_state(self) -> None:
        frame = self._current.frame if self._current else None
        self._status.state = work_state(self.work, frame, failed=self.failure is not None)

    def _loading_on(self, event: Loading) -> None:
        self._loading = learning.loading_notice(event.text)
        self._workspace.learn.notice = self._loading
        self._workspace.learn.loading_fraction = event.fraction
        if event.fraction is not None:
            share = figures.percent(event.fraction)
            self._status.state = WorkState("loading", f"loading model {share}")

    def _engine_ready(self, event: EngineReady) -> None:
        self.model = event.model
        self._status.model = event.model.name
        self._status.device = event.model.device
        self._status.engine = engine_words(event.state)
        self._state_changed(event.state)
        if self._current is None:  # where only the model changed, what was learned stays in view
            self._draw_idle_learn_pane()

    def _engine_failed(self, event: EngineFailed) -> None:
        self.failure = event.sentence
        self._failed = learning.failed_notice(event)
        if event.cancelled and not self._shows_learning:
            self._tell(event.sentence, False)
        self._draw_idle_learn_pane()
        self._draw_state()

    def _draw_idle_learn_pane(self) -> None:
        if self.failure is not None:
            notice = self._failed
        elif self.model is None:
            notice = self._loading
        else:
            notice = learning.empty_notice(self.model)
        self._workspace.learn.frame = None
        self._workspace.learn.notice = notice

    def _dial_set(self, event: DialSet) -> None:
        self._dials_out -= 1
        self._state_changed(event.state)

    def _state_changed(self, state: EngineState) -> None:
        if self._dials_out and self.state is not None:
            # The engine has yet to follow the dial: what it says of it is out of date.
            state = replace(state, alpha=self.state.alpha, strength=self.state.strength)
        self.state, self._history = state, state.history
        self._draw_dial()
        self._status.learned = len(state.ledger)
        self._status.muted = len(state.muted)
        self._workspace.ledger.keeps_apart = self.can("HasLedger")
        self._workspace.ledger.show_entries(learning.ledger_entries(state, self._budgets))
        self.conversation.show_verdicts(state.feedback)
        self._draw_marks()
        self._draw_knowledge()
        shown = self._current
        if self.work == "other" and shown and shown.document_id not in _ids(state):
            self._current = None
            self._draw_idle_learn_pane()

    def _draw_marks(self) -> None:
        ledger = self.state.ledger if self.state else ()
        marks = {Path(report.path).absolute(): 1.0 for report in ledger if report.path}
        if self.work == "learning" and self._current and self._current.path:
            marks[self._current.path] = min(self._current.frame.fraction, 0.99)
        if marks != self._workspace.tree_of_files.marks:
            self._workspace.tree_of_files.marks = marks

    def _draw_knowledge(self) -> None:
        muted = self.learned_count - self.active_count
        dial = dial_reading(self.state)
        knowledge = Knowledge(self.uses_learned, self.active_count, dial, muted)
        self._workspace.chat.knowledge = knowledge

    def _learn_began(self, event: LearnBegan) -> None:
        self._current = learning.begun(event)
        self._workspace.learn.notice = None
        self._draw_learning()

    def _learning(self, event: Learning) -> None:
        if self._current is None:
            return
        before, self._current = self.paused, learning.advanced(self._current, event.progress)
        if isinstance(event.progress, AceProgress) and event.progress.history is not None:
            self._history = event.progress.history
        if self.paused and not before and (self._covered() or not self._shows_learning):
            keys = f"{_BACK} {_PAUSE_KEYS}" if self._covered() else _PAUSE_KEYS
            self._tell(f"{PAUSED} {over_budget(self._current.frame)}. {keys}", True)

    def _draw_learning(self) -> None:
        if self._current is None:
            return
        frame = self._current.frame
        self._workspace.learn.frame = frame
        if frame.alpha and self.work == "learning":
            self._status.alpha = frame.alpha[-1][1]
        self._progress.title = frame.title
        self._progress.place = frame.place
        self._progress.fraction = frame.fraction
        self._progress.seconds_left = frame.seconds_left
        self._draw_marks()
        if self.work == "learning":
            self._draw_state()

    @property
    def _shows_learning(self) -> bool:
        return "learn" in self._workspace.visible_panes

    def _learn_done(self, event: LearnDone) -> None:
        if self._current is not None:
            self._current = learning.finished(self._current, event.report)
            self._budgets[event.report.id] = self._current.frame.held_out_budget
            self._draw_learning()

    def _learn_summary(self, event: LearnSummary) -> None:
        self.work = None
        self._history = self.state.history if self.state else None
        self._draw_dial()
        if self._current is not None:
            stopped = replace(self._current.frame, seconds_left=None, paused=False)
            self._current = replace(self._current, frame=stopped)
            self._workspace.learn.frame = stopped
        self._draw_marks()
        budget = self._current.frame.held_out_budget if self._current else None
        lora = self._current is not None and self._current.frame.lora is not None
        notice = learning.summary_notice(event, budget, lora=lora)
        self._workspace.learn.notice = notice
        if not self._shows_learning:
            self._tell(notice.heading, bool(event.failed))


def _ids(state: EngineState) -> set[str]:
    return {report.id for report in state.ledger}

"""A training run of a hypernetwork, this program's or another's, followed by its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Footer, Static

from cl_workbench.screens import training_lines
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.overlays import Sheet
from cl_workbench.server_work import Job
from cl_workbench.training_watch import RunNews, run_fault, watching
from widgets.plain_text import one_line
from widgets.training_frame import TrainingFrame
from widgets.training_panel import TrainingPanel

_ENDED = {
    "done": "The run has done all its steps.",
    "stopped": "The run has stopped; `train-hypernetwork --resume` goes on with it.",
}


def run_question(value: str) -> AskTextScreen:
    """The dialog that asks for a run's folder."""
    return AskTextScreen(
        "Follow a training run", check=run_fault, value=value,
        placeholder="the folder that train-hypernetwork --run was given",
    )  # fmt: skip


class TrainingScreen(Sheet[Path]):
    """Loss curves, evaluations and samples of the run in ``folder``, as it writes them.

    Dismissed with the folder that was followed last.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "other", "another run", id="training.other",
                tooltip="Follow the run in another folder"),
        Binding("r", "again", "look again", id="training.again",
                tooltip="Look again, as after a run was gone on with"),
        Binding("escape", "leave", "leave", id="training.leave",
                tooltip="Go back; the run goes on"),
    ]  # fmt: skip
    AUTO_FOCUS = "TrainingPanel"
    CSS = "TrainingScreen TrainingPanel { padding: 0 1; }"

    @dataclass
    class Told(Message):
        """The run has told something, or is over; ``failure`` is a sentence where it failed."""

        job: Job
        news: RunNews | None = None
        failure: str | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._frame = TrainingFrame(str(folder))
        self._job: Job | None = None
        self._panel = TrainingPanel()

    def compose(self) -> ComposeResult:
        """Title, the run, state, keys."""
        yield Static(Content("Training a hypernetwork"), classes="sheet-title", markup=False)
        yield self._panel
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to follow."""
        self.action_again()

    def on_unmount(self) -> None:
        """Follow no longer."""
        if self._job is not None:
            self._job.leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Looking again is for a run that is over."""
        return self._job is None if action == "again" else True

    def action_again(self) -> None:
        """Read all that the run has told, and go on with it."""
        if self._job is not None:
            self._job.leave()
        folder = self._folder
        self._draw(TrainingFrame(str(folder)))
        self._job = Job(
            lambda: watching(folder), self._post_news, self._post_end, "a run was followed"
        ).start()
        self._tell("Following it; esc leaves, the run goes on.")
        self.refresh_bindings()

    @work(exclusive=True, group="dialog")
    async def action_other(self) -> None:
        """Follow another run."""
        text = await self.app.push_screen_wait(run_question(str(self._folder)))
        if text is not None:
            self._folder = Path(text).expanduser().absolute()
            self.action_again()

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(self._folder)

    def _post_news(self, job: Job, news: object) -> None:
        if isinstance(news, RunNews):
            self._post(self.Told(job, news))

    def _post_end(self, job: Job, failure: str | None) -> None:
        self._post(self.Told(job, None, failure))

    def _post(self, message: Message) -> None:
        """Called on the job's thread."""
        try:
            self.post_message(message)
        except RuntimeError:
            return  # the event loop is gone: the program is leaving and nobody looks any more

    @on(Told)
    def _told(self, event: Told) -> None:
        event.stop()
        if event.job is not self._job:
            return
        if event.news is not None:
            self._draw(training_lines.told(self._frame, event.news))
            return
        self._job = None
        if event.failure is not None:
            self._draw(replace(self._frame, state="failed", said=event.failure))
        self._tell(_ENDED.get(self._frame.state, "r looks again."))
        self.refresh_bindings()

    def _draw(self, frame: TrainingFrame) -> None:
        self._frame = self._panel.frame = frame

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))

"""Which language-model server answers, which models it has, and what to run where none does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Footer, OptionList, Static

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.overlays import Sheet
from cl_workbench.server_work import Job, address_fault, checking, fetching
from cl_workbench.settings import Settings
from cl_workbench.settings_ace import LOCAL
from engines.protocol import EngineError
from widgets.meter import Meter
from widgets.plain_text import one_line
from widgets.record_table import RecordTable
from widgets.server_lines import COLUMNS, ModelRow, ServerFacts, pulled_text, server_text

if TYPE_CHECKING:
    from engines.language_models.check import ServedModel, ServerReport
    from engines.language_models.pulling import Pulled

OLLAMA = "ollama"
NO_MODELS = (
    "No model to choose.  'ollama serve' starts a server, 'ollama pull NAME' fetches a model; "
    "a names another address, r asks again."
)


class ServersScreen(Sheet[bool]):
    """Looks at an address, lists its models, fetches one, and takes one into the settings.

    Dismissed with true once the ``server`` settings were changed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "use it for ace", id="servers.take", priority=True,
                tooltip="Let the marked model take ACE's roles, now and at the next start"),
        Binding("a", "address", "address", id="servers.address",
                tooltip="Look at another server"),
        Binding("r", "check", "check again", id="servers.check", tooltip="Ask the server again"),
        Binding("p", "pull", "pull a model", id="servers.pull",
                tooltip="Let Ollama fetch a model by its name"),
        Binding("l", "local", "loaded model", id="servers.local",
                tooltip="Let the model that the workbench loads take ACE's roles again"),
        Binding("escape", "leave", "leave", id="servers.leave",
                tooltip="Stop fetching, or go back"),
    ]  # fmt: skip
    AUTO_FOCUS = "RecordOptions"
    CSS = """
    ServersScreen {
        & .sheet-about { max-height: 8; margin-bottom: 1; }
        & Meter { margin: 0 1; }
    }
    """

    @dataclass
    class Told(Message):
        """A job has told something, or ended; ``failure`` is a sentence where it failed."""

        job: Job
        value: object = None
        ended: bool = False
        failure: str | None = None

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._facts = ServerFacts(
            settings.get("server.address"), key_variable=settings.get("server.key_variable") or ""
        )
        self._models: tuple[ServedModel, ...] = ()
        self._dialect: str | None = None
        self._check: Job | None = None
        self._pull: Job | None = None
        self._pulled = ""
        self._table = RecordTable(COLUMNS, NO_MODELS)
        self._meter = Meter()

    def compose(self) -> ComposeResult:
        """Title, server, models, progress, state, keys."""
        yield Static(Content("Language-model servers"), classes="sheet-title", markup=False)
        yield Static("", classes="sheet-about", markup=False)
        yield self._table
        yield self._meter
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Ask the server of the settings."""
        self._meter.display = False
        self._tell(self._in_use())
        self.action_check()

    def on_unmount(self) -> None:
        """Leave whatever is still asked."""
        for job in (self._check, self._pull):
            if job is not None:
                job.leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with what answers."""
        if action == "take":
            return self._marked is not None and self.app.screen is self
        if action == "pull":
            return self._dialect == OLLAMA and self._pull is None
        return self._settings.get("server.dialect") != LOCAL if action == "local" else True

    @property
    def _marked(self) -> ServedModel | None:
        cursor = self._table.cursor
        return self._models[cursor] if cursor is not None and cursor < len(self._models) else None

    # Asking

    def action_check(self) -> None:
        """Ask who answers."""
        if self._check is not None:
            self._check.leave()
        self._facts = replace(self._facts, checking=True, answers="", advice="")
        self._draw()
        address, variable = self._facts.address, self._facts.key_variable or None
        self._check = self._started(lambda: checking(address, variable))

    @work(exclusive=True, group="dialog")
    async def action_address(self) -> None:
        """Look at another address; it is kept once a model of it is taken."""
        dialog = AskTextScreen(
            "The server's address", check=address_fault, value=self._facts.address,
            placeholder="http://localhost:11434",
        )  # fmt: skip
        address = await self.app.push_screen_wait(dialog)
        if address is not None:
            self._facts = replace(self._facts, address=address)
            self._models, self._dialect = (), None
            self.action_check()

    @work(exclusive=True, group="dialog")
    async def action_pull(self) -> None:
        """Let the server fetch a model."""
        wanted = self._settings.get("server.model") or ""
        dialog = AskTextScreen(
            "A model for Ollama to fetch", check=_name_fault, value=wanted,
            placeholder="a name, such as qwen3.5:9b",
        )  # fmt: skip
        name = await self.app.push_screen_wait(dialog)
        if name is None or self._pull is not None:
            return
        self._pulled, self._meter.fraction, self._meter.display = name, None, True
        address, variable = self._facts.address, self._facts.key_variable or None
        self._tell(pulled_text(name, "asking the server", 0, None))
        self._pull = self._started(lambda: fetching(address, variable, name))
        self.refresh_bindings()

    def _started(self, steps: object) -> Job:
        def tell(job: Job, value: object) -> None:
            self._post(self.Told(job, value))

        def end(job: Job, failure: str | None) -> None:
            self._post(self.Told(job, ended=True, failure=failure))

        return Job(steps, tell, end).start()  # type: ignore[arg-type]

    def _post(self, message: Message) -> None:
        """Called on a job's thread."""
        try:
            self.post_message(message)
        except RuntimeError:
            return  # the event loop is gone: the program is leaving and nobody looks any more

    @on(Told)
    def _told(self, event: Told) -> None:
        event.stop()
        if event.job is self._check:
            self._check_told(event)
        elif event.job is self._pull:
            self._pull_told(event)

    def _check_told(self, event: Told) -> None:
        if not event.ended:
            self._show_report(event.value)  # type: ignore[arg-type]
            return
        self._check = None
        if event.failure:
            self._facts = replace(self._facts, checking=False, advice=event.failure)
            self._draw()

    def _show_report(self, report: ServerReport) -> None:
        self._models, self._dialect = report.models, report.dialect
        advice = report.advice
        if report.dialect == OLLAMA and not report.models:
            advice = f"{advice} Or press p and name one here.".strip()
        answers = f"{report.server} {report.version}".strip() if report.dialect else ""
        self._facts = replace(
            self._facts, checking=False, answers=answers, models=len(report.models), advice=advice
        )
        self._draw(cursor=self._used_place())

    def _pull_told(self, event: Told) -> None:
        if not event.ended:
            at: Pulled = event.value  # type: ignore[assignment]
            self._meter.fraction = at.completed / at.total if at.total else None
            self._tell(pulled_text(self._pulled, at.status, at.completed, at.total))
            return
        self._end_pull(event.failure or f"Fetched {one_line(self._pulled)}.")
        if event.failure is None:
            self.action_check()

    def _end_pull(self, told: str) -> None:
        self._pull, self._meter.display = None, False
        self._tell(told)
        self.refresh_bindings()

    # Taking and leaving

    @on(OptionList.OptionSelected)
    def action_take(self) -> None:
        """Let the marked model take ACE's roles."""
        model = self._marked
        if model is not None and self._dialect is not None:
            self._keep({
                "server.address": self._facts.address, "server.model": model.name,
                "server.dialect": self._dialect,
            })  # fmt: skip

    def action_local(self) -> None:
        """Let the loaded model take the roles again."""
        self._keep({"server.dialect": LOCAL})

    def _keep(self, values: dict[str, str]) -> None:
        try:
            for key, value in values.items():
                if self._settings.get(key) != value:
                    self._settings.set_user(key, value)
        except EngineError as error:
            self._tell(str(error))
        else:
            self.dismiss(True)

    def action_leave(self) -> None:
        """Stop fetching, or go back."""
        if self._pull is not None:
            self._pull.leave()
            self._end_pull(f"Stopped fetching {one_line(self._pulled)}; p goes on where it was.")
        else:
            self.dismiss(False)

    # Drawing

    def _draw(self, cursor: int | None = None) -> None:
        self.query_one(".sheet-about", Static).update(server_text(self._facts))
        used = self._used_place()
        self._table.show_records(
            [
                ModelRow(m.name, m.context_tokens, m.size_bytes, m.details, place == used).record()
                for place, m in enumerate(self._models)
            ],
            cursor,
        )
        self.refresh_bindings()

    def _used_place(self) -> int | None:
        """Which of the models takes the roles by the settings; None if none of them does."""
        get = self._settings.get
        if get("server.dialect") == LOCAL or get("server.address") != self._facts.address:
            return None
        names = [model.name for model in self._models]
        wanted = get("server.model")
        if wanted is None:
            return 0 if names else None
        return names.index(wanted) if wanted in names else None

    def _in_use(self) -> str:
        get = self._settings.get
        if get("server.dialect") == LOCAL:
            return "ACE's roles are taken by the model that the workbench loads."
        model = get("server.model") or "the first model"
        return f"ACE's roles are taken by {model} at {get('server.address')}; ● marks it."

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


def _name_fault(text: str) -> str | None:
    return None if text.isprintable() and " " not in text else "A model's name has no spaces."

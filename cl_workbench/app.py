"""The Textual application: first paint, themes, the session's life, and leaving."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, ComposeResult, SystemCommand
from textual.screen import Screen
from textual.widgets import Static

from cl_workbench.assets import asset
from cl_workbench.home import Home
from cl_workbench.palettes import load_palettes
from cl_workbench.settings import Settings
from cl_workbench.stderr_guard import stderr_to
from engines.protocol import EngineError
from widgets.status_line import StatusLine

if TYPE_CHECKING:
    from cl_workbench.base_model import Report
    from cl_workbench.screens.workbench import WorkbenchScreen
    from cl_workbench.session import OpenEngine, Session

log = logging.getLogger(__name__)

DEFAULT_THEME = "workbench-dark"
CLOSE_SECONDS = 10.0
_CLOSE_LOOKS_PER_SECOND = 20


class WorkbenchApp(App[int]):
    """The workbench; ``open_engine`` makes the model and engine, on the session's thread.

    The first screen is two lines and nothing else; the screen with the panes is imported
    and laid over it once these are painted, and the model is loaded after that.

    Args:
        home: where checkpoints, settings and the log are.
        settings: the settings in force; the theme chosen is written to the user's file.
        engine: the name of the engine; each has a last session of its own.
        open_engine: returns host and engine; told a function that reports progress.
        documents_folder: the folder the tree begins with.
        fresh: begin with nothing learned, though the last session can be brought back.
        clock: seconds, for the speed of answers; tests give one that stands still.
    """

    TITLE = "CL Workbench"

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        open_engine: OpenEngine,
        documents_folder: Path,
        engine: str = "ttt",
        fresh: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(css_path=asset("themes", "workbench.tcss"))
        self.home = home
        self.settings = settings
        self.session: Session | None = None
        self.workbench: WorkbenchScreen | None = None
        self._open_engine = open_engine
        self._documents_folder = documents_folder
        self._engine = engine
        self._fresh = fresh
        self._clock = clock
        self._leave_at: float | None = None

    def compose(self) -> ComposeResult:
        """What is painted first."""
        yield StatusLine(id="status")
        yield Static("Starting…", id="first-words")

    def on_mount(self) -> None:
        """Choose the theme, paint, and only then make the panes."""
        for theme in load_palettes(asset("themes")):
            self.register_theme(theme)
        wanted = self.settings.get("ui.theme")
        self.theme = wanted if wanted in self.available_themes else DEFAULT_THEME
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))
        self.call_after_refresh(self._open_workbench)

    def _open_workbench(self) -> None:
        from cl_workbench.screens.workbench import WorkbenchScreen

        self.session = self._new_session()
        self.workbench = WorkbenchScreen(
            self.session, self.home, self.settings, self._documents_folder
        )
        self.push_screen(self.workbench)
        self.call_after_refresh(self.session.start)

    def _new_session(self) -> Session:
        from cl_workbench.assembly import read_options
        from cl_workbench.autosave import Autosave
        from cl_workbench.history import recorder
        from cl_workbench.session import Session

        home = self.home
        kept = home.autosave(self._engine)
        keep = self.settings.get("session.restore") == "always"
        return Session(
            self._open_engine,
            wake=self._wake,
            log_file=self.home.log_file,
            read_options=read_options(self.settings),
            autosave=Autosave(kept, home.checkpoints, bring_back=not self._fresh) if keep else None,
            record=recorder(home.history, self.settings),
            clock=self._clock or time.monotonic,
        )

    def _wake(self) -> None:
        """Called on the engine thread."""
        from cl_workbench.messages import EventsWaiting

        if self.workbench is None:
            return
        try:
            self.workbench.post_message(EventsWaiting())
        except RuntimeError:
            # The event loop is gone: the program is leaving and nobody looks any more.
            log.debug("an event came after the screen was closed")

    def _keep_theme(self, name: str) -> None:
        if name == self.settings.get("ui.theme"):
            return
        try:
            self.settings.set_user("ui.theme", name)
        except EngineError as error:
            self.notify(str(error), severity="warning", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: Textual's own commands and every key of the workbench."""
        yield from super().get_system_commands(screen)
        yield SystemCommand(
            "Save screenshot", "Save a picture of the screen (SVG)", self.action_save_screenshot
        )
        if self.workbench is None or screen is not self.workbench:
            return
        from cl_workbench.screens.palette import commands

        yield from commands(self.workbench)

    def action_save_screenshot(self) -> None:
        """Write the screen as SVG into the home folder's ``screenshots``."""
        folder = self.home.root / "screenshots"
        self.call_after_refresh(self._save_screenshot, folder)

    def _save_screenshot(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = self.save_screenshot(path=str(folder))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.notify(
                f"The picture could not be saved in {folder}: {reason}.",
                severity="error",
                markup=False,
            )
        else:
            self.notify(f"Saved {path}.", markup=False)

    async def action_quit(self) -> None:
        """Stop the engine, wait for it a moment, and leave; a second time leaves at once."""
        session = self.session
        if session is None or not session.alive or self._leave_at is not None:
            self._leave_at = time.monotonic()
            self.exit(0)
            return
        session.stop()
        self._leave_at = time.monotonic() + CLOSE_SECONDS
        if self.workbench is not None:
            self.workbench.show_closing()
        self.set_interval(1 / _CLOSE_LOOKS_PER_SECOND, self._leave_when_stopped)

    def _leave_when_stopped(self) -> None:
        if self.session is None or not self.session.alive or not self.seconds_to_close:
            self.exit(0)

    @property
    def seconds_to_close(self) -> float:
        """How long the engine may yet take to stop, screen and all counted together."""
        if self._leave_at is None:
            return CLOSE_SECONDS
        return max(self._leave_at - time.monotonic(), 0.0)

    def on_unmount(self) -> None:
        """However the program ends, the engine is told to stop."""
        if self.session is not None:
            self.session.stop()


def run_app(home: Home, settings: Settings, *, engine: str = "ttt", fresh: bool = False) -> int:
    """Run the workbench in this terminal until it is left; returns the exit code."""
    folder = Path(settings.get("ui.documents_folder") or Path.cwd())
    app = WorkbenchApp(
        home, settings, open_engine=_opener(settings, engine), documents_folder=folder,
        engine=engine, fresh=fresh,
    )  # fmt: skip
    with stderr_to(home.log_file):
        try:
            app.run()
        finally:
            if app.session is not None:
                app.session.close(app.seconds_to_close)
    return app.return_code or 0


def _opener(settings: Settings, engine: str) -> OpenEngine:
    """Opens the configured model and ``engine``; torch is imported when called."""

    def open_engine(report: Report) -> tuple[object, object]:
        from cl_workbench.assembly import asks_server, build_engine, open_model

        if not asks_server(engine, settings):
            report("importing the model library", None)
        host = open_model(engine, settings, report)
        report("preparing the engine", None)
        return host, build_engine(engine, host, settings)

    return open_engine  # type: ignore[return-value]

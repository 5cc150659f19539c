"""The screens that look into what was learned: each asked for with a key, each left with esc."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from cl_workbench.assembly import ACE, open_model, read_options, sampling
from cl_workbench.history import History
from cl_workbench.home import Home
from cl_workbench.screens.alpha_preview import AlphaPreviewScreen
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.checkpoint_list import CheckpointsScreen
from cl_workbench.screens.drawing import Drawing
from cl_workbench.screens.history_table import HistoryScreen
from cl_workbench.screens.knock_out import KnockOutScreen
from cl_workbench.screens.playbook import PlaybookScreen
from cl_workbench.screens.servers import ServersScreen
from cl_workbench.screens.study_review import StudyReviewScreen
from cl_workbench.screens.trace import TraceScreen
from cl_workbench.session import Session
from cl_workbench.settings import Settings
from cl_workbench.streams import Streams
from engines.protocol import Document, LearnReport

Tell = Callable[[str, bool], None]
EXPORTS = "exports"


class Inquiries:
    """Opens a screen of its own, waits for its answer, and says what came of it.

    Each method has to run in a worker, since it waits for the person.
    """

    def __init__(
        self,
        app: App[Any],
        session: Session,
        streams: Streams,
        drawing: Drawing,
        home: Home,
        settings: Settings,
        tell: Tell,
    ) -> None:
        self._app = app
        self._home = home
        self._session = session
        self._streams = streams
        self._drawing = drawing
        self._settings = settings
        self._tell = tell
        self._run: Path | None = None

    async def alpha(self, question: str) -> float | None:
        """Answer at several α; the α chosen, or None."""
        state = self._drawing.state
        if state is None or state.alpha is None:
            return None
        asked = await self._question(question, "A question to answer at several α")
        if asked is None:
            return None
        turns = self._drawing.conversation.alone(asked)
        screen = AlphaPreviewScreen(self._streams, turns, sampling(self._settings), state.alpha)
        return await self._app.push_screen_wait(screen)

    async def knock_out(self, question: str, first: str | None) -> None:
        """Answer without each learned document, that with the id ``first`` before the others."""
        documents = self._documents(first)
        if not documents:
            self._tell("No document counts now: learn one with l, then press e.", True)
            return
        asked = await self._question(question, "A question to answer without each document")
        if asked is None:
            return
        turns = self._drawing.conversation.alone(asked)
        screen = KnockOutScreen(self._streams, turns, sampling(self._settings), documents)
        await self._app.push_screen_wait(screen)

    async def study(self, path: Path) -> Document | None:
        """Prepare and review the study items of a file; the document to learn, or None."""
        options = read_options(self._settings)
        text_alone = self._settings.get("ttt.objective") == "next_token"
        exports = self._home.root / EXPORTS
        screen = StudyReviewScreen(self._streams, path, options, exports, text_alone=text_alone)
        return await self._app.push_screen_wait(screen)

    async def saved(self) -> Path | None:
        """Look at the saved states; the folder of the one to open, or None."""
        drawing = self._drawing
        screen = CheckpointsScreen(
            self._streams, self._home, drawing.learned_count, lambda: drawing.learns
        )
        name = await self._app.push_screen_wait(screen)
        return None if name is None else self._home.checkpoint(name)

    async def history(self) -> None:
        """Look at what was ever learned."""
        exports = self._home.root / EXPORTS
        await self._app.push_screen_wait(HistoryScreen(History(self._home.history), exports))

    async def playbook(self) -> None:
        """Look at the playbook, decide on what waits, and change it."""
        screen = PlaybookScreen(self._session, self._home, self._drawing.playbook_view)
        await self._app.push_screen_wait(screen)

    async def trace(self) -> None:
        """Read what the roles said in the latest learns."""
        state = self._drawing.state
        traces = state.traces if state else ()
        await self._app.push_screen_wait(TraceScreen(traces, self._home.root / EXPORTS))

    async def servers(self) -> None:
        """Look which server answers; where another model is chosen, go on with it."""
        if not await self._app.push_screen_wait(ServersScreen(self._settings)):
            return
        if self._drawing.can("KeepsPlaybook"):
            self._session.change_model(lambda report: open_model(ACE, self._settings, report))
            if self._drawing.work is not None:
                self._tell("It is in line: what is running keeps its model to the end.", False)
        else:
            self._tell("The choice is saved: start with --engine ace to use it.", False)

    async def training(self, start: Path) -> None:
        """Ask for the folder of a training run, first the one followed last, and follow it."""
        from cl_workbench.screens.training import TrainingScreen, run_question

        value = str(self._run) if self._run else f"{start}{os.sep}"
        text = await self._app.push_screen_wait(run_question(value))
        if text is not None:
            folder = Path(text).expanduser().absolute()
            self._run = await self._app.push_screen_wait(TrainingScreen(folder))

    def _documents(self, first: str | None) -> list[LearnReport]:
        """The documents that count now, ``first`` before the others."""
        state = self._drawing.state
        counted = [r for r in state.ledger if r.id not in state.muted] if state else []
        return sorted(counted, key=lambda report: report.id != first)

    async def _question(self, question: str, title: str) -> str | None:
        """``question``, or one that is typed where there is none."""
        if question:
            return question
        screen = AskTextScreen(title, check=lambda text: None, placeholder="a question")
        return await self._app.push_screen_wait(screen)

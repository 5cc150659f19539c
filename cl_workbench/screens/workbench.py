"""The one screen: documents and ledger at the left; learn, chat and read at the right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.notifications import SeverityLevel
from textual.widgets import Footer, Input

from cl_workbench.assembly import conversation, read_options
from cl_workbench.home import Home
from cl_workbench.messages import EventsWaiting, Streamed, StreamEnded
from cl_workbench.screens.asking import Asking
from cl_workbench.screens.chatting import Chatting
from cl_workbench.screens.conversation import Conversation
from cl_workbench.screens.drawing import Drawing
from cl_workbench.screens.help import HelpScreen
from cl_workbench.screens.inquiries import Inquiries
from cl_workbench.screens.keys import BINDINGS, MOVES_FOCUS, PROGRAM_KEYS
from cl_workbench.screens.previews import preview_of
from cl_workbench.screens.requests import Requests
from cl_workbench.session import Session
from cl_workbench.settings import Settings
from cl_workbench.streams import Streams
from engines.documents import SUFFIXES, samples
from engines.protocol import Decision
from widgets.documents_tree import DocumentsTree
from widgets.ledger import Ledger
from widgets.progress_line import ProgressLine
from widgets.status_line import StatusLine
from widgets.workspace import PaneName, Workspace

NARROW, SHORT = 100, 30
DRAWS_PER_SECOND = 10
_PREVIEW_PAUSE_SECONDS = 0.1


class WorkbenchScreen(Chatting):
    """Joins the panes to the session: keys and clicks become jobs, events become drawings."""

    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide"), (160, "-roomy")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT, "-tall"), (46, "-lofty")]  # noqa: RUF012
    AUTO_FOCUS = ""

    def __init__(self, session: Session, home: Home, settings: Settings, folder: Path) -> None:
        super().__init__()
        self._session = session
        self._home = home
        self._settings = settings
        self._status = StatusLine(id="status")
        self._progress = ProgressLine(id="progress")
        self._panes = Workspace(folder.absolute(), frozenset(SUFFIXES))
        opening = conversation("", settings)[:-1]
        self._known = Drawing(
            self._status, self._progress, self._panes, Conversation(opening), self._tell,
            covered=lambda: self.app.screen is not self,
            playbook_budget=settings.get("ace.playbook_budget"),
        )  # fmt: skip
        self._streams = Streams(session)
        self._known.on_event(Streamed, self._streams.streamed)
        self._known.on_event(StreamEnded, self._streams.ended)
        self._asking = Asking(session, self._known, self._panes.chat, settings)
        self._chosen: Path | None = None
        self._read: Path | None = None

    def compose(self) -> ComposeResult:
        """Status, progress, panes, keys."""
        yield self._status
        yield self._progress
        yield self._panes
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to draw what the engine thread tells."""
        self._requests = Requests(self.app, self._session, self._home, self._settings)
        self._inquiries = Inquiries(
            self.app, self._session, self._streams, self._known, self._home, self._settings,
            self._tell,
        )  # fmt: skip
        self._arrange()
        self.call_after_refresh(self._panes.focus_pane, "documents")
        self.set_interval(1 / DRAWS_PER_SECOND, self.draw_events)

    @property
    def _small(self) -> bool:
        return self.app.size.width < NARROW or self.app.size.height < SHORT

    def on_resize(self, _event: events.Resize) -> None:
        """Change between side by side and one pane at a time."""
        self._arrange()

    def _arrange(self) -> None:
        self._panes.one_pane = self._small
        # In a narrow footer the palette's key would cover the others; F1 names it.
        self.query_one(Footer).show_command_palette = self.app.size.width >= NARROW

    @on(EventsWaiting)
    def draw_events(self) -> None:
        """Draw what the engine thread has told since the last time."""
        paused = self._known.paused
        if self._known.draw(self._session.outbox.take()):
            self.set_class(self._known.work == "learning", "-working")
            self.refresh_bindings()
        if self._known.paused and not paused:
            self.app.bell()

    def show_closing(self) -> None:
        """The program waits for the engine to stop."""
        self._known.closing()

    def _tell(self, sentence: str, failure: bool) -> None:
        severity: SeverityLevel = "error" if failure else "information"
        self.app.notify(sentence, severity=severity, markup=False, timeout=8 if failure else 4)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only the keys that can do something now."""
        known = self._known
        if action in MOVES_FOCUS:
            return not self._typing
        if action in {"forget", "switch_voice"}:
            return known.learned_count > 0
        if action in {"reset", "save"}:
            return known.holds_something
        conditions = {
            "cancel": self._can_cancel,
            "decide": known.paused and not self._typing,
            "load_model": known.failure is not None,
            "leave": self._typing,
            "alpha": known.can("HasAlpha"),
            "preview_alpha": known.can("HasAlpha"),
            "strength": known.can("HasStrength")
            and not (known.can("HasAlpha") or known.can("ScalesLoras")),
            "context_strength": known.can("ScalesLoras"),
            "passages": known.conversation.found is not None,
            "rate": known.can("TakesFeedback") and not self._typing,
            "undo_rating": known.can("TakesFeedback") and known.rated,
            "study": known.can("Studies"),
            "knock_out": known.learned_count > 0 and known.can("HasLedger"),
            "copy_answer": bool(known.conversation.last_answer),
            "playbook": known.can("KeepsPlaybook"),
            "trace": known.can("KeepsPlaybook"),
            "learn_questions": known.can("KeepsPlaybook"),
        }
        return conditions.get(action, True)

    def offers(self, action: str) -> bool:
        """Whether ``action``, as written in a binding, can be done now."""
        name = action.partition("(")[0]
        if name == "rate":
            return self._known.can("TakesFeedback")
        return name in MOVES_FOCUS or self.check_action(name, ()) is True

    async def run_command(self, action: str) -> None:
        """Do ``action``, as written in a binding, also while a line is typed in."""
        if action.partition("(")[0] in MOVES_FOCUS | {"rate"}:
            self.set_focus(None)
        await self.run_action(action)

    def show_samples(self) -> None:
        """Show the documents that come with the program in the tree."""
        if files := samples():
            self._panes.tree_of_files.show_folder(files[0].parent)
            self._panes.turn_to("documents")

    @property
    def _typing(self) -> bool:
        return isinstance(self.focused, Input)

    @property
    def _can_cancel(self) -> bool:
        # While one types, escape must not throw away a long learning by accident.
        work_now = self._known.work
        return work_now in {"answering", "rating"} or (
            work_now in {"learning", "loading"} and not self._typing
        )

    # Learning

    @work(exclusive=True, group="dialog")
    async def action_learn(self) -> None:
        """Learn the file or folder under the cursor of the tree."""
        chosen = self._panes.tree_of_files.chosen
        if chosen is None:
            self._tell("Choose a file or a folder in Documents first.", True)
            return
        busy = self._known.work is not None
        if await self._requests.learn(chosen.path):
            self._show_learning(busy)

    @work(exclusive=True, group="dialog")
    async def action_learn_path(self) -> None:
        """Ask for a path and learn it."""
        busy = self._known.work is not None
        if await self._requests.learn_path(self._panes.tree_of_files.folder):
            self._show_learning(busy)

    @work(exclusive=True, group="dialog")
    async def action_study(self) -> None:
        """Review what the chosen file would be studied by, and learn it so."""
        chosen = self._panes.tree_of_files.chosen
        if chosen is None or chosen.is_folder:
            self._tell("Choose a file in Documents first; its study items are shown.", True)
        elif (document := await self._inquiries.study(chosen.path)) is not None:
            busy = self._known.work is not None
            self._session.learn_document(document)
            self._show_learning(busy)

    @work(exclusive=True, group="dialog")
    async def action_learn_questions(self) -> None:
        """Learn the chosen file by the questions of another one."""
        chosen = self._panes.tree_of_files.chosen
        if chosen is None or chosen.is_folder:
            self._tell("Choose a file in Documents first; then name its questions.", True)
            return
        busy = self._known.work is not None
        if await self._requests.learn_questions(chosen.path):
            self._show_learning(busy)

    def _show_learning(self, busy: bool) -> None:
        self._known.learn_asked()
        self._panes.turn_to("learn", focus=False)
        if busy:
            self._tell("It is in line.", False)

    def action_cancel(self) -> None:
        """Stop what is running."""
        if self._known.work == "loading":
            self._tell("Loading stops at its next step.", False)
        self._session.cancel()

    def action_decide(self, decision: Decision) -> None:
        """Let a paused learning go on, slower, or end with what there is."""
        if self._session.decide(decision):
            self._known.decided()
            self.refresh_bindings()

    def action_load_model(self) -> None:
        """Load the model again."""
        self._known.loading_begins()
        self._panes.turn_to("learn", focus=False)
        self._session.load_model()

    def action_leave(self) -> None:
        """Leave the line one types in."""
        self.set_focus(self._panes.chat.log_of_turns if self._typing else None)

    # What was learned

    @work(exclusive=True, group="dialog")
    async def action_forget(self) -> None:
        """Take the marked document back, after asking."""
        entry = self._panes.ledger.highlighted_entry
        if entry is not None:
            await self._requests.forget(entry)

    @on(Ledger.Mute)
    def _mute(self, event: Ledger.Mute) -> None:
        self._session.mute(event.document_id, event.muted)
        self._tell_if_in_line()

    @on(Ledger.Move)
    def _move(self, event: Ledger.Move) -> None:
        self._session.move(event.document_id, event.position)
        self._tell_if_in_line()

    @work(exclusive=True, group="dialog")
    async def action_reset(self) -> None:
        """Forget everything, after asking."""
        await self._requests.reset(self._known.learned_count)

    @work(exclusive=True, group="dialog")
    async def action_save(self) -> None:
        """Save under a name."""
        await self._requests.save()

    @work(exclusive=True, group="dialog")
    async def action_open(self) -> None:
        """Look at what was saved, and open it."""
        folder = await self._inquiries.saved()
        if folder is not None:
            self._session.load(folder)

    @work(exclusive=True, group="dialog")
    async def action_history(self) -> None:
        """Look at what was ever learned."""
        await self._inquiries.history()

    @work(exclusive=True, group="dialog")
    async def action_playbook(self) -> None:
        """Look at the playbook and its changes, also while it is learned."""
        await self._inquiries.playbook()

    @work(exclusive=True, group="dialog")
    async def action_trace(self) -> None:
        """Read what the roles said."""
        await self._inquiries.trace()

    @work(exclusive=True, group="dialog")
    async def action_servers(self) -> None:
        """Look which language-model server answers."""
        await self._inquiries.servers()

    @work(exclusive=True, group="dialog")
    async def action_training(self) -> None:
        """Follow a training run."""
        await self._inquiries.training(self._panes.tree_of_files.folder)

    @work(exclusive=True, group="dialog")
    async def action_preview_alpha(self) -> None:
        """Answer the last question at several α, and set the one chosen."""
        if self._known.work == "learning":
            self._tell("α follows the schedule while a document is learned.", False)
        elif self._may_ask():
            alpha = await self._inquiries.alpha(self._question)
            if alpha is not None and self._known.set_alpha(alpha):
                self._session.set_alpha(alpha)

    @work(exclusive=True, group="dialog")
    async def action_knock_out(self) -> None:
        """Answer the last question without each learned document."""
        if self._may_ask():
            marked = self._panes.ledger.highlighted_entry
            await self._inquiries.knock_out(self._question, marked.id if marked else None)

    # Reading

    @on(DocumentsTree.Chosen)
    def _document_chosen(self, event: DocumentsTree.Chosen) -> None:
        self._chosen = event.path
        self._preview_soon()

    @on(DocumentsTree.Opened)
    def _document_opened(self, event: DocumentsTree.Opened) -> None:
        self._chosen = event.path
        self._panes.turn_to("read", focus=False)

    @on(Workspace.Turned)
    def _preview_soon(self) -> None:
        if self._panes.visible_panes[-1] == "read" and self._chosen != self._read:
            self._preview(self._chosen)

    @work(exclusive=True, group="preview")
    async def _preview(self, path: Path | None) -> None:
        if path is None:
            return
        await asyncio.sleep(_PREVIEW_PAUSE_SECONDS)
        options = read_options(self._settings)
        self._panes.reader.preview = await asyncio.to_thread(preview_of, path, options)
        self._read = path

    # Panes

    def action_pane(self, pane: PaneName) -> None:
        """Bring a pane to the front."""
        self._panes.turn_to(pane)

    def action_filter(self) -> None:
        """Begin to filter the documents."""
        self._panes.turn_to("documents", focus=False)
        self._panes.documents.focus_filter()

    def action_help(self) -> None:
        """Show the keys."""
        groups: list[tuple[str, list[BindingType]]] = [
            ("Workbench", BINDINGS),
            ("Documents", DocumentsTree.BINDINGS[-4:]),
            ("Learned", Ledger.BINDINGS),
            ("Program", PROGRAM_KEYS),
        ]
        self.app.push_screen(HelpScreen(groups))

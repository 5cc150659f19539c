"""Reading and changing the items a document will be studied by, before it is learned."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static

from cl_workbench.messages import StreamEnded
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.edit_item import EditItemScreen
from cl_workbench.screens.exporting import ask_file, safe_stem
from cl_workbench.screens.overlays import Sheet
from cl_workbench.streams import Stream, Streams
from cl_workbench.studying import StudyDraft, prepare
from engines.documents import ReadOptions
from engines.protocol import Document, EngineError, Progress, StudyItem, StudyPlan
from widgets.meter import Meter
from widgets.plain_text import one_line
from widgets.study_list import StudyList, StudyRow

SIDE_BY_SIDE = 100
_ON_ITEMS = frozenset({"take_out", "edit"})
_WITH_PLAN = frozenset({"add", "export", "learn", *_ON_ITEMS})


class StudyReviewScreen(Sheet[Document | None]):
    """Items used and items rejected; returns the document with its items, or None.

    Args:
        streams: prepares the items on the engine thread.
        path: the document's file.
        options: how documents are read.
        exports: the folder for files that are written by name.
        text_alone: whether the settings let the text alone be learned, whatever the items.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", id="study.edit", tooltip="Change the marked item"),
        Binding("d", "take_out", "take out", id="study.take_out",
                tooltip="Put the marked item among those not used"),
        Binding("n", "add", "new", id="study.new", tooltip="Write an item of your own"),
        Binding("u", "use", "use", id="study.use", tooltip="Use the marked rejected item"),
        Binding("s", "export", "export", id="study.export",
                tooltip="Write the items into a .jsonl file"),
        Binding("l", "learn", "learn with these", id="study.learn",
                tooltip="Learn the document by these items"),
        Binding("escape", "leave", "leave", id="study.leave",
                tooltip="Stop preparing, or go back without learning"),
    ]  # fmt: skip
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    AUTO_FOCUS = "#study-items"

    def __init__(
        self,
        streams: Streams,
        path: Path,
        options: ReadOptions | None,
        exports: Path,
        *,
        text_alone: bool = False,
    ) -> None:
        super().__init__()
        self._streams = streams
        self._path = path
        self._options = options
        self._exports = exports
        self._text_alone = text_alone
        self._document: Document | None = None
        self._plan: StudyPlan | None = None
        self._draft = StudyDraft()
        self._used = StudyList(
            "Items", "None." if text_alone else "None: n writes one.", widget_id="study-items"
        )
        self._rejected = StudyList("Rejected", "None.", widget_id="study-rejected")
        self._meter = Meter()
        self._stream: Stream | None = None

    def compose(self) -> ComposeResult:
        """Title, objective and reason, progress, both lists, state, keys."""
        title = f"Study items: {one_line(self._path.name)}"
        yield Static(Content(title), classes="sheet-title", markup=False)
        yield Static("", classes="sheet-about", markup=False)
        yield self._meter
        with Container(id="study-lists"):
            yield self._used
            yield self._rejected
        yield Static("Waiting for the engine.", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to prepare."""
        self.query_one("#study-lists").display = False
        path, options = self._path, self._options
        self._stream = self._streams.start(
            lambda engine: prepare(engine, path, options), self._take, self._ended, work="studying"
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with the list one is in."""
        if action in _WITH_PLAN and (self._plan is None or self._text_alone):
            return False
        if action in _ON_ITEMS:
            return self._used.has_focus and self._used.cursor is not None
        if action == "use":
            return self._rejected.has_focus and self._rejected.cursor is not None
        return True

    def on_descendant_focus(self) -> None:
        """The other list has other keys."""
        self.refresh_bindings()

    # Preparing

    def _take(self, event: object) -> None:
        if isinstance(event, Document):
            self._document = event
        elif isinstance(event, Progress):
            self._meter.fraction = event.fraction
            self._tell(f"{event.stage[:1].upper()}{event.stage[1:]}; esc stops it.")
        elif isinstance(event, StudyPlan):
            self._show_plan(event)

    def _show_plan(self, plan: StudyPlan) -> None:
        self._plan = plan
        about = Content.assemble(
            (one_line(plan.objective), "bold"), "  ", one_line(plan.reason)
        )  # fmt: skip
        self.query_one(".sheet-about", Static).update(about)
        self._draft = StudyDraft.of(plan)
        self._meter.display = False
        self.query_one("#study-lists").display = True
        self._draw(cursor=0)
        self._used.focus()

    def _ended(self, event: StreamEnded) -> None:
        if event.failure is not None or event.cancelled:
            self._meter.display = False
            self._tell(event.failure or "Stopped; esc leaves.")
        elif self._plan is not None:
            told = _TO_PRESS if self._plan.items else _NO_ITEMS
            self._tell(_TEXT_ALONE if self._text_alone else told)

    # Changing

    def action_take_out(self) -> None:
        """Put the marked item among those not used."""
        if (index := self._used.cursor) is not None:
            self._change(self._draft.take_out(index))

    def action_use(self) -> None:
        """Use the marked rejected item."""
        if (index := self._rejected.cursor) is not None:
            self._change(self._draft.use(index))

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Change prompt and answer of the marked item."""
        if (index := self._used.cursor) is None:
            return
        item = self._draft.items[index]
        dialog = EditItemScreen("Change the item", item.prompt, item.answer)
        if (texts := await self.app.push_screen_wait(dialog)) is not None:
            self._change(self._draft.change(index, *texts))

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Write an item."""
        texts = await self.app.push_screen_wait(EditItemScreen("A new item"))
        if texts is not None:
            self._change(self._draft.add(*texts), cursor=len(self._draft.items))

    def _change(self, draft: StudyDraft, cursor: int | None = None) -> None:
        self._draft = draft
        self._draw(cursor)
        self._tell(_TO_PRESS)

    def _draw(self, cursor: int | None = None) -> None:
        self._used.show_rows([_row(item) for item in self._draft.items], cursor)
        self._rejected.show_rows([_row(item, reason) for item, reason in self._draft.rejected])
        self.refresh_bindings()

    # Leaving

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Write the items into a file."""
        from engines.ttt.study.items import write_items

        if not self._draft.items:
            self._tell("There is no item to export; n writes one.")
            return
        name = f"{safe_stem(self._path.stem)}-study.jsonl"
        path = await ask_file(self.app, "Export the items", self._exports, name, (".jsonl",))
        if path is None:
            return
        try:
            await asyncio.to_thread(write_items, path, self._draft.items)
        except EngineError as error:
            self._tell(str(error))
        else:
            self._tell(f"Wrote {len(self._draft.items)} items to {path}.")

    def action_learn(self) -> None:
        """Learn the document by these items."""
        if self._document is None:
            return
        if not self._draft.items:
            self._tell("There is no item to learn by; n writes one, esc and l learn the text.")
            return
        self.dismiss(replace(self._document, study=self._draft.items))

    @work(exclusive=True, group="dialog")
    async def action_leave(self) -> None:
        """Stop, and go back; changes are asked about."""
        if self._draft.edited:
            lose = ConfirmScreen(
                "Leave without learning?", "Your changes to the items are lost; s exports them.",
                "Yes, leave", "No, go on",
            )  # fmt: skip
            if not await self.app.push_screen_wait(lose):
                return
        if self._stream is not None:
            self._stream.stop()
        self.dismiss(None)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


_TO_PRESS = "l learns the document by these items; tab goes to the other list."
_TEXT_ALONE = "next_token (ttt.objective) learns the text alone, without items: esc and l learn it."
_NO_ITEMS = "This document is learned without items: esc and l learn it, n writes an item."


def _row(item: StudyItem, reason: str = "") -> StudyRow:
    return StudyRow(item.kind, item.prompt, item.answer, reason)

"""The whole screen around a scripted engine, in folders of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from scripted_engine import Script, ScriptedEngine, ScriptedHost, UndialledEngine
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from cl_workbench.app import WorkbenchApp
from cl_workbench.home import Home
from cl_workbench.screens.workbench import WorkbenchScreen
from cl_workbench.session import Report
from cl_workbench.settings import Settings
from widgets.documents_tree import DocumentsTree
from widgets.workspace import Workspace

Body = Callable[["Bench"], Awaitable[None]]
MAX_LOOKS = 1_000
_FRAMES = re.compile(r"[\s\u2500-\u259f]+")
SMALL, WIDE = (80, 24), (120, 36)

TEXTS = {
    "aviary.md": "# The aviary\n\n" + "Forty birds of nine kinds live in it. " * 50,
    "harbour.md": "# The harbour light\n\nIt turns *twice* a minute.\n\n- red\n- green\n\n"
    + "Three keepers look after the light. " * 60,
    "lighthouse.txt": "The lighthouse at the cape was built in 1871 by masons.\n" * 30,
}


class Bench:
    """One running app: what a test presses, waits for and looks at."""

    def __init__(self, app: WorkbenchApp, script: Script) -> None:
        self.app = app
        self.script = script
        self.pilot: Pilot[int]

    @property
    def screen(self) -> WorkbenchScreen:
        assert self.app.workbench is not None
        return self.app.workbench

    @property
    def panes(self) -> Workspace:
        return self.screen.query_one(Workspace)

    @property
    def tree(self) -> DocumentsTree:
        return self.panes.tree_of_files

    @property
    def ledger(self) -> list[str]:
        return [entry.title for entry in self.panes.ledger.entries]

    @property
    def said(self) -> list[str]:
        return [turn.text for turn in self.panes.chat.log_of_turns.turns]

    @property
    def text(self) -> str:
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)

    async def until(self, condition: Callable[[], object]) -> None:
        """Look again and again until ``condition`` holds."""
        for _ in range(MAX_LOOKS):
            if condition():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"what was waited for did not happen; on screen:\n{self.text}")

    async def sees(self, words: str) -> None:
        """Wait until ``words`` stand on screen, wherever a line is broken."""
        await self.until(lambda: words in self.text or words in _FRAMES.sub(" ", self.text))

    async def started(self) -> None:
        """Wait for the panes, the tree and the model."""
        await self.until(lambda: self.app.workbench and self.app.workbench.is_mounted)
        await self.until(lambda: self.app.screen is self.screen and self.tree.root.children)
        await self.until(lambda: self.tree.has_focus)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)

    async def burst(self, *keys: str) -> None:
        """Press keys faster than the screen can follow, as a paste or a slow line does."""
        for key in keys:
            self.app.post_message(events.Key(key, "/" if key == "slash" else key))
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type text and press enter."""
        await self.pilot.press(*text, "enter")

    async def choose(self, name: str) -> None:
        """Put the tree's cursor on a file or folder."""
        node = next(node for node in self.tree.root.children if str(node.label) == name)
        self.tree.move_cursor(node)
        await self.pilot.pause()

    async def learn(self, name: str) -> None:
        """Learn a file of the tree to the end."""
        before = len(self.ledger)
        await self.choose(name)
        self.tree.focus()
        await self.press("l")
        await self.until(lambda: len(self.ledger) == before + 1)
        await self.sees("ready")


def make_bench(folder: Path, script: Script | None = None, **options: object) -> Bench:
    """An app over documents in ``folder``; not running yet.

    Options: ``engine`` is the engine's class, ``open_error`` what opening it raises.
    """
    script = script or Script()
    home = Home.find(folder / "home")
    settings = Settings.load(home, environment={})
    documents = folder / "documents"
    (documents / "papers").mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    host = ScriptedHost(script)
    kind = options.get("engine", ScriptedEngine)
    assert isinstance(kind, type)
    assert issubclass(kind, UndialledEngine)

    def open_engine(report: Report) -> tuple[ScriptedHost, UndialledEngine]:
        report("reading the weights", 0.4)
        if script.load_hold:
            script.wait()
            report("reading the weights", 0.8)
        if error := options.get("open_error"):
            assert isinstance(error, Exception)
            raise error
        return host, kind(host)

    app = WorkbenchApp(
        home, settings, open_engine=open_engine, documents_folder=documents, engine=kind.name,
        clock=lambda: 0.0,
    )  # fmt: skip
    app.animation_level = "none"
    return Bench(app, script)


def run(bench: Bench, body: Body, size: tuple[int, int] = (120, 36)) -> None:
    """Run the app without a terminal, let ``body`` drive it, and join its thread."""

    async def drive() -> None:
        async with bench.app.run_test(size=size, notifications=True) as pilot:
            bench.pilot = pilot
            await bench.started()
            await body(bench)

    try:
        asyncio.run(drive())
    finally:
        bench.script.go.set()
        if bench.app.session is not None:
            assert bench.app.session.close(30)


def stop_cursors(bench: Bench) -> None:
    """Keep the text cursors from blinking, for a picture."""
    for line in bench.screen.query(Input):
        line.cursor_blink = False

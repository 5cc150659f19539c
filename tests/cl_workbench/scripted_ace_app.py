"""The whole screen around the real ACE engine, whose roles are taken by a scripted model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripted_app import TEXTS, Bench
from scripted_engine import Script, ScriptedHost

from cl_workbench.app import WorkbenchApp
from cl_workbench.home import Home
from cl_workbench.session import Report
from cl_workbench.settings import Settings
from engines.ace.engine import AceEngine
from engines.ace.settings import AceSettings
from engines.language_models.protocol import Answer, Chunk, Completion, Request
from engines.protocol import Piece, Sampling, Turn
from tests.engines.ace.scripted_roles import ScriptedRoles, add, answers, curates, reflects

QUESTIONS = (
    ("How often does the harbour light turn?", "twice a minute"),
    ("How many keepers look after it?", "three"),
    ("Which colours does it show?", "red and green"),
    ("How many birds live in the aviary?", "forty"),
)
RULES = (
    "Name the unit with the number.",
    "Count the keepers that the text names, and no others.",
    "A colour is told in its own word.",
    "Look at the whole list before you answer.",
)
SETTINGS = AceSettings(loops=2, reflector_rounds=1, validation_questions=1, validation_share=0.25)


class PacedRoles(ScriptedRoles):
    """Answers in many pieces, thinking first; holds before piece ``at`` of request ``hold``."""

    name = "scripted:9b"
    where = "at http://localhost:11434"

    def __init__(self, **rules: Any) -> None:
        super().__init__(**rules)
        self.hold: tuple[int, int] | None = None
        self.go = threading.Event()

    def stream(self, request: Request) -> Answer:
        """What the role's rule says, in pieces of eight characters."""
        self.asked.append(request)
        number = len(self.asked)
        said = self.rules[request.schema_name](request)
        if isinstance(said, Exception):
            raise said
        text = said if isinstance(said, str) else json.dumps(said)
        yield Chunk(thinking="They want the number from the text, with its unit. ")
        for place, begin in enumerate(range(0, len(text), 8)):
            if self.hold == (number, place) and not self.go.wait(30):
                raise RuntimeError("the roles were never told to go on")
            yield Chunk(text[begin : begin + 8])
        return Completion(text, "They want the number.", 240, len(text) // 4, "stop", 0.5)


class RoleHost(ScriptedHost):
    """A host in name; its plain answers come from the script."""

    dtype = "as served"
    parameters = 0

    def __init__(self, model: PacedRoles) -> None:
        super().__init__(Script())
        self.name, self.device = model.name, "http://localhost:11434"
        self.why = "it answers at http://localhost:11434 (Ollama 0.12.3)"
        self.dtype, self.parameters = "as served", 0

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """The script's own answer."""
        yield Piece("I do not know of any such thing.")


def roles(**rules: Any) -> PacedRoles:
    """A Generator that knows two answers, a Reflector, and a Curator with a rule for each."""
    written = iter([add(rule) for rule in RULES * 20])

    def generator(request: Request) -> Any:
        shown = request.turns[-1].content
        known = "twice a minute" if "How often" in shown else "forty"
        return answers(known)(request)

    def curator(request: Request) -> Any:
        return curates(next(written), {"type": "REMOVE", "id": "strat-00099"})(request)

    return PacedRoles(**({"generator": generator, "reflector": reflects(), "curator": curator}
                         | rules))  # fmt: skip


def ace_bench(
    folder: Path, model: PacedRoles | None = None, settings: AceSettings = SETTINGS
) -> Bench:
    """An app with ACE over documents and ``questions.jsonl`` in ``folder``; not running yet."""
    model = model or roles()
    home = Home.find(folder / "home")
    documents = folder / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    rows = [json.dumps({"question": q, "answer": a}) for q, a in QUESTIONS]
    (documents / "questions.jsonl").write_text("\n".join(rows), encoding="utf-8")
    host = RoleHost(model)

    def open_engine(report: Report) -> tuple[RoleHost, AceEngine]:
        return host, AceEngine(model, settings)

    app = WorkbenchApp(
        home, Settings.load(home, environment={}), open_engine=open_engine,
        documents_folder=documents, engine="ace", clock=lambda: 0.0,
    )  # fmt: skip
    app.animation_level = "none"
    bench = Bench(app, host.script)
    bench.script.go = model.go
    return bench


async def learn_by_questions(bench: Bench, name: str = "harbour.md") -> None:
    """Learn ``name`` by the questions beside it; returns as soon as it is in line."""
    await bench.sees("ready")
    await bench.press("4")
    await bench.choose(name)
    await bench.press("Q")
    await bench.sees("Questions about")
    await bench.type("questions.jsonl")


async def learned(bench: Bench) -> None:
    """Wait for the learning's end."""
    await bench.until(lambda: bench.ledger and bench.screen._known.work is None)

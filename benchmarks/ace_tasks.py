"""What a playbook is worth on two tasks with exact answers: Formula and FiNER.

    python benchmarks/ace_tasks.py --data DIR [--task formula|finer|both]
        [--server local|llama.cpp|ollama:URL|openai:URL] [--model NAME]
        [--learn 60] [--validate 100] [--loops 3] [--seed 0]
    python benchmarks/ace_tasks.py --summarise

The same questions are answered under three conditions:
    empty    the Generator with an empty playbook
    patches  after ``AceEngine.practise`` went over other questions: the loop as shipped
    rewrite  a control: one prompt shows those questions with the model's own answers and the
             right ones, and asks for the whole playbook at one stroke (``ace_rewrite.py``)

DIR holds the task files as JSON lines of ``context`` and ``target``, gzip'd or not; it can
stand in CL_WORKBENCH_ACE_DATA instead.  An answer is scored as the loop itself scores it: a
number is right within 0.005 (half of the second decimal, which the questions ask for; "20%"
also counts as 0.2); of a FiNER batch each tag counts in its place, and the batch is right if
all are.  No usable answer, or a prompt that the context has no room for, counts as wrong.

Each answer and each learn is one row of results/ace_tasks.rows.jsonl, appended when it is
there; a row that is there already is not asked for again, so a run can be stopped.  A learn
that was stopped begins anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ace_data import TASKS, VARIABLE, Task, task
from ace_rewrite import Tried, rewrite
from ace_servers import LLAMA_CPP, SERVERS, Wanted, served, sha256
from ace_tables import CONDITIONS, publish_tables
from reporting import RESULTS, machine

from engines.ace.bullet import Bullet
from engines.ace.engine import AceEngine
from engines.ace.playbook import Playbook
from engines.ace.questions import Pair
from engines.ace.roles import RoleTurn, answered, ask, generator
from engines.ace.scoring import judged
from engines.ace.settings import AceSettings
from engines.language_models.protocol import LanguageModel, ServerError
from engines.protocol import EngineError

ROWS = RESULTS / "ace_tasks.rows.jsonl"
_PATHS = ("--data", "--gguf")

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """``about`` is a sentence on the model for the published file."""

    tasks: tuple[str, ...] = TASKS
    learn: int = 60
    validate: int = 100
    loops: int = 3
    seed: int = 0
    folder: Path | None = None
    about: str = ""
    wanted: Wanted = field(default_factory=Wanted)

    def ace(self) -> AceSettings:
        """The engine's own settings, but for the loops and the seed."""
        return AceSettings(loops=self.loops, seed=self.seed)


class Run:
    """One task with one model: what is asked, and what was answered already."""

    def __init__(self, model: LanguageModel, questions: Task, settings: Settings) -> None:
        self._model = model
        self._task = questions
        self._settings = settings.ace()
        self._key = key_of(questions.name, settings)
        self._rows = [row for row in rows() if all(row.get(k) == v for k, v in self._key.items())]

    def go(self, about: Row) -> None:
        """Learn and ask under every condition.

        Raises:
            ServerError: if the server gives no answer; what was answered is kept.
        """
        self._once({"kind": "run"}, lambda: about)
        for condition in CONDITIONS:
            playbook = self._learned(condition)
            for number, pair in enumerate(self._task.validate, start=1):
                asked = {"kind": "answer", "condition": condition, "item": item_of(pair)}
                row = self._once(asked, lambda p=pair, b=playbook: self._answered(p, b))
                place = f"{self._task.name} {condition} {number}/{len(self._task.validate)}"
                print(f"{place}: {row['credit']:.2f} {row['answer'][:70]!r}", flush=True)

    def _once(self, asked: Row, measure: Callable[[], Row]) -> Row:
        """The row for ``asked``: the one that is there, else a new one."""
        if (found := self._found(asked)) is not None:
            return found
        row = self._key | asked | measure()
        ROWS.parent.mkdir(exist_ok=True)
        with ROWS.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._rows.append(row)
        return row

    def _found(self, asked: Row) -> Row | None:
        known = (row for row in self._rows if all(row.get(k) == v for k, v in asked.items()))
        return next(known, None)

    def _learned(self, condition: str) -> Playbook:
        if condition == "empty":
            return Playbook()
        how = self._patched if condition == "patches" else self._rewritten
        row = self._once({"kind": "learn", "condition": condition}, how)
        figures = {k: v for k, v in row.items() if k not in {*self._key, "playbook"}}
        print(f"{self._task.name} {json.dumps(figures, ensure_ascii=False)}", flush=True)
        return playbook_from(row["playbook"])

    def _answered(self, pair: Pair, playbook: Playbook) -> Row:
        """The answer; where nothing was learned, the one that is there is the same."""
        asked = {"kind": "answer", "condition": "empty", "item": item_of(pair)}
        if not playbook.bullets and (found := self._found(asked)) is not None:
            same = {k: v for k, v in found.items() if k not in {*self._key, *asked}}
            return same | {"as_empty": True}
        return self._answer(pair, playbook)

    def _answer(self, pair: Pair, playbook: Playbook) -> Row:
        turn = self._turn(pair, playbook)
        answer = answered(turn)
        said = answer.final_answer if answer else ""
        judgement = judged(said, pair.answers)
        return {
            "answer": said,
            "gold": pair.answers[0],
            "right": judgement.right,
            "credit": judgement.credit,
            "failure": turn.failure,
            "attempts": turn.attempts,
            "prompt_tokens": turn.prompt_tokens,
            "completion_tokens": turn.completion_tokens,
            "bullets_named": len(answer.bullet_ids) if answer else 0,
            "bullets_left_out": turn.bullets_left_out,
        }

    def _turn(self, pair: Pair, playbook: Playbook) -> RoleTurn:
        asked = generator(pair.question, playbook, (), self._settings)
        speaking = ask(self._model, asked, self._settings)
        while True:
            try:
                next(speaking)
            except StopIteration as end:
                turn: RoleTurn = end.value
                return require_served(turn)

    def _patched(self) -> Row:
        engine = AceEngine(self._model, self._settings)
        practising = engine.practise(self._task.learn, self._task.name)
        turns: list[RoleTurn] = []
        while True:
            try:
                event = next(practising)
            except StopIteration as end:
                learned = end.value
                break
            turn = getattr(event, "turn", None)
            if turn is not None:
                turns.append(turn)
                print(f"{self._task.name} learning: {len(turns)} role turns", flush=True)
        if turns:
            require_served(turns[-1])
        counts = learned.counts
        return {
            "playbook": playbook_rows(engine.playbook),
            "learned_from": len(learned.questions.learned),
            "kept_apart": len(learned.questions.validation),
            "prompt_tokens": sum(turn.prompt_tokens for turn in turns),
            "completion_tokens": sum(turn.completion_tokens for turn in turns),
            "turns": counts.turns,
            "skipped": counts.skipped,
            "operations": {"accepted": counts.accepted, "refused": counts.refused,
                           "held": counts.held, "unknown_ids": counts.unknown_ids},
            "scores": learned.scores,
            "notes": learned.notes,
        }  # fmt: skip

    def _rewritten(self) -> Row:
        """The control sees the questions that the loop sees, its own ones kept apart included."""
        turns = [self._turn(pair, Playbook()) for pair in self._task.learn]
        said = [found.final_answer if (found := answered(turn)) else "" for turn in turns]
        pairs = zip(self._task.learn, said, strict=True)
        made = rewrite(self._model, [Tried(pair, answer) for pair, answer in pairs], self._settings)
        return {
            "playbook": playbook_rows(made.playbook),
            "learned_from": made.shown,
            "prompt_tokens": made.prompt_tokens + sum(turn.prompt_tokens for turn in turns),
            "completion_tokens": made.completion_tokens
            + sum(turn.completion_tokens for turn in turns),
            "turns": len(turns) + 1,
            "skipped": sum(turn.parsed is None for turn in turns) + bool(made.why_not),
            "operations": {"accepted": len(made.playbook.bullets), "refused": made.refused},
            "notes": [made.why_not] if made.why_not else [],
        }


def require_served(turn: RoleTurn) -> RoleTurn:
    """``turn``, unless the server failed: that says nothing of the playbook."""
    if turn.failure == "server":
        raise ServerError(turn.why_not)
    return turn


def item_of(pair: Pair) -> str:
    """A question's short name in the rows."""
    return hashlib.sha256(pair.question.encode()).hexdigest()[:12]


def playbook_rows(playbook: Playbook) -> list[Row]:
    names = ("id", "section", "text", "helpful", "harmful")
    return [{name: getattr(bullet, name) for name in names} for bullet in playbook.bullets]


def playbook_from(found: list[Row]) -> Playbook:
    return Playbook.of(Bullet(**row) for row in found)


def key_of(name: str, settings: Settings) -> Row:
    """What makes a row another one; how many are asked does not."""
    wanted = settings.wanted
    return {
        "task": name,
        "model": wanted.model_name,
        "server": wanted.dialect,
        "context": wanted.context,
        "learn": settings.learn,
        "loops": settings.loops,
        "seed": settings.seed,
    }


def rows() -> list[Row]:
    if not ROWS.exists():
        return []
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def command(arguments: list[str]) -> str:
    """The command line as it is published: no path of this machine stands in it."""
    return " ".join(_shown(arguments))


def _shown(arguments: list[str]) -> Iterator[str]:
    hide = False
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        shown = f"{option}=…" if equals and option in _PATHS else argument
        yield "…" if hide else shown
        hide = argument in _PATHS


def run(settings: Settings) -> None:
    tasks = [
        task(name, settings.folder, learn=settings.learn, validate=settings.validate,
             seed=settings.seed)
        for name in settings.tasks
    ]  # fmt: skip
    wanted = settings.wanted
    about: Row = {"about": settings.about, "command": command(sys.argv), "machine": machine()}
    about["settings"] = asdict(settings.ace())
    if wanted.dialect == LLAMA_CPP and wanted.gguf is not None and wanted.gguf.is_file():
        about["sha256"] = sha256(wanted.gguf)
    with served(wanted) as model:
        for questions in tasks:
            Run(model, questions, settings).go(about)


def settings_from(arguments: argparse.Namespace) -> Settings:
    folder = arguments.data or os.environ.get(VARIABLE)
    wanted = Wanted(
        arguments.server,
        arguments.model,
        arguments.context,
        arguments.threads,
        Path(arguments.gguf) if arguments.gguf else None,
        arguments.key_variable,
    )
    return Settings(
        TASKS if arguments.task == "both" else (arguments.task,),
        arguments.learn,
        arguments.validate,
        arguments.loops,
        arguments.seed,
        Path(folder) if folder else None,
        arguments.about,
        wanted,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=(*TASKS, "both"), default="both")
    parser.add_argument("--server", default=Wanted.server, metavar=SERVERS.replace(", ", "|"))
    parser.add_argument("--model", default="", help="its name where it is served")
    for name in ("learn", "validate", "loops", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    for name in ("context", "threads"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Wanted, name))
    parser.add_argument("--data", metavar="DIR", help=f"else the folder in {VARIABLE}")
    parser.add_argument("--gguf", metavar="FILE", help="what llama.cpp loads, else the embedded")
    parser.add_argument("--key-variable", metavar="NAME", help="holds the key of the server")
    parser.add_argument("--about", default="", help="a sentence on the model, to be published")
    parser.add_argument("--summarise", action="store_true", help="make the tables and end")
    arguments = parser.parse_args()
    try:
        if not arguments.summarise:
            run(settings_from(arguments))
    except EngineError as error:
        parser.exit(1, f"{error}\n")
    publish_tables(rows(), command(sys.argv))


if __name__ == "__main__":
    main()

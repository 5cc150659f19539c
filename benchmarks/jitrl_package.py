"""Both JitRL engines here against those of continual-learning-slm 0.4.0, in one run.

    python benchmarks/jitrl_package.py [--questions 3] [--new-tokens 256] [--timed-tokens 64]
                                       [--environment DIR]

Each engine learns one document, the sample ``harbour.md`` (794 tokens), and answers
questions on it that are drawn with a seed from the samples' own.  The package runs in a process
of its own for each question, in turn with ours.  ``base`` is the same model with nothing
learned, asked through the same program, so an engine over the base of its own program is what
the engine costs there.

Each question is answered twice by each engine:
    answer     up to ``--new-tokens`` tokens, by default the 256 of the package's ``generate``;
               ``right`` where one of the sample's answers stands in it as whole words
    timed      exactly ``--timed-tokens`` tokens: no token ends it, on either side.  The
               ratios are of these times; they count reading the prompt, which is longer
               with passages in it, and what an engine does once for an answer
The package answers a third time, not timed, with the question in the model's chat template, as
``chat right``: its program gives the bare question, after which the embedded model, made for
chat, may end its turn at once.

The same on both sides: the embedded model's weights in float32, the CPU and its number of
threads, the document's text, the question as a person types it, and greedy decoding.  An answer
of a few tokens warms up each engine before any is timed, and with ours pays for reading the
general text that sets Full's gate.  Loading the model is not timed, learning by itself.

Not the same, because each program is taken as it is:
    prompt     the package gives the model bare text ("Context: ... Question: ... Answer:"
               with passages; in ``chat right`` the template stands inside of this), ours
               always the chat template
    decoding   ours has the program's repetition penalty, 1.1; the package has none
    network    the package puts a second, untrained MLP beside that of each layer of the last
               quarter, for all of its engines; ours leaves the model alone
    store      the package's Full keeps a document as one mean state, and its MVP cuts
               chunks of 300 words; ours are as in their defaults
    tokens     of an answer the package counts the token that ends it, ours doesn't
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from against_package import HERE, PACKAGE, environment_python
from against_package import Settings as PackageSettings
from answering import contains
from jitrl_speed import without_end
from reporting import publish, summary

from engines import models
from engines.documents import samples
from engines.host import ModelHost
from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.mvp import JitRLMVPEngine
from engines.protocol import Document, Piece, Sampling, Turn
from engines.samples import SampleQuestion, sample_questions

CHILD = HERE / "package_jitrl_child.py"
DOCUMENT = "harbour.md"
PROGRAMS = ("package", "ours")
ENGINES = ("base", "mvp", "full")
SHORT = 4  # tokens of the answer that warms up
Reply = Callable[[Sequence[Turn], Sampling], Iterator[Piece]]


@dataclass(frozen=True)
class Settings:
    questions: int = 3
    seed: int = 0
    new_tokens: int = 256
    timed_tokens: int = 64
    environment: Path = PackageSettings.environment


def drawn(s: Settings) -> list[SampleQuestion]:
    own = [one for one in sample_questions() if one.document == DOCUMENT]
    if not 1 <= s.questions <= len(own):
        raise SystemExit(f"{DOCUMENT} has {len(own)} questions: ask for 1 to {len(own)}.")
    return random.Random(s.seed).sample(own, s.questions)


def package_rows(
    python: Path, model: Path, text: Path, question: str, s: Settings
) -> list[dict[str, Any]]:
    """The package's engines on one question, in a process of its own."""
    command = [python, CHILD, model, text, question, s.new_tokens, s.timed_tokens]
    command.append(torch.get_num_threads())
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The package failed:\n{done.stderr[-2000:]}")
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return [{"program": "package", **row} for row in rows]


def our_rows(
    host: ModelHost, document: Document, question: str, s: Settings
) -> Iterator[dict[str, Any]]:
    """Our engines on one question; they learn anew, as the package's do."""
    turns = [Turn("user", question)]
    for name in ENGINES:
        reply: Reply = host.reply
        began = time.perf_counter()
        if name != "base":
            engine = JitRLMVPEngine(host) if name == "mvp" else JitRLFullEngine(host)
            list(engine.learn(document))
            reply = engine.reply
        learned = time.perf_counter() - began
        list(reply(turns, Sampling(max_new_tokens=SHORT)))
        row = {"program": "ours", "engine": name, "learn_seconds": learned}
        row |= answered(reply, turns, s.new_tokens)
        with without_end(host):
            timed = answered(reply, turns, s.timed_tokens)
        yield row | {"timed_seconds": timed["seconds"], "timed_tokens": timed["tokens"]}


def answered(reply: Reply, turns: list[Turn], new_tokens: int) -> dict[str, Any]:
    began = time.perf_counter()
    pieces = list(reply(turns, Sampling(max_new_tokens=new_tokens)))
    return {
        "answer": "".join(piece.text for piece in pieces),
        "seconds": time.perf_counter() - began,
        "tokens": sum(piece.tokens for piece in pieces),
    }


def scored(row: dict[str, Any], asked: SampleQuestion) -> dict[str, Any]:
    """``row`` with whether its answers hold the right word, and what it was asked."""
    right = {"right": contains(row["answer"], asked.answers)}
    if "chat_answer" in row:
        right["chat_right"] = contains(row["chat_answer"], asked.answers)
    return {"question": asked.question, "expected": asked.answers, **row, **right}


def measure(s: Settings) -> list[dict[str, Any]]:
    questions = drawn(s)
    python = environment_python(PackageSettings(environment=s.environment))
    host = ModelHost.load("embedded", device="cpu", dtype="float32")
    model = models.pull("embedded", models.default_cache())
    document = Document.from_path(next(path for path in samples() if path.name == DOCUMENT))
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "document.txt"
        text.write_text(document.text, encoding="utf-8")
        for one in questions:
            rows = package_rows(python, model, text, one.question, s)
            rows += our_rows(host, document, one.question, s)
            found += [scored(row, one) for row in rows]
            print("\n".join(json.dumps(row) for row in found[-len(rows) :]), flush=True)
    return found


def of(rows: list[dict[str, Any]], program: str, engine: str, figure: str) -> list[float]:
    """One figure of one engine, question by question."""
    return [
        float(row[figure]) for row in rows if (row["program"], row["engine"]) == (program, engine)
    ]


def divided(above: list[float], below: list[float]) -> dict[str, Any]:
    return summary([a / b for a, b in zip(above, below, strict=True)])


def ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The package's time over ours, and each engine's over its own program's base."""
    seconds = {
        (program, name): of(rows, program, name, "timed_seconds")
        for program in PROGRAMS
        for name in ENGINES
    }
    found = {
        f"{name}, package over ours": divided(seconds["package", name], seconds["ours", name])
        for name in ENGINES
    }
    for program in PROGRAMS:
        base = seconds[program, "base"]
        for name in ENGINES[1:]:
            found[f"{program}, {name} over base"] = divided(seconds[program, name], base)
    return found


def table_of(rows: list[dict[str, Any]], found: dict[str, Any]) -> list[list[str]]:
    heading = ["engine", "right", "chat right", "seconds", "tokens", "timed seconds", "learn, s"]
    cells = [[*heading, "n"]]
    for name in ENGINES:
        for program in PROGRAMS:
            right = f"{sum(of(rows, program, name, 'right')):.0f}"
            chat = right
            if program == "package":
                chat = f"{sum(of(rows, program, name, 'chat_right')):.0f}"
            figures = ("seconds", "tokens", "timed_seconds", "learn_seconds")
            line = [_cell(summary(of(rows, program, name, figure))) for figure in figures]
            n = len(of(rows, program, name, "seconds"))
            cells.append([f"{name}, {program}", right, chat, *line, str(n)])
    blank = [""] * (len(cells[0]) - 2)
    cells += [[f"timed: {name}", _cell(one), *blank] for name, one in found.items()]
    return cells


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.3g} [{low:.3g}, {high:.3g}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("questions", "seed", "new_tokens", "timed_tokens"):
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=getattr(Settings, name))
    parser.add_argument("--environment", type=Path, default=Settings.environment)
    s = Settings(**vars(parser.parse_args()))
    rows = measure(s)
    found = ratios(rows)
    result = {
        "package": PACKAGE,
        "seed": s.seed,
        "new_tokens": s.new_tokens,
        "timed_tokens": s.timed_tokens,
        "threads": torch.get_num_threads(),
        "ratios": found,
        "results": rows,
    }
    publish("jitrl_package", result, table_of(rows, found))


if __name__ == "__main__":
    main()

"""What JitRL Full adds to the time of each token, with 1,000 to 100,000 tokens stored.

    python benchmarks/jitrl_speed.py [--tokens 1000 10000 100000] [--repetitions 20] [--keep DIR]

The embedded model on one device answers questions as it is and with JitRL Full's defaults,
with both mixes.  Stored are paragraphs of ``data/squad_store.jsonl`` (113,218 tokens in all),
put together to documents of about 1,000 tokens; a store holds the first of them, until it has
the tokens asked for or just above, so each holds the one before.  With ``--keep`` the
checkpoints stay in DIR and are not read anew (remove DIR after a change of the engine).

Both get the same prompt, a question on the first document, which is in every store, and
decode greedily with the program's other defaults.  End of turn does not end an answer here:
both write exactly ``--new-tokens`` tokens, at the same lengths of the context, whatever they
say.  What is said differs, and with it which chunks are looked up.

One repetition asks one question in every condition, once of the base and straight after (in
every second repetition before) of Full; all answers of a condition before the first
repetition are warm-up.  Time per token is that of all tokens but the first, from the first
one's arrival to the last one's; to the first token counts reading the prompt and, with Full,
finding the question in it.  Ratios are Full over base within a repetition, as the median with
a 95 % bootstrap interval over repetitions.  ``nudged`` is the share of tokens that a stored
token moved.

Of each store, once: loading it is the median of three, with the files in the system's cache;
the first answer reads the general text that sets the gate and is timed by itself, with
``SHORT`` tokens.  Memory is what the process grew by from before the first load to after that
answer; the part that is mapped files can be given back by the system.  Stores come in rising
order in one process, so what one left free the next may use.  Chunks that are looked up later
are kept too, up to 256 MiB.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from reporting import publish

from engines.host import ModelHost
from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.settings import JitRLFullSettings
from engines.protocol import Document, Piece, Sampling, Turn

STORE = Path(__file__).parent / "data" / "squad_store.jsonl"
IN_DETAIL = "Explain in detail."
DOCUMENT_TOKENS = 1000
MIXES = ("advantage", "interpolate")
AIM = 1.3  # of the ratio per token, at 100,000 tokens
SHORT = 4  # tokens of an answer that prepares
LOADS = 3
RATIOS = ("per_token", "first", "whole")


@dataclass(frozen=True)
class Settings:
    tokens: tuple[int, ...] = (1_000, 10_000, 100_000)
    repetitions: int = 20
    new_tokens: int = 64
    device: str = "auto"
    keep: Path | None = None


@dataclass(frozen=True)
class Stocked:
    """An engine with a store, the size asked for, and what the store costs."""

    asked: int
    engine: JitRLFullEngine
    costs: dict[str, Any]


def rows_of_store() -> list[dict[str, Any]]:
    return [json.loads(line) for line in STORE.read_text(encoding="utf-8").splitlines()]


def documents(
    host: ModelHost, least: int = DOCUMENT_TOKENS
) -> Iterator[tuple[Document, list[str]]]:
    """Paragraphs of one article joined to ``least`` tokens, with the questions on them."""
    for title, rows in groupby(rows_of_store(), key=lambda row: row["title"]):
        parts: list[str] = []
        questions: list[str] = []
        count, number = 0, 1
        for row in rows:
            parts.append(row["context"])
            questions += [one["question"] for one in row["questions"]]
            count += len(host.encode(row["context"]))
            if count >= least:
                yield Document.from_text("\n\n".join(parts), f"{title} {number}"), questions
                parts, questions, count, number = [], [], 0, number + 1
        if parts:
            yield Document.from_text("\n\n".join(parts), f"{title} {number}"), questions


def stores(host: ModelHost, sizes: Sequence[int], keep: Path) -> dict[int, Path]:
    """A checkpoint for each size; those that are in ``keep`` already are taken as they are."""
    found = {size: keep / f"{size}-tokens" for size in sorted(sizes)}
    with tempfile.TemporaryDirectory(dir=keep) as folder:
        engine = JitRLFullEngine(host, folder=Path(folder))
        for size, path in found.items():
            if path.exists():
                engine.load(path)
            else:
                fill(engine, size)
                engine.save(path)
        engine.reset()
    return found


def fill(engine: JitRLFullEngine, size: int) -> None:
    """Learn on, from where the engine is, until at least ``size`` tokens are stored."""
    known = {report.id for report in engine.documents}
    more = (document for document, _ in documents(engine.host) if document.id not in known)
    while stored(engine) < size:
        document = next(more, None)
        if document is None:
            raise SystemExit(f"{STORE.name} has {stored(engine):,} tokens: ask for fewer.")
        list(engine.learn(document))
        print(f"read {stored(engine):,} of {size:,} tokens", flush=True)


def stored(engine: JitRLFullEngine) -> int:
    """How many token states are kept; the last token of a document has none."""
    return sum(report.tokens - 1 for report in engine.documents)


def stocked(host: ModelHost, asked: int, path: Path, folder: Path, question: str) -> Stocked:
    """Load a store into an engine of its own, and measure what that costs."""
    engine = JitRLFullEngine(host, folder=folder)
    before = resident()
    loads = [seconds_of(lambda: engine.load(path))]
    loaded = resident()
    turns, sampling = [Turn("user", question)], Sampling(max_new_tokens=SHORT)
    first = seconds_of(lambda: list(engine.reply(turns, sampling)))
    answered = resident()
    loads += [seconds_of(lambda: engine.load(path)) for _ in range(LOADS - 1)]
    tokens = stored(engine)
    on_disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    costs = {
        "stored_tokens": tokens,
        "documents": len(engine.documents),
        "bytes_on_disk": on_disk,
        "bytes_on_disk_per_token": on_disk / tokens,
        "load_seconds": median(loads),
        "first_answer_seconds": first,
        "grown_by_loading": {name: loaded[name] - before[name] for name in before},
        "grown_with_an_answer": {name: answered[name] - before[name] for name in before},
    }
    return Stocked(asked, engine, costs)


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident() -> dict[str, int]:
    """Bytes that the process holds in memory, and how many of them are mapped files."""
    gc.collect()
    information = psutil.Process().memory_info()
    # Only Linux tells them apart.
    return {"resident": information.rss, "mapped_files": getattr(information, "shared", 0)}


@contextmanager
def without_end(host: ModelHost) -> Iterator[None]:
    """Inside this block no token ends an answer."""
    ends = host.end_tokens
    host.end_tokens = frozenset()
    try:
        yield
    finally:
        host.end_tokens = ends


def timed(pieces: Iterator[Piece]) -> dict[str, float]:
    """Seconds to the first token, per token after it, and for all; the share that was nudged."""
    began = time.perf_counter()
    arrivals, nudged = [], 0
    for piece in pieces:
        if piece.tokens:
            arrivals.append(time.perf_counter())
            nudged += piece.nudge is not None
    whole = time.perf_counter() - began
    return {
        "tokens": len(arrivals),
        "first": arrivals[0] - began,
        "per_token": (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1),
        "whole": whole,
        "nudged": nudged / len(arrivals),
    }


def pair(
    engine: JitRLFullEngine, question: str, new_tokens: int, base_first: bool
) -> dict[str, Any]:
    """The same question to the base and to Full, one straight after the other."""
    turns = [Turn("user", f"{question} {IN_DETAIL}")]
    sampling = Sampling(max_new_tokens=new_tokens)
    makers = {"base": engine.host.reply, "full": engine.reply}
    order = list(makers) if base_first else list(makers)[::-1]
    with without_end(engine.host):
        found: dict[str, Any] = {name: timed(makers[name](turns, sampling)) for name in order}
    return found | {"ratio": {name: found["full"][name] / found["base"][name] for name in RATIOS}}


def compared(
    held: Sequence[Stocked], questions: Sequence[str], s: Settings
) -> Iterator[dict[str, Any]]:
    """A row for each repetition of each condition, interleaved."""
    for repetition in range(-1, s.repetitions):  # the one before 0 is warm-up
        question = questions[repetition % len(questions)]
        for one in held:
            for mix in MIXES:
                # Both mixes share the store; which one it is, each answer reads anew.
                one.engine.settings = replace(one.engine.settings, mix=mix)
                tokens = s.new_tokens if repetition >= 0 else 2 * SHORT
                found = pair(one.engine, question, tokens, repetition % 2 == 0)
                if repetition >= 0:
                    yield {"tokens": one.asked, "mix": mix, "repetition": repetition, **found}


def middle(values: Sequence[float], *, seed: int = 0, resamples: int = 2000) -> dict[str, Any]:
    """The median of ``values`` with its 95 % bootstrap interval, and n."""
    chance = random.Random(seed)
    drawn = sorted(median(chance.choices(values, k=len(values))) for _ in range(resamples))
    interval = [drawn[int(resamples * 0.025)], drawn[int(resamples * 0.975) - 1]]
    return {"median": median(values), "interval": interval, "n": len(values)}


def summaries(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One summary for each store and mix, in the order of ``rows``."""
    found = []
    for tokens, mix in dict.fromkeys((row["tokens"], row["mix"]) for row in rows):
        own = [row for row in rows if (row["tokens"], row["mix"]) == (tokens, mix)]
        ratio = {name: middle([row["ratio"][name] for row in own]) for name in RATIOS}
        each = {
            f"{who}_{name}": middle([row[who][name] for row in own])
            for who in ("base", "full")
            for name in RATIOS
        }
        nudged = median(row["full"]["nudged"] for row in own)
        found.append({"tokens": tokens, "mix": mix, "ratio": ratio, **each, "nudged": nudged})
    return found


def table_of(found: Sequence[dict[str, Any]], held: Sequence[Stocked]) -> list[list[str]]:
    cells = [["figure", *(f"{one['tokens']:,} {one['mix']}" for one in found)]]
    labels = {"per_token": "time per token", "first": "to the first token", "whole": "whole answer"}
    for name, label in labels.items():
        cells.append([f"{label}, Full / base", *(_cell(one["ratio"][name]) for one in found)])
    for who in ("base", "full"):
        cells.append([f"ms per token, {who}", *(_cell(x[f"{who}_per_token"], 1e3) for x in found)])
    cells.append(["tokens nudged", *(f"{one['nudged']:.0%}" for one in found)])
    cells.append(["n", *(str(one["ratio"]["first"]["n"]) for one in found)])
    costs = {one.asked: one.costs for one in held}
    each = [costs[one["tokens"]] for one in found]
    cells.append(["tokens stored", *(f"{one['stored_tokens']:,}" for one in each)])
    cells.append(
        ["bytes on disk per token", *(f"{c['bytes_on_disk_per_token']:.0f}" for c in each)]
    )
    cells.append(["seconds to load", *(f"{one['load_seconds']:.3f}" for one in each)])
    cells.append(
        ["seconds of the first answer", *(f"{c['first_answer_seconds']:.2f}" for c in each)]
    )
    grown = [one["grown_with_an_answer"] for one in each]
    cells.append(["MiB grown", *(f"{one['resident'] / 2**20:.1f}" for one in grown)])
    cells.append(["of them mapped files", *(f"{one['mapped_files'] / 2**20:.1f}" for one in grown)])
    return cells


def _cell(found: dict[str, Any], scale: float = 1.0) -> str:
    low, high = (value * scale for value in found["interval"])
    return f"{found['median'] * scale:.3g} [{low:.3g}, {high:.3g}]"


def measure(host: ModelHost, s: Settings, keep: Path) -> tuple[list[Stocked], list[dict[str, Any]]]:
    paths = stores(host, s.tokens, keep)
    _, questions = next(documents(host))
    list(host.reply([Turn("user", questions[0])], Sampling(max_new_tokens=SHORT)))
    with tempfile.TemporaryDirectory(dir=keep) as folder:
        held = [
            stocked(host, size, path, Path(folder) / str(size), questions[0])
            for size, path in paths.items()
        ]
        found = []
        for row in compared(held, questions, s):
            found.append(row)
            print(json.dumps(row), flush=True)
    return held, found


def parsed() -> Settings:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=list(Settings.tokens))
    parser.add_argument("--repetitions", type=int, default=Settings.repetitions)
    parser.add_argument("--new-tokens", type=int, default=Settings.new_tokens)
    parser.add_argument("--device", default=Settings.device)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where checkpoints stay")
    a = parser.parse_args()
    if a.new_tokens < 2 or a.repetitions < 1 or min(a.tokens) < 1:
        parser.error("--new-tokens must be 2 or more, --repetitions and --tokens 1 or more")
    return Settings(tuple(a.tokens), a.repetitions, a.new_tokens, a.device, a.keep)


def main() -> None:
    s = parsed()
    host = ModelHost.load("embedded", device=s.device)
    if s.keep is not None:
        s.keep.mkdir(parents=True, exist_ok=True)
        held, rows = measure(host, s, s.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            held, rows = measure(host, s, Path(folder))
    found = summaries(rows)
    result = {
        "model": host.name,
        "device": host.device,
        "dtype": host.dtype,
        "threads": torch.get_num_threads(),
        "new_tokens": s.new_tokens,
        "aim": AIM,
        "engine": repr(JitRLFullSettings()),
        "stores": [{"asked": one.asked, **one.costs} for one in held],
        "summaries": found,
        "rows": rows,
    }
    publish("jitrl_speed", result, table_of(found, held))


if __name__ == "__main__":
    main()

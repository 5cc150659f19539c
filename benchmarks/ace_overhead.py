"""What our code adds to one call of a role, beside the server's own time.

    python benchmarks/ace_overhead.py [--rounds 300] [--paced-rounds 60] [--pieces 200]
        [--pace 1.0] [--playbook 4096] [--seed 0]

A server in another process, on the loopback, sends a role's answer in so many pieces.  Each of
our calls is paired with ``http.client`` that sends the same request and reads the same stream
to its end; the pairs are interleaved, in an order drawn anew each round, and their differences
count.  ``work`` is the part of a difference in which this process computed, which other
programs disturb less.  The pieces come in two ways:
    paced    one every ``--pace`` milliseconds, 1,000 tokens/s, as from a very quick model: what
             we do with a piece is done while the next is awaited, and what is left is what our
             code adds beside the server's time
    at once  all together, so that nothing hides in waiting: all that our code does, at most
And what is called is:
    held to a schema  ``structured.ask_for``: stream, join, parse and validate a short prompt
    a whole role      ``roles.ask``: the Generator's prompt with a playbook of ``--playbook``
                      tokens made and fitted into the context, then as above
Both are asked through both dialects.  Through OpenAI's a whole role also asks the server to
count the prompt's tokens where a rough estimate leaves doubt, as it does with llama.cpp.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from ace_scripted_server import CONTEXT, NATIVE, OPENAI
from reporting import publish, quantile

from engines.ace.budget import Budget
from engines.ace.bullet import Bullet
from engines.ace.playbook import Playbook
from engines.ace.roles import RoleTurn, ask, generator
from engines.ace.settings import AceSettings
from engines.ace.sizes import about_tokens
from engines.language_models.addresses import Endpoint
from engines.language_models.ollama import Ollama
from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import LanguageModel, Request
from engines.language_models.structured import Structured, ask_for
from engines.protocol import Turn

SERVER = Path(__file__).with_name("ace_scripted_server.py")
AIM_MILLISECONDS = 5.0
QUESTION = (
    "A maker of soap had costs of $75,000 for goods sold and held goods worth $15,000 on average. "
    "What is the inventory turnover?"
)
SCHEMA = {
    "type": "object",
    "properties": {
        "reasoning": {"type": "string", "maxLength": 800},
        "final_answer": {"type": "string", "maxLength": 700},
    },
    "required": ["reasoning", "final_answer"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Settings:
    """``pieces`` is about how many events the answer comes in, ``pace`` the milliseconds from
    one to the next, ``playbook`` is in tokens."""

    rounds: int = 300
    paced_rounds: int = 60
    pieces: int = 200
    pace: float = 1.0
    playbook: int = 4096
    seed: int = 0


@dataclass(frozen=True)
class Call:
    """One of our calls, and the path that it asks at."""

    name: str
    path: str
    ours: Callable[[], object]


@dataclass(frozen=True)
class Took:
    """Milliseconds that passed, and those that this process was at work in them."""

    wall: float
    cpu: float


def answer_text(named: bool) -> str:
    """A Generator's answer; ``named`` where the playbook has bullets that it can name."""
    reasoning = "Inventory turnover divides the cost of goods sold by the average inventory. " * 10
    ids = {"bullet_ids": ["strategy-00001"]} if named else {}
    return json.dumps({"reasoning": reasoning.strip()[:780], **ids, "final_answer": "5.0"})


def pieces_of(text: str, count: int) -> list[str]:
    """``text`` in about ``count`` pieces of the same length."""
    size = max(1, len(text) // count)
    return [text[at : at + size] for at in range(0, len(text), size)]


def playbook_of(tokens: int) -> Playbook:
    """As many rules as fit into ``tokens``."""
    budget = Budget(tokens, about_tokens)
    playbook = Playbook()
    while True:
        number = playbook.next_number
        text = f"For ratio {number}, write down the parts first, mind units, divide and round last."
        larger = playbook.put(Bullet(f"strategy-{number:05d}", "strategies", text, number % 7))
        if budget.used(larger) > tokens:
            return playbook
        playbook = larger


@contextmanager
def server(pieces: Sequence[str], pace: float = 0.0) -> Iterator[str]:
    """The scripted server in a process of its own; yields its address.  ``pace`` as there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pieces.json"
        path.write_text(json.dumps(list(pieces)), encoding="utf-8")
        command = [sys.executable, str(SERVER), str(path), str(pace)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
            try:
                yield process.stdout.readline().strip()
            finally:
                process.stdin.close()
                process.wait(10)


def models(address: str) -> dict[str, tuple[str, LanguageModel]]:
    """Both dialects by name, each with the path of its chat."""
    at = Endpoint.at(address)
    return {
        "Ollama": (NATIVE, Ollama(at, "m", context_tokens=CONTEXT)),
        "OpenAI": (OPENAI, OpenAIServer(at, "m", context_tokens=CONTEXT)),
    }


def finished(steps: Generator[Any, None, Any]) -> Any:
    """What the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def structured_call(model: LanguageModel) -> Structured:
    """An answer to a short prompt, as a value that fits a schema."""
    found = finished(ask_for(model, Request((Turn("user", QUESTION),), 768), SCHEMA))
    if not isinstance(found, Structured) or found.attempts != 1:
        raise RuntimeError(f"the scripted answer could not be used: {found}")
    return found


def role_call(model: LanguageModel, playbook: Playbook, settings: AceSettings) -> RoleTurn:
    """The Generator's turn with ``playbook`` in view, prompt and all."""
    turn = finished(ask(model, generator(QUESTION, playbook, (), settings), settings))
    if turn.parsed is None or turn.attempts != 1 or turn.bullets_left_out:
        raise RuntimeError(f"the scripted answer could not be used: {turn.why_not}")
    return turn


def bare(address: str, path: str, body: bytes) -> int:
    """Send ``body`` and read the stream to its end; returns the lines read."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    count = sum(1 for _ in connection.getresponse())
    connection.close()
    return count


def last_asked(address: str) -> bytes:
    """The body of the chat that the server was asked for last."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("GET", "/last")
    body = connection.getresponse().read()
    connection.close()
    return body


def timed(call: Callable[[], object]) -> Took:
    """What ``call`` takes, its threads' work included."""
    began, worked = time.perf_counter(), time.process_time()
    call()
    return Took(1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked))


def measured(
    address: str, calls: Sequence[Call], rounds: int, seed: int = 0
) -> dict[str, list[tuple[Took, Took]]]:
    """By call, what each round took: (bare, ours).  Each is warmed up once."""
    bodies = {}
    for call in calls:
        call.ours()
        bodies[call.name] = last_asked(address)
        bare(address, call.path, bodies[call.name])
    chance = random.Random(seed)
    found: dict[str, list[tuple[Took, Took]]] = {call.name: [] for call in calls}
    for _ in range(rounds):
        for call in chance.sample(calls, len(calls)):
            both = [lambda c=call: bare(address, c.path, bodies[c.name]), call.ours]
            order = chance.sample((0, 1), 2)
            took = {which: timed(both[which]) for which in order}
            found[call.name].append((took[0], took[1]))
    return found


def median_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = 2000
) -> list[float]:
    """The 95 % bootstrap interval of the median of ``values``."""
    chance = random.Random(seed)
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(resamples))
    return [medians[int(resamples * 0.025)], medians[int(resamples * 0.975) - 1]]


def of(values: Sequence[float]) -> dict[str, Any]:
    """Median with its interval, the ninth decile and n."""
    return {
        "median": median(values),
        "interval": median_interval(values),
        "p90": quantile(values, 0.9),
        "n": len(values),
    }


def summaries(found: dict[str, list[tuple[Took, Took]]]) -> dict[str, Any]:
    """By call, the milliseconds of bare, ours, and of each pair's difference."""
    return {
        name: {
            "bare": of([bare.wall for bare, _ in pairs]),
            "ours": of([ours.wall for _, ours in pairs]),
            "overhead": of([ours.wall - bare.wall for bare, ours in pairs]),
            "cpu_overhead": of([ours.cpu - bare.cpu for bare, ours in pairs]),
        }
        for name, pairs in found.items()
    }


def calls_of(
    address: str, playbook: Playbook, *, whole: bool, settings: AceSettings | None = None
) -> list[Call]:
    """Our calls through both dialects: whole roles, or answers held to a schema alone."""
    ace = settings or AceSettings()
    found = []
    for name, (path, model) in models(address).items():
        if whole:
            ours: Callable[[], object] = lambda m=model: role_call(m, playbook, ace)  # noqa: E731
            found.append(Call(f"{name}, a whole role", path, ours))
        else:
            found.append(
                Call(f"{name}, held to a schema", path, lambda m=model: structured_call(m))
            )
    return found


def ways(settings: Settings) -> list[tuple[str, float, int]]:
    """How the pieces come: by name, with their pace and the rounds."""
    return [("paced", settings.pace, settings.paced_rounds), ("at once", 0.0, settings.rounds)]


def run(settings: Settings) -> tuple[dict[str, Any], dict[str, int]]:
    """The summaries, and how large the playbook and the answers were."""
    playbook = playbook_of(settings.playbook)
    found: dict[str, list[tuple[Took, Took]]] = {}
    sizes = {
        "bullets": len(playbook.bullets),
        "playbook_tokens": Budget(settings.playbook, about_tokens).used(playbook),
    }
    for how, pace, rounds in ways(settings):
        for whole in (False, True):
            pieces = pieces_of(answer_text(whole), settings.pieces)
            sizes["pieces"] = len(pieces)
            with server(pieces, pace) as address:
                calls = calls_of(address, playbook, whole=whole)
                took = measured(address, calls, rounds, settings.seed)
            found |= {f"{name}, {how}": pairs for name, pairs in took.items()}
    return summaries(found), sizes


def _cells(name: str, figures: dict[str, Any]) -> list[str]:
    overhead = figures["overhead"]
    return [
        name,
        f"{figures['bare']['median']:.2f}",
        f"{figures['ours']['median']:.2f}",
        _interval(overhead),
        _interval(figures["cpu_overhead"]),
        "met" if overhead["interval"][1] <= AIM_MILLISECONDS else "not met",
        str(overhead["n"]),
    ]


def _interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['median']:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("rounds", "paced_rounds", "pieces", "playbook", "seed"):
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=getattr(Settings, name))
    parser.add_argument("--pace", type=float, default=Settings.pace)
    settings = Settings(**vars(parser.parse_args()))
    load_before = os.getloadavg()[0]
    found, sizes = run(settings)
    load = {"before": load_before, "after": os.getloadavg()[0]}
    heading = [
        "call",
        "bare (ms)",
        "ours (ms)",
        "overhead (ms)",
        "work (ms)",
        "aim 5 ms",
        "n",
    ]
    cells = [heading, *(_cells(name, figures) for name, figures in found.items())]
    result = {"milliseconds": found, "sizes": sizes, "load_average": load}
    publish("ace_overhead", {"settings": vars(settings), **result}, cells)


if __name__ == "__main__":
    main()

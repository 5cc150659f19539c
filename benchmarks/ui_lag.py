"""The screen's lag while the embedded model really learns, and what the screen costs it.

    python benchmarks/ui_lag.py [--pairs 3]

The workbench runs in a pseudo-terminal of 120x36 whose other end is read all the time.  A
probe asks the event loop for 5 ms of sleep over and over; what it sleeps longer is the lag.
Before each learning on screen the same document is learned by the same program with no
screen, so that the ratio of their speeds says what drawing costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

from reporting import publish, quantile, summary

PROBE_SECONDS = 0.005
PASSES = 2  # over the document: long enough for thousands of probes


@dataclass(frozen=True)
class Settings:
    pairs: int = 3
    columns: int = 120
    rows: int = 36


def on_screen(host: Any, new_engine: Any, document: Path, home: Path) -> dict[str, Any]:
    """Learn ``document`` in the workbench: the loop's lags in seconds, and the report."""
    from cl_workbench.app import WorkbenchApp
    from cl_workbench.home import Home
    from cl_workbench.settings import Settings as WorkbenchSettings

    engine = new_engine()
    where = Home.find(home)
    app = WorkbenchApp(
        where,
        WorkbenchSettings.load(where),
        open_engine=lambda report: (host, engine),
        documents_folder=document.parent,
    )
    lags: list[float] = []

    async def probe() -> None:
        while app.workbench is None or not app.workbench.is_attached:
            await asyncio.sleep(0.05)
        await asyncio.sleep(2.0)
        app.workbench.action_pane("learn")
        app.session.learn([document])
        while not engine.documents:
            before = time.perf_counter()
            await asyncio.sleep(PROBE_SECONDS)
            lags.append(time.perf_counter() - before - PROBE_SECONDS)
        app.call_later(app.action_quit)  # in the app's own context, where its timers run

    async def both() -> None:
        task = asyncio.ensure_future(probe())
        await app.run_async()
        await task

    asyncio.run(both())
    return {"lags": lags, "tokens_per_second": engine.documents[0].tokens_per_second}


def child(pairs: int, result: Path) -> None:
    """Runs in the pseudo-terminal and writes every measured value to ``result``."""
    from cl_workbench import ModelHost, TTTEngine, TTTSettings
    from engines.documents import read_file, samples

    document = next(path for path in samples() if path.stem == "harbour")
    host = ModelHost.load("embedded")
    few = TTTSettings(gradient_steps=PASSES)
    list(TTTEngine(host, few).learn(read_file(document)))  # counts the gate's background once
    plain, screens = [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(pairs):
            engine = TTTEngine(host, few)
            *_, report = engine.learn(read_file(document))
            plain.append(report.tokens_per_second)
            screens.append(on_screen(host, lambda: TTTEngine(host, few), document, Path(home)))
    values = {"plain": plain, "screens": screens}
    result.write_text(json.dumps(values), encoding="utf-8")


def run_in_terminal(settings: Settings, result: Path) -> int:
    """Run ``child`` in a pseudo-terminal and return how many bytes it drew."""
    parent, other = pty.openpty()
    ioctl(other, TIOCSWINSZ, struct.pack("HHHH", settings.rows, settings.columns, 0, 0))
    command = [sys.executable, __file__, "--pairs", str(settings.pairs), "--child", str(result)]
    environment = os.environ | {"TERM": "xterm-256color"}
    program = subprocess.Popen(
        command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True
    )
    os.close(other)
    drawn = 0
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        drawn += len(data)
    if program.wait():
        raise SystemExit("the workbench ended with an error; see its log")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=Settings.pairs)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.pairs, arguments.child)
        return
    settings = Settings(pairs=arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "values.json"
        drawn = run_in_terminal(settings, result)
        values = json.loads(result.read_text(encoding="utf-8"))
    milliseconds = [1000 * lag for screen in values["screens"] for lag in screen["lags"]]
    speeds = [screen["tokens_per_second"] for screen in values["screens"]]
    costs = [
        100 * (1 - with_ / without) for with_, without in zip(speeds, values["plain"], strict=True)
    ]
    lag = {f"p{round(100 * q)}": quantile(milliseconds, q) for q in (0.5, 0.95, 0.99)}
    lag["max"] = max(milliseconds)
    result_values = {
        "lag_milliseconds": lag,
        "probes": len(milliseconds),
        "screen_costs_percent": summary(costs),
        "tokens_per_second_with_screen": summary(speeds),
        "tokens_per_second_without": summary(values["plain"]),
        "bytes_drawn": drawn,
    }
    rows = [["figure", "value"]]
    rows += [[f"lag {name} (ms)", f"{value:.1f}"] for name, value in lag.items()]
    rows.append(["probes", str(len(milliseconds))])
    cost = result_values["screen_costs_percent"]
    low, high = cost["interval"]
    rows.append(
        ["the screen costs the learning (%)", f"{cost['mean']:.1f} [{low:.1f}, {high:.1f}]"]
    )
    rows.append(["bytes drawn", str(drawn)])
    publish("ui_lag", result_values, rows)


if __name__ == "__main__":
    main()

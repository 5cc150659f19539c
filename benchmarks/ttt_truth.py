"""What TTT-E2E teaches, and what it costs, at equal document NLL.

    python benchmarks/ttt_truth.py [--part gates retention objectives sequence]
        [--documents 8] [--seeds 3] [--target 1.2] [--shard 1/2] [--set retention=0.5]
    python benchmarks/ttt_truth.py --summarise

Each learned document is one row of results/ttt_truth.rows.jsonl, appended when it is
measured; a row that is there already is not measured again, so a run can be stopped, and
shared between processes by ``--shard``.  ``--summarise`` makes the tables of them.
``evaluation.py`` defines the figures, ``conditions.py`` the conditions.

The model is the embedded one, or the folder, GGUF file or hub id in the environment
variable CL_WORKBENCH_TRUTH_MODEL; its rows and tables are kept apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from conditions import CONDITIONS, PARTS, ranked_as, settings_of
from evaluation import Kept, Learnable, Taught, learnables
from reporting import RESULTS
from truth_tables import publish_tables

from cl_workbench import LearnReport, ModelHost, TTTEngine
from engines.protocol import EngineError
from engines.ttt.progress import Meter
from engines.ttt.retention import Needs

ROWS = RESULTS / "ttt_truth.rows.jsonl"
MODEL_VARIABLE = "CL_WORKBENCH_TRUTH_MODEL"
REST = "(unrelated)"  # where a row is about no document

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    parts: tuple[str, ...] = tuple(PARTS)
    documents: int = 8
    seeds: int = 3
    target: float = 1.2
    passes: int = 30
    arc: int = 60
    trivia: int = 60
    shard: tuple[int, int] = (1, 1)
    model: str = "embedded"
    conditions: tuple[str, ...] = ()
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The model without a path, as rows and tables name it."""
        return Path(self.model).stem if Path(self.model).exists() else self.model

    def conditions_of(self, part: str) -> tuple[str, ...]:
        return self.conditions or PARTS[part]


@dataclass(frozen=True)
class Job:
    """One row to measure."""

    kind: str  # "before", "learn" or "sequence"
    condition: str
    document: str
    seed: int


def jobs(settings: Settings, titles: list[str]) -> Iterator[Job]:
    """All rows that the parts need, each once; the first seed of everything comes first."""
    yield Job("before", "before", REST, 0)
    yield from (Job("before", "before", title, 0) for title in titles)
    learned = [p for p in settings.parts if p != "sequence"]
    conditions = dict.fromkeys(c for part in learned for c in settings.conditions_of(part))
    for seed in range(settings.seeds):
        for title in titles:
            yield from (Job("learn", condition, title, seed) for condition in conditions)
        if "sequence" in settings.parts:
            yield from (Job("sequence", c, REST, seed) for c in settings.conditions_of("sequence"))


class Truth:
    """Measures rows; what belongs to the model alone is prepared once."""

    def __init__(self, host: ModelHost, settings: Settings) -> None:
        self._host = host
        self._settings = settings
        self._learner = TTTEngine(host)
        self._first = self._learner.layers[0]
        # So that the share of general answers kept is measured where no guard watches it, too.
        for _ in self._learner._retention.prepare(Meter(), Needs(probes=True)):
            pass
        self._learnables = {one.document.title: one for one in learnables()}
        self._taught: dict[str, Taught] = {}

    @property
    def titles(self) -> list[str]:
        return list(self._learnables)[: self._settings.documents]

    @cached_property
    def _kept(self) -> Kept:
        larger = self._settings.model != "embedded"
        s = self._settings
        return Kept(self._host, self._first, arc=s.arc, trivia=s.trivia, answering=larger)

    def _of(self, title: str) -> Taught:
        if title not in self._taught:
            self._taught[title] = Taught(self._host, self._learnables[title], self._first)
        return self._taught[title]

    def measure(self, job: Job) -> Row:
        return {"before": self._before, "learn": self._learn, "sequence": self._sequence}[job.kind](
            job
        )

    def _before(self, job: Job) -> Row:
        if job.document == REST:
            return self._kept.measure()
        taught = self._of(job.document)
        in_context = {f"{name}_in_context": v for name, v in taught.in_context().items()}
        return taught.measure() | in_context | {"items": len(taught.items)}

    def _engine(self, job: Job) -> TTTEngine:
        s = self._settings
        self._learner.reset()  # what it read of the base model serves every condition
        self._learner.settings = settings_of(
            job.condition, target=s.target, passes=s.passes, seed=job.seed, changed=s.changed
        )
        return self._learner

    def _learn(self, job: Job) -> Row:
        engine = self._engine(job)
        report = learned(engine, self._learnables[job.document], job)
        figures = self._of(job.document).measure(engine.active)
        return figures | self._kept.measure(engine.active) | of_report(report)

    def _sequence(self, job: Job) -> Row:
        """Documents one after the other: what each is worth after each of them."""
        engine = self._engine(job)
        order = self.titles
        random.Random(job.seed).shuffle(order)
        nll, cloze = [self._nlls(engine, order)], [self._clozes(engine, order)]
        reports, held_out = [], [self._kept.held_out()]
        for title in order:
            reports.append(learned(engine, self._learnables[title], job))
            nll.append(self._nlls(engine, order))
            cloze.append(self._clozes(engine, order))
            held_out.append(self._kept.held_out(engine.active))
        ids = {report.id: report.title for report in reports}
        return {
            "order": order,
            "nll_matrix": nll,
            "cloze_matrix": cloze,
            "held_out": held_out,
            "overlaps": [{ids[o.document_id]: o.share for o in r.overlaps} for r in reports],
            "reports": [of_report(report) for report in reports],
            **self._kept.measure(engine.active),
        }

    def _nlls(self, engine: TTTEngine, order: list[str]) -> list[float]:
        return [self._of(title).nll(engine.active) for title in order]

    def _clozes(self, engine: TTTEngine, order: list[str]) -> list[float]:
        return [self._of(title).cloze_recall(engine.active) for title in order]


def learned(engine: TTTEngine, learnable: Learnable, job: Job) -> LearnReport:
    with ranked_as(job.condition, job.seed):
        *_, report = engine.learn(learnable.document)
    return report


def of_report(report: LearnReport) -> Row:
    """What the engine itself says of the lesson."""
    names = (
        "tokens", "loss_before", "loss_after", "held_out_loss_before", "held_out_loss_after",
        "seconds", "tokens_per_second", "gate_open_share", "alpha", "notes", "objective",
        "passes", "study_items", "answers_kept", "answers_probed",
    )  # fmt: skip
    return {"learn": {name: getattr(report, name) for name in names}}


def key_of(job: Job, settings: Settings) -> Row:
    asked = {"model": settings.model_name, "kind": job.kind, "condition": job.condition}
    asked |= {"document": job.document, "seed": job.seed}
    asked |= {"arc_asked": settings.arc, "trivia_asked": settings.trivia}
    if job.kind == "before":
        return asked
    asked |= {"target": settings.target, "changed": settings.changed}
    return asked | ({"documents": settings.documents} if job.kind == "sequence" else {})


def rows() -> list[Row]:
    if not ROWS.exists():
        return []
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def run(host: ModelHost, settings: Settings) -> None:
    truth = Truth(host, settings)
    number, count = settings.shard
    mine = list(jobs(settings, truth.titles))[number - 1 :: count]
    for done, job in enumerate(mine, start=1):
        key = key_of(job, settings)
        if any(all(row.get(k) == v for k, v in key.items()) for row in rows()):
            continue
        began = time.perf_counter()
        try:
            measured = truth.measure(job)
        except EngineError as error:
            measured = {"failed": str(error)}
        row = key | measured | {"wall_seconds": time.perf_counter() - began}
        with ROWS.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(f"{done}/{len(mine)} {json.dumps(row, ensure_ascii=False)[:240]}", flush=True)


def settings_from(arguments: argparse.Namespace) -> Settings:
    number, count = (int(part) for part in arguments.shard.split("/"))
    return Settings(
        parts=tuple(arguments.part),
        documents=arguments.documents,
        seeds=arguments.seeds,
        target=arguments.target,
        passes=arguments.passes,
        arc=arguments.arc,
        trivia=arguments.trivia,
        shard=(number, count),
        model=os.environ.get(MODEL_VARIABLE, "embedded"),
        conditions=tuple(arguments.conditions),
        changed={n: json.loads(v) for n, v in (s.split("=", 1) for s in arguments.set)},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--conditions", nargs="+", choices=tuple(CONDITIONS), default=[])
    for name in ("documents", "seeds", "passes", "arc", "trivia"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    parser.add_argument("--target", type=float, default=Settings.target)
    parser.add_argument("--shard", default="1/1", metavar="I/N")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--summarise", action="store_true", help="make the tables and end")
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    RESULTS.mkdir(exist_ok=True)
    if not arguments.summarise:
        run(ModelHost.load(settings.model), settings)
    if settings.shard == (1, 1):
        asked = {"model": settings.model_name, "arc_asked": settings.arc}
        asked |= {"trivia_asked": settings.trivia}
        found = [row for row in rows() if all(row.get(k) == v for k, v in asked.items())]
        publish_tables(found, settings.model_name, settings.target, settings.changed)


if __name__ == "__main__":
    main()

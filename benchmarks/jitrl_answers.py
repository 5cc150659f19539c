"""Answers of JitRL MVP to questions on 646 paragraphs: from retrieved and from the right ones.

    python benchmarks/jitrl_answers.py [--questions 100] [--seed 0] [--strengths 2 6]

Every paragraph of ``data/squad_store.jsonl`` is learned as a document of its own; questions
are drawn with the seed.  Conditions, each by greedy decoding with the program's defaults:
    closed      the base model, without any passage
    gold        with the paragraph that the question was written on, and nothing else
    retrieved   as the engine answers, without a bias of the logits
    bias N      the same with a strength of N nats
F1 and EM are SQuAD's, the best over the gold answers; ``contains`` is whether one of them
stands in the answer.  Citation marks are taken away before scoring.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answering import contains, normalised, token_f1
from reporting import publish, summary

from engines.host import ModelHost
from engines.jitrl.context import with_passages
from engines.jitrl.mvp import JitRLMVPEngine
from engines.protocol import Document, Passage, Piece, Sampling, Turn

STORE = Path(__file__).parent / "data" / "squad_store.jsonl"
IN_FEW_WORDS = "Answer in a few words."
CITATION = re.compile(r"\s*\[\d+\]")
FIGURES = ("f1", "em", "contains", "seconds")


@dataclass(frozen=True)
class Settings:
    questions: int = 100
    seed: int = 0
    strengths: tuple[float, ...] = (2.0, 6.0)
    new_tokens: int = 24


@dataclass(frozen=True)
class Asked:
    question: str
    answers: tuple[str, ...]
    paragraph: Document


def store() -> tuple[list[Document], list[Asked]]:
    """The paragraphs as documents, and all questions on them that have an answer."""
    documents, asked = {}, []
    for line in STORE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        document = Document.from_text(row["context"], row["title"])
        documents[document.id] = document
        for one in row["questions"]:
            if one["answers"]:
                asked.append(Asked(one["question"], tuple(one["answers"]), document))
    return list(documents.values()), asked


def turns_of(asked: Asked) -> list[Turn]:
    return [Turn("user", f"{asked.question} {IN_FEW_WORDS}")]


def gold(host: ModelHost, asked: Asked, sampling: Sampling, budget: int) -> Iterator[Piece]:
    """The answer with the right paragraph in view, put there as the engine would."""
    own = asked.paragraph
    passage = Passage(own.id, own.title, 1, own.text, 1.0, 0, len(own.text))
    context = with_passages(
        host, turns_of(asked), [passage], new_tokens=sampling.max_new_tokens, budget=budget
    )
    return host.generate(host.fit(context.turns, sampling.max_new_tokens), sampling)


def scored(pieces: Iterator[Piece], asked: Asked) -> dict[str, Any]:
    began = time.perf_counter()
    parts = list(pieces)
    seconds = time.perf_counter() - began
    answer = CITATION.sub("", "".join(part.text for part in parts)).strip()
    retrieval = next((part.retrieval for part in parts if part.retrieval), None)
    shown = retrieval.passages if retrieval else ()
    return {
        "answer": answer,
        "f1": token_f1(answer, asked.answers),
        "em": float(normalised(answer) in {normalised(gold) for gold in asked.answers}),
        "contains": float(contains(answer, asked.answers)),
        "seconds": seconds,
        "found": any(one.document_id == asked.paragraph.id for one in shown),
    }


def rows(s: Settings) -> Iterator[dict[str, Any]]:
    host = ModelHost.load("embedded")
    engine = JitRLMVPEngine(host)
    documents, questions = store()
    for document in documents:
        list(engine.learn(document))
    sampling = Sampling(max_new_tokens=s.new_tokens)
    budget = engine.settings.context_tokens
    strengths = {"retrieved": 0.0} | {f"bias {value:g}": value for value in s.strengths}
    for asked in random.Random(s.seed).sample(questions, s.questions):
        answers = {
            "closed": scored(host.reply(turns_of(asked), sampling), asked),
            "gold": scored(gold(host, asked, sampling, budget), asked),
        }
        for name, strength in strengths.items():
            engine.strength = strength
            answers[name] = scored(engine.reply(turns_of(asked), sampling), asked)
        yield {"question": asked.question, "gold": asked.answers, "answers": answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("questions", "seed", "new_tokens"):
        kind = "--" + name.replace("_", "-")
        parser.add_argument(kind, type=int, default=getattr(Settings, name))
    parser.add_argument("--strengths", type=float, nargs="*", default=list(Settings.strengths))
    a = parser.parse_args()
    s = Settings(a.questions, a.seed, tuple(a.strengths), a.new_tokens)
    found = []
    for row in rows(s):
        found.append(row)
        print(
            json.dumps({k: (v["answer"], v["f1"]) for k, v in row["answers"].items()}), flush=True
        )
    names = list(found[0]["answers"])
    summaries = {
        name: {f: summary([row["answers"][name][f] for row in found]) for f in FIGURES}
        for name in names
    }
    share = summaries["retrieved"]["f1"]["mean"] / summaries["gold"]["f1"]["mean"]
    cells = [["figure", *names]]
    for figure in FIGURES:
        cells.append([figure, *(_cell(summaries[name][figure]) for name in names)])
    cells.append(["retrieved F1 / gold F1", f"{share:.2f}", *[""] * (len(names) - 1)])
    cells.append(["n", *(str(len(found)) for _ in names)])
    publish("jitrl_answers", {"summary": summaries, "share_of_gold": share, "rows": found}, cells)


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()

"""How often retrieval finds the paragraph that answers a question, and how fast.

    python benchmarks/jitrl_retrieval.py [--questions 300] [--seed 0] [--speed]

The store is 646 SQuAD paragraphs, each a document titled by its article; a question is found
at k where a chunk of its own paragraph is among the first k.  Chunks are cut by the
embedded model's tokenizer.  ``refused`` is the share of questions for which nothing counts as
relevant with the default threshold, in the whole store or with their own paragraph alone
stored; ``caught`` is that share where what answers isn't stored: the question's article left
out, or one paragraph of another article alone stored.  ``--speed`` also indexes 10,000 chunks
(the paragraphs over and over, in documents of 100) and asks the same questions of them, on one
thread.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
from reporting import publish, quantile, summary
from sklearn.feature_extraction.text import TfidfVectorizer

from cl_workbench import Document
from engines.jitrl.index import PassageIndex
from engines.jitrl.library import Library
from engines.jitrl.settings import PassageSettings

STORE = Path(__file__).parent / "data" / "squad_store.jsonl"
RANKINGS = {
    "tfidf, words": PassageSettings(ranking="tfidf", char_ngrams=False),
    "tfidf, words and n-grams": PassageSettings(ranking="tfidf"),
    "bm25": PassageSettings(ranking="bm25"),
    "hybrid": PassageSettings(ranking="hybrid"),
}
SPEED_CHUNKS = 10_000
SPEED_DOCUMENT = 100

Asked = list[tuple[str, int]]


def paragraphs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in STORE.read_text(encoding="utf-8").splitlines()]


def sample(store: list[dict[str, Any]], count: int, seed: int) -> Asked:
    """Questions with the number of the paragraph that each was asked about."""
    asked = [(q["question"], n) for n, row in enumerate(store) for q in row["questions"]]
    return random.Random(seed).sample(asked, min(count, len(asked)))


def recall(found: list[list[int]], asked: Asked) -> dict[str, Any]:
    gold = [number for _, number in asked]
    return {
        f"recall@{k}": summary([float(g in f[:k]) for f, g in zip(found, gold, strict=True)])
        for k in (1, 3)
    }


def by_library(
    tokenizer: Any, settings: PassageSettings, store: list[dict[str, Any]], asked: Asked
) -> dict[str, Any]:
    library = Library(tokenizer, settings)
    for number, row in enumerate(store):
        document = Document.from_text(row["context"], row["title"])
        library.add(f"{number:04d}", row["title"], row["context"], [*library.cutting(document)])
    found = [[int(p.document_id) for p in library.search(question)] for question, _ in asked]
    figures = {"chunks": len(library), **recall(found, asked)}
    return figures | relevance(library, tokenizer, settings, store, asked)


def relevance(
    library: Library,
    tokenizer: Any,
    settings: PassageSettings,
    store: list[dict[str, Any]],
    asked: Asked,
) -> dict[str, Any]:
    nothing: dict[str, list[float]] = {
        name: [] for name in ("refused", "refused_alone", "caught", "caught_alone")
    }
    for question, number in asked:
        title = store[number]["title"]
        own = {f"{n:04d}" for n, row in enumerate(store) if row["title"] == title}
        stranger = (number + len(store) // 2) % len(store)
        nothing["refused"].append(float(not library.search(question)))
        nothing["caught"].append(float(not library.search(question, leaving_out=own)))
        alone = single(tokenizer, settings, store[number])
        nothing["refused_alone"].append(float(not alone.search(question)))
        alone = single(tokenizer, settings, store[stranger])
        nothing["caught_alone"].append(float(not alone.search(question)))
    return {name: summary(values) for name, values in nothing.items()}


def single(tokenizer: Any, settings: PassageSettings, row: dict[str, Any]) -> Library:
    library = Library(tokenizer, settings)
    document = Document.from_text(row["context"], row["title"])
    library.add("0", row["title"], row["context"], [*library.cutting(document)])
    return library


def by_plain_tfidf(store: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    """scikit-learn's defaults on whole paragraphs, for reference."""
    vectorizer = TfidfVectorizer()
    weights = vectorizer.fit_transform([row["context"] for row in store])
    scores = (vectorizer.transform([question for question, _ in asked]) @ weights.T).toarray()
    found = np.argsort(-scores, axis=1, kind="stable")[:, :3].tolist()
    return {"chunks": len(store), **recall(found, asked)}


def speed(settings: PassageSettings, store: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    texts = [f"{row['title']}\n{row['context']}" for row in store]
    chunks = [texts[number % len(texts)] for number in range(SPEED_CHUNKS)]
    index = PassageIndex(settings)
    began = time.perf_counter()
    for start in range(0, SPEED_CHUNKS, SPEED_DOCUMENT):
        index.add(str(start), chunks[start : start + SPEED_DOCUMENT])
    added = time.perf_counter()
    index.search(asked[0][0], 3)
    weighed = time.perf_counter()
    milliseconds = []
    for question, _ in asked:
        start_time = time.perf_counter()
        index.search(question, 3)
        milliseconds.append(1000 * (time.perf_counter() - start_time))
    return {
        "chunks": len(index),
        "seconds_to_add": added - began,
        "seconds_of_first_search": weighed - added,
        "query_ms_p50": quantile(milliseconds, 0.5),
        "query_ms_p95": quantile(milliseconds, 0.95),
        "queries": len(milliseconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true", help="also index 10,000 chunks")
    arguments = parser.parse_args()
    store = paragraphs()
    asked = sample(store, arguments.questions, arguments.seed)
    tokenizer = embedded_tokenizer()
    recalls = {"plain TfidfVectorizer": by_plain_tfidf(store, asked)}
    for name, settings in RANKINGS.items():
        recalls[name] = by_library(tokenizer, settings, store, asked)
    rows = [["ranking", "recall@1", "recall@3", "n"]]
    for name, figures in recalls.items():
        cells = [figures["recall@1"], figures["recall@3"]]
        shown = [f"{c['mean']:.3f} [{c['interval'][0]:.3f}, {c['interval'][1]:.3f}]" for c in cells]
        rows.append([name, *shown, str(len(asked))])
    kinds = ("refused", "refused_alone", "caught", "caught_alone")
    rows.append(["nothing relevant", "refused / alone", "caught / alone", ""])
    for name, figures in recalls.items():
        if kinds[0] in figures:
            shown = [f"{figures[kind]['mean']:.3f}" for kind in kinds]
            rows.append([name, " / ".join(shown[:2]), " / ".join(shown[2:]), str(len(asked))])
    result: dict[str, Any] = {"seed": arguments.seed, "recall": recalls}
    if arguments.speed:
        result["speed"] = {n: speed(settings, store, asked) for n, settings in RANKINGS.items()}
        rows.append(["10,000 chunks", "add + first search s", "query ms p50 / p95", ""])
        for name, one in result["speed"].items():
            built = f"{one['seconds_to_add']:.1f} + {one['seconds_of_first_search']:.1f}"
            asking = f"{one['query_ms_p50']:.1f} / {one['query_ms_p95']:.1f}"
            rows.append([name, built, asking, str(one["queries"])])
    publish("jitrl_retrieval", result, rows)


def embedded_tokenizer() -> Any:
    from cl_workbench import ModelHost

    return ModelHost.load("embedded").tokenizer


if __name__ == "__main__":
    main()

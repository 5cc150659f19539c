"""Rebuild the store and the questions of ``jitrl_retrieval.py``.

    python benchmarks/make_squad_store.py DATA_FOLDER

DATA_FOLDER holds the gzipped JSON lines named below.  The output is the same on every
run: benchmarks/data/squad_store.jsonl, one paragraph a row with its answerable questions.
"""

from __future__ import annotations

import sys
from pathlib import Path

from make_texts import EVALUATION_QUESTIONS, Row, rows, write


def main(folder: Path) -> None:
    write(Path(__file__).parent / "data" / "squad_store.jsonl", paragraphs(folder))


def paragraphs(folder: Path) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in rows(folder / EVALUATION_QUESTIONS):
        kept = {name: row[name] for name in ("title", "context")}
        paragraph = found.setdefault((row["title"], row["context"]), {**kept, "questions": []})
        paragraph |= {"source": row["source"], "licence": row["licence"]}
        if row["answers"]:
            answers = list(dict.fromkeys(row["answers"]))
            paragraph["questions"].append({"question": row["question"], "answers": answers})
    return list(found.values())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Give the folder of the source data")
    main(Path(sys.argv[1]))

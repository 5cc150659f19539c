"""Rebuild the documents and the retention questions of ``ttt_truth.py``.

    python benchmarks/make_truth_data.py DATA_FOLDER

DATA_FOLDER holds the gzipped JSON lines named below.  The output is the same on every
run: benchmarks/data/truth.jsonl and benchmarks/data/retention.jsonl.  Tokens are those of
the embedded model.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from make_texts import Row, rows, spread, write

from cl_workbench import ModelHost
from engines.texts.passages import sentences

DATA = Path(__file__).parent / "data"
QUESTIONS = "eval_squad2_dev_half.jsonl.gz"
CHOICES = "probe_arc_easy.jsonl.gz"
TRIVIA = "probe_triviaqa_sm.jsonl.gz"

ARTICLES = (
    "Computational complexity theory",
    "1973 oil crisis",
    "Harvard University",
    "Yuan dynasty",
    "Scottish Parliament",
    "Imperialism",
    "Steam engine",
    "Force",
)
PARAGRAPHS = (2, 3)
TOKENS = (250, 330)
ITEMS = (8, 14)
SHORTEST_LEAD = 20  # characters
LONGEST_ANSWER = 7  # words that are to be continued to the letter

CHOICE_QUESTIONS = 120
TRIVIA_QUESTIONS = 60
LONGEST_TRIVIA = 14  # words of the question
LEFT_OUT_TRIVIA = ("phobia",)  # not for every audience
LONGEST_CHOICE = 8  # words: short ones are quick to score


def main(folder: Path) -> None:
    tokenizer = ModelHost.load("embedded").tokenizer
    write(DATA / "truth.jsonl", documents(folder, tokenizer))
    write(DATA / "retention.jsonl", [*choice_questions(folder), *trivia_questions(folder)])


def documents(folder: Path, tokenizer: Any) -> list[Row]:
    """One document of each article: the run of paragraphs with the most usable questions."""
    paragraphs: dict[str, dict[str, list[Row]]] = {title: {} for title in ARTICLES}
    elsewhere = (DATA / "paragraphs.jsonl").read_text(encoding="utf-8").splitlines()
    used = {json.loads(line)["context"] for line in elsewhere}
    for row in rows(folder / QUESTIONS):
        if row["title"] in paragraphs and row["context"] not in used:
            asked = paragraphs[row["title"]].setdefault(row["context"], [])
            asked += [row] if row["answers"] else []
    found = []
    for title, article in paragraphs.items():
        fitting = list(runs(article, tokenizer))
        if not fitting:
            raise SystemExit(f"No run of paragraphs of {title!r} fits; name another article")
        found.append({"title": title, **max(fitting, key=cloze_items)})
    return found


def runs(article: dict[str, list[Row]], tokenizer: Any) -> Iterator[Row]:
    """Each run of paragraphs of the right length that has questions enough."""
    contexts = list(article)
    for count in range(PARAGRAPHS[0], PARAGRAPHS[1] + 1):
        for start in range(len(contexts) - count + 1):
            run = contexts[start : start + count]
            text = "\n\n".join(run)
            tokens = len(tokenizer(text)["input_ids"])
            asked = items([row for context in run for row in article[context]])
            if TOKENS[0] <= tokens <= TOKENS[1]:
                row = {"text": text, "tokens": tokens, "items": asked[: ITEMS[1]]}
                if cloze_items(row) >= ITEMS[0]:
                    yield row | {"source": "squad-v2-dev", "licence": "CC BY-SA 4.0"}


def cloze_items(document: Row) -> int:
    return sum(bool(item["lead"]) for item in document["items"])


def items(asked: list[Row]) -> list[Row]:
    """The questions whose first answer stands in their paragraph.

    ``lead`` is the answer's sentence up to the answer; it is empty where that is too
    short to continue, the answer too long, or an earlier question has the same.
    """
    found: list[Row] = []
    leads: set[str] = set()
    for row in asked:
        answer = row["answers"][0]
        lead = lead_of(row["context"], answer)
        if lead is None:
            continue
        usable = len(lead) >= SHORTEST_LEAD and len(answer.split()) <= LONGEST_ANSWER
        kept = lead if usable and lead not in leads else ""
        leads.add(kept)
        answers = list(dict.fromkeys(row["answers"]))
        found.append({"question": row["question"].strip(), "answers": answers, "lead": kept})
    return found


def lead_of(context: str, answer: str) -> str | None:
    """What stands before the first ``answer`` in its sentence; None if it does not occur."""
    whole = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", context)
    if whole is None:
        return None
    for sentence in sentences(context):
        if answer in sentence and sentence in context:
            begin = context.find(sentence)
            if begin <= whole.start() < begin + len(sentence):
                return context[begin : whole.start()].rstrip()
    return ""


def choice_questions(folder: Path) -> list[Row]:
    short = [
        row
        for row in rows(folder / CHOICES)
        if len(row["choices"]) == 4
        and all(len(c.split()) <= LONGEST_CHOICE for c in row["choices"])
    ]
    fields = ("question", "choices", "gold", "source", "licence")
    chosen = spread(short, CHOICE_QUESTIONS)
    return [{"kind": "choice", **{f: row[f] for f in fields}} for row in chosen]


def trivia_questions(folder: Path) -> list[Row]:
    short = [
        row
        for row in rows(folder / TRIVIA)
        if len(row["question"].split()) <= LONGEST_TRIVIA
        and row["question"].isascii()
        and not any(word in row["question"] for word in LEFT_OUT_TRIVIA)
        and row["question"].endswith("?")
        and len(row["answers"][0].split()) <= 2
        and not row["answers"][0].isupper()  # quiz sheets write those, no text does
        and row["answers"][0].isascii()
    ]
    return [
        {
            "kind": "short",
            "question": row["question"].strip('" '),
            "answers": list(dict.fromkeys(row["answers"])),
            "source": row["source"],
            "licence": row["licence"],
        }
        for row in spread(short, TRIVIA_QUESTIONS)
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} DATA_FOLDER")
    main(Path(sys.argv[1]))

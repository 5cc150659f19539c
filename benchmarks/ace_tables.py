"""The tables of ``ace_tasks.py``, as Markdown and as JSON.

A change is paired: the same question after learning and with the empty playbook.  Every
interval is a bootstrap over questions (for FiNER over batches of four, each of which shares
its prompt).  Of a run that was stopped half-way, n tells how far each condition came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from reporting import publish, summary

KEY = ("task", "model", "server", "context", "learn", "loops", "seed")
CONDITIONS = ("empty", "patches", "rewrite")
SMALL = "135M"
SMALL_SHOWS = (
    "A model of 135M parameters shows that the loop runs, not that it learns: no playbook can "
    "help where the model cannot follow it."
)

Row = dict[str, Any]


def publish_tables(found: Sequence[Row], command: str) -> None:
    """Print a table per task and model that there are rows for, and write the JSON file."""
    keys = list(dict.fromkeys(tuple(row[name] for name in KEY) for row in found))
    runs = []
    for key in keys:
        one = run_of([row for row in found if tuple(row[name] for name in KEY) == key])
        runs.append(dict(zip(KEY, key, strict=True)) | one)
        print(f"\n### {title(runs[-1])}\n\n{markdown(cells(runs[-1]))}\n")
        if one["shows"]:
            print(f"{one['shows']}\n")
    heading = ["task", "model", "answers"]
    counted = [
        [run["task"], run["model"], str(sum(c["n"] for c in run["conditions"].values()))]
        for run in runs
    ]
    publish("ace_tasks", {"command": command, "runs": runs}, [heading, *counted])


def run_of(found: Sequence[Row]) -> Row:
    """The figures of one task with one model, by condition."""
    learns = {row["condition"]: row for row in found if row["kind"] == "learn"}
    answers = {
        name: {
            row["item"]: row
            for row in found
            if row["kind"] == "answer" and row["condition"] == name
        }
        for name in CONDITIONS
    }
    conditions = {
        name: condition(listed, answers["empty"], learns.get(name))
        for name, listed in _compared(answers).items()
        if listed
    }
    about = next((row for row in found if row["kind"] == "run"), {})
    model = next((row["model"] for row in found), "")
    return {
        "conditions": conditions,
        "shows": SMALL_SHOWS if SMALL in model or model == "embedded" else "",
        **{name: about[name] for name in ("about", "sha256", "command", "machine", "settings")
           if about.get(name)},
    }  # fmt: skip


def _compared(answers: dict[str, dict[str, Row]]) -> dict[str, dict[str, Row]]:
    """``answers`` with those of ``empty`` alone to which another condition has one, if any."""
    others = {item for name in answers if name != "empty" for item in answers[name]}
    empty = answers["empty"]
    return answers | {"empty": {i: row for i, row in empty.items() if i in others} or empty}


def condition(answers: dict[str, Row], empty: dict[str, Row], learn: Row | None) -> Row:
    """Accuracy, its change against ``empty`` on the same questions, and what it cost."""
    listed = list(answers.values())
    failures = Counter(row["failure"] for row in listed if row["failure"])
    figures: Row = {
        "n": len(listed),
        "right": summary([float(row["right"]) for row in listed]),
        "credit": summary([row["credit"] for row in listed]),
        "unusable": failures["gave up"],
        "refused": failures["too long"],
        "prompt_tokens": sum(row["prompt_tokens"] for row in listed),
        "completion_tokens": sum(row["completion_tokens"] for row in listed),
        "bullets_left_out": sum(row["bullets_left_out"] for row in listed),
    }
    if learn is None:
        return figures
    both = [(answers[item], empty[item]) for item in answers if item in empty]
    if both:
        figures["right_change"] = summary([float(a["right"]) - float(b["right"]) for a, b in both])
        figures["credit_change"] = summary([a["credit"] - b["credit"] for a, b in both])
    kept = ("prompt_tokens", "completion_tokens", "learned_from", "kept_apart", "turns", "skipped",
            "operations", "scores", "notes", "playbook")  # fmt: skip
    return figures | {"learn": {name: learn[name] for name in kept if name in learn}}


def title(run: Row) -> str:
    about = f"learn {run['learn']}, loops {run['loops']}, seed {run['seed']}"
    return f"{run['task']}: {run['model']} through {run['server']} ({about})"


def cells(run: Row) -> list[list[str]]:
    """One row per figure, one column per condition."""
    shown = run["conditions"]
    whole = "batches all right" if run["task"] == "finer" else "accuracy"
    lines = {whole: _each(shown, "right"), f"{whole}: change": _each(shown, "right_change")}
    if run["task"] == "finer":
        lines |= {"tags right": _each(shown, "credit")}
        lines |= {"tags right: change": _each(shown, "credit_change")}
    lines["n"] = [str(c["n"]) for c in shown.values()]
    lines["without a usable answer"] = [str(c["unusable"]) for c in shown.values()]
    lines["refused as too long"] = [str(c["refused"]) for c in shown.values()]
    lines["tokens per answer, read + written"] = [_per_answer(c) for c in shown.values()]
    lines["tokens to learn, read + written"] = [_learning(c) for c in shown.values()]
    lines["role turns to learn, skipped"] = [_turns(c) for c in shown.values()]
    lines["bullets"] = [_bullets(c) for c in shown.values()]
    return [["figure", *shown], *([name, *values] for name, values in lines.items())]


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + " --- |" * len(table[0]), *lines[1:]])


def _each(conditions: Row, figure: str) -> list[str]:
    signed = figure.endswith("change")
    return [_interval(c[figure], signed) if figure in c else "" for c in conditions.values()]


def _interval(found: Row, signed: bool) -> str:
    low, high = found["interval"]
    sign = "+" if signed else ""
    return f"{found['mean']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _per_answer(found: Row) -> str:
    read, written = (found[name] / found["n"] for name in ("prompt_tokens", "completion_tokens"))
    return f"{read:,.0f} + {written:,.0f}"


def _learning(found: Row) -> str:
    learn = found.get("learn")
    return f"{learn['prompt_tokens']:,} + {learn['completion_tokens']:,}" if learn else "0"


def _turns(found: Row) -> str:
    learn = found.get("learn")
    return f"{learn['turns']}, {learn['skipped']}" if learn else "0"


def _bullets(found: Row) -> str:
    return str(len(found["learn"]["playbook"])) if found.get("learn") else "0"

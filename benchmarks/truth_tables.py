"""The tables of ``ttt_truth.py``, as Markdown for the docs and as JSON.

A document's seeds are averaged first and the interval is a bootstrap over documents, as
seeds of one document are no independent sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from conditions import CONDITIONS, PARTS
from matrix import average, backward_transfer, forgetting, forward_transfer, rank_correlation
from reporting import publish, summary

Row = dict[str, Any]
Figure = Callable[[Row, Row, Row], float | None]  # of a row, its document before, the rest before


def _value(name: str) -> Figure:
    return lambda row, document, rest: row.get(name)


def _change(name: str, *, percent: bool = False) -> Figure:
    def change(row: Row, document: Row, rest: Row) -> float | None:
        if name not in row or not rest.get(name):
            return None
        return 100 * (row[name] / rest[name] - 1) if percent else row[name] - rest[name]

    return change


def _learn(name: str) -> Figure:
    return lambda row, document, rest: row["learn"].get(name)


FIGURES: dict[str, Figure] = {
    "document NLL": _value("nll"),
    "cloze recall": _value("cloze"),
    "answer NLL": _value("answer_nll"),
    "answer F1": _value("f1"),
    "held-out NLL change (%)": _change("held_out_nll", percent=True),
    "ARC-easy": _value("arc"),
    "ARC-easy change": _change("arc"),
    "trivia NLL change (%)": _change("trivia_nll", percent=True),
    "trivia F1": _value("trivia_f1"),
    "general answers kept": _learn("answers_kept"),
    "open share": _learn("gate_open_share"),
    "passes": _learn("passes"),
    "seconds": _learn("seconds"),
}
BEFORE = {"document NLL": "nll", "cloze recall": "cloze", "answer NLL": "answer_nll",
          "answer F1": "f1"}  # fmt: skip
REST_BEFORE = {"ARC-easy": "arc", "trivia F1": "trivia_f1"}


def publish_tables(found: Sequence[Row], model: str, target: float, changed: Row) -> None:
    """Print every table that there are rows for, and write the JSON file."""
    done = [row for row in found if "failed" not in row]
    kept = [
        r for r in done if r["kind"] == "before" or (r["target"], r["changed"]) == (target, changed)
    ]
    tables = {part: learned_table(kept, PARTS[part]) for part in PARTS if part != "sequence"}
    other = [
        c for c in CONDITIONS if any(r["condition"] == c for r in kept if r["kind"] == "sequence")
    ]
    summaries: dict[str, Any] = {part: values for part, (values, _) in tables.items() if values}
    for part, (_, cells) in tables.items():
        if len(cells) > 1:
            print(f"\n### {part}\n\n{markdown(cells)}")
    sequences = {c: sequence_summary(kept, c) for c in other}
    if sequences:
        print(f"\n### sequence\n\n{markdown(sequence_cells(sequences))}")
    print()
    suffix = "" if model == "embedded" else f"_{model}"
    failed = [
        {k: row[k] for k in ("condition", "document", "seed", "failed")}
        for row in found
        if "failed" in row
    ]
    result = {"model": model, "target_nll": target, "changed": changed, "failed": failed}
    publish(
        f"ttt_truth{suffix}",
        result | {"learned": summaries, "sequence": sequences},
        [["rows", "failed"], [str(len(kept)), str(len(failed))]],
    )


def learned_table(
    rows: Sequence[Row], conditions: Sequence[str]
) -> tuple[dict[str, Any], list[list[str]]]:
    """Per condition the figures with their intervals, and the same as cells of text."""
    before = {row["document"]: row for row in rows if row["kind"] == "before"}
    rest = before.get("(unrelated)", {})
    by_condition = {
        c: [r for r in rows if r["kind"] == "learn" and r["condition"] == c] for c in conditions
    }
    shown = [c for c, listed in by_condition.items() if listed]
    values = {c: _figures(by_condition[c], before, rest) for c in shown}
    if not shown:
        return {}, []
    titles = dict.fromkeys(row["document"] for c in shown for row in by_condition[c])
    cells = [["figure", "before", "in context", *shown]]
    for name in FIGURES:
        if any(name in found for found in values.values()):
            start = _starts(name, [before[t] for t in titles if t in before], rest)
            cells.append([name, *start, *(_cell(values[c].get(name)) for c in shown)])
    cells.append(["documents × seeds", "", "", *(str(len(by_condition[c])) for c in shown)])
    return values, cells


def _figures(rows: Sequence[Row], before: dict[str, Row], rest: Row) -> dict[str, Any]:
    found = {}
    for name, figure in FIGURES.items():
        of_document: dict[str, list[float]] = {}
        for row in rows:
            value = figure(row, before.get(row["document"], {}), rest)
            if value is not None:
                of_document.setdefault(row["document"], []).append(value)
        if of_document:
            found[name] = summary([fmean(seeds) for seeds in of_document.values()])
    return found


def _starts(name: str, documents: Sequence[Row], rest: Row) -> list[str]:
    """What the figure is before learning, and with the text in view."""
    if name in REST_BEFORE:
        value = rest.get(REST_BEFORE[name])
        return ["" if value is None else f"{value:.3f}", ""]
    key = BEFORE.get(name)
    if key is None or not documents:
        return ["", ""]
    pair = []
    for column in (key, f"{key}_in_context"):
        values = [row[column] for row in documents if column in row]
        pair.append(_cell(summary(values)) if values else "")
    return pair


def sequence_summary(rows: Sequence[Row], condition: str) -> dict[str, Any]:
    """Transfer and forgetting over the seeds' sequences, on −NLL and on cloze recall."""
    listed = [r for r in rows if r["kind"] == "sequence" and r["condition"] == condition]
    rest = next((r for r in rows if r["document"] == "(unrelated)" and r["kind"] == "before"), {})
    each = [sequence_figures(row, rest) for row in listed]
    names = dict.fromkeys(name for one in each for name in one)
    return {
        name: summary([one[name] for one in each if one.get(name) is not None])
        for name in names
        if any(one.get(name) is not None for one in each)
    }


def sequence_figures(row: Row, rest: Row) -> dict[str, float | None]:
    """One sequence: rows of the matrices are before any document, then after each."""
    found: dict[str, float | None] = {}
    for name, sign in (("nll", -1.0), ("cloze", 1.0)):
        baseline, *r = [[sign * v for v in line] for line in row[f"{name}_matrix"]]
        label = "−NLL" if sign < 0 else "cloze recall"
        found[f"ACC, {label}"] = average(r)
        found[f"before, {label}"] = fmean(baseline)
        found[f"just learned, {label}"] = fmean(r[i][i] for i in range(len(r)))
        found[f"BWT, {label}"] = backward_transfer(r)
        found[f"forgetting, {label}"] = forgetting(r)
        found[f"FWT, {label}"] = forward_transfer(r, baseline)
    held_out = row["held_out"]
    found["held-out NLL change (%)"] = 100 * (held_out[-1] / held_out[0] - 1)
    found["ARC-easy before"], found["ARC-easy after"] = rest.get("arc"), row.get("arc")
    found["ρ of overlap and rise in NLL"] = overlap_correlation(row)
    found["seconds"] = sum(report["learn"]["seconds"] for report in row["reports"])
    return found


def overlap_correlation(row: Row) -> float | None:
    """Spearman's ρ between each foretold overlap and the rise of that document's NLL."""
    foretold, risen = [], []
    for step, overlaps in enumerate(row["overlaps"]):
        for title, share in overlaps.items():
            i = row["order"].index(title)
            foretold.append(share)
            risen.append(row["nll_matrix"][step + 1][i] - row["nll_matrix"][step][i])
    return rank_correlation(foretold, risen) if len(foretold) > 1 else None


def sequence_cells(sequences: dict[str, dict[str, Any]]) -> list[list[str]]:
    names = dict.fromkeys(name for found in sequences.values() for name in found)
    cells = [["figure", *sequences]]
    cells += [[name, *(_cell(found.get(name)) for found in sequences.values())] for name in names]
    counts = [str(found["seconds"]["n"]) for found in sequences.values()]
    return [*cells, ["sequences", *counts]]


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["interval"]
    return f"{found['mean']:.3f} [{low:.3f}, {high:.3f}]"


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(cells[0]), *lines[1:]])

"""The tables of ``doc2lora.py``, as Markdown for the docs and as JSON.

A difference or share is of the same questions under each condition, and its 95 % interval
is a bootstrap over paragraphs, as questions on one paragraph are no independent sample.
Means have the bootstrap over their rows that every benchmark has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from reporting import publish, summary
from truth_tables import markdown

Row = dict[str, Any]
Paired = dict[str, list[float]]  # by condition, a value for each question

QA = ("closed", "lora", "other", "context")
QA_FIGURES = ("f1", "em", "contains", "nll", "nll_with_end")
NEEDLE = ("closed", "lora", "context")
REST = ("held_out_nll", "trivia_nll", "probe_nll", "arc", "probe_f1", "probe_contains")
RESAMPLES = 2000


def publish_tables(rows: Sequence[Row], told: Row) -> None:
    """Print every table that there are rows for, and write the JSON file."""
    of = {part: [r for r in rows if r["part"] == part] for part in
          ("qa", "needle", "unrelated", "cost")}  # fmt: skip
    distilled = {r["item"] for r in of["qa"] if r["condition"] == "distilled"}
    found = {
        "qa": questions(of["qa"], QA),
        "distillation": questions(
            [r for r in of["qa"] if r["item"] in distilled], (*QA, "distilled")
        ),
        "needle": needle(of["needle"]),
        "unrelated": unrelated(of["unrelated"]),
        "cost": cost(of["cost"]),
    }
    network = told["hypernetwork"]
    print(
        f"\n{told['model']} ({told['precision']}, {told['device']}), hypernetwork "
        f"{network['name']} ({network['identity']}), seed {told['seed']}"
    )
    cells = {
        "qa": question_cells(found["qa"]),
        "distillation": question_cells(found["distillation"]),
        "needle": needle_cells(found["needle"]),
        "unrelated": rest_cells(found["unrelated"]),
        "cost": cost_cells(found["cost"]),
    }
    for title, table in cells.items():
        if table:
            print(f"\n### {title}\n\n{markdown(table)}")
    print()
    counts = [["part", "rows"], *([part, str(len(listed))] for part, listed in of.items())]
    publish("doc2lora", told | found, counts)


def questions(rows: Sequence[Row], conditions: Sequence[str]) -> Row:
    """Figures by condition, and shares of what the paragraph in view brings.

    Only questions asked under every condition count.
    """
    by: dict[str, dict[str, Row]] = {
        c: {r["item"]: r for r in rows if r["condition"] == c} for c in conditions
    }
    conditions = [c for c in conditions if by[c]]
    items = [i for i in by["closed"] if all(i in by[c] for c in conditions)]
    if not items or "context" not in conditions:
        return {}
    groups = [by["closed"][i]["document"] for i in items]
    figures = {
        c: {f: summary([by[c][i][f] for i in items]) for f in QA_FIGURES} for c in conditions
    }
    for c in conditions:
        took = {
            r["document"]: r["learn_seconds"] for i in items if "learn_seconds" in (r := by[c][i])
        }
        if took:
            figures[c]["learn_seconds"] = summary(list(took.values()))
    learned = [c for c in conditions if c not in {"closed", "context"}]
    compared = {
        c: {
            f: against(
                {k: [by[k][i][f] for i in items] for k in ("closed", c, "context")}, c, groups
            )
            for f in ("f1", "nll", "nll_with_end")
        }
        for c in learned
    }
    own = {
        f: difference([by["other"][i][f] for i in items], [by["lora"][i][f] for i in items], groups)
        for f in ("f1", "nll")
        if {"other", "lora"} <= set(conditions)
    }
    return {
        "n": len(items),
        "paragraphs": len(set(groups)),
        "conditions": figures,
        "against_closed": compared,
        "other_to_lora": own,
    }


def against(values: Paired, condition: str, groups: Sequence[str]) -> Row:
    """What ``condition`` changes over ``closed``, and its share of what ``context`` changes."""
    closed, learned, context = values["closed"], values[condition], values["context"]
    return {
        "change": difference(closed, learned, groups),
        "share_of_context": share_of_gain(closed, learned, context, groups),
    }


def difference(before: Sequence[float], after: Sequence[float], groups: Sequence[str]) -> Row:
    """Mean of ``after`` less ``before``, with its paired interval over ``groups``."""
    return resampled(lambda at: _mean(after, at) - _mean(before, at), groups)


def share_of_gain(
    closed: Sequence[float],
    learned: Sequence[float],
    context: Sequence[float],
    groups: Sequence[str],
) -> Row:
    """(learned − closed) / (context − closed), of means over the same questions.

    ``mean`` is None where the context brings nothing, and the ``interval`` where it does so
    in some resample: a share of nothing is no number.
    """

    def share(at: Sequence[int]) -> float | None:
        gain = _mean(context, at) - _mean(closed, at)
        whole = _mean(context, range(len(context))) - _mean(closed, range(len(closed)))
        if gain * whole <= 0:  # none, or the other way round than over all questions
            return None
        return (_mean(learned, at) - _mean(closed, at)) / gain

    return resampled(share, groups)


def resampled(
    value: Callable[[Sequence[int]], float | None], groups: Sequence[str], *, seed: int = 0
) -> Row:
    """``value`` of all places, and its 95 % interval over resamples of ``groups``."""
    places: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    listed = list(places.values())
    chance = random.Random(seed)
    found = []
    for _ in range(RESAMPLES):
        found.append(value([p for part in chance.choices(listed, k=len(listed)) for p in part]))
    known = sorted(v for v in found if v is not None)
    bounds = None
    if len(known) == RESAMPLES:
        bounds = [known[int(RESAMPLES * 0.025)], known[int(RESAMPLES * 0.975) - 1]]
    return {"mean": value(range(len(groups))), "interval": bounds, "n": len(groups)}


def _mean(values: Sequence[float], at: Sequence[int]) -> float:
    return fmean(values[i] for i in at)


def needle(rows: Sequence[Row]) -> Row:
    """By length (0 is without any text) and condition: exact recall, and nats per token."""
    found: Row = {}
    for length in sorted({r["length"] for r in rows}):
        for condition in NEEDLE:
            listed = [r for r in rows if (r["length"], r["condition"]) == (length, condition)]
            if listed:
                figures = {"recall": "contains", "nll": "nll", "tokens": "tokens"}
                found.setdefault(str(length), {})[condition] = {
                    name: summary([r[key] for r in listed]) for name, key in figures.items()
                }
    return found


def unrelated(rows: Sequence[Row]) -> Row:
    """What is not in any document before, after, and how it changed (in percent for NLL)."""
    before = next((r for r in rows if r["condition"] == "closed"), None)
    after = [r for r in rows if r["condition"] == "lora"]
    if before is None or not after:
        return {}
    found = {}
    for name in (n for n in REST if n in before):
        old = before[name]
        changes = [
            100 * (r[name] / old - 1) if name.endswith("nll") else r[name] - old for r in after
        ]
        found[name] = {
            "before": old, "after": summary([r[name] for r in after]), "change": summary(changes)
        }  # fmt: skip
    return found


def cost(rows: Sequence[Row]) -> Row:
    """By chunks: seconds, peak bytes, and both over those of one forward pass."""
    found: Row = {}
    pairs: dict[tuple[int, int], Row] = {}
    for row in rows:
        pairs.setdefault((row["chunks"], row["repeat"]), {})[row["condition"]] = row
    for chunks in sorted({c for c, _ in pairs}):
        listed = [p for (c, _), p in sorted(pairs.items()) if c == chunks and len(p) == 2]
        if listed:
            found[str(chunks)] = _cost_of(listed)
    return found


def _cost_of(pairs: Sequence[Row]) -> Row:
    learn, forward = [p["learn"] for p in pairs], [p["forward"] for p in pairs]
    names = ("read_seconds", "generate_seconds", "inject_seconds")
    found: Row = {
        "tokens": learn[0]["tokens"],
        "lora_bytes": learn[0]["lora_bytes"],
        "learn_seconds": summary([r["seconds"] for r in learn]),
        "forward_seconds": summary([r["seconds"] for r in forward]),
        "learn_peak_bytes": summary([r["peak_bytes"] for r in learn]),
        "forward_peak_bytes": summary([r["peak_bytes"] for r in forward]),
        **{name: summary([r[name] for r in learn]) for name in names},
    }
    for name, key in (("seconds_ratio", "seconds"), ("peak_ratio", "peak_bytes")):
        ratios = [a[key] / b[key] for a, b in zip(learn, forward, strict=True) if b[key] > 0]
        found |= {name: summary(ratios)} if ratios else {}
    return found


def question_cells(found: Row) -> list[list[str]]:
    if not found:
        return []
    by = found["conditions"]
    cells = [["figure", *by]]
    for figure in (*QA_FIGURES, "learn_seconds"):
        if any(figure in by[c] for c in by):
            cells.append([figure, *(cell(by[c].get(figure)) for c in by)])
    for figure, label in (("nll", "NLL"), ("f1", "F1")):
        for name in ("change", "share_of_context"):
            values = {c: one[figure][name] for c, one in found["against_closed"].items()}
            cells.append([f"{label}: {name.replace('_', ' ')}", *(cell(values.get(c)) for c in by)])
    cells.append(["questions (paragraphs)", f"{found['n']} ({found['paragraphs']})",
                  *[""] * (len(by) - 1)])  # fmt: skip
    return cells


def needle_cells(found: Row) -> list[list[str]]:
    if not found:
        return []
    figures = ("recall", "nll")
    cells = [["tokens", *(f"{f}, {c}" for f in figures for c in NEEDLE), "n"]]
    for length, by in found.items():
        shown = [cell(by[c][f]) if c in by else "" for f in figures for c in NEEDLE]
        cells.append([length, *shown, ", ".join(str(by[c]["nll"]["n"]) for c in by)])
    return cells


def rest_cells(found: Row) -> list[list[str]]:
    if not found:
        return []
    cells = [["figure", "before", "after", "change (% of NLL)", "documents"]]
    for name, one in found.items():
        shown = [cell(one["after"]), cell(one["change"]), str(one["after"]["n"])]
        cells.append([name, f"{one['before']:.3f}", *shown])
    return cells


def cost_cells(found: Row) -> list[list[str]]:
    if not found:
        return []
    cells = [["chunks", "tokens", "learn seconds", "of a forward pass", "read", "generate",
              "inject", "peak MB", "of a forward pass's", "runs"]]  # fmt: skip
    for chunks, one in found.items():
        peak = one["learn_peak_bytes"]
        cells.append(
            [
                chunks,
                str(one["tokens"]),
                cell(one["learn_seconds"]),
                cell(one.get("seconds_ratio")),
                *(
                    f"{one[f'{name}_seconds']['mean']:.3f}"
                    for name in ("read", "generate", "inject")
                ),
                f"{peak['mean'] / 1e6:.0f}",
                cell(one.get("peak_ratio")),
                str(peak["n"]),
            ]
        )
    return cells


def cell(found: Row | None) -> str:
    """A mean with its interval, ``none`` where there is no number, "" where nothing is measured."""
    if found is None:
        return ""
    if found["mean"] is None:
        return "none"
    if found["interval"] is None:
        return f"{found['mean']:z.3f} [no bounds]"
    low, high = found["interval"]
    return f"{found['mean']:z.3f} [{low:z.3f}, {high:z.3f}]"

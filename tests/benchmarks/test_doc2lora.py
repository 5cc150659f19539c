"""What the Doc-to-LoRA benchmark draws, names, adds up and shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import doc2lora
import doc2lora_data
import doc2lora_tables
import pytest
import reporting
import torch
from doc2lora_asking import Asking, Learned
from doc2lora_bench import Bench, Settings
from doc2lora_distil import DistilSettings, distilled
from doc2lora_rows import KEY, Rows
from evaluation import Item, Learnable

from engines.doc2lora.applied import applied
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.settings import Doc2LoraSettings
from tests.engines.doc2lora.d2l import THREE, d2l_engine
from tests.engines.doc2lora.small_network import small_config
from tests.engines.learning import tiny_host
from tests.engines.tiny import TEXT

ITEMS = (Item("Who kept the lamp?", ("Tobias",), ""), Item("When was it built?", ("1871",), ""))


class Vocabulary:
    """Words as ids, and back."""

    def __init__(self) -> None:
        self._words: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        return [self._words.setdefault(word, len(self._words)) for word in text.split()]

    def decode(self, ids: Any) -> str:
        listed = list(self._words)
        return " ".join(listed[i] for i in ids)


def test_the_first_questions_are_the_same_however_many_are_drawn() -> None:
    listed = doc2lora_data.paragraphs()
    few, many = (doc2lora_data.drawn(listed, n, 3) for n in (5, 300))
    asked = [(o.document.id, i.question) for o in few for i in o.items]
    every = {(o.document.id, i.question) for o in many for i in o.items}
    assert len(asked) == 5
    assert set(asked) <= every
    assert len(every) == 300
    assert asked != [
        (o.document.id, i.question) for o in doc2lora_data.drawn(listed, 5, 4) for i in o.items
    ]


def test_distillation_is_taught_no_question_that_is_asked() -> None:
    listed = doc2lora_data.paragraphs()
    for one in doc2lora_data.drawn(listed, 40, 0):
        left = {item.question for item in doc2lora_data.questions_left(listed, one)}
        assert not left & {item.question for item in one.items}


def test_more_questions_than_there_are_is_refused() -> None:
    with pytest.raises(SystemExit, match="choose --questions"):
        doc2lora_data.drawn([Learnable(THREE[0], ITEMS)], 3, 0)


def test_a_needle_stands_in_a_text_of_its_length_and_is_the_same_fact_in_all() -> None:
    known = Vocabulary()
    found = list(doc2lora_data.needles((16, 64, 512), 4, known.encode, known.decode, 0))
    assert len(found) == 12
    for needle in found:
        assert needle.item.answers[0] in needle.document.text
        assert len(known.encode(needle.document.text)) == needle.length
    assert len({n.item.question for n in found if n.number == 2}) == 1
    assert found[0].document.text != found[1].document.text


def test_a_long_text_is_as_long_as_asked_for_or_a_little_less() -> None:
    host = tiny_host()

    def encode(text: str) -> list[int]:
        return list(host.tokenizer(text, add_special_tokens=False)["input_ids"])

    for tokens in (50, 700, 3000):
        text = doc2lora_data.long_text(tokens, encode, host.tokenizer.decode)
        assert tokens - 30 < len(encode(text)) <= tokens


def test_a_share_is_one_where_the_lora_is_the_context_and_none_where_that_brings_nothing() -> None:
    groups = ["a", "a", "b", "c"]
    closed, context = [4.0, 5.0, 4.0, 6.0], [2.0, 2.0, 3.0, 1.0]
    half = [(x + y) / 2 for x, y in zip(closed, context, strict=True)]
    whole = doc2lora_tables.share_of_gain(closed, context, context, groups)
    assert (whole["mean"], whole["interval"], whole["n"]) == (1.0, [1.0, 1.0], 4)
    assert doc2lora_tables.share_of_gain(closed, half, context, groups)["mean"] == 0.5
    nothing = doc2lora_tables.share_of_gain(closed, context, closed, groups)
    assert nothing["mean"] is None
    unsure = doc2lora_tables.share_of_gain([1.0, 1.0], [1.0, 1.0], [3.0, 0.0], ["a", "b"])
    assert unsure["mean"] == 0.0
    assert unsure["interval"] is None
    assert doc2lora_tables.cell(nothing) == "none"
    assert doc2lora_tables.cell(unsure) == "0.000 [no bounds]"


def test_an_interval_is_wider_where_questions_share_a_paragraph() -> None:
    before, after = [0.0] * 20, [float(n // 5) for n in range(20)]
    alone = doc2lora_tables.difference(before, after, [str(n) for n in range(20)])
    shared = doc2lora_tables.difference(before, after, [str(n // 5) for n in range(20)])
    assert alone["mean"] == shared["mean"] == 1.5
    width = [one["interval"][1] - one["interval"][0] for one in (alone, shared)]
    assert width[1] > 1.5 * width[0]


def test_rows_outlive_a_stop_in_the_middle_of_a_line(tmp_path: Path) -> None:
    key = dict.fromkeys(KEY, "x") | {"settings": {"a": 1, "b": 2}}
    other = key | {"item": "y"}
    rows = Rows(tmp_path / "rows.jsonl")
    rows.add(key | {"nll": 1.0})
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"part": "qa", "cond')
    again = Rows(tmp_path / "rows.jsonl")
    assert key | {"settings": {"b": 2, "a": 1}} in again
    assert other not in again
    again.add(other | {"nll": 2.0})
    assert [row["nll"] for row in Rows(tmp_path / "rows.jsonl")] == [1.0, 2.0]


def test_a_hypernetwork_that_adds_nothing_gives_the_base_to_the_bit() -> None:
    host = tiny_host()
    engine = Doc2LoraEngine(
        host,
        Hypernetwork(small_config(host.model)).eval(),
        Doc2LoraSettings(measure_tokens=0, measure_questions=0),
    )
    asking = Asking(host, ITEMS, new_tokens=4)
    assert asking.measure(Learned(engine).only(THREE[0])) == asking.measure()


def test_only_one_document_counts_however_many_were_learned() -> None:
    engine = d2l_engine(measure_tokens=0, measure_questions=0)
    learned = Learned(engine)
    asking = Asking(engine.host, ITEMS, new_tokens=4)
    alone = [asking.measure(learned.only(document)) for document in THREE]
    assert [asking.measure(learned.only(document)) for document in THREE] == alone
    assert alone[0] != alone[1]
    learned.KEPT = 1  # type: ignore[misc]
    engine.reset()
    assert [asking.measure(learned.only(document)) for document in THREE] == alone


def test_the_rank_is_foretold_without_learning() -> None:
    engine = d2l_engine(measure_tokens=0, measure_questions=0)
    rank = Learned(engine).rank(THREE[0])
    assert not engine.documents
    list(engine.learn(THREE[0]))
    bias = engine._maker.config.rank
    assert rank == engine.facts_of(THREE[0].id).rank + bias


def test_distillation_lowers_its_loss_and_leaves_the_base_alone() -> None:
    host = tiny_host()
    asking = Asking(host, ITEMS, new_tokens=4)
    before = asking.measure()
    settings = DistilSettings(steps=8, rate=1e-2, answer_tokens=4, answers="gold")
    made = distilled(host, TEXT, ITEMS, 4, settings)
    assert made.last_loss < made.first_loss
    assert made.lora.rank == 4
    assert asking.measure() == before
    assert asking.measure(lambda: applied(host.model, made.lora)) != before
    assert not any(p.requires_grad for p in host.model.parameters())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Settings:
    listed = [Learnable(doc2lora_data.as_file(d.text, d.title), ITEMS) for d in THREE]
    monkeypatch.setattr("doc2lora_bench.paragraphs", lambda data: listed)
    return Settings(
        questions=4, distil=1, needles=2, ceiling=1, unrelated=2, arc=2, trivia=2, repeats=1,
        new_tokens=3, steps=1, lengths=(48, 96), chunks=(1,),
    )  # fmt: skip


def test_a_run_goes_on_where_it_was_stopped_and_its_tables_name_the_hypernetwork(
    few: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    engine = d2l_engine(measure_tokens=0, measure_questions=0)
    bench, path = Bench(engine, few, Path(doc2lora.__file__)), tmp_path / "rows.jsonl"
    parts = ("qa", "needle", "unrelated")
    doc2lora.run(bench, parts, Rows(path))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    doc2lora.run(bench, parts, Rows(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(lines)
    monkeypatch.setattr(reporting, "RESULTS", tmp_path)
    network = {"name": "small", "identity": bench.origin.identity, "card": {}, "config": {}}
    told = {"model": "tiny", "precision": "float32", "device": "cpu", "seed": 0}
    doc2lora_tables.publish_tables(
        doc2lora.asked_for(bench, Rows(path)), told | {"hypernetwork": network}
    )
    out = capsys.readouterr().out
    assert f"small ({bench.origin.identity})" in out
    assert "| NLL: share of context |" in out
    published = json.loads((tmp_path / "doc2lora.json").read_text(encoding="utf-8"))
    assert published["qa"]["n"] == 4
    assert published["distillation"]["conditions"]["distilled"]["nll"]["n"] >= 1
    assert set(published["needle"]) == {"0", "48", "96"}
    assert published["unrelated"]["held_out_nll"]["change"]["n"] == 2
    assert published["cost"] == {}


def test_rows_of_the_base_serve_every_hypernetwork(few: Settings) -> None:
    one, other = (Bench(d2l_engine(seed=n), few, Path()) for n in (0, 1))
    keys = [{json.dumps(k) for j in b.jobs("qa") for k in j.keys} for b in (one, other)]
    shared = [json.loads(key)["condition"] for key in keys[0] & keys[1]]
    assert set(shared) == {"closed", "context", "distilled"}
    changed = [json.loads(key)["condition"] for key in keys[0] - keys[1]]
    assert set(changed) == {"lora", "other"}


def test_costs_are_ratios_of_the_pairs_that_ran_one_after_the_other() -> None:
    rows = []
    for repeat, seconds in enumerate((1.0, 2.0)):
        base = {"chunks": 2, "repeat": repeat, "tokens": 80}
        times = {f"{name}_seconds": 0.1 for name in ("read", "generate", "inject")}
        rows += [
            base | {"condition": "forward", "seconds": seconds, "peak_bytes": 100},
            base | times | {"condition": "learn", "seconds": 3 * seconds, "peak_bytes": 150,
                            "lora_bytes": 10},
        ]  # fmt: skip
    found = doc2lora_tables.cost(rows)
    assert found["2"]["seconds_ratio"]["interval"] == [3.0, 3.0]
    assert found["2"]["peak_ratio"]["mean"] == 1.5
    assert doc2lora_tables.cost(rows[:1]) == {}

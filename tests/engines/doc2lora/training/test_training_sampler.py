"""What is drawn: everything once before anything again, by stages, the same after a resume."""

from __future__ import annotations

from collections import Counter

import pytest

from engines.doc2lora.training.examples import Asked, Context
from engines.doc2lora.training.pools import Pool, Sampler, needed, read_pools
from engines.doc2lora.training.settings import StageSettings
from engines.protocol import EngineError
from tests.engines.doc2lora.training.training_data import settings


def _pool(name, lengths):
    asked = tuple(Asked(f"{n}?", ("a",)) for n in range(5))
    contexts = tuple(Context(f"{name} {n}", asked, name) for n in range(len(lengths)))
    return Pool(contexts, tuple(lengths), ())


POOLS = {"short": _pool("short", [10] * 12), "long": _pool("long", [40, 80, 160, 320])}
FIRST = StageSettings(4, {"short": 1}, (1, 20), questions=2)
SECOND = StageSettings(4, {"short": 1, "long": 3}, (1, 200), chunks=(2, 8), min_chunk_tokens=20)


def _sampler(seed=0):
    return Sampler(POOLS, (FIRST, SECOND), seed)


def _texts(sampler, steps, number=3):
    return [[d.context.text for d in sampler.draw(step, number)] for step in steps]


def test_every_context_comes_once_before_any_comes_again():
    drawn = [text for step in _texts(_sampler(), range(4)) for text in step]
    assert Counter(drawn) == Counter({f"short {n}": 1 for n in range(12)})


def test_a_sampler_that_is_restored_goes_on_as_if_nothing_had_been():
    whole = _sampler()
    expected = _texts(whole, range(10))
    begun = _sampler()
    _texts(begun, range(5))
    again = _sampler()
    again.restore(begun.state)
    assert _texts(again, range(5, 10)) == expected[5:]
    assert _texts(_sampler(1), range(10)) != expected


def test_stages_follow_one_another_and_the_last_goes_on():
    assert [_sampler().stage_at(step) for step in (0, 3, 4, 7, 8, 99)] == [0, 0, 1, 1, 1, 1]


def test_a_stage_keeps_to_its_lengths_questions_and_chunks():
    sampler = _sampler()
    assert all(len(d.asked) == 2 and d.chunks == 1 for d in sampler.draw(0, 6))
    seen = [d for step in range(4, 24) for d in sampler.draw(step, 4)]
    assert "long 3" not in {d.context.text for d in seen}
    assert {d.chunks for d in seen if d.context.source == "short"} == {1}
    assert {d.chunks for d in seen if d.context.text == "long 2"} <= set(range(2, 9))
    assert len({d.chunks for d in seen if d.context.text == "long 2"}) > 2


def test_a_step_is_in_order_of_length():
    drawn = _sampler().draw(5, 8)
    sizes = [(d.chunks, len(d.context.text)) for d in drawn]
    assert [size[0] for size in sizes] == sorted(size[0] for size in sizes)


def test_a_source_without_a_fitting_context_is_refused():
    stage = StageSettings(1, {"long": 1}, (1, 20))
    with pytest.raises(EngineError, match=r"stages\[0\] draws from long.*1 to 20 tokens"):
        Sampler(POOLS, (stage,), 0)


def test_only_what_stages_with_a_teacher_can_draw_is_needed():
    untaught = StageSettings(1, {"long": 1}, (1, 400), distil=0)
    assert needed(POOLS, [untaught]) == []
    texts = {c.text for c in needed(POOLS, [FIRST, SECOND])}
    assert texts == {f"short {n}" for n in range(12)} | {"long 0", "long 1", "long 2"}


def test_held_out_contexts_are_in_no_pool_to_train_on(tmp_path):
    made = settings(
        tmp_path,
        sources={
            "rows": {"path": "rows.jsonl", "unit": "sentence", "swaps": 2},
            "on": {"path": "rows.jsonl", "completions": True},
            "needles": {"needles": 5, "needle_tokens": [4, 30]},
        },
    )
    pools = read_pools(made, lambda text: len(text.split()))
    held = {c.origin or c.text for pool in pools.values() for c in pool.held_out}
    trained = {c.origin or c.text for pool in pools.values() for c in pool.train}
    assert held
    assert not held & trained
    assert set(pools) == {"rows", "on", "needles"}

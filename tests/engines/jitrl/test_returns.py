"""Verdicts move returns, are undone to the bit, and go with their document."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from engines.abilities import Feedback
from engines.jitrl.returns import Returns, Used
from engines.protocol import EngineError

WHEN = "2026-01-01T00:00:00+00:00"


def store() -> Returns:
    returns = Returns()
    returns.add("a", 5)
    returns.add("b", 3)
    return returns


def rate(returns: Returns, rating, *used: Used, by: float = 0.5) -> Feedback:
    return returns.rate(
        rating, used, rate=by, question="Who?", answer="She.", tokens=2, rated_at=WHEN
    )


def test_a_stored_token_starts_with_a_return_of_one():
    assert store().of("a").tolist() == [1.0] * 5


def test_thumbs_up_and_down_by_hand():
    returns = store()
    feedback = rate(returns, "up", Used("a", (1, 3), (1.0, 0.5)), Used("b", (0,), (0.25,)))
    # half of the way to 2 for the most used, less for the others as their weight is less
    assert returns.of("a").tolist() == [1.0, 1.5, 1.0, 1.25, 1.0]
    assert returns.of("b").tolist() == [1.125, 1.0, 1.0]
    assert feedback == Feedback(1, "up", "Who?", "She.", 2, 3, WHEN)
    rate(returns, "down", Used("a", (1,), (1.0,)))
    assert returns.of("a")[1].item() == 1.5 + 0.5 * (-1.0 - 1.5)
    assert [each.number for each in returns.feedback] == [1, 2]


def test_returns_stay_between_the_aims_however_often_one_rates():
    returns = store()
    for _ in range(50):
        rate(returns, "up", Used("a", (0,), (1.0,)))
        rate(returns, "down", Used("a", (1,), (1.0,)))
    assert returns.of("a").max() <= 2.0
    assert returns.of("a").min() >= -1.0


def test_undoing_gives_back_the_former_returns_to_the_bit():
    returns = store()
    history = []
    source = torch.Generator().manual_seed(0)
    for n in range(20):
        history.append((returns.of("a").clone(), returns.of("b").clone()))
        weights = torch.rand(4, generator=source).tolist()
        used = (Used("a", (0, 2, 4), tuple(weights[:3])), Used("b", (n % 3,), (weights[3],)))
        rate(returns, "up" if n % 3 else "down", *used, by=0.3)
    for number in range(20, 0, -1):
        assert returns.undo().number == number
        a, b = history.pop()
        assert torch.equal(returns.of("a"), a)
        assert torch.equal(returns.of("b"), b)
    with pytest.raises(EngineError, match="no rating to undo"):
        returns.undo()


def test_every_change_is_another_version():
    returns = store()
    seen = [returns.version]
    rate(returns, "up", Used("a", (0,), (1.0,)))
    seen.append(returns.version)
    returns.undo()
    seen.append(returns.version)
    returns.forget("a")
    seen.append(returns.version)
    assert len({*seen}) == 4


def test_forgetting_a_document_drops_its_part_and_leaves_the_others_as_they_are():
    returns = store()
    rate(returns, "up", Used("a", (0,), (1.0,)), Used("b", (1,), (0.3,)))
    rate(returns, "down", Used("a", (2,), (1.0,)))
    before = returns.of("b").clone()
    returns.forget("a")
    assert torch.equal(returns.of("b"), before)
    assert [(each.number, each.entries) for each in returns.feedback] == [(1, 1)]
    returns.add("a", 5)
    assert returns.of("a").tolist() == [1.0] * 5
    returns.undo()
    assert returns.of("b").tolist() == [1.0] * 3


@pytest.mark.parametrize("used", [(), (Used("a", (), ()),), (Used("a", (1,), (0.0,)),)])
def test_an_answer_that_used_nothing_can_not_be_rated(used):
    with pytest.raises(EngineError, match="nothing that is stored"):
        rate(store(), "up", *used)


@pytest.mark.parametrize(
    "used",
    [Used("c", (0,), (1.0,)), Used("a", (5,), (1.0,)), Used("a", (-1,), (1.0,)),
     Used("a", (0, 1), (1.0, -1.0)), Used("a", (0,), (-1.0,)), Used("a", (0,), (float("nan"),))],
)  # fmt: skip
def test_rows_that_are_not_there_are_refused_and_nothing_changes(used):
    returns = store()
    with pytest.raises(ValueError, match=r".+"):
        rate(returns, "up", used)
    assert returns.feedback == ()
    assert returns.of("a").tolist() == [1.0] * 5


def test_verdicts_come_back_from_json_to_the_bit():
    returns = store()
    rate(returns, "up", Used("a", (0, 2), (0.3, 0.1)), Used("b", (1,), (0.7,)), by=0.37)
    rate(returns, "down", Used("a", (2,), (0.1,)), by=0.9)
    found = Returns.from_json(json.loads(json.dumps(returns.to_json())), {"a": 5, "b": 3})
    assert found.feedback == returns.feedback
    for document_id in "ab":
        assert torch.equal(found.of(document_id), returns.of(document_id))
    found.undo()
    returns.undo()
    assert torch.equal(found.of("a"), returns.of("a"))


def spoilt(path: str, value: object) -> object:
    returns = store()
    rate(returns, "up", Used("a", (0, 2), (0.3, 0.1)))
    data = copy.deepcopy(returns.to_json())
    *keys, last = path.split(".")
    place: object = data[0]
    for key in keys:
        place = place[int(key) if key.isdigit() else key]  # type: ignore[index]
    place[int(last) if last.isdigit() else last] = value  # type: ignore[index]
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rate", 2.0),
        ("rate", "much"),
        ("rate", float("nan")),
        ("used", []),
        ("used", [3]),
        ("used", None),
        ("used.0.document_id", "c"),
        ("used.0.document_id", ["a"]),
        ("used.0.indices", [0, 9]),
        ("used.0.indices", [0, 0]),
        ("used.0.indices", [0, 1.5]),
        ("used.0.indices", [0]),
        ("used.0.indices", ["0", "1"]),
        ("used.0.weights", [1.0, 1.5]),
        ("used.0.weights", [1.0, None]),
        ("used.0.weights", [1.0, float("inf")]),
        ("feedback.rating", "sideways"),
        ("feedback.rating", ["up"]),
        ("feedback.number", "1"),
        ("feedback.entries", -1),
        ("feedback.question", 5),
        ("feedback.extra", 5),
        ("feedback", None),
    ],
)
def test_json_that_can_not_be_right_is_refused(path, value):
    with pytest.raises(ValueError, match=r".+"):
        Returns.from_json(spoilt(path, value), {"a": 5, "b": 3})


@pytest.mark.parametrize("data", [None, 5, "up", {"a": 1}, [None], [[]], [{}]])
def test_json_of_another_shape_is_refused(data):
    with pytest.raises(ValueError, match=r".+"):
        Returns.from_json(data, {"a": 5})

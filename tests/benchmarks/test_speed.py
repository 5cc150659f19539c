"""The FLOP count, the plain training loops, and the package's environment."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import torch
from baselines import learnable, ratios
from plain_training import WINDOW, PlainDual, one_pass, padded, prepared, windows
from ttt_speed import mean_positions, needed_per_token

from engines.host import ModelHost
from tests.benchmarks.conftest import BENCHMARKS
from tests.engines.tiny import TEXT, tiny_model, tiny_tokenizer

HIDDEN, NEURONS, VOCABULARY, QUERIES, KEYS = 32, 64, 400, 32, 16


@pytest.fixture
def host() -> ModelHost:
    return ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer())


def test_the_count_of_one_layer_that_learns_whole(host: ModelHost) -> None:
    """By hand, for a single upper layer with every neuron open, at 10 positions."""
    projections = 2 * HIDDEN * QUERIES + 2 * HIDDEN * KEYS
    mlp = 3 * HIDDEN * NEURONS
    head = HIDDEN * VOCABULARY
    forward = 2 * (projections + mlp + mlp + 2 * QUERIES * 10 + head)
    backward = 2 * head + 2 * HIDDEN * NEURONS + 2 * mlp
    assert needed_per_token(host, 1, 1.0, 10) == forward + backward


def test_fewer_open_neurons_and_fewer_layers_need_less(host: ModelHost) -> None:
    whole = needed_per_token(host, 2, 1.0, 10)
    assert needed_per_token(host, 2, 0.5, 10) < whole
    assert needed_per_token(host, 1, 1.0, 10) < whole


def test_positions_are_those_of_the_own_window_and_the_context() -> None:
    assert mean_positions(3, 256) == 2.0  # 1, 2 and 3
    assert mean_positions(512, 256) == pytest.approx((128.5 + 256 + 128.5) / 2)
    assert mean_positions(512, 0) == 128.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_windows_of_the_plain_loop_predict_every_token_once(seed: int) -> None:
    ids = torch.arange(900)
    cut = windows(ids, torch.Generator().manual_seed(seed))
    predicted = torch.cat([window[1:] for window in cut])
    assert predicted.tolist() == list(range(1, 900))
    assert max(len(window) for window in cut) == WINDOW + 1


def test_padding_is_no_target() -> None:
    ids, targets = padded([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    assert ids.tolist() == [[1, 2], [4, 0]]
    assert targets.tolist() == [[2, 3], [5, -100]]


@pytest.mark.parametrize("method", ["mlp", "dual"])
def test_a_plain_loop_learns_and_trains_the_upper_mlps_alone(host: ModelHost, method: str) -> None:
    ids = host.encode(TEXT)
    before = host.negative_log_likelihood(ids[:1], ids[1:])
    model = prepared(method, host, 3, seed=0)
    assert host.negative_log_likelihood(ids[:1], ids[1:]) == pytest.approx(before, rel=1e-5)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all("layers.3.mlp" in name and "frozen" not in name for name in trained)
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    chance = torch.Generator().manual_seed(0)
    for _ in range(5):
        one_pass(model, optimizer, ids, chance)
    assert host.negative_log_likelihood(ids[:1], ids[1:]) < before - 0.1
    layer = host.model.model.layers[3]
    assert isinstance(layer.mlp, PlainDual) == (method == "dual")


def test_ours_is_compared_with_each_other_method_case_by_case() -> None:
    def row(method: str, seed: int, speed: float, change: float) -> dict[str, object]:
        return {"method": method, "document": "one", "seed": seed, "seconds": 1 / speed,
                "tokens_per_second": speed, "held_out_change_percent": change}  # fmt: skip

    results = [row("lora", 0, 50, 10), row("bare", 0, 100, 1), row("lora", 1, 100, 20)]
    results.append(row("bare", 1, 400, 4))
    found = ratios(results, ("lora", "bare"))
    assert found["bare over lora"]["tokens_per_second"]["mean"] == pytest.approx(3.0)
    assert found["bare over lora"]["held_out_change"] == pytest.approx(5 / 30)


def test_the_reference_document_has_its_questions() -> None:
    one = learnable(0)
    assert one.document.title == "Huguenot"
    assert all(item.lead for item in one.items)


def test_what_runs_beside_the_package_imports_nothing_of_this_project() -> None:
    tree = ast.parse((BENCHMARKS / "package_child.py").read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    own = {path.stem for path in Path(BENCHMARKS).glob("*.py")}
    tops = {str(name).split(".")[0] for name in modules}
    assert not tops & {"engines", "widgets", "cl_workbench", *own}
    assert tops <= {"__future__", "torch", "transformers", "continual_learning"} | set(
        sys.stdlib_module_names
    )

"""Doc-to-LoRA from the command line, with a tiny real model and a random hypernetwork."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from engines.doc2lora import stored
from tests.engines.doc2lora.small_network import small_network

D2L = ["--engine", "doc2lora"]
SIMULATED = ["--set", "doc2lora.simulated=true"]


@pytest.fixture(scope="module")
def network(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random hypernetwork for the tiny model."""
    made = small_network(AutoModelForCausalLM.from_pretrained(model).eval())
    folder = tmp_path_factory.mktemp("networks") / "tiny-network"
    stored.save(folder, made.config, made.state_dict(), card={"name": "tiny-network"})
    return folder


@pytest.fixture
def with_network(network):
    return ["--set", f"doc2lora.hypernetwork={network}"]


def test_a_document_becomes_a_lora_that_is_saved_asked_and_dialled(call, mill, with_network):
    code, out, err = call("learn", mill, *D2L, "--save", "one", "--json", *with_network)
    assert code == 0, err
    record = json.loads(out)
    document = record["documents"][0]
    assert document["loss_before"] is not None
    lora = record["loras"][document["id"]]
    assert lora["rank"] == 2 * lora["chunks"]
    assert lora["hypernetwork"] == "tiny-network"
    assert len(lora["norms"]) > 1
    assert not lora["simulated"]
    assert "chunk 1 of" in err

    ask = ["ask", "Who built the mill?", "--load", "one", "--json", *with_network]
    answers = json.loads(call(*ask, "--strength", "0,1")[1])
    assert [answer["strength"] for answer in answers] == [0, 1]
    code, _, err = call(*ask, "--strength", "9")
    assert code == 1
    assert "is from 0 to 4: lower --strength" in err


def test_people_read_the_figures_of_each_lora(call, mill, with_network):
    code, out, err = call("learn", mill, *D2L, *with_network)
    assert code == 0, err
    assert "  LoRA of rank " in out
    assert "effective" in out
    assert "generated" in out
    assert "SIMULATED" not in out + err


def test_what_is_simulated_says_so_wherever_a_result_is_shown(call, mill):
    code, out, err = call("learn", mill, *D2L, *SIMULATED, "--save", "fake")
    assert code == 0, err
    assert "SIMULATED, nothing was learned: LoRA of rank" in out
    assert "SIMULATED" in err
    record = json.loads(call("learn", mill, *D2L, *SIMULATED, "--json")[1])
    assert all(lora["simulated"] for lora in record["loras"].values())
    for command in (["ask", "Who?", "--load", "fake"], ["recall", mill, "--load", "fake"],
                    ["validate", "doc2lora", "--questions", "1"]):  # fmt: skip
        code, _, err = call(*command, *SIMULATED)
        assert code == 0, err
        assert "SIMULATED: the LoRAs of doc2lora are random" in err
    code, _, err = call("ask", "Who?", "--load", "fake", "--set", "doc2lora.simulated=false")
    assert code == 1


def test_text_mode_refuses_with_what_to_do(call, mill, with_network):
    code, _, err = call("learn", mill, *D2L, "--mode", "text", *with_network)
    assert code == 1
    assert "switch to the mode doc" in err


def test_the_mode_is_for_doc2lora_alone(call, mill):
    code, _, err = call("learn", mill, "--engine", "ttt", "--mode", "text")
    assert code == 2
    assert "--mode is for the engine doc2lora, not for ttt" in err


def test_without_a_hypernetwork_one_is_told_how_to_get_one(call, mill):
    code, _, err = call("learn", mill, *D2L)
    assert code == 1
    assert "There is no hypernetwork for" in err
    assert "train-hypernetwork" in err


def test_a_hypernetwork_that_is_nowhere_is_told_before_anything_is_learned(call, mill):
    code, _, err = call("learn", mill, *D2L, "--set", "doc2lora.hypernetwork=nothing-of-it")
    assert code == 1
    assert "nothing-of-it" in err


def test_it_is_validated(call, with_network, tmp_path):
    code, out, err = call("validate", "doc2lora", "--json", *with_network)
    assert code == 0, err
    runs = json.loads(out)["runs"]
    assert [run["engine"] for run in runs] == ["base", "doc2lora"]

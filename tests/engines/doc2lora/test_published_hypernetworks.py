"""Published files are read without running them, found, converted once, and checked."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import pytest
import torch

from engines.doc2lora import published, stored, unpickling
from engines.doc2lora.published_names import names
from engines.protocol import CheckpointError
from tests.engines.doc2lora import published_file
from tests.engines.doc2lora.small_network import small_network
from tests.engines.tiny import tiny_model


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    published_file.write(path)
    return path


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_published_file_is_read_key_by_key(tmp_path, legacy):
    path = tmp_path / "pytorch_model.bin"
    published_file.write(path, legacy=legacy)
    config, weights = published.read(path)
    assert (config.base_model, config.layers, config.rank) == ("google/gemma-2-2b-it", 3, 4)
    assert config.scaling == 16.0
    theirs, table = published_file.tensors(), names(config)
    assert table.keys() == theirs.keys()
    for name, ours in table.items():
        assert torch.equal(weights[ours].flatten(), theirs[name].flatten()), name


def test_the_prefix_of_compiled_modules_is_taken_off(tmp_path, file):
    published_file.write(tmp_path / "compiled.bin", compiled=True)
    plain, compiled = published.read(file), published.read(tmp_path / "compiled.bin")
    assert plain[0] == compiled[0]
    assert plain[1].keys() == compiled[1].keys()


def test_objects_become_plain_values(file):
    held = unpickling.read_pickled(file)
    hypernet = held["hypernet_config"]
    assert hypernet["lora_config"]["target_modules"] == ["down_proj"]
    assert hypernet["lora_config"]["peft_type"] == "LORA"
    assert type(hypernet["lora_config"]["peft_type"]) is str
    assert hypernet["layer_indices"] == [0, 1, 2]
    assert hypernet["lora_config"]["runtime_config"] == {"ephemeral_gpu_offload": False}


class _Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


def _hostile(proof):
    made = f"open({str(proof)!r}, 'w').close()"
    attribute = _Calls(getattr, _Calls(__import__, "os"), "system")
    return {
        "os.system": _Calls(os.system, f"touch {proof}"),
        "eval": _Calls(eval, made),
        "exec": _Calls(exec, made),
        "getattr": _Calls(getattr, "text", "upper"),
        "import": _Calls(__import__, "os"),
        "chain": attribute,
        "torch.load": _Calls(torch.load, str(proof)),
    }


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "kind", ["os.system", "eval", "exec", "getattr", "import", "chain", "torch.load"]
)
def test_a_hostile_file_is_refused_and_nothing_of_it_is_run(tmp_path, kind, legacy):
    proof = tmp_path / "proof"
    weights = OrderedDict(published_file.tensors())
    weights["head.weight"] = _hostile(proof)[kind]
    path = tmp_path / "pytorch_model.bin"
    published_file.write_with(path, weights, legacy=legacy)
    with pytest.raises(CheckpointError, match="must not run: it was not opened") as caught:
        published.read(path)
    assert not proof.exists()
    assert "\n" not in str(caught.value)


def test_a_hostile_value_inside_a_configuration_is_refused(tmp_path):
    proof = tmp_path / "proof"
    path = tmp_path / "pytorch_model.bin"
    published_file.write(path, lora={"r": _Calls(os.system, f"touch {proof}")})
    with pytest.raises(CheckpointError, match=r"asks for \w+\.system"):
        published.read(path)
    assert not proof.exists()


def test_a_bare_pickle_is_refused(tmp_path):
    proof = tmp_path / "proof"
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps(_Calls(os.system, f"touch {proof}")))
    with pytest.raises(CheckpointError):
        unpickling.read_pickled(path)
    assert not proof.exists()


def test_what_others_allowed_is_neither_used_nor_lost(tmp_path):
    class Foreign:
        pass

    torch.serialization.add_safe_globals([Foreign, os.getcwd])
    try:
        path = tmp_path / "pytorch_model.bin"
        published_file.write_with(path, {"x": _Calls(os.getcwd)})
        with pytest.raises(CheckpointError, match="getcwd"):
            unpickling.read_pickled(path)
        assert {Foreign, os.getcwd} <= set(torch.serialization.get_safe_globals())
    finally:
        torch.serialization.clear_safe_globals()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x02not a pickle", b"text"])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        published.read(path)
    assert "pytorch_model.bin" in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds a list"):
        published.read(path)
    torch.save({"w": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="lacks base_model_name_or_path, hypernet_config"):
        published.read(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora": {"target_modules": {"q_proj", "v_proj"}}}, "its targets are q_proj, v_proj"),
        ({"reader": {"ctx_encoder_type": "early_exit"}}, "its reader is of the type early_exit"),
        ({"reader": {"ctx_encoder_model_name_or_path": "gte"}}, "its reader is gte"),
        ({"aggregator": {"shared_weights": True}}, "its blocks share weights"),
        ({"aggregator": {"num_self_attn_per_block": 1}}, "its perceiver attends to itself"),
        ({"hypernet": {"per_rank_gen": False}}, "it makes one vector for all ranks"),
        ({"hypernet": {"latent_size": -1}}, "latent is -1"),
        ({"hypernet": {"feature_sizes": None}}, "can't be understood"),
        ({"hypernet": {"num_pre_head_layers": 2}}, "lacks layers.1.layers.0.weight"),
    ],
)
def test_another_form_of_the_network_is_named(tmp_path, changes, said):
    path = tmp_path / "pytorch_model.bin"
    published_file.write(path, **changes)
    with pytest.raises(CheckpointError, match=said):
        published.read(path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    weights = published_file.tensors()
    weights["head.weight"][0, 0, 0] = torch.nan
    path = tmp_path / "pytorch_model.bin"
    published_file.write_with(path, weights)
    with pytest.raises(CheckpointError, match=r"not finite in heads\.weight"):
        published.read(path)


def test_a_local_copy_of_the_repository_is_used_by_name(tmp_path):
    place = tmp_path / "copy" / "gemma_demo" / "checkpoint-80000"
    place.mkdir(parents=True)
    published_file.write(place / "pytorch_model.bin")
    name = "SakanaAI/doc-to-lora:gemma_demo"
    folder = published.obtain(name, tmp_path / "cache", folder=tmp_path / "copy")
    assert folder == tmp_path / "cache" / "gemma_demo"
    assert stored.load(folder).config.base_model == published_file.BASE
    with pytest.raises(CheckpointError, match="holds no mistral_7b_d2l/checkpoint-20000"):
        published.obtain("mistral_7b_d2l", tmp_path / "cache", folder=tmp_path / "copy")


def test_a_file_is_converted_once(tmp_path, file):
    first = published.obtain(str(file), tmp_path / "cache")
    written = (first / stored.FILE).stat().st_mtime_ns
    again = published.obtain(str(file.parent), tmp_path / "cache")
    assert again == first
    published.obtain(str(file), tmp_path / "cache")
    assert sorted(p.suffix for p in first.iterdir()) == [".json", ".safetensors"]
    manifest = stored.read_manifest(first)
    assert manifest["card"]["published"] == "SakanaAI/doc-to-lora"
    assert written <= (first / stored.FILE).stat().st_mtime_ns


def test_an_unknown_name_and_an_unreachable_hub_are_explained(tmp_path):
    with pytest.raises(CheckpointError, match="one of SakanaAI/doc-to-lora:gemma_demo"):
        published.obtain("SakanaAI/doc-to-lora:nothing", tmp_path)
    with pytest.raises(CheckpointError, match="check the network, or fetch the file elsewhere"):
        published.obtain("SakanaAI/doc-to-lora:gemma_demo", tmp_path)


def test_another_base_is_refused_with_both_names(file):
    config, _ = published.read(file)
    model = tiny_model()
    with pytest.raises(CheckpointError, match="trained for google/gemma-2-2b-it, and tiny is"):
        stored.check_base(config, model, name="tiny", fingerprint="0")
    with pytest.raises(CheckpointError, match="expects 3 layers of width 16 with 24 neurons"):
        stored.check_base(config, model, name="/models/Gemma-2-2b-it", fingerprint="0")


def test_the_fingerprint_tells_models_of_one_name_apart():
    model = tiny_model()
    config = small_network(model).config
    stored.check_base(config, model, name="other", fingerprint=str(config.base_fingerprint))
    with pytest.raises(CheckpointError, match="trained for tiny, and tiny is loaded"):
        stored.check_base(config, model, name="tiny", fingerprint="0123")


def test_a_stored_hypernetwork_comes_back(tmp_path):
    network = small_network(tiny_model())
    stored.save(tmp_path, network.config, network.state_dict(), card={"steps": 10})
    back = stored.load(tmp_path)
    assert back.config == network.config
    assert not back.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)
    assert stored.read_manifest(tmp_path)["card"] == {"steps": 10}


def test_saving_in_half_precision_replaces_the_old_file(tmp_path):
    network = small_network(tiny_model())
    stored.save(tmp_path, network.config, network.state_dict())
    whole = next(tmp_path.glob("*.safetensors")).stat().st_size
    stored.save(tmp_path, network.config, network.state_dict(), dtype=torch.bfloat16)
    (left,) = tmp_path.glob("*.safetensors")
    assert left.stat().st_size < 0.6 * whole
    assert next(stored.load(tmp_path).parameters()).dtype == torch.float32


@pytest.mark.parametrize("harm", ["cut", "json", "gone", "version", "elsewhere"])
def test_a_damaged_hypernetwork_is_refused(tmp_path, harm):
    network = small_network(tiny_model())
    stored.save(tmp_path, network.config, network.state_dict())
    weights, manifest = next(tmp_path.glob("*.safetensors")), tmp_path / stored.FILE
    text = manifest.read_text()
    if harm == "cut":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif harm == "gone":
        weights.unlink()
    elif harm == "json":
        manifest.write_text(text[:-20])
    elif harm == "version":
        manifest.write_text(text.replace('"version": 1', '"version": 2'))
    else:
        manifest.write_text(text.replace(weights.name, f"../{weights.name}"))
    with pytest.raises(CheckpointError, match=r"damaged|update cl-workbench"):
        stored.load(tmp_path)


def test_an_empty_folder_holds_no_hypernetwork(tmp_path):
    with pytest.raises(CheckpointError, match="There is no hypernetwork in"):
        stored.load(tmp_path)


def test_weights_that_went_bad_are_not_stored(tmp_path):
    network = small_network(tiny_model())
    with torch.no_grad():
        network.heads.weight[0, 0, 0] = torch.inf
    with pytest.raises(CheckpointError, match=r"not finite in heads\.weight"):
        stored.save(tmp_path, network.config, network.state_dict())
    assert list(tmp_path.iterdir()) == []

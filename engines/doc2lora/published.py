"""The hypernetworks published as ``SakanaAI/doc-to-lora``: by name, from a folder, converted.

A published file is a pickle.  It is read once, through ``unpickling``, and kept as
safetensors with a JSON configuration; from then on the pickle isn't opened again.  The
tests read files of the published structure at reduced dimensions; the published files
themselves could not be fetched where this was written, and have not been run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engines.doc2lora import stored
from engines.doc2lora.affixes import PUBLISHED as PUBLISHED_AFFIXES
from engines.doc2lora.affixes import Affixes
from engines.doc2lora.config import TARGET, HypernetworkConfig, published_scaling
from engines.doc2lora.published_names import check_finite, our_weights
from engines.doc2lora.unpickling import read_pickled
from engines.model_store import Report
from engines.protocol import CheckpointError, EngineError

REPOSITORY = "SakanaAI/doc-to-lora"
BIN = "pytorch_model.bin"

CHECKPOINTS: Mapping[str, str] = {
    "gemma_demo": "gemma_demo/checkpoint-80000",
    "gemma_2b_d2l": "gemma_2b_d2l/checkpoint-20000",
    "mistral_7b_d2l": "mistral_7b_d2l/checkpoint-20000",
    "qwen_4b_d2l": "qwen_4b_d2l/checkpoint-20000",
}

# Fixed in the published code, so not stored in its files.
_HEADS, _KV_HEADS, _HEAD_DIM, _FACTOR = 16, 4, 128, 4
_BESIDE = ("base_model_name_or_path", "hypernet_config", "ctx_encoder_args")


def obtain(
    name: str, cache: Path, *, folder: Path | None = None, report: Report | None = None
) -> Path:
    """The folder of a published hypernetwork, converted at most once into ``cache``.

    Args:
        name: ``SakanaAI/doc-to-lora:gemma_demo``, its last part alone, or the path of a
            ``pytorch_model.bin`` or of a folder with one.
        cache: where converted hypernetworks are kept.
        folder: a local copy of the repository, looked into instead of the hub.
        report: told what is being done and the share (0..1) that is; raising there cancels.

    Raises:
        CheckpointError: if it can't be found, fetched, read, or isn't of this structure.
    """
    tell = report or (lambda text, share: None)
    source = find(name, folder, tell)
    target = cache / _short(name, source)
    origin = {"name": name, "bytes": source.stat().st_size, "mtime": source.stat().st_mtime_ns}
    if not _is_converted(target, origin):
        tell(f"converting {name}", None)
        convert(source, target, origin=origin)
    return target


def find(name: str, folder: Path | None = None, report: Report | None = None) -> Path:
    """The file of a published hypernetwork: a local one, else that of the hub's cache or the hub.

    Raises:
        CheckpointError: if it is nowhere.
    """
    for place in (Path(name).expanduser(), Path(name).expanduser() / BIN):
        if place.is_file():
            return place
    part = CHECKPOINTS.get(_after_colon(name))
    if part is None:
        raise CheckpointError(
            f"There is no hypernetwork {name!r}: give a folder with a {BIN} in it, or one of "
            f"{', '.join(f'{REPOSITORY}:{known}' for known in CHECKPOINTS)}."
        )
    if folder is not None:
        places = (folder / part / BIN, folder / part.partition("/")[0] / BIN, folder / BIN)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise CheckpointError(
                f"{folder} holds no {part}/{BIN}: put the file there, or leave the folder out to "
                "fetch it from the hub."
            )
        return found
    return _from_hub(f"{part}/{BIN}", report or (lambda text, share: None))


def convert(source: Path, target: Path, *, origin: Mapping[str, Any] | None = None) -> None:
    """Read the pickle ``source`` and store the hypernetwork in the folder ``target``.

    Raises:
        CheckpointError: if it isn't a hypernetwork of the published structure.
    """
    config, weights = read(source)
    card = {"source": dict(origin or {}), "published": REPOSITORY}
    stored.save(target, config, weights, card=card)


def read(source: Path) -> tuple[HypernetworkConfig, dict[str, Tensor]]:
    """Configuration and weights (under our names) of a published file.

    Raises:
        CheckpointError: if it isn't a hypernetwork of the published structure.
    """
    held = read_pickled(source)
    lacking = [name for name in _BESIDE if name not in held]
    if lacking:
        raise CheckpointError(
            f"{source.name} lacks {', '.join(lacking)}, so it is not a published hypernetwork: "
            f"give the {BIN} of {REPOSITORY}."
        )
    base, hypernet, reader = (held.pop(name) for name in _BESIDE)
    config = from_published(str(base), hypernet, reader)
    tensors = {name: t for name, t in held.items() if isinstance(t, Tensor)}
    weights = our_weights(tensors, config)
    check_finite(weights)
    return config, weights


def from_published(
    base_model: str, hypernet: Any, reader: Any, *, chunk_tokens: int = 1024
) -> HypernetworkConfig:
    """Our configuration from the stored ``hypernet_config`` and ``ctx_encoder_args``.

    Both are dicts, as ``unpickling`` gives them.  ``chunk_tokens`` isn't stored: published
    are 1024 for needles and 8192 for questions.

    Raises:
        CheckpointError: if a part is missing, or the network is of a form not supported here.
    """
    try:
        aggregator, lora = hypernet["aggregator_config"], hypernet["lora_config"]
        _check_form(base_model, hypernet, reader)
        latent, rank = hypernet["latent_size"], lora["r"]
        inputs, outputs = hypernet["feature_sizes"]
        mlps = hypernet.get("num_pre_head_layers")
        bias = hypernet.get("use_bias")
        return HypernetworkConfig(
            layers=aggregator["num_layers"],
            hidden=aggregator["feature_size"],
            d_in=inputs[TARGET],
            d_out=outputs[TARGET],
            base_model=base_model,
            projection_hidden=_FACTOR * aggregator["feature_size"],
            affixes=PUBLISHED_AFFIXES.get(base_model, Affixes()),
            rank=rank,
            scaling=float(lora.get("lora_alpha") or published_scaling(rank)),
            bias=True if bias is None else bias,
            latent=latent,
            latents=aggregator["n_latent_queries"],
            blocks=aggregator["num_blocks"],
            heads=_HEADS,
            kv_heads=_KV_HEADS,
            head_dim=_HEAD_DIM,
            block_hidden=_FACTOR * latent,
            head_mlps=4 if mlps is None else mlps,
            head_hidden=_FACTOR * latent,
            chunk_tokens=chunk_tokens,
        ).checked()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"The checkpoint's hypernet_config can't be understood ({type(error).__name__}: "
            f"{error}): give the {BIN} of {REPOSITORY}."
        ) from error


def _check_form(base_model: str, hypernet: Any, reader: Any) -> None:
    """Refuse the variants of the published code that aren't the published network."""
    aggregator, lora = hypernet["aggregator_config"], hypernet["lora_config"]
    other_reader = reader.get("ctx_encoder_model_name_or_path")
    kind = reader["ctx_encoder_type"]
    found = {
        f"its targets are {', '.join(lora['target_modules'])}": lora["target_modules"] != [TARGET],
        f"its reader is {other_reader}": other_reader not in {None, base_model},
        f"its reader is of the type {kind}": kind != "per_layer_activations"
        or not aggregator["layer_to_layer_ctx_encoder"],
        "it makes one vector for all ranks": not hypernet["per_rank_gen"],
        "its layers share their heads": not hypernet["per_layer_processing"],
        "its perceiver attends to itself": aggregator["num_self_attn_per_block"] != 0,
        "its blocks share weights": bool(aggregator["shared_weights"]),
        "it makes further modules": bool(hypernet.get("extra_modules")),
        f"its aggregator is a {aggregator['aggregator_type']}": aggregator["aggregator_type"]
        != "perceiver",
    }
    faults = [text for text, wrong in found.items() if wrong]
    if faults:
        raise CheckpointError(
            f"This hypernetwork for {base_model} is not of the supported form, because "
            f"{' and '.join(faults)}: choose one of {', '.join(CHECKPOINTS)}."
        )


def _from_hub(file: str, report: Report) -> Path:
    from huggingface_hub import snapshot_download

    from engines import hub_models
    from engines.transformers_calls import first_sentence

    settings: dict[str, Any] = {
        "cache_dir": hub_models.hub_cache(),
        "local_files_only": hub_models.is_offline(),
        "allow_patterns": [file],
        "tqdm_class": hub_models._byte_counter(f"{REPOSITORY}/{file}", report),
    }
    try:
        found = Path(str(snapshot_download(REPOSITORY, **settings))) / file
    except EngineError:
        raise
    except Exception as error:  # the client's own error types differ between its versions
        raise CheckpointError(
            f"{file} could not be fetched from {REPOSITORY} ({first_sentence(error)}): check the "
            "network, or fetch the file elsewhere and give its folder."
        ) from error
    if not found.is_file():
        raise CheckpointError(
            f"{REPOSITORY} has no {file} on the hub or in its cache: fetch the file elsewhere and "
            "give its folder."
        )
    return found


def _after_colon(name: str) -> str:
    return name.removeprefix(f"{REPOSITORY}:")


def _short(name: str, source: Path) -> str:
    known = _after_colon(name)
    if known in CHECKPOINTS:
        return known
    return f"local-{hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:12]}"


def _is_converted(target: Path, origin: Mapping[str, Any]) -> bool:
    try:
        manifest = stored.read_manifest(target)
    except CheckpointError:
        return False
    return bool(manifest["card"].get("source") == dict(origin))

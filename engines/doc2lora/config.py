"""The dimensions of a hypernetwork and the base model that it writes LoRAs for.

Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from engines.doc2lora.affixes import Affixes
from engines.protocol import CheckpointError

TARGET = "down_proj"
MAX_CHUNKS = 64

_COUNTS = (
    "layers", "hidden", "d_in", "d_out", "rank", "latent", "latents", "blocks", "heads",
    "kv_heads", "head_dim", "block_hidden", "projection_hidden", "head_hidden", "head_mlps",
    "chunk_tokens",
)  # fmt: skip
_KINDS: Mapping[str, tuple[Any, str]] = {
    "scaling": ((int, float), "a number above 0"),
    "bias": (bool, "true or false"),
    "base_model": (str, "the name of the model that the LoRAs are for"),
    "base_fingerprint": ((str, type(None)), "16 hex digits or nothing"),
}


def published_scaling(rank: int) -> float:
    """What a generated LoRA is multiplied by: 2·r^1.5, not divided by the rank."""
    return float(2 * rank**1.5)


@dataclass(frozen=True, slots=True)
class HypernetworkConfig:
    """Everything that has to be known to build a hypernetwork and to use its weights.

    The base:
        layers: decoder layers, each of which gets a LoRA.
        hidden: width of the hidden states that are read.
        d_in, d_out: input and output width of ``mlp.down_proj``, the target.
        base_model: its name; ``base_fingerprint`` names its weights, where they are known.
        affixes: what goes around a document for the reader.

    The LoRA:
        rank: of each chunk's LoRA and of the bias LoRA.
        scaling: multiplies every LoRA's output; PEFT's alpha is this times the rank.
        bias: whether the learned bias LoRA is added to what is generated.

    The perceiver, shared by the layers:
        latent: its width.
        latents: queries of its encoder; its decoder has one for each rank.
        blocks: cross-attention blocks of its encoder; its decoder has one.
        heads, kv_heads, head_dim: attention heads, those of keys and values, their width.
        block_hidden: neurons of a block's MLP.
        projection_hidden: neurons of the MLP that brings hidden states to ``latent``.

    The heads, one for each layer:
        head_mlps: residual MLPs before the last linear map.
        head_hidden: neurons of each of them.

    Reading:
        chunk_tokens: the longest chunk in tokens of the document, affixes not counted.
    """

    layers: int
    hidden: int
    d_in: int
    d_out: int
    base_model: str
    projection_hidden: int
    base_fingerprint: str | None = None
    affixes: Affixes = field(default_factory=Affixes)
    rank: int = 8
    scaling: float = published_scaling(8)
    bias: bool = True
    latent: int = 512
    latents: int = 8
    blocks: int = 8
    heads: int = 16
    kv_heads: int = 4
    head_dim: int = 128
    block_hidden: int = 2048
    head_mlps: int = 1
    head_hidden: int = 2048
    chunk_tokens: int = 1024

    def faults(self) -> tuple[str, ...]:
        """One sentence for each value that can't be, none if the configuration is sound."""
        found = [
            f"{name} is {getattr(self, name)!r}: give a whole number of at least 1."
            for name in _COUNTS
            if not _is_count(getattr(self, name))
        ]
        found += [
            f"{name} is {getattr(self, name)!r}: give {what}."
            for name, (kind, what) in _KINDS.items()
            if not isinstance(getattr(self, name), kind)
        ]
        if found:
            return tuple(found)
        if self.heads % self.kv_heads:
            found.append(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads}).")
        if self.rank > min(self.d_in, self.d_out):
            found.append(f"rank ({self.rank}) must not be above d_in and d_out.")
        if not 0 < self.scaling < float("inf"):
            found.append(f"scaling is {self.scaling!r}: give a number above 0.")
        if not self.base_model:
            found.append("base_model must name the model that the LoRAs are for.")
        return tuple(found)

    def checked(self) -> HypernetworkConfig:
        """This configuration, if it is sound.

        Raises:
            CheckpointError: with all that is wrong.
        """
        faults = self.faults()
        if faults:
            raise CheckpointError(f"The hypernetwork's configuration is wrong: {' '.join(faults)}")
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> HypernetworkConfig:
        """The configuration that ``to_json`` gave.

        Raises:
            CheckpointError: naming every unknown, missing or wrong value.
        """
        known = {f.name: f for f in fields(cls)}
        faults = [_unknown(name, known) for name in values if name not in known]
        required = [name for name, f in known.items() if _is_required(f)]
        faults += [f"{name} is missing." for name in required if name not in values]
        if faults:
            raise CheckpointError(f"The hypernetwork's configuration is wrong: {' '.join(faults)}")
        given = dict(values)
        if "affixes" in given:
            given["affixes"] = _affixes(given["affixes"])
        return cls(**given).checked()

    @classmethod
    def for_base(cls, model: Any, *, base_model: str, **settings: Any) -> HypernetworkConfig:
        """A configuration for ``model`` (as transformers loads it), as published but for
        what ``settings`` say; widths that follow from ``latent`` or ``rank`` do so.

        Raises:
            CheckpointError: if the settings don't fit together.
        """
        of = model.config
        latent = settings.get("latent", 512)
        sizes: dict[str, Any] = {
            "layers": of.num_hidden_layers,
            "hidden": of.hidden_size,
            "d_in": of.intermediate_size,
            "d_out": of.hidden_size,
            "projection_hidden": 4 * of.hidden_size,
            "block_hidden": 4 * latent,
            "head_hidden": 4 * latent,
            "scaling": published_scaling(settings.get("rank", 8)),
        }
        return cls.from_json({"base_model": base_model, **sizes, **settings})


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_required(known: Any) -> bool:
    missing = dataclasses.MISSING
    return known.default is missing and known.default_factory is missing


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name} is unknown" + (f", did you mean {near[0]}?" if near else ".")


def _affixes(value: Any) -> Affixes:
    if isinstance(value, Affixes):
        return value
    names = {f.name for f in fields(Affixes)}
    if not (isinstance(value, Mapping) and value.keys() <= names):
        raise CheckpointError(
            "The hypernetwork's configuration is wrong: affixes must hold prefix_text, "
            "suffix_text, prefix and suffix."
        )
    given = dict(value)
    for name in ("prefix", "suffix"):
        given[name] = tuple(int(token) for token in given.get(name, ()))
    return Affixes(**given)

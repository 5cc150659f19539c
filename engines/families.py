"""Where the parts of a decoder are, for the model families this workbench knows.

Every supported family has decoder layers whose MLP is gated,
``down(act(gate(x)) * up(x))`` (Shazeer, "GLU Variants Improve Transformer", 2020),
with a linear layer for each of the three.  A family with another kind of MLP (a plain
one, a fused gate, a mixture of experts) is refused before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from engines.protocol import ModelError

# transformers' model_type -> what people call the family
FAMILIES = {
    "llama": "Llama",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "gemma2": "Gemma 2",
    "gemma3_text": "Gemma 3 (text only)",
    "mistral": "Mistral",
    "smollm3": "SmolLM3",
}

SUPPORTED = (
    "supported are Llama (and with it SmolLM and SmolLM2), Qwen2, Qwen2.5, Qwen3, "
    "Gemma 2, text-only Gemma 3, Mistral and SmolLM3"
)

_REASONS = {
    "gpt2": "its MLP has no gate",
    "phi3": "its gate and up projections are one fused layer",
    "mixtral": "its MLP is a mixture of experts",
    "qwen2_moe": "its MLP is a mixture of experts",
    "qwen3_moe": "its MLP is a mixture of experts",
    "gemma3": "it reads images too",
}


@dataclass(frozen=True, slots=True)
class GatedMLP:
    """The parts of one gated MLP; the modules are the model's own, never copies.

    Shapes of the weights: ``gate`` and ``up`` ``[neurons, hidden]``, ``down``
    ``[hidden, neurons]``; each may have a bias.  ``act`` maps a tensor to one of
    the same shape.
    """

    gate: nn.Linear
    up: nn.Linear
    down: nn.Linear
    act: Callable[[Tensor], Tensor]

    @property
    def neurons(self) -> int:
        """How many intermediate neurons the MLP has."""
        return self.gate.out_features

    @property
    def hidden(self) -> int:
        """The width of the residual stream."""
        return self.gate.in_features


def check_config(config: Any) -> None:
    """Refuse a family by its configuration alone, before any weight is read.

    Raises:
        ModelError: naming what was found and what is supported.
    """
    found = getattr(config, "model_type", None) or type(config).__name__
    if found not in FAMILIES:
        reason = _REASONS.get(found, "its layers are not known to have a gated MLP")
        raise ModelError(f"A model of type {found!r} can't be used, because {reason}: {SUPPORTED}.")


def check_supported(model: Any) -> None:
    """Refuse a model unless every decoder layer has a gated MLP of a supported family.

    Raises:
        ModelError: naming what was found and what is supported.
    """
    check_config(getattr(model, "config", None))
    for layer in decoder_layers(model):
        gated_mlp_parts(getattr(layer, "mlp", None))
    final_norm(model)
    lm_head(model)


def decoder_layers(model: Any) -> nn.ModuleList:
    """The decoder layers in order; the list is the model's own.

    Raises:
        ModelError: if the model has no layers where its family keeps them.
    """
    layers = getattr(getattr(model, "model", None), "layers", None)
    if not isinstance(layers, nn.ModuleList) or len(layers) == 0:
        raise ModelError(
            f"No decoder layers found in {_described(model)}: give a causal language model "
            f"as transformers loads it; {SUPPORTED}."
        )
    return layers


def final_norm(model: Any) -> nn.Module:
    """The norm between the last decoder layer and the head.

    Raises:
        ModelError: if there is none.
    """
    return _part(model, getattr(getattr(model, "model", None), "norm", None), "final norm")


def lm_head(model: Any) -> nn.Linear:
    """The linear layer from hidden states to logits; it may share the embedding's weight.

    Raises:
        ModelError: if the model has none, as a model without a language modelling head.
    """
    head = _part(model, getattr(model, "lm_head", None), "language modelling head")
    return cast(nn.Linear, head)


def gated_mlp_parts(mlp: Any) -> GatedMLP:
    """The projections and the activation of one layer's MLP.

    Raises:
        ModelError: if one of them is missing or is not a plain linear layer, as in a
            quantised model, a mixture of experts, or a layer that is patched already.
    """
    parts = {name: getattr(mlp, name, None) for name in ("gate_proj", "up_proj", "down_proj")}
    odd = [name for name, part in parts.items() if not isinstance(part, nn.Linear)]
    act = getattr(mlp, "act_fn", None)
    if odd or not callable(act):
        missing = ", ".join(odd) or "act_fn"
        raise ModelError(
            f"The MLP of a layer is a {type(mlp).__name__} without plain {missing}: {SUPPORTED}."
        )
    gate, up, down = (cast(nn.Linear, part) for part in parts.values())
    return GatedMLP(gate=gate, up=up, down=down, act=act)


def logits_from_hidden(model: Any, hidden: Tensor) -> Tensor:
    """Logits ``[..., vocabulary]`` from what the last decoder layer gives, ``[..., hidden]``.

    Applies the final norm, the head and, where the family has one, the soft cap
    ``cap * tanh(logits / cap)`` (Gemma 2 report, section 2), as the model itself does.
    """
    logits: Tensor = lm_head(model)(final_norm(model)(hidden))
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def _part(model: Any, part: Any, what: str) -> nn.Module:
    if not isinstance(part, nn.Module):
        raise ModelError(
            f"No {what} found in {_described(model)}: give a causal language model "
            f"as transformers loads it; {SUPPORTED}."
        )
    return part


def _described(model: Any) -> str:
    return f"a {type(model).__name__}"

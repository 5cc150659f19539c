"""Adding LoRAs to a model by forward hooks: differentiable, also with one LoRA per row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from engines import families
from engines.doc2lora.lora import Lora
from engines.protocol import EngineError


class AlreadyAdaptedError(EngineError):
    """A layer already carries a LoRA; a second block would hide whose it is."""

    def __init__(self) -> None:
        super().__init__(
            "This model already carries LoRAs: close the block that put them there first."
        )


class _Addition:
    """A forward hook that adds ``scaling · (x aᵀ) b`` of each pair to a layer's output."""

    def __init__(self, pairs: list[tuple[Tensor, Tensor, float]]) -> None:
        self._pairs = pairs

    def __call__(self, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        total = output
        for a, b, scaling in self._pairs:
            if a.dim() == 3 and a.shape[0] != x.shape[0]:
                raise EngineError(
                    f"A batch of {x.shape[0]} rows can't use {a.shape[0]} LoRAs: give one LoRA "
                    "for each row."
                )
            total = total + ((x.to(a.dtype) @ a.mT) @ b) * scaling
        return total.to(output.dtype)


@contextmanager
def applied(model: Any, *loras: Lora) -> Iterator[None]:
    """Inside the block every layer's ``mlp.down_proj`` adds what the LoRAs add.

    Gradients flow to the LoRAs; with gradient checkpointing ``backward`` belongs inside the
    block too.  Sums are in the LoRA's type and given back in the layer's.  A LoRA with rows
    needs a batch of as many.  Without LoRAs nothing is changed, and after the block the
    model is the base again, to the bit.

    Raises:
        AlreadyAdaptedError: if the model carries LoRAs already.
        EngineError: if a LoRA is for another number of layers or other widths.
        ModelError: if the layers have no plain gated MLP.
    """
    targets = targets_of(model)
    for lora in loras:
        check_fit(lora, targets)
    handles = []
    try:
        for layer, target in enumerate(targets if loras else ()):
            handles.append(target.register_forward_hook(_addition(loras, layer, target)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def targets_of(model: Any) -> list[nn.Linear]:
    """Every layer's ``mlp.down_proj``: the model's own modules, in order.

    Raises:
        AlreadyAdaptedError: if one of them carries a LoRA.
        ModelError: if the layers have no plain gated MLP.
    """
    mlps = [getattr(layer, "mlp", None) for layer in families.decoder_layers(model)]
    if any(_is_adapted(getattr(mlp, "down_proj", None)) for mlp in mlps):
        raise AlreadyAdaptedError
    return [families.gated_mlp_parts(mlp).down for mlp in mlps]


def check_fit(lora: Lora, targets: list[nn.Linear]) -> None:
    """Refuse a LoRA of other dimensions than the targets.

    Raises:
        EngineError: with both sizes.
    """
    wanted = (len(targets), targets[0].in_features, targets[0].out_features)
    found = (lora.layers, lora.a.shape[-1], lora.b.shape[-1])
    if found != wanted:
        raise EngineError(
            f"A LoRA for {found[0]} layers of {found[1]} to {found[2]} doesn't fit this model's "
            f"{wanted[0]} layers of {wanted[1]} to {wanted[2]}: load the base it was made for."
        )


def _addition(loras: tuple[Lora, ...], layer: int, target: nn.Linear) -> _Addition:
    device = target.weight.device
    return _Addition(
        [
            (x.a[..., layer, :, :].to(device), x.b[..., layer, :, :].to(device), x.scaling)
            for x in loras
        ]
    )


def _is_adapted(module: Any) -> bool:
    if hasattr(module, "lora_A"):  # PEFT's wrapper
        return True
    hooks = getattr(module, "_forward_hooks", {})
    return any(isinstance(hook, _Addition) for hook in hooks.values())

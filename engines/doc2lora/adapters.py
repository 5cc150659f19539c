"""LoRAs as PEFT adapters, one for each document, put in and taken out as whole modules.

PEFT multiplies an adapter by alpha / rank; the published scaling is not divided by the
rank, so alpha is scaling × rank.  PEFT keeps B as ``[d_out, rank]``: ours transposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from engines import families
from engines.doc2lora.applied import check_fit, targets_of
from engines.doc2lora.config import TARGET
from engines.doc2lora.lora import Lora
from engines.protocol import EngineError


class PeftAdapters:
    """The adapters of one model, active only inside ``with adapters.active():``.

    PEFT's layers are built once and kept here; a block only exchanges modules, and on
    leaving puts the very same ones back, so it costs little to open one for each token.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._own = targets_of(model)
        self._wrapped: list[Any] = []
        self._tuner: Any = None
        self._names: list[str] = []
        self._used: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters, in the order in which they came."""
        return tuple(self._names)

    def inject(self, lora: Lora, name: str) -> None:
        """Build an adapter ``name`` from ``lora``; its numbers are used without a copy of A.

        Raises:
            EngineError: if the name is taken or can't be one, or the LoRA doesn't fit, or
                has rows.
        """
        self._check(lora, name)
        flags = [(p, p.requires_grad) for p in self._model.parameters()]
        try:
            with self._in_place():
                self._build(lora, name)
                self._wrapped = [mlp.down_proj for mlp in self._mlps()]
        finally:
            for parameter, flag in flags:
                parameter.requires_grad_(flag)
            if hasattr(self._model, "peft_config"):
                del self._model.peft_config
        self._names.append(name)
        self._used.append(name)
        for layer, wrapper in enumerate(self._wrapped):
            _fill(wrapper, name, lora.a[layer], lora.b[layer])
        self._activate()

    def eject(self, name: str) -> None:
        """Drop the adapter ``name``; the others stay.

        Raises:
            EngineError: if there is none of that name.
        """
        if name not in self._names:
            raise EngineError(
                f"There is no adapter {name!r}: there are {', '.join(self._names) or 'none'}."
            )
        if self._names == [name]:
            self._names, self._used, self._tuner, self._wrapped = [], [], None, []
            return
        for wrapper in self._wrapped:
            # PEFT warns where the one that goes is the only one in use.
            wrapper.set_adapter(self._names, inference_mode=True)
            wrapper.delete_adapter(name)
        self._names.remove(name)
        self._used = [used for used in self._used if used != name]
        del self._tuner.peft_config[name]
        # PEFT looks here for what to switch off when the next adapter comes.
        self._tuner.active_adapter = list(self._names)
        self._activate()

    def weigh(self, name: str, weight: float) -> None:
        """Let an adapter count ``weight`` times as much as it was injected.

        Raises:
            EngineError: if there is none of that name.
        """
        if name not in self._names:
            raise EngineError(f"There is no adapter {name!r} to weigh: inject it first.")
        for wrapper in self._wrapped:
            wrapper.set_scale(name, weight)

    def use(self, names: Sequence[str]) -> None:
        """Let only these adapters count, added up in this order; the others are kept.

        Raises:
            EngineError: if there is none of a name.
        """
        for name in names:
            if name not in self._names:
                raise EngineError(f"There is no adapter {name!r} to use: inject it first.")
        self._used = list(names)
        self._activate()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside the block the model computes with the adapters in use; outside it is the base.

        Raises:
            AlreadyAdaptedError: if the model carries LoRAs already.
        """
        targets_of(self._model)
        with self._in_place():
            yield

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        mlps = self._mlps()
        before = [mlp.down_proj for mlp in mlps]
        try:
            for mlp, wrapper in zip(mlps, self._wrapped, strict=False):
                mlp.down_proj = wrapper
            yield
        finally:
            for mlp, own in zip(mlps, before, strict=True):
                mlp.down_proj = own

    def _build(self, lora: Lora, name: str) -> None:
        """Let PEFT wrap every target, without allocating weights or drawing random numbers."""
        from peft import LoraConfig, LoraModel

        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.scaling * lora.rank,  # type: ignore[arg-type]
            lora_dropout=0.0,
            target_modules=[TARGET],
            init_lora_weights=False,
            inference_mode=True,
        )
        if self._tuner is None:
            self._tuner = LoraModel(self._model, {name: config}, name, low_cpu_mem_usage=True)
            return
        self._tuner.peft_config[name] = config
        self._tuner.inject_adapter(self._model, name, low_cpu_mem_usage=True)

    def _check(self, lora: Lora, name: str) -> None:
        if name in self._names:
            raise EngineError(f"There is an adapter {name!r} already: eject it first.")
        if not name or "." in name:
            raise EngineError(f"{name!r} can't name an adapter: use a name without dots.")
        if lora.rows is not None:
            raise EngineError(
                "A LoRA for each row of a batch can't be an adapter: use engines.doc2lora.applied."
            )
        check_fit(lora, targets_of(self._model))

    def _activate(self) -> None:
        for wrapper in self._wrapped:
            wrapper.set_adapter(self._used, inference_mode=True)
            wrapper.eval()

    def _mlps(self) -> list[Any]:
        return [layer.mlp for layer in families.decoder_layers(self._model)]


def _fill(wrapper: Any, name: str, a: Tensor, b: Tensor) -> None:
    device = wrapper.get_base_layer().weight.device
    for part, rows in ((wrapper.lora_A, a), (wrapper.lora_B, b.mT)):
        own = rows.detach().to(device).contiguous()
        part[name].weight = nn.Parameter(own, requires_grad=False)

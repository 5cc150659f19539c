"""Plain training loops: LoRA, full finetuning of some MLPs, and a dual MLP without any finesse."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost

RATES = {"lora": 1e-3, "mlp": 5e-4, "dual": 1e-3}
WINDOW = 256
BATCH = 4
ALPHA = 0.5


class PlainDual(nn.Module):
    """A frozen MLP and a trainable copy of it, blended by α."""

    def __init__(self, frozen: nn.Module) -> None:
        super().__init__()
        self.frozen = frozen
        self.trainable = copy.deepcopy(frozen).requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        return ALPHA * self.frozen(x) + (1 - ALPHA) * self.trainable(x)


def prepared(method: str, host: ModelHost, first: int, seed: int) -> nn.Module:
    """The model with what ``method`` trains asking for gradients."""
    torch.manual_seed(seed)
    if method == "lora":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=16,
            lora_alpha=32,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        return get_peft_model(host.model, config)
    for layer in families.decoder_layers(host.model)[first:]:
        if method == "dual":
            layer.mlp = PlainDual(layer.mlp)
        else:
            layer.mlp.requires_grad_(True)
    return host.model


def windows(ids: Tensor, chance: torch.Generator) -> list[Tensor]:
    """The text in windows, each token predicted once; the first window's length is drawn."""
    first = int(torch.randint(WINDOW // 4, WINDOW + 1, (1,), generator=chance))
    starts = [0, *range(first, len(ids) - 1, WINDOW)]
    ends = [*starts[1:], len(ids) - 1]
    return [ids[s : e + 1] for s, e in zip(starts, ends, strict=True)]


def padded(group: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, ``[windows, tokens]``; -100 is no target."""
    ids = nn.utils.rnn.pad_sequence([w[:-1] for w in group], batch_first=True)
    targets = nn.utils.rnn.pad_sequence([w[1:] for w in group], True, -100)
    return ids, targets


def one_pass(
    model: nn.Module, optimizer: torch.optim.Optimizer, ids: Tensor, chance: torch.Generator
) -> None:
    cut = windows(ids, chance)
    order = torch.randperm(len(cut), generator=chance).tolist()
    for start in range(0, len(order), BATCH):
        inputs, targets = padded([cut[i] for i in order[start : start + BATCH]])
        logits = model(input_ids=inputs, use_cache=False).logits
        loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

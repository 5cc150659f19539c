"""Answers scored after prompts that begin alike: what is shared is computed once.

The questions about one document make a group.  Its rows begin with the same tokens (system
turn, the document where it is in view, the words before the question), so those go through
the model once for the group, and only the rest for each row, on the keys and values that
the beginning left.  Gradients flow through both.  Only positions that predict a token of
an answer reach the head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from engines import families
from engines.doc2lora.applied import applied
from engines.doc2lora.lora import Lora
from engines.doc2lora.reading import padded


@dataclass(frozen=True, slots=True)
class Row:
    """One question: the prompt's tokens, then the answer's, both with at least one."""

    prompt: Sequence[int]
    answer: Sequence[int]


Group = Sequence[Row]


def answer_logits(model: Any, groups: Sequence[Group], lora: Lora | None = None) -> Tensor:
    """Logits ``[answer tokens, vocabulary]`` for every token of every answer, in order.

    Args:
        model: the base model; its weights may be frozen.
        groups: rows about one document each; all begin with the same tokens.
        lora: one for all, or one for each group (``rows`` of it); None is the model itself.
    """
    rows = [row for group in groups for row in group]
    shared = _shared(rows)
    sizes = torch.tensor([len(group) for group in groups])
    owner = torch.repeat_interleave(torch.arange(len(groups)), sizes)
    device = model.get_input_embeddings().weight.device
    cache = None
    if shared:
        cache = _begun(model, rows[0].prompt[:shared], len(groups), lora, device)
        _expanded(cache, owner.to(device))
    rest = [[*row.prompt[shared:], *row.answer] for row in rows]
    ids, mask = padded(rest, device)
    begin = torch.ones(len(rows), shared, dtype=mask.dtype, device=device)
    with _with_lora(model, _for_rows(lora, owner)):
        out = model.base_model(
            input_ids=ids,
            attention_mask=torch.cat([begin, mask], dim=1),
            past_key_values=cache,
            use_cache=cache is not None,
        )
    return _logits(model, out.last_hidden_state, rows, shared)


def answer_tokens(groups: Sequence[Group]) -> Tensor:
    """The tokens that ``answer_logits`` predicts, ``[answer tokens]``."""
    return torch.tensor([token for group in groups for row in group for token in row.answer])


def _shared(rows: Group) -> int:
    """How many tokens all prompts begin with, less than the shortest of them."""
    columns = zip(*(row.prompt for row in rows), strict=False)
    common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return min(common, min(len(row.prompt) for row in rows) - 1)


def _begun(model: Any, ids: Sequence[int], groups: int, lora: Lora | None, device: Any) -> Any:
    """Keys and values of what all rows begin with: once for each LoRA, or once for all."""
    from transformers import DynamicCache

    copies = groups if lora is not None and lora.rows is not None else 1
    cache = DynamicCache(config=model.config)
    with _with_lora(model, lora):
        start = torch.tensor([list(ids)], device=device).expand(copies, -1)
        model.base_model(input_ids=start, past_key_values=cache, use_cache=True)
    if copies == 1:
        cache.batch_repeat_interleave(groups)
    return cache


def _expanded(cache: Any, owner: Tensor) -> None:
    """Give each row the keys and values of its group."""
    cache.batch_select_indices(owner)


def _for_rows(lora: Lora | None, owner: Tensor) -> Lora | None:
    if lora is None or lora.rows is None:
        return lora
    picked = owner.to(lora.a.device)
    return Lora(lora.a[picked], lora.b[picked], lora.scaling)


@contextmanager
def _with_lora(model: Any, lora: Lora | None) -> Iterator[None]:
    with applied(model, *(() if lora is None else (lora,))):
        yield


def _logits(model: Any, hidden: Tensor, rows: Group, shared: int) -> Tensor:
    """The head at the positions before each answer token; ``hidden`` ``[rows, tokens, width]``."""
    places = [
        (n, len(r.prompt) - shared - 1 + i)
        for n, r in enumerate(rows)
        for i in range(len(r.answer))
    ]
    row, position = torch.tensor(places, device=hidden.device).T
    logits: Tensor = families.lm_head(model)(hidden[row, position]).float()
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap

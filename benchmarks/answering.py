"""Greedy answers to many prompts at once, and how right they are."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from scoring import Block, common_start
from torch import Tensor

from engines.host import ModelHost
from engines.transformers_calls import quiet

BATCH = 20  # prompts decoded together
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@torch.no_grad()
def greedy(
    host: ModelHost, prompts: Sequence[Tensor], new_tokens: int, block: Block = nullcontext
) -> list[str]:
    """The likeliest continuation of each prompt (``[tokens]``), computed inside ``block``.

    What prompts begin with in common is computed once.  The rest of shorter ones is padded
    on the left, where no token of theirs looks.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    for start in range(0, len(order), BATCH):
        group = order[start : start + BATCH]
        for i, text in zip(group, _batch(host, [prompts[i] for i in group], new_tokens, block)):  # noqa: B905
            texts[i] = text
    return texts


def _batch(host: ModelHost, prompts: Sequence[Tensor], new_tokens: int, block: Block) -> list[str]:
    from transformers import DynamicCache, GenerationConfig

    padding = min(host.end_tokens, default=0)
    shared = min(common_start(prompts), min(len(prompt) for prompt in prompts) - 1)
    length = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), length), padding, device=host.device)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        begin = length - len(prompt) + shared
        ids[row, :shared], ids[row, begin:] = prompt[:shared], prompt[shared:]
        mask[row, :shared], mask[row, begin:] = 1, 1
    config = GenerationConfig(
        max_new_tokens=new_tokens,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=sorted(host.end_tokens) or None,
        pad_token_id=padding,
    )
    cache = DynamicCache(config=host.model.config)
    with quiet(), block():
        if shared:
            host.backbone(input_ids=ids[:1, :shared], past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(len(prompts))
        out = host.model.generate(
            input_ids=ids, attention_mask=mask, past_key_values=cache, generation_config=config
        )
    return [_text(host, row[length:].tolist()) for row in out]


def _text(host: ModelHost, tokens: list[int]) -> str:
    end = next((n for n, token in enumerate(tokens) if token in host.end_tokens), len(tokens))
    text: str = host.tokenizer.decode(
        tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def normalised(text: str) -> str:
    """Lower case, without punctuation, articles and double spaces, as SQuAD's scorer has it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(answer: str, golds: Sequence[str]) -> float:
    """The best F1 (0..1) of the normalised words of ``answer`` with those of any gold."""
    return max(_f1(normalised(answer).split(), normalised(gold).split()) for gold in golds)


def contains(answer: str, golds: Sequence[str]) -> bool:
    """Whether a normalised gold stands in the normalised answer, as whole words."""
    padded = f" {normalised(answer)} "
    return any(f" {gold} " in padded for gold in map(normalised, golds) if gold)


def _f1(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    shared = sum((Counter(found) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(found), shared / len(gold)
    return 2 * precision * recall / (precision + recall)

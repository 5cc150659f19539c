"""How well a text, or the gold answers to questions, are predicted inside a block."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engines import families
from engines.abilities import Recall
from engines.doc2lora.cutting import first_tokens
from engines.host import Block, ModelHost
from engines.protocol import Document, DocumentError, Progress, Turn

WINDOW, BEFORE = 256, 128  # tokens that are scored at a time, and those read before them
_POSITIONS_AT_ONCE = 128  # bounds the logits in memory, whatever the vocabulary


@dataclass(frozen=True, slots=True)
class Scored:
    """Nats of ``tokens`` tokens, summed, inside each of the blocks that were compared."""

    tokens: int
    nats: tuple[float, ...]


def text_scores(host: ModelHost, ids: Tensor, blocks: Sequence[Block]) -> Iterator[Scored]:
    """Score a text window by window, each token once, in every block.

    ``ids`` are ``[tokens]``; the first token is not scored.  Each window reads up to 128
    tokens before it.  A block is open only while a window is read.
    """
    for start in range(1, len(ids), WINDOW):
        end = min(start + WINDOW, len(ids))
        window, new = ids[max(0, start - BEFORE) : end], end - start
        yield Scored(new, tuple(_window_nats(host, window, new, block) for block in blocks))


def first_ids(host: ModelHost, document: Document, limit: int) -> Tensor:
    """The first ``limit`` tokens of a document's text, or all: ``[tokens]``."""
    text = document.text.strip()
    ids, _ = first_tokens(lambda part: host.encode(part).tolist(), text, limit)
    return torch.tensor(ids[:limit], dtype=torch.long, device=host.device)


def recalled(
    host: ModelHost, document: Document, limit: int, learned: Block
) -> Iterator[Progress | Recall]:
    """Score the first ``limit`` tokens by the base and as ``learned``; a ``Recall`` comes last.

    Raises:
        DocumentError: if there are fewer than two tokens.
    """
    began = time.perf_counter()
    ids = first_ids(host, document, limit)
    if len(ids) < 2:
        raise DocumentError(
            f"'{document.title}' has only {len(ids)} tokens: give it a sentence or two.",
            document.path,
        )
    total, seen, base, now = len(ids) - 1, 0, 0.0, 0.0
    for score in text_scores(host, ids, (nullcontext, learned)):
        seen += score.tokens
        base, now = base + score.nats[0], now + score.nats[1]
        seconds = time.perf_counter() - began
        yield Progress(
            "measuring", seen / total, seconds, tokens=total, tokens_seen=seen, loss=now / seen
        )
    yield Recall(tokens=total, base_loss=base / total, loss=now / total)


@torch.no_grad()
def _window_nats(host: ModelHost, window: Tensor, new: int, block: Block) -> float:
    with block():
        hidden = host.backbone(input_ids=window[None], use_cache=False).last_hidden_state[0]
    before, wanted = hidden[-new - 1 : -1], window[-new:]
    total = 0.0
    for at in range(0, new, _POSITIONS_AT_ONCE):
        logits = _logits(host, before[at : at + _POSITIONS_AT_ONCE])
        gold = wanted[at : at + _POSITIONS_AT_ONCE].to(logits.device)
        total += float(cross_entropy(logits, gold, reduction="sum"))
    return total


def _logits(host: ModelHost, hidden: Tensor) -> Tensor:
    """Logits in float32 of hidden states that have gone through the final norm."""
    head = families.lm_head(host.model)
    logits: Tensor = head(hidden.to(head.weight.device)).float()
    cap = getattr(host.model.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def gold_answers(host: ModelHost, document: Document, most: int) -> list[tuple[Tensor, Tensor]]:
    """Prompt and first gold answer (ids) of up to ``most`` of the document's questions."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for question, answers in document.questions:
        if len(pairs) == most:
            break
        answer = answers[0].strip() if answers else ""
        ids = host.tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
        prompt = host.prompt([Turn("user", question)]) if question.strip() and ids else None
        if prompt is not None and len(prompt) + len(ids) <= host.context_limit:
            pairs.append((prompt, torch.tensor(ids, device=host.device)))
    return pairs


def answer_scores(
    host: ModelHost, pairs: Sequence[tuple[Tensor, Tensor]], blocks: Sequence[Block]
) -> Iterator[Scored]:
    """Score answer after answer, given only the question, in every block."""
    for prompt, answer in pairs:
        ids, new = torch.cat([prompt, answer]), len(answer)
        yield Scored(new, tuple(_window_nats(host, ids, new, block) for block in blocks))

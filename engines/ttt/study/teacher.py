"""Targets of context distillation: what the unchanged model says with the passage in view.

The student reads the prompt alone; the teacher, the same model unchanged, reads it with
the passage in front.  Both score the very same answer tokens, and the student is to
match the teacher's likeliest next tokens at each of them (as in Cartridges and in the
context-distillation baseline of Doc-to-LoRA).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.host import ModelHost
from engines.protocol import EngineError, StudyItem
from engines.ttt.study.reading import answer_ids, asked

# How much of the target is the answer's own token rather than the teacher's opinion.  A
# small teacher can hold a name that nothing announces, or a given answer that it misreads,
# for unlikely even with the passage in view; what it is taught then would be its own doubt.
GOLD_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class TaughtItem:
    """One item as the student learns it.

    Attributes:
        ids: the prompt without the passage, then the answer, ``[tokens]``.
        new: how many of the last ``ids`` are the answer; the logits at positions
            ``-new - 1 .. -2`` predict them.
        top_ids: the likeliest next tokens there, ``[new, k]``, int64.
        top_log_probs: their natural log-probabilities, ``[new, k]``, float32; they are over
            the whole vocabulary, so their exponentials sum to at most 1.
    """

    ids: Tensor
    new: int
    top_ids: Tensor
    top_log_probs: Tensor


def teach(host: ModelHost, item: StudyItem, top_k: int, *, text: str = "") -> TaughtItem:
    """Ask the teacher once, in one forward pass over prompt, passage and answer.

    The base model must be unchanged: call this outside any engine's block.  ``text`` is
    the document's; a cloze item's teacher reads it up to the item's sentence, else only
    the item's own passage up to there.

    The answer's own token counts ``GOLD_WEIGHT`` in given and cloze items.  Where the model
    wrote the answer itself, it counts only where the teacher would have said another:
    where the answer was cut short or a person edited it.

    Raises:
        EngineError: if the item is too long for the model.
    """
    prompt = asked(host, item, with_context=False)
    answer = answer_ids(host, item)
    context = asked(host, item, with_context=True, text=text)
    _check_room(host, item, len(context) + len(answer))
    target = _next_token_probabilities(host, context, answer)
    weight = torch.full((len(answer), 1), GOLD_WEIGHT, device=target.device)
    if item.kind == "question":
        weight[target.argmax(dim=-1) == answer] = 0.0
    target = (1 - weight) * target
    target.scatter_add_(1, answer[:, None], weight)
    top, ids = target.topk(min(top_k, target.shape[1]), dim=-1)
    return TaughtItem(
        ids=torch.cat([prompt, answer]),
        new=len(answer),
        top_ids=ids,
        top_log_probs=top.clamp_min(torch.finfo(top.dtype).tiny).log(),
    )


@torch.no_grad()
def _next_token_probabilities(host: ModelHost, context: Tensor, answer: Tensor) -> Tensor:
    """What follows, as the model sees it, at each token of ``answer``: ``[new, vocabulary]``."""
    ids = torch.cat([context, answer]).unsqueeze(0)
    out = host.model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1)
    probabilities: Tensor = out.logits[0, :-1].float().softmax(dim=-1)
    return probabilities


def _check_room(host: ModelHost, item: StudyItem, tokens: int) -> None:
    if tokens > host.context_limit:
        raise EngineError(
            f"The study item “{item.prompt[:60]}” has {tokens} tokens with its passage, more than "
            f"this model's {host.context_limit}: shorten its passage or delete the item."
        )

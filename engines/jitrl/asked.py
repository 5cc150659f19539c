"""Where a question stands in its prompt, and the mean of its states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engines.conversation import conversation_text
from engines.host import ModelHost
from engines.jitrl.recording import mlp_inputs
from engines.protocol import Turn

_ANOTHER = "\ue000"  # no question begins or ends with this private character


def question_place(host: ModelHost, turns: Sequence[Turn], question: str) -> tuple[int, int]:
    """Where ``question`` stands in the prompt of ``turns``: its first token and the one after
    its last, both counted back from the prompt's end, which cutting older turns leaves as is.

    Where it can't be told, that is the whole prompt.
    """
    text = _prompted(host, turns)
    first, last = _last_turn(host, turns, text)
    begin = text.rfind(question.strip(), first, last)
    end = begin + len(question.strip())
    special = host.tokenizer.chat_template is None
    found = host.tokenizer(
        text, add_special_tokens=special, return_offsets_mapping=True, verbose=False
    )
    offsets = found["offset_mapping"]
    inside = [n for n, (a, b) in enumerate(offsets) if a < end and b > begin and b > a]
    if begin < 0 or not inside:
        return len(offsets), 0
    return len(offsets) - inside[0], len(offsets) - inside[-1] - 1


def _prompted(host: ModelHost, turns: Sequence[Turn]) -> str:
    if host.tokenizer.chat_template is None:
        return "\n\n".join(turn.content for turn in turns)
    return conversation_text(host.tokenizer, turns)


def _last_turn(host: ModelHost, turns: Sequence[Turn], text: str) -> tuple[int, int]:
    """Where the last turn's own words stand in ``text``: what changes when they do.

    The template's text around them may hold the question's letters too.
    """
    other = _prompted(host, [*turns[:-1], Turn(turns[-1].role, _ANOTHER)])
    return _shared(text, other), len(text) - _shared(text[::-1], other[::-1])


def _shared(text: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = zip(text, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))


@torch.no_grad()
def question_state(host: ModelHost, layer: int | None, question: str) -> Tensor:
    """The mean state ``[hidden]`` of a question's tokens as the only turn of a conversation.

    What is beyond the model's context counts by its last part alone.
    """
    turns = [Turn("user", question)]
    first, after = question_place(host, turns, question)
    ids = host.prompt(turns)[-host.context_limit :]
    with mlp_inputs(host.model, layer) as capture:
        host.model.base_model(input_ids=ids.unsqueeze(0), use_cache=False)
    states = capture.states[0].to(host.device)
    return states[max(0, len(states) - first) : len(states) - after].float().mean(dim=0)

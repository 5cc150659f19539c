"""Choosing the next token and putting streamed tokens back into text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engines.protocol import Sampling

REPLACEMENT = "\ufffd"  # what an unfinished UTF-8 sequence decodes to


class TokenChooser:
    """Greedy or sampled choice, by transformers' own logits processors.

    The repetition penalty counts what the answer itself has said: if the prompt counted,
    as it does by default in transformers, a passage that is shown there could hardly be
    answered from in its own words.
    """

    def __init__(self, sampling: Sampling, device: str) -> None:
        from transformers import (
            LogitsProcessorList,
            RepetitionPenaltyLogitsProcessor,
            TemperatureLogitsWarper,
            TopPLogitsWarper,
        )

        self._greedy = sampling.temperature <= 0
        self._processors: Any = LogitsProcessorList()
        if sampling.repetition_penalty != 1.0:
            self._processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
        if not self._greedy:
            self._processors.append(TemperatureLogitsWarper(sampling.temperature))
            if sampling.top_p < 1.0:
                self._processors.append(TopPLogitsWarper(sampling.top_p))
        self._random = torch.Generator(device=device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def choose(self, written: Tensor, logits: Tensor) -> int:
        """The next token id after an answer ``written`` so far (``[1, tokens]``, at first none).

        ``logits`` are ``[1, vocabulary]``.
        """
        scores = self._processors(written, logits)
        if self._greedy:
            return int(scores.argmax(dim=-1))
        return int(torch.multinomial(scores.softmax(dim=-1), 1, generator=self._random))


class TextAssembler:
    """Turns a growing list of tokens into pieces of text that add up to the whole.

    A token may end in the middle of a character; such a tail waits for the rest.
    Only the tokens since the last whole piece are decoded again, so a long answer
    costs no more per token than a short one.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._context: list[int] = []
        self._pending: list[int] = []

    def push(self, token: int) -> str:
        """The text that ``token`` completes, possibly empty."""
        self._pending.append(token)
        text = self._new_text()
        if text.endswith(REPLACEMENT):
            return ""
        self._context, self._pending = self._pending, []
        return text

    def flush(self) -> str:
        """What is left when the stream ends, even if it is half a character."""
        text = self._new_text() if self._pending else ""
        self._pending = []
        return text

    def _new_text(self) -> str:
        before = self._decode(self._context)
        return self._decode(self._context + self._pending)[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

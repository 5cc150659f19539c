"""The workbench's own model as a language model to ask: nothing else need be installed.

Answers are held to a schema by llguidance: at every step the tokens that could not go on
to a fitting answer are masked out of the logits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engines.host import ModelHost
from engines.language_models.protocol import (
    Answer,
    Chunk,
    Completion,
    Finish,
    Request,
    Schema,
    ServerError,
    require_room,
)
from engines.language_models.repeating import repeats
from engines.language_models.schemas import messages, shown_turns
from engines.language_models.thinking import Thinking, opens_thinking
from engines.protocol import Nudge, Sampling, Turn

_MARK_TOKENS = 16  # of a prompt's end; no opening mark has more


class LocalModel:
    """``host``'s unchanged base model.

    Close an answer before another use of the host begins, as with ``host.generate``.
    """

    where = "in this process"

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    @property
    def name(self) -> str:
        """The base model's name."""
        return self._host.name

    @property
    def context_tokens(self) -> int:
        """The longest sequence that the model was made for."""
        return self._host.context_limit

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """Exactly what the model reads."""
        return len(self._host.prompt(_clean(turns)))

    def stream(self, request: Request) -> Answer:
        """Answer ``request``; see ``engines.language_models.protocol``."""
        began = time.monotonic()
        prompt = self._host.prompt(_clean(shown_turns(request)))
        require_room(len(prompt), request, self.context_tokens)
        mask = None
        if request.schema is not None:
            mask = SchemaMask(self._grammars, request.schema, self._quotes)
        # Under a grammar a model writes its answer at once, whatever the prompt ended with.
        splitter = Thinking(opened=mask is None and self._opens_thinking(prompt))
        tokens, text, thinking = 0, "", ""
        for piece in self._host.generate(prompt, _sampling(request), adjuster=mask):
            added, thought = splitter.push(piece.text)
            tokens, text, thinking = tokens + piece.tokens, text + added, thinking + thought
            yield Chunk(added, thought)
        added, thought = splitter.flush()
        if added or thought:
            yield Chunk(added, thought)
        cut = tokens >= request.max_tokens and not (mask is not None and mask.whole)
        finish: Finish = "length" if cut else "stop"
        seconds = time.monotonic() - began
        return Completion(text + added, thinking + thought, len(prompt), tokens, finish, seconds)

    def _opens_thinking(self, prompt: Tensor) -> bool:
        return opens_thinking(str(self._host.tokenizer.decode(prompt[-_MARK_TOKENS:].tolist())))

    @cached_property
    def _grammars(self) -> Any:
        """The tokenizer as llguidance knows it; made once, since that takes a second."""
        import llguidance.hf

        rows = self._host.model.get_output_embeddings().weight.shape[0]
        return llguidance.hf.from_tokenizer(
            self._host.tokenizer, n_vocab=rows, eos_token=sorted(self._host.end_tokens)
        )

    @cached_property
    def _quotes(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens begin with the sign that ends a text in JSON."""
        found = [id_ for text, id_ in self._host.tokenizer.get_vocab().items() if text[:1] == '"']
        rows = self._host.model.get_output_embeddings().weight.shape[0]
        quotes = np.zeros(rows, dtype=np.bool_)
        quotes[[id_ for id_ in found if id_ < rows]] = True
        return quotes


class SchemaMask:
    """Lets only such tokens through as keep the answer on its way to fit a schema.

    A text that only repeats itself is ended: tokens that begin with a quotation mark, ``quotes``
    ``[vocabulary]``, are then the only ones let through, where one of them may follow.

    Raises:
        ServerError: if the schema can't be made into a grammar.
    """

    def __init__(
        self, grammars: Any, schema: Schema, quotes: np.ndarray[Any, np.dtype[np.bool_]]
    ) -> None:
        import llguidance

        # With free white space a small model writes spaces until it is cut off.
        plain: Any = {
            "whitespace_flexible": False,
            "item_separator": ", ",
            "key_separator": ": ",
        }
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), plain)
        self._matcher: Any = llguidance.LLMatcher(grammars, grammar, log_level=0)
        self._quotes = quotes
        self._written: list[int] = []
        self._require_working()

    @property
    def whole(self) -> bool:
        """Whether what was written fits the schema as it is."""
        return bool(self._matcher.is_accepting())

    def adjust(self, seen: Tensor, logits: Tensor) -> Tensor:
        """``logits`` ``[1, vocabulary]`` with minus infinity for what may not follow."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._require_working()
        allowed = np.unpackbits(bits, bitorder="little")[: logits.shape[-1]].astype(bool)
        if repeats(self._written) and (ending := allowed & self._quotes[: len(allowed)]).any():
            allowed = ending
        barred = torch.ones(logits.shape[-1], dtype=torch.bool)
        barred[: len(allowed)] = torch.from_numpy(~allowed)
        return logits.masked_fill(barred.to(logits.device), -torch.inf)

    def chosen(self, token: int) -> Nudge | None:
        """Go on behind ``token``."""
        self._matcher.consume_token(token)
        self._require_working()
        self._written.append(token)
        return None

    def _require_working(self) -> None:
        if self._matcher.is_error():
            lines = str(self._matcher.get_error()).splitlines() or ["unknown"]
            raise ServerError(
                f"The answer can't be held to its schema ({lines[0][:200]}): use a simpler schema "
                "or another model."
            )


def _sampling(request: Request) -> Sampling:
    # A penalty would also weigh on the signs that end a text in JSON.
    usual = 1.1 if request.schema is None else 1.0
    penalty = request.repetition_penalty
    return Sampling(
        max_new_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        repetition_penalty=usual if penalty is None else penalty,
        seed=request.seed,
    )


def _clean(turns: Sequence[Turn]) -> list[Turn]:
    return [
        Turn(turn.role, sent["content"]) for turn, sent in zip(turns, messages(turns), strict=True)
    ]

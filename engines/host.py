"""The base model in memory, shared by every engine: encoding, scoring, streaming.

The host never changes the network.  An engine that does so opens its own block
around each forward pass (see ``around`` in ``ModelHost.generate``), so between two
pieces of a stream the base is untouched and gives bit-identical logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from engines import families
from engines.conversation import conversation_text, without_oldest_exchange
from engines.fingerprint import fingerprint
from engines.generation import TextAssembler, TokenChooser
from engines.protocol import EngineError, Nudge, Piece, Sampling, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Block = Callable[[], AbstractContextManager[Any]]
Report = Callable[[str, float | None], None]


class Adjuster(Protocol):
    """Moves the logits of each step by what was learned beside the weights."""

    def adjust(self, seen: Tensor, logits: Tensor) -> Tensor:
        """New logits ``[1, vocabulary]``, given ``seen`` ``[1, tokens]`` and the model's own.

        Called outside the block that ``around`` opens, on the model's device.
        """

    def chosen(self, token: int) -> Nudge | None:
        """Told which token was taken; returns how far its logit was moved, if it was."""


class ModelHost:
    """A causal language model, its tokenizer and where they are.

    ``ModelHost(model=…, tokenizer=…)`` wraps objects you already have;
    ``ModelHost.load("embedded")`` finds and loads one.  The model is put into
    evaluation mode and its parameters stop asking for gradients.

    Attributes:
        name: what to call the model on screen.
        why: one sentence on why this model was chosen.
        device: where the input goes, such as ``cpu`` or ``cuda:0``.

    Raises:
        ModelError: if the decoder layers have no gated MLP of a supported family.
    """

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str | None = None,
        why: str = "given by the caller",
    ) -> None:
        families.check_supported(model)
        self.model = cast(Any, model)
        self.tokenizer: Any = tokenizer
        self.model.eval()
        self.model.requires_grad_(False)
        self.name = name or str(getattr(model.config, "_name_or_path", "") or "unnamed model")
        self.why = why

    @classmethod
    def load(
        cls,
        name: str = "auto",
        *,
        hub_name: str = "Qwen/Qwen2.5-1.5B-Instruct",
        device: str = "auto",
        dtype: str = "auto",
        device_map: str | None = None,
        cache: Path | None = None,
        report: Report | None = None,
    ) -> ModelHost:
        """Find and load a model: ``auto``, ``embedded``, a hub id, a folder or a ``.gguf``.

        Raises:
            ModelError: with one sentence on what to do.
        """
        from engines import models

        tell = report or (lambda text, fraction: None)
        folder = cache or models.default_cache()
        choice = models.choose(name, hub_name=hub_name, device=device, cache=folder)
        loaded = models.load(
            choice, device=device, dtype=dtype, device_map=device_map, cache=folder, report=tell
        )
        return cls(model=loaded.model, tokenizer=loaded.tokenizer, name=loaded.name, why=loaded.why)

    @property
    def device(self) -> str:
        """The device of the embedding, where token ids go."""
        return str(self.model.get_input_embeddings().weight.device)

    @property
    def dtype(self) -> str:
        """The base weights' type, such as ``float32``."""
        return str(self.model.get_input_embeddings().weight.dtype).removeprefix("torch.")

    @cached_property
    def parameters(self) -> int:
        """How many numbers the base model has; tied weights count once."""
        return sum(p.numel() for p in self.model.parameters())

    @cached_property
    def fingerprint(self) -> str:
        """Names this base model's weights; learned state fits no other."""
        return fingerprint(self.model)

    @property
    def backbone(self) -> Any:
        """The decoder without its head: embeddings, layers, final norm."""
        return self.model.base_model

    @property
    def start_token(self) -> int | None:
        """The token that this model reads in front of a text, if its tokenizer has one."""
        token = self.tokenizer.bos_token_id
        return None if token is None else int(token)

    @property
    def context_limit(self) -> int:
        """The longest sequence in tokens that the model was made for."""
        return int(getattr(self.model.config, "max_position_embeddings", 2048))

    def encode(self, text: str) -> Tensor:
        """Token ids of plain text, shape ``[tokens]``, with the model's own start token if any."""
        ids = self.tokenizer(text, verbose=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.long, device=self.device)

    def prompt(self, turns: Sequence[Turn]) -> Tensor:
        """Token ids of a conversation up to where the answer starts, shape ``[tokens]``.

        Uses the chat template; a base model without one continues the plain text.

        Raises:
            EngineError: if there is nothing to answer, or the template refuses the turns.
        """
        if self.tokenizer.chat_template is None:
            ids = self.encode("\n\n".join(turn.content for turn in turns))
        else:
            text = conversation_text(self.tokenizer, turns) if turns else ""
            whole = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            ids = torch.tensor(whole, dtype=torch.long, device=self.device)
        if not len(ids):
            raise EngineError("There is nothing to answer: type a question first.")
        return ids

    def fit(self, turns: Sequence[Turn], new_tokens: int) -> Tensor:
        """``prompt`` of as many turns as fit; the oldest go first, system and question stay.

        Raises:
            EngineError: if the question alone leaves no room for ``new_tokens``.
        """
        room = self.context_limit - new_tokens
        kept = list(turns)
        ids = self.prompt(kept)
        while len(ids) > room:
            shorter = without_oldest_exchange(kept)
            if len(shorter) == len(kept):
                raise EngineError(
                    f"The question has {len(ids)} tokens and leaves no room for an answer of "
                    f"{new_tokens} in this model's {self.context_limit}: shorten it or lower "
                    "generation.max_new_tokens."
                )
            kept = shorter
            ids = self.prompt(kept)
        return ids

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the unchanged base model's answer to the last turn."""
        yield from self.generate(self.fit(turns, sampling.max_new_tokens), sampling)

    @torch.no_grad()
    def generate(
        self,
        prompt: Tensor,
        sampling: Sampling,
        *,
        around: Block = nullcontext,
        adjuster: Adjuster | None = None,
    ) -> Iterator[Piece]:
        """Stream a continuation of ``prompt`` (shape ``[tokens]``) with a KV cache.

        ``around`` opens an engine's block for each forward pass and closes it before
        the piece is yielded; ``adjuster`` moves the logits in between.  Closing the
        iterator stops after the current token.
        """
        from transformers import DynamicCache

        chooser = TokenChooser(sampling, self.device)
        assembler = TextAssembler(self.tokenizer)
        cache = DynamicCache(config=self.model.config)
        seen = prompt.unsqueeze(0).to(self.device)
        inputs = seen
        for _ in range(sampling.max_new_tokens):
            with around():
                out = self.model(
                    input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1
                )
            logits = out.logits[:, -1].float()
            if adjuster is not None:
                logits = adjuster.adjust(seen, logits)
            token = chooser.choose(seen[:, len(prompt) :], logits)
            if token in self.end_tokens:
                break
            nudge = None if adjuster is None else adjuster.chosen(token)
            inputs = torch.tensor([[token]], device=seen.device)
            seen = torch.cat([seen, inputs], dim=1)
            yield Piece(assembler.push(token), nudge=nudge)
        rest = assembler.flush()
        if rest:
            yield Piece(rest, tokens=0)

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """Token ids that end an answer: end of text and end of turn."""
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        ids = [*configured] if isinstance(configured, list) else [configured]
        turn_marks = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")
        known = self.tokenizer.get_vocab()
        ids += [self.tokenizer.eos_token_id, *(known.get(mark) for mark in turn_marks)]
        return frozenset(int(i) for i in ids if i is not None)

    @torch.no_grad()
    def negative_log_likelihood(self, prompt: Tensor, continuation: Tensor) -> float:
        """Mean nats per token of ``continuation`` after ``prompt`` (both ``[tokens]``)."""
        ids = torch.cat([prompt, continuation]).unsqueeze(0).to(self.device)
        logits = self.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
        return float(torch.nn.functional.cross_entropy(logits.float(), ids[0, len(prompt) :]))

"""Running only the layers that learn.

The layers below the first modified one never change, so what they make of a text is
computed once (``record``) and every later pass starts from there (``Recording``).
What each upper layer is called with besides the hidden states (masks, rotary
embeddings) is kept as the model itself made it, so no family needs code of its own.

A long text is run window by window (``window_loss``), short ones in batches
(``batch_loss``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, overload

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost
from engines.ttt.gate import ActivationMeter
from engines.ttt.spans import Past, Recording, Span, Teacher, window_edges, window_of

RECORDED_BYTES = 1 << 30  # hidden states of one text that are kept between passes
LENGTHS_KEPT = 64  # lengths whose masks and rotary embeddings are shared by recordings
MEASURED_TOKENS = 256  # scored at once: the logits of more would take the most memory of all


class UpperLayers:
    """The layers from the first modified one up, the final norm and the head."""

    def __init__(self, host: ModelHost, first: int) -> None:
        self._host = host
        self._layers = families.decoder_layers(host.model)
        self._calls: dict[int, tuple[dict[str, Any], ...]] = {}
        self.first = first

    @torch.no_grad()
    def record(self, span: Span) -> Recording:
        """Run the whole base model once over ``span`` and keep what the upper layers saw."""
        inputs: list[Tensor] = []
        calls: list[dict[str, Any]] = []

        def keep(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rest = dict(kwargs)
            hidden = args[0] if args else rest.pop("hidden_states")
            if not inputs:
                inputs.append(hidden)
            calls.append({**rest, "past_key_values": None, "use_cache": False})

        with _hooked(self._layers[self.first :], keep):
            ids = span.ids[:-1].unsqueeze(0).to(self._host.device)
            self._host.backbone(input_ids=ids, use_cache=False)
        # Masks and rotary embeddings depend on the length alone, as every span begins at 0.
        if len(self._calls) >= LENGTHS_KEPT:
            self._calls.clear()
        shared = self._calls.setdefault(len(span.ids), tuple(calls))
        return Recording(inputs[0], shared, span.ids[-span.new :], span.teacher)

    def window_loss(
        self, recording: Recording, start: int, end: int, past: Past | None = None
    ) -> Tensor:
        """Mean nats per token predicted at positions ``start:end``, a scalar with gradient.

        ``past`` holds what came before ``start`` and takes this window in; without one the
        window has to begin at 0.
        """
        hidden = self._run(recording.hidden[:, start:end], recording.calls, start, end, past)
        first = max(start, recording.lead)
        logits = self._logits(hidden[0, first - start :])
        targets = recording.targets[first - recording.lead : end - recording.lead]
        return nn.functional.cross_entropy(logits, targets.to(logits.device))

    @torch.no_grad()
    def fill(self, recording: Recording, past: Past) -> None:
        """Put the positions of ``recording`` that predict nothing into ``past``."""
        if recording.lead:
            lead = recording.hidden[:, : recording.lead]
            self._run(lead, recording.calls, 0, recording.lead, past)

    def batch_logits(self, recordings: Sequence[Recording]) -> Tensor:
        """Logits ``[n, vocabulary]`` of all that short ``recordings`` predict, one after another.

        Each begins at position 0, so the longest one's masks and rotary embeddings serve
        all, and what pads a shorter one lies behind it where it looks at nothing.
        """
        longest = max(recordings, key=lambda one: one.length)
        rows = [one.hidden[0] for one in recordings]
        hidden = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        hidden = self._run(hidden, longest.calls, 0, longest.length, None)
        predicting = [hidden[i, one.lead : one.length] for i, one in enumerate(recordings)]
        return self._logits(torch.cat(predicting))

    def batch_loss(self, recordings: Sequence[Recording]) -> Tensor:
        """Mean nats per token of all that ``recordings`` predict, a scalar with gradient.

        Those with a teacher count by their divergence from it.
        """
        logits = self.batch_logits(recordings)
        losses = []
        row = 0
        for one in recordings:
            own = logits[row : row + one.new]
            row += one.new
            if one.teacher is not None:
                losses.append(divergence(own, one.teacher))
            else:
                targets = one.targets.to(own.device)
                losses.append(nn.functional.cross_entropy(own, targets, reduction="none"))
        return torch.cat(losses).mean()

    def _run(
        self,
        hidden: Tensor,
        calls: Sequence[dict[str, Any]],
        start: int,
        end: int,
        past: Past | None,
    ) -> Tensor:
        for layer, call in zip(self._layers[self.first :], calls, strict=True):
            hidden = layer(hidden, **window_of(call, start, end, past, hidden))
        if past is not None:
            past.advance(end - start)
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        return families.logits_from_hidden(self._host.model, hidden).float()

    @torch.no_grad()
    def text_losses(self, recording: Recording) -> Iterator[tuple[float, int]]:
        """Mean nats per token and number of tokens, window by window, all context in view."""
        past = Past(recording.length)
        self.fill(recording, past)
        for first, last in window_edges(recording.new, MEASURED_TOKENS):
            start, end = recording.lead + first, recording.lead + last
            yield float(self.window_loss(recording, start, end, past)), end - start


def divergence(logits: Tensor, teacher: Teacher) -> Tensor:
    """KL(teacher ‖ student) in nats for each of ``n`` predictions, ``[n]``.

    ``logits`` ``[n, vocabulary]``.  The teacher's k tokens are outcomes of their own, all
    other tokens together are one more, so a student can't move mass into the tail unseen.
    """
    ids = teacher.ids.to(logits.device)
    wanted = teacher.log_probs.to(logits.device)
    student = torch.log_softmax(logits, dim=-1).gather(1, ids)
    tail, student_tail = _rest(wanted), _rest(student)
    inside = (wanted.exp() * (wanted - student)).sum(dim=1)
    return inside + tail.exp() * (tail - student_tail)


def _rest(log_probs: Tensor) -> Tensor:
    """The logarithm of what is left of 1, never of less than one in a hundred million."""
    return (1.0 - log_probs.exp().sum(dim=1)).clamp_min(1e-8).log()


class LazyRecordings(Sequence[Recording], ABC):
    """Recordings that are made, or made again, when they are asked for."""

    @abstractmethod
    def at(self, index: int) -> Recording:
        """The recording at ``index``."""

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recording]: ...
    def __getitem__(self, index: int | slice) -> Recording | Sequence[Recording]:
        if isinstance(index, slice):
            return [self.at(i) for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.at(index)


class Recordings(LazyRecordings):
    """The spans of one text, recorded; those over the budget are recorded when asked for.

    So a long document costs time and not memory: at most ``RECORDED_BYTES`` are kept.
    """

    def __init__(self, upper: UpperLayers, cut: Sequence[Span]) -> None:
        self._upper = upper
        self._spans = cut
        self._kept: list[Recording] = []

    @property
    def tokens(self) -> int:
        """How many tokens are predicted in all."""
        return sum(span.new for span in self._spans)

    @property
    def news(self) -> list[int]:
        """How many tokens each span predicts."""
        return [span.new for span in self._spans]

    def read(self, activation: ActivationMeter | None = None) -> Iterator[int]:
        """Record every span once, yielding how many tokens it predicts."""
        self._kept = []
        room = RECORDED_BYTES
        for span in self._spans:
            with activation.reading(span.new) if activation else nullcontext():
                recording = self._upper.record(span)
            room -= recording.hidden.numel() * recording.hidden.element_size()
            if room >= 0:
                self._kept.append(recording)
            yield span.new

    def __len__(self) -> int:
        return len(self._spans)

    def at(self, index: int) -> Recording:
        """The recording at ``index``, kept or made again."""
        if index < len(self._kept):
            return self._kept[index]
        return self._upper.record(self._spans[index])


@contextmanager
def _hooked(layers: Any, keep: Any) -> Iterator[None]:
    handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

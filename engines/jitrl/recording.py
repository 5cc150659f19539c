"""Reading a text with the base model and keeping the hidden state at each of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from engines import families
from engines.jitrl.settings import JitRLFullSettings
from engines.protocol import DocumentError, EngineError, ModelError

if TYPE_CHECKING:
    from engines.host import ModelHost

_SEED = 1871
_LOGITS_AT_ONCE = 32_000_000  # numbers: a large vocabulary at 512 positions would be 300 MB


@dataclass(frozen=True, slots=True)
class Recorded:
    """``n`` positions of a text, from ``start`` on, each with the token that follows it.

    ``states`` are ``[n, width]`` float32, ``hidden`` ``[n, hidden]`` is what the last
    decoder layer gave (for ``families.logits_from_hidden``), ``tokens`` ``[n]`` are the
    true next tokens and ``losses`` ``[n]`` their nats under the base; all on its device.
    """

    start: int
    states: Tensor
    hidden: Tensor
    tokens: Tensor
    losses: Tensor


class Projection:
    """Maps states ``[..., hidden]`` to ``[..., width]`` float32.

    With ``width`` 0 they keep their own.  Otherwise the map is a fixed random one with
    orthonormal columns that follows from the two widths alone, so states that were stored
    by another session still fit.  Distances shrink alike, by width / hidden on average.

    Raises:
        EngineError: if ``width`` is above ``hidden``.
    """

    def __init__(self, hidden: int, width: int) -> None:
        if not 0 <= width <= hidden:
            raise EngineError(
                f"States of {hidden} numbers can't be projected to {width}: set "
                f"jitrl_full.projection to 0 (none) or at most {hidden}."
            )
        self.width = width or hidden
        self._matrix = _orthogonal(hidden, width) if 0 < width < hidden else None

    def __call__(self, states: Tensor) -> Tensor:
        """The projected states, on the device they are on."""
        states = states.float()
        if self._matrix is None:
            return states
        self._matrix = self._matrix.to(states.device)
        return states @ self._matrix


def _orthogonal(hidden: int, width: int) -> Tensor:
    source = torch.Generator().manual_seed(_SEED + 100_003 * hidden + width)
    columns, upper = torch.linalg.qr(torch.randn(hidden, width, generator=source))
    # The signs of a QR decomposition are the library's choice: make them ours.
    return torch.as_tensor(columns * upper.diagonal().sign())


class Capture:
    """The input of one layer's MLP in the latest forward pass, ``[batch, tokens, hidden]``."""

    def __init__(self) -> None:
        self._states: Tensor | None = None

    @property
    def states(self) -> Tensor:
        """What went into the MLP.

        Raises:
            EngineError: if the model was not run inside the block.
        """
        if self._states is None:
            raise EngineError("No state was captured, because the model has not been run.")
        return self._states

    def keep(self, module: object, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook that changes nothing."""
        self._states = inputs[0].detach()


def layer_index(model: Any, layer: int | None) -> int:
    """The decoder layer that is meant by the setting ``layer``; None is at four fifths.

    There the states of a question are nearer to those of the sentence that answers it than
    in the last layer, whose states tell the next token and little else (``jitrl_loss.py``).

    Raises:
        EngineError: if the model has no such layer.
    """
    layers = len(families.decoder_layers(model))
    if layer is None:
        return layers * 4 // 5
    if not -layers <= layer < layers:
        raise EngineError(
            f"The model has no layer {layer}: set jitrl_full.layer to 0…{layers - 1}, or to null "
            "for the one at four fifths."
        )
    return layer % layers


@contextmanager
def mlp_inputs(model: Any, layer: int | None) -> Iterator[Capture]:
    """Inside this block each forward pass leaves the input of ``layer``'s MLP.

    The hook reads only, and is gone afterwards; the model computes the same to the bit.
    """
    mlp: Any = families.decoder_layers(model)[layer_index(model, layer)].mlp
    with _captured(mlp) as capture:
        yield capture


@contextmanager
def _captured(module: Any) -> Iterator[Capture]:
    capture = Capture()
    handle = module.register_forward_pre_hook(capture.keep)
    try:
        yield capture
    finally:
        handle.remove()


def encode_with_offsets(host: ModelHost, text: str) -> tuple[Tensor, np.ndarray[Any, Any]]:
    """Token ids ``[tokens]`` as ``host.encode`` gives them, and where in ``text`` each begins.

    Raises:
        ModelError: if the model's tokenizer can't tell where its tokens are.
    """
    try:
        found = host.tokenizer(text, return_offsets_mapping=True, verbose=False)
    except NotImplementedError as error:
        raise ModelError(
            "This model's tokenizer can't tell where in the text its tokens are: use a model "
            "that has a tokenizer.json."
        ) from error
    ids = torch.tensor(found["input_ids"], dtype=torch.long, device=host.device)
    starts = np.array([start for start, _ in found["offset_mapping"]], dtype=np.int64)
    return ids, starts


def chunk_numbers(starts: np.ndarray[Any, Any], chunk_ends: Sequence[int]) -> Tensor:
    """The chunk (int32, from 0) of each token that follows a position, ``[tokens - 1]``.

    ``starts`` ``[tokens]`` and ``chunk_ends``, both rising, are character offsets.  A token
    in the overlap of two chunks belongs to the first, so the tokens of a chunk are next to
    each other.
    """
    found = np.searchsorted(np.asarray(chunk_ends), starts[1:], side="right")
    found = np.maximum.accumulate(found.clip(max=len(chunk_ends) - 1))
    return torch.from_numpy(found.astype(np.int32))


def spans(positions: int, window: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """``(start, first, end)`` of each window: it reads from ``start`` and keeps from ``first``."""
    first = 0
    while first < positions:
        start = max(0, first - overlap)
        end = min(start + window, positions)
        yield start, first, end
        first = end


@torch.no_grad()
def record(
    host: ModelHost, ids: Tensor, settings: JitRLFullSettings, projection: Projection
) -> Iterator[Recorded]:
    """Read ``ids`` ``[tokens]`` in windows and yield each position but the last once.

    After the first window each position has at least ``window_overlap`` tokens to its
    left; a start token of the text is put in front of every window.  Closing the
    iterator stops between windows.

    Raises:
        DocumentError: if there are fewer than two tokens.
        EngineError: if the windows don't fit, or the model gives no finite numbers.
    """
    if len(ids) < 2:
        raise DocumentError("The document has a single token, so there is nothing to store.")
    lead = ids[:1] if int(ids[0]) == host.start_token else ids[:0]
    window, overlap = _window(host, settings, len(lead))
    for start, first, end in spans(len(ids) - 1, window, overlap):
        front = lead if start else lead[:0]
        piece = torch.cat([front, ids[start:end]])
        skipped = len(front) + first - start
        states, hidden = _read(host.model, piece, settings.layer)
        tokens = ids[first + 1 : end + 1]
        losses = _losses(host.model, hidden[skipped:], tokens)
        if not bool(torch.isfinite(losses).all() and torch.isfinite(states).all()):
            raise EngineError(
                "The model's states are not finite numbers: load it with model.dtype float32."
            )
        yield Recorded(first, projection(states[skipped:]), hidden[skipped:], tokens, losses)


def _window(host: ModelHost, settings: JitRLFullSettings, lead: int) -> tuple[int, int]:
    """Tokens of the text per window and repeated, within what the model was made for."""
    window = min(settings.window, host.context_limit) - lead
    overlap = settings.window_overlap
    if settings.window > host.context_limit:
        overlap = min(overlap, window // 2)
    if not 0 <= overlap < window:
        raise EngineError(
            f"Windows of {settings.window} tokens can't overlap by {settings.window_overlap}: "
            "set jitrl_full.window_overlap below jitrl_full.window."
        )
    return window, overlap


def _read(model: Any, ids: Tensor, layer: int | None) -> tuple[Tensor, Tensor]:
    """States and what the last layer gave, both ``[tokens, hidden]``, of one pass."""
    with mlp_inputs(model, layer) as mlp, _captured(families.final_norm(model)) as last:
        model.base_model(input_ids=ids.unsqueeze(0), use_cache=False)
    return mlp.states[0], last.states[0]


def _losses(model: Any, hidden: Tensor, tokens: Tensor) -> Tensor:
    at_once = max(1, _LOGITS_AT_ONCE // families.lm_head(model).out_features)
    found = []
    for part, wanted in _pieces(at_once, hidden, tokens):
        logits = families.logits_from_hidden(model, part).float()
        target = wanted.to(logits.device)
        found.append(torch.nn.functional.cross_entropy(logits, target, reduction="none"))
    return torch.cat(found)


def _pieces(size: int, hidden: Tensor, tokens: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(tokens), size):
        yield hidden[start : start + size], tokens[start : start + size]

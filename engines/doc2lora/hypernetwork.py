"""The Doc-to-LoRA hypernetwork: hidden states of a chunk in, a LoRA for every layer out.

As published by SakanaAI/doc-to-lora (``modeling/hypernet.py``, ``aggregator.py``,
``idefics2.py``).  For each decoder layer ℓ on its own, and with the same perceiver:

    context  = down(silu(gate(h)) · up(h))                 h: ℓ's hidden states of the chunk
    latents  = encoder(learned latents, context)           cross-attention blocks
    ranks    = decoder(one learned query per rank, latents)

then, with weights of ℓ's own, for each rank's vector e:

    e' = e + LN(W2·silu(W1·LN(e) + b1) + b2)               head_mlps times
    [A row | B row] = H · e' / ‖e'‖,  A·scaler_a,  B·scaler_b

A block of the perceiver is, with RMS norms before and after each part,

    q' = q + norm(attention(norm(q), norm(context)))
    q'' = q' + norm(mlp(norm(q')))

No position is encoded: what the hidden states say of order is all there is.  A bias
LoRA, the same for every document, is learned beside the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.doc2lora.config import HypernetworkConfig
from engines.protocol import EngineError

_RMS_EPS = 1e-6


@dataclass(frozen=True, slots=True)
class GeneratedLora:
    """One LoRA for each chunk and layer, before composition.

    Attributes:
        a: ``[chunks, layers, r, d_in]``.
        b: ``[chunks, layers, r, d_out]`` (PEFT keeps its transpose).
        bias_a, bias_b: ``[layers, r, d_in]`` and ``[layers, r, d_out]`` of the bias LoRA,
            None where the network has none.

    A chunk adds ``scaling · (x aᵀ) b`` to the output of its layer's target.
    """

    a: Tensor
    b: Tensor
    bias_a: Tensor | None = None
    bias_b: Tensor | None = None

    def __len__(self) -> int:
        """How many chunks."""
        return self.a.shape[0]

    def detached(self) -> GeneratedLora:
        """The same numbers without a graph behind them."""
        parts = (self.a, self.b, self.bias_a, self.bias_b)
        return GeneratedLora(*(None if t is None else t.detach() for t in parts))  # type: ignore[arg-type]

    def checked(self, before: int = 0, chunks: int | None = None) -> GeneratedLora:
        """These LoRAs, if every number is finite.

        They are of the chunks after the first ``before`` of ``chunks``.

        Raises:
            EngineError: naming the chunks whose LoRA is not.
        """
        finite = torch.isfinite(self.a).flatten(1).all(1) & torch.isfinite(self.b).flatten(1).all(1)
        bad = [str(before + n + 1) for n in (~finite).nonzero().flatten().tolist()]
        biases = [t for t in (self.bias_a, self.bias_b) if t is not None]
        if bad or not all(bool(torch.isfinite(t).all()) for t in biases):
            of = chunks or len(self)
            where = f"for chunk {', '.join(bad)} of {of}" if bad else "in its bias LoRA"
            raise EngineError(
                f"The hypernetwork gave numbers that are not finite {where}, so nothing was "
                "learned: load the base with model.dtype float32, or choose another hypernetwork."
            )
        return self


class Hypernetwork(nn.Module):
    """The whole network; its weights are float32 unless you cast them.

    A new one generates LoRAs of zero effect, since ``heads.scaler_b`` and ``bias_b`` start
    at 0: injecting them changes nothing.
    """

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        self.config = config.checked()
        self.perceiver = Perceiver(config)
        self.heads = Heads(config)
        spread = 0.2 / math.sqrt(config.d_in * config.rank)
        bias_a = torch.randn(config.layers, config.rank, config.d_in) * spread
        self.bias_a = nn.Parameter(bias_a)
        self.bias_b = nn.Parameter(torch.zeros(config.layers, config.rank, config.d_out))

    def forward(
        self, states: Tensor, mask: Tensor, *, layers_at_once: int | None = None
    ) -> GeneratedLora:
        """Generate a LoRA from each chunk.

        Args:
            states: ``[chunks, layers, tokens, hidden]``, of any float type.
            mask: ``[chunks, tokens]``, true (or 1) where a token is, false at padding.
            layers_at_once: how many layers the perceiver reads together; fewer take less
                memory and give the same numbers up to rounding.

        Raises:
            EngineError: if the states are of another base's shape.
        """
        self._check(states, mask)
        step = layers_at_once or self.config.layers
        parts = [self.read_layers(part, mask) for part in torch.split(states, step, dim=1)]
        return self.write(torch.cat(parts, dim=1))

    def read_layers(self, states: Tensor, mask: Tensor) -> Tensor:
        """The perceiver's vectors ``[chunks, some layers, r, latent]``.

        ``states`` are ``[chunks, some layers, tokens, hidden]``; layers don't see each other.
        """
        chunks, layers = states.shape[:2]
        masks = mask.bool().unsqueeze(1).expand(chunks, layers, -1)
        ranks: Tensor = self.perceiver(states.flatten(0, 1), masks.flatten(0, 1))
        return ranks.reshape(chunks, layers, *ranks.shape[1:])

    def write(self, ranks: Tensor) -> GeneratedLora:
        """LoRAs from the perceiver's vectors ``[chunks, layers, r, latent]``."""
        a, b = self.heads(ranks)
        bias = (self.bias_a, self.bias_b) if self.config.bias else (None, None)
        return GeneratedLora(a, b, *bias)

    def _check(self, states: Tensor, mask: Tensor) -> None:
        c = self.config
        chunks, tokens = mask.shape
        if states.shape != (chunks, c.layers, tokens, c.hidden):
            raise EngineError(
                f"Hidden states of the shape {tuple(states.shape)} don't fit a hypernetwork for "
                f"{c.base_model}, which reads [{chunks}, {c.layers}, {tokens}, {c.hidden}]: load "
                "that base model or choose another hypernetwork."
            )


class Perceiver(nn.Module):
    """Condenses a chunk's hidden states of one layer into one vector for each rank."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        c = config
        self.projection = GatedMLP(c.hidden, c.projection_hidden, c.latent)
        self.encoder = Resampler(config, c.latents, c.blocks)
        self.decoder = Resampler(config, c.rank, 1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """``[n, r, latent]`` from states ``[n, tokens, hidden]`` and a mask ``[n, tokens]``."""
        context = self.projection(states.to(self.projection.gate.weight.dtype))
        ranks: Tensor = self.decoder(self.encoder(context, mask), None)
        return ranks


class Resampler(nn.Module):
    """Learned queries that read a context through blocks of cross-attention."""

    def __init__(self, config: HypernetworkConfig, queries: int, blocks: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, config.latent))
        self.blocks = nn.ModuleList(Block(config) for _ in range(blocks))
        self.norm = RMSNorm(config.latent)

    def forward(self, context: Tensor, mask: Tensor | None) -> Tensor:
        """``[n, queries, latent]`` from ``context`` ``[n, tokens, latent]``; no mask reads all."""
        x = self.queries.expand(len(context), -1, -1)
        for block in self.blocks:
            x = block(x, context, mask)
        out: Tensor = self.norm(x)
        return out


class Block(nn.Module):
    """Cross-attention, then an MLP, each between two norms and beside a residual path."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        width = config.latent
        self.norm_queries, self.norm_context = RMSNorm(width), RMSNorm(width)
        self.attention = CrossAttention(config)
        self.norm_attended = RMSNorm(width)
        self.norm_mlp_in, self.norm_mlp_out = RMSNorm(width), RMSNorm(width)
        self.mlp = GatedMLP(width, config.block_hidden, width)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """``x`` ``[n, queries, latent]`` after reading ``context`` ``[n, tokens, latent]``."""
        attended = self.attention(self.norm_queries(x), self.norm_context(context), mask)
        x = x + self.norm_attended(attended)
        out: Tensor = x + self.norm_mlp_out(self.mlp(self.norm_mlp_in(x)))
        return out


class CrossAttention(nn.Module):
    """Queries attend to a context, never to each other; heads share keys and values in groups."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        self.kv_heads, self.head_dim = config.kv_heads, config.head_dim
        wide, narrow = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q = nn.Linear(config.latent, wide, bias=False)
        self.k = nn.Linear(config.latent, narrow, bias=False)
        self.v = nn.Linear(config.latent, narrow, bias=False)
        self.o = nn.Linear(wide, config.latent, bias=False)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """``[n, queries, latent]``; keys where ``mask`` ``[n, tokens]`` is false are not seen."""
        kv, d = self.kv_heads, self.head_dim
        # Consecutive heads belong to one head of keys: [n, kv, group, queries, d].
        q = self.q(x).unflatten(-1, (kv, -1, d)).permute(0, 2, 3, 1, 4)
        k = self.k(context).unflatten(-1, (kv, d)).permute(0, 2, 3, 1)
        v = self.v(context).unflatten(-1, (kv, d)).transpose(1, 2)
        scores = (q.flatten(2, 3) @ k) / math.sqrt(d)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
        mixed = scores.float().softmax(-1).to(v.dtype) @ v
        mixed = mixed.unflatten(2, q.shape[2:4]).permute(0, 3, 1, 2, 4)
        out: Tensor = self.o(mixed.flatten(2))
        return out


class Heads(nn.Module):
    """For each layer weights of its own, from the perceiver's vectors to rows of A and B."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        c = config
        self.d_in = c.d_in
        self.mlps = nn.ModuleList(LayerMLP(config) for _ in range(c.head_mlps))
        width = c.d_in + c.d_out
        spread = 0.5 / math.sqrt(c.latent + width * c.rank)
        self.weight = nn.Parameter(torch.randn(c.layers, c.latent, width) * spread)
        self.scaler_a = nn.Parameter(torch.ones(c.layers, c.rank, 1))
        self.scaler_b = nn.Parameter(torch.zeros(c.layers, c.rank, 1))

    def forward(self, ranks: Tensor) -> tuple[Tensor, Tensor]:
        """A ``[chunks, layers, r, d_in]`` and B ``[chunks, layers, r, d_out]``.

        ``ranks`` are ``[chunks, layers, r, latent]``.
        """
        for mlp in self.mlps:
            ranks = mlp(ranks)
        unit = ranks / ranks.norm(dim=-1, keepdim=True)
        rows = torch.einsum("nlrd,ldw->nlrw", unit, self.weight)
        a, b = rows[..., : self.d_in], rows[..., self.d_in :]
        return a * self.scaler_a, b * self.scaler_b


class LayerMLP(nn.Module):
    """A residual MLP whose linear maps are each layer's own; the norms are shared."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        layers, width, neurons = config.layers, config.latent, config.head_hidden
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up_weight = _uniform((layers, width, neurons), math.sqrt(3 / width))
        self.up_bias = _uniform((layers, neurons), math.sqrt(1 / width))
        self.down_weight = _uniform((layers, neurons, width), math.sqrt(3 / neurons))
        self.down_bias = _uniform((layers, width), math.sqrt(1 / neurons))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[chunks, layers, r, latent]`` plus what its layer's MLP makes of it."""
        h = torch.einsum("nlrd,ldh->nlrh", self.norm_in(x), self.up_weight)
        h = nn.functional.silu(h + self.up_bias[:, None])
        h = torch.einsum("nlrh,lhd->nlrd", h, self.down_weight) + self.down_bias[:, None]
        out: Tensor = x + self.norm_out(h)
        return out


class GatedMLP(nn.Module):
    """``down(silu(gate(x)) · up(x))`` without biases: ``[..., d_in]`` to ``[..., d_out]``."""

    def __init__(self, d_in: int, neurons: int, d_out: int) -> None:
        super().__init__()
        self.gate = nn.Linear(d_in, neurons, bias=False)
        self.up = nn.Linear(d_in, neurons, bias=False)
        self.down = nn.Linear(neurons, d_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., d_out]``."""
        out: Tensor = self.down(nn.functional.silu(self.gate(x)) * self.up(x))
        return out


class RMSNorm(nn.Module):
    """``weight · x / sqrt(mean(x²) + 1e-6)``, the mean in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """The shape of ``x`` ``[..., width]``."""
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + _RMS_EPS)
        return self.weight * (wide * scale).to(x.dtype)


def parameter_count(config: HypernetworkConfig) -> int:
    """How many numbers a hypernetwork of these dimensions has; none is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in Hypernetwork(config).parameters())


def _uniform(shape: tuple[int, ...], bound: float) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

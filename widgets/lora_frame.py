"""One moment of making a LoRA of a document, in plain values and the lines they make."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from widgets import figures
from widgets.norm_heatmap import NormMap
from widgets.plain_text import one_line

SIMULATED = "SIMULATED"
_LABEL_WIDTH = 10
_FAINT = "$foreground 70%"
_SPLIT = (("read", "█", "$primary"), ("generate", "▓", "$accent"), ("inject", "░", "$success"))


@dataclass(frozen=True, slots=True)
class LoraFrame:
    """What is known so far of the LoRA that a document becomes.

    ``chunk`` of ``chunks`` is read, with ``chunk_tokens`` tokens.  The seconds went into the
    frozen reader, the hypernetwork and building the adapter.  Losses are mean nats per token,
    those before by the base; ``answers`` gold answers have theirs.  ``hypernetwork`` is its
    name; nothing was learned where the LoRA is ``simulated``.
    """

    chunk: int = 0
    chunks: int = 0
    chunk_tokens: int = 0
    norms: NormMap | None = None
    rank: int = 0
    effective_rank: float | None = None
    read_seconds: float = 0.0
    generate_seconds: float = 0.0
    inject_seconds: float = 0.0
    loss_before: float | None = None
    loss: float | None = None
    answer_loss_before: float | None = None
    answer_loss: float | None = None
    answers: int = 0
    hypernetwork: str = ""
    simulated: bool = False

    @property
    def seconds(self) -> tuple[float, float, float]:
        """What reading, generating and injecting took."""
        return self.read_seconds, self.generate_seconds, self.inject_seconds


def simulated_banner() -> Content:
    """What has to be said of a LoRA that chance made."""
    said = "the LoRA is random: no hypernetwork was used, nothing is learned"
    return Content.assemble((SIMULATED, "bold"), f"   {said}")


def chunk_lines(frame: LoraFrame, width: int) -> Content:
    """How many chunks are read, and by which hypernetwork."""
    read = f"{frame.chunk} of {frame.chunks} read" if frame.chunks else "not counted yet"
    last = f"   the last of {figures.count(frame.chunk_tokens)} tokens" if frame.chunk else ""
    by = f"   by {one_line(frame.hypernetwork)}" if frame.hypernetwork else ""
    return _labelled("chunks", Content.assemble((read, "bold"), last, (by, _FAINT)), width)


def rank_lines(frame: LoraFrame, width: int) -> Content:
    """The LoRA's rank, and how many of its directions count."""
    effective = figures.number(frame.effective_rank, 1)
    text = Content.assemble(
        (figures.count(frame.rank), "bold"),
        ("   effective ", _FAINT), (effective, "bold"), ("   mean over the layers", _FAINT),
    )  # fmt: skip
    return _labelled("rank", text, width)


def time_lines(frame: LoraFrame, width: int) -> Content:
    """Seconds and shares of reading, generating and injecting."""
    total = sum(frame.seconds)
    parts = []
    for (name, mark, style), seconds in zip(_SPLIT, frame.seconds, strict=True):
        share = f" {figures.percent(seconds / total)}" if total > 0 else ""
        text = ((f"{mark} ", style), f"{name} {_seconds(seconds)}", (share, _FAINT))
        parts.append(Content.assemble(*text))
    return _labelled("time", Content("   ").join(parts), width)


def time_bar(frame: LoraFrame, width: int) -> Content:
    """The same shares as a bar of the width there is."""
    room, total = max(width - _LABEL_WIDTH, 0), sum(frame.seconds)
    if total <= 0:
        return Content()
    edges, reached = [0], 0.0
    for seconds in frame.seconds:
        reached += seconds
        edges.append(round(reached / total * room))
    parts = [
        (mark * (end - begin), style)
        for (_, mark, style), begin, end in zip(_SPLIT, edges, edges[1:], strict=False)
    ]
    return Content.assemble(" " * _LABEL_WIDTH, *parts)


def loss_lines(frame: LoraFrame, width: int) -> Content | None:
    """What the LoRA changes, of the document's beginning and of gold answers; None if unknown."""
    lines = []
    if frame.loss is not None:
        text = _from_to(frame.loss_before, frame.loss, "on the document's beginning")
        lines.append(_labelled("loss", text, width))
    if frame.answer_loss is not None:
        what = f"on {frame.answers} gold answer{'s' * (frame.answers != 1)}, asked without it"
        text = _from_to(frame.answer_loss_before, frame.answer_loss, what)
        lines.append(_labelled("answers", text, width))
    return Content("\n").join(lines) if lines else None


def _from_to(before: float | None, after: float | None, what: str) -> Content:
    worse = before is not None and after is not None and after > before
    losses = f"{figures.number(before)} → {figures.number(after)}"
    style = "bold $warning" if worse else "bold $success"
    return Content.assemble((losses, style), (f" nats per token {what}", _FAINT))


def _seconds(seconds: float) -> str:
    if seconds >= 60:
        return figures.duration(seconds)
    return f"{seconds:.{2 if seconds < 10 else 0}f} s"


def _labelled(label: str, text: Content, width: int) -> Content:
    wrapped = text.wrap(max(width - _LABEL_WIDTH, 8))
    body = Content("\n" + " " * _LABEL_WIDTH).join(wrapped)
    return Content.assemble((f"{label:<{_LABEL_WIDTH}}", _FAINT), body)

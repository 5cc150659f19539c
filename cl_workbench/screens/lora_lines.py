"""From the events of Doc-to-LoRA to what the learn pane shows of the LoRA that is made."""

from __future__ import annotations

from engines.doc2lora.events import Doc2LoraProgress
from widgets.lora_frame import LoraFrame
from widgets.norm_heatmap import NormMap


def advanced(frame: LoraFrame | None, event: Doc2LoraProgress) -> LoraFrame:
    """The frame with one more event; a chunk that is done is one more column of norms."""
    return LoraFrame(
        chunk=event.chunk,
        chunks=event.chunks,
        chunk_tokens=event.chunk_tokens,
        norms=_norms(frame.norms if frame else None, event),
        rank=event.rank,
        effective_rank=event.effective_rank,
        read_seconds=event.read_seconds,
        generate_seconds=event.generate_seconds,
        inject_seconds=event.inject_seconds,
        loss_before=event.loss_before,
        loss=event.loss,
        answer_loss_before=event.answer_loss_before,
        answer_loss=event.answer_loss,
        answers=event.answers,
        hypernetwork=event.hypernetwork,
        simulated=event.simulated,
    )


def _norms(norms: NormMap | None, event: Doc2LoraProgress) -> NormMap | None:
    """The map with the column of the chunk that ``event`` tells of, if that is a new one."""
    columns = norms.columns if norms else ()
    if not event.norms or event.chunk <= len(columns):
        return norms
    # The screen may miss events of a fast learner: their columns are drawn as empty.
    missed = ((0.0,) * len(event.norms),) * (event.chunk - 1 - len(columns))
    return NormMap((*columns, *missed, event.norms), event.chunks, event.total_norms)

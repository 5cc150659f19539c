"""What a training run tells those who watch it.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything is read and loaded; steps come next.

    ``contexts`` and ``questions`` are those to train on, ``held_out`` the contexts that are
    evaluated, ``parameters`` those of the hypernetwork, ``step`` where the run goes on.
    """

    run_folder: str
    contexts: int
    questions: int
    held_out: int
    parameters: int
    step: int
    steps: int
    processes: int = 1


@dataclass(frozen=True, slots=True)
class TeacherProgress:
    """``done`` of ``of`` contexts have been put to the teacher."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """Means over the steps since the last such event; one line of ``curve.jsonl``.

    ``step`` counts from 1.  Losses are nats per answer token, before their weights;
    ``lora_size`` is the mean absolute size of a generated LoRA's numbers.  ``contexts`` and
    ``questions`` were seen in these steps.  ``tokens_per_second`` counts all that went through
    a model; ``seconds`` are those of the whole run so far, resumed parts included.
    """

    step: int
    stage: int
    loss: float
    distil: float
    gold: float
    lora_size: float
    learning_rate: float
    gradient_norm: float
    contexts: int
    questions: int
    tokens_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Held-out contexts with the averaged weights; one line of ``evaluations.jsonl``.

    ``closed_book``, ``lora`` and ``in_context`` are nats per token of the gold answers: by the
    question alone, with the LoRA of its document, with the document's text.  In
    ``other_document`` each question has another document's LoRA, which shows how much is only
    a way of answering.  ``gain_share`` is (closed − lora) / (closed − in context), and
    ``document_share`` (other − lora) / (closed − in context), what the document itself brings;
    both None where the text in context is no help.  The ``agreement`` figures are the shares of
    answer tokens at which the likeliest token is the one with the text in context.
    ``by_source`` has the four losses, in the order of the fields, for each source.
    """

    step: int
    contexts: int
    questions: int
    closed_book: float
    lora: float
    other_document: float
    in_context: float
    gain_share: float | None
    document_share: float | None
    agreement: float
    closed_book_agreement: float
    seconds: float
    by_source: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One held-out question and what is answered greedily; one line of ``samples.jsonl``."""

    step: int
    document: str
    question: str
    gold: str
    closed_book: str
    lora: str
    in_context: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step changed nothing, because a number in it was not finite."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint from which the run can go on is on the disk."""

    step: int
    folder: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run has come to its end, or was stopped and can be resumed."""

    step: int
    reason: Literal["done", "stopped"]


TrainingEvent = (
    Prepared | TeacherProgress | StepDone | Evaluated | Sample | Skipped | Saved | Finished
)

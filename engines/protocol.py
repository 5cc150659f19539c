"""The one contract that every learning strategy keeps, in plain values.

An engine is small: ``learn`` and ``reply`` are generators, so a command line
draws its progress bar, the workbench its panes, and a test its assertions from
the very same iterator.  Closing a ``learn`` generator cancels it: the engine is
then exactly as before the call.

Nothing here imports torch, so that the screen can speak of events before the
model library is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    ``temperature`` 0 is greedy; ``repetition_penalty`` 1 is none; ``seed`` makes a
    sampled answer repeatable on the same machine.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.1
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """The passage of a learned document that an answer rests on.

    ``number`` is the [n] that the passage had in the context.  ``passage[start:end]`` is
    the part that the answer rests on; both are 0 where it can't be told.
    """

    document_id: str
    title: str
    passage: str
    score: float
    number: int | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of a learned document as it was retrieved.

    ``number`` counts the document's chunks from 1.  ``text`` is ``document.text[start:end]``.
    A higher ``score`` is a better match; its scale is that of the ranking.  ``reference``
    is the [n] that the passage has in the context, None if it was not put there.
    """

    document_id: str
    title: str
    number: int
    text: str
    score: float
    start: int = 0
    end: int = 0
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class Nudge:
    """A token whose logit was raised (or lowered) by ``amount`` nats, and by which passages.

    ``passages`` are indices into ``Retrieval.passages``.
    """

    text: str
    amount: float
    passages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found for ``query``, the best passage first, and what became of it.

    ``context_tokens`` is what the passages took in the prompt; ``nudges`` are the tokens
    that were biased from the start.  ``note`` says what a person should know, such as
    that nothing relevant was found.
    """

    query: str
    passages: tuple[Passage, ...] = ()
    context_tokens: int = 0
    nudges: tuple[Nudge, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of streamed answer: ``text`` may be empty while ``tokens`` counts on.

    ``retrieval`` comes with the first piece, and again at the end where there is more to tell;
    ``citations`` come with the last.
    ``nudge`` tells how much learned knowledge moved the logit of this piece's token.
    """

    text: str
    tokens: int = 1
    citations: tuple[Citation, ...] = ()
    retrieval: Retrieval | None = None
    nudge: Nudge | None = None


@dataclass(frozen=True, slots=True)
class GateSnapshot:
    """Which neurons of which layers may learn, as drawn in the heatmap.

    ``bins[i][b]`` is the open share (0..1) of the neurons in bin ``b`` of layer
    ``layers[i]``; ``open_share[i]`` is that of the whole layer.  ``calibrated`` is
    false where gating is switched off and every neuron learns.
    """

    layers: tuple[int, ...]
    neurons: int
    bins: tuple[tuple[float, ...], ...]
    open_share: tuple[float, ...]
    calibrated: bool

    @property
    def mean_open_share(self) -> float:
        """Open neurons as a share (0..1) of all neurons in the modified layers."""
        return sum(self.open_share) / len(self.open_share) if self.open_share else 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much learning one document will move what another one changed, 0..1."""

    document_id: str
    title: str
    share: float


Decision = Literal["continue", "slower", "stop"]
"""What a person answers to a paused learn: go on, go on at half the rate, keep it so."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of learning, immutable, measured and never estimated.

    ``stage`` is a short phrase for people (``"learning"``, ``"calibrating
    gates"``).  ``fraction`` is the share (0..1) of the work that is done.
    Losses are mean nats per token; ``held_out_loss`` is that of general text that
    is not part of the document, ``retention_loss`` the KL divergence from the base
    model's answers.  ``answers_kept`` is the share (0..1) of ``answers_probed`` general
    questions that the base model answers right and that are still answered so.
    ``held_out_budget`` is the relative rise, ``answers_budget`` the lost share, at which
    the guard acts; ``probes`` counts how often it looked, ``guard`` says what it did last.
    Where ``paused`` is true the consumer may ``send`` a ``Decision``; None means stop.
    Fields that a strategy has no value for are None.
    """

    stage: str
    fraction: float
    seconds: float
    step: int = 0
    steps: int = 0
    passes_done: int = 0
    passes: int = 0
    tokens: int = 0
    tokens_seen: int = 0
    tokens_per_second: float | None = None
    loss: float | None = None
    alpha: float | None = None
    held_out_loss: float | None = None
    held_out_loss_before: float | None = None
    gate: GateSnapshot | None = None
    objective: str | None = None
    learning_rate: float | None = None
    retention_loss: float | None = None
    answers_kept: float | None = None
    answers_probed: int = 0
    held_out_budget: float | None = None
    answers_budget: float | None = None
    probes: int = 0
    guard: str | None = None
    overlaps: tuple[Overlap, ...] = ()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What learning one document did; the last event of ``learn``.

    Losses are mean nats per token over what was read of the document and over
    the held-out text, None where the strategy measures none.  ``tokens`` counts the whole
    document, ``tokens_read`` what was learned from, ``chunks`` the passages that it was cut
    into for retrieval.  ``seconds`` is wall time, ``tokens_per_second`` counts each token
    once per pass over the learning time alone.  ``objective`` names what was minimised,
    ``study_items`` counts the questions or sentences studied besides the text,
    ``answers_kept`` is as in ``Progress``.
    """

    id: str
    title: str
    path: str | None
    tokens: int
    tokens_read: int
    loss_before: float | None
    loss_after: float | None
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    seconds: float
    tokens_per_second: float
    gate_open_share: float | None
    alpha: float | None
    learned_at: str
    notes: tuple[str, ...] = ()
    objective: str | None = None
    passes: int = 0
    study_items: int = 0
    answers_kept: float | None = None
    answers_probed: int = 0
    overlaps: tuple[Overlap, ...] = ()
    chunks: int = 0


StudyKind = Literal["given", "question", "cloze"]


@dataclass(frozen=True, slots=True)
class StudyItem:
    """One thing to know of a document, asked without the text in view.

    A ``given`` question came with the document, a ``question`` was written by the model;
    the prompt of a ``cloze`` item is the beginning of one of the document's sentences and
    its answer the rest.  ``passage`` is the text that the answer rests on.
    """

    kind: StudyKind
    prompt: str
    answer: str
    passage: str = ""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a document will be studied by: the objective, why, and the items.

    ``rejected`` pairs items that were written but not used with the reason.
    """

    objective: str
    reason: str
    items: tuple[StudyItem, ...] = ()
    rejected: tuple[tuple[StudyItem, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A text to learn.

    ``id`` is the first 12 hex digits of the SHA-256 of ``text``, so the same text is
    the same document wherever it lies.  Make one with ``Document.from_text``, or
    from a file with ``engines.documents.read_file``.  ``study`` holds items that were
    read and perhaps edited before; an engine that studies uses them and writes none.
    """

    id: str
    title: str
    text: str
    path: str | None = None
    questions: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    study: tuple[StudyItem, ...] = field(default=(), repr=False)

    @classmethod
    def from_text(
        cls,
        text: str,
        title: str | None = None,
        *,
        path: str | None = None,
        questions: Sequence[tuple[str, tuple[str, ...]]] = (),
        notes: Sequence[str] = (),
    ) -> Document:
        """Wrap ``text``; without a ``title`` the first heading or line gives it.

        Raises:
            DocumentError: if the text holds nothing but white space.
        """
        from engines.documents import document_from_text

        return document_from_text(
            text, title, path=path, questions=tuple(questions), notes=tuple(notes)
        )

    @classmethod
    def from_path(cls, path: str | Path) -> Document:
        """Read one text, Markdown or JSON-lines file.

        Raises:
            DocumentError: if the file is empty, binary, unreadable or unsupported.
        """
        from engines.documents import read_file

        return read_file(Path(path))


class EngineError(Exception):
    """A failure that has one sentence for the user: what happened and what to do."""


class DocumentError(EngineError):
    """A document can't be read or learned; ``path`` names it where it is a file."""

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


class ModelError(EngineError):
    """A model can't be found, loaded or modified."""


class CheckpointError(EngineError):
    """A saved state can't be written, read, or does not fit the loaded model."""


@runtime_checkable
class Engine(Protocol):
    """What the workbench, the commands and the benchmarks know of a strategy."""

    name: str

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order."""

    def learn(self, document: Document) -> Iterator[Progress | LearnReport]:
        """Learn ``document``; the last event is a ``LearnReport``."""

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer to the last user turn from what was learned."""

    def active(self) -> AbstractContextManager[None]:
        """Inside this block the model acts as learned; outside it is the base, to the bit."""

    def forget(self, document_id: str) -> None:
        """Take one document back.  Raises ``EngineError`` for an unknown id."""

    def reset(self) -> None:
        """Forget every document."""

    def save(self, folder: Path) -> None:
        """Write the learned state, never the base model, into ``folder``, atomically."""

    def load(self, folder: Path) -> None:
        """Replace the learned state; a ``CheckpointError`` leaves it as it was."""

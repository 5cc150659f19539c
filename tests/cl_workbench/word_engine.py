"""A real engine that learns which words there are, with all that an engine can be able to do.

It needs no model: a text is predicted the better, the more of its words were learned.  So
muting, forgetting, α and knock-outs change what it answers and measures, as they should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from engines.abilities import Recall
from engines.checkpoints import FORMAT, VERSION, read_manifest
from engines.protocol import (
    Decision,
    Document,
    EngineError,
    LearnReport,
    Overlap,
    Piece,
    Progress,
    Sampling,
    StudyItem,
    StudyPlan,
    Turn,
)

BASE_LOSS = 3.0
GUARD = "Held-out rose 2.0 %: stepped back to the best state so far."


@dataclass
class Ways:
    """How the engine is to behave, and what it was told."""

    pause: bool = False
    notes: tuple[str, ...] = ()
    decisions: list[Decision | None] = field(default_factory=list)
    studied: list[tuple[StudyItem, ...]] = field(default_factory=list)
    alphas: list[float] = field(default_factory=list)
    items: tuple[StudyItem, ...] = (
        StudyItem("question", "Who built the mill?", "Hanne Lund", "The mill was built."),
        StudyItem("cloze", "It grinds rye and", "oats", "It grinds rye and oats."),
    )


class WordHost:
    """A base model in name, which knows nothing."""

    name = "words"
    why = "There is no other."

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Say that nothing is known."""
        yield Piece("nothing")


@dataclass
class Kept:
    """What is kept of one document."""

    report: LearnReport
    words: frozenset[str]
    muted: bool = False


class WordEngine:
    """Keeps the words of each document apart."""

    name = "ttt"

    def __init__(self, ways: Ways | None = None) -> None:
        self.ways = ways or Ways()
        self._alpha = 0.5
        self._kept: list[Kept] = []
        self._without: frozenset[str] = frozenset()

    @property
    def alpha(self) -> float:
        """The blend; each change is noted."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self.ways.alphas.append(value)
        self._alpha = value

    @property
    def documents(self) -> Sequence[LearnReport]:
        """What was learned, in order."""
        return tuple(kept.report for kept in self._kept)

    @property
    def muted(self) -> frozenset[str]:
        """Ids of the muted ones."""
        return frozenset(kept.report.id for kept in self._kept if kept.muted)

    def learn(self, document: Document) -> Generator[Progress | LearnReport, Decision | None, None]:
        """Two steps, with a pause of the guard between them if that is wanted."""
        self.ways.studied.append(document.study)
        overlaps = self._overlaps(document)
        yield replace(_step(0.5), objective="mixed", overlaps=overlaps)
        if self.ways.pause:
            told = yield replace(_step(0.6, rise=0.02), guard=GUARD, paused=True)
            self.ways.decisions.append(told)
        yield replace(_step(1.0), guard=GUARD if self.ways.pause else None)
        report = self._report(document, overlaps)
        self._kept.append(Kept(report, words_of(document.text)))
        yield report

    def study(self, document: Document) -> Iterator[Progress | StudyPlan]:
        """The items that are wanted, and one that was rejected."""
        yield Progress("writing questions", 0.5, 1.0)
        about = StudyItem("question", "What is the text about?", "A mill")
        rejected = ((about, "it asks about the text"),)
        yield StudyPlan("self_study", "both test questions were usable", self.ways.items, rejected)

    def recall(self, document: Document) -> Iterator[Progress | Recall]:
        """The loss falls with the share of words that count now."""
        yield Progress("measuring", 0.5, 1.0)
        words = words_of(document.text)
        known = len(words & self._active_words()) / len(words)
        yield Recall(len(words), BASE_LOSS, BASE_LOSS * (1 - known * (1 - self._alpha)))

    def overlaps(self, document: Document) -> Iterator[Progress | tuple[Overlap, ...]]:
        """The share of each learned document's words that ``document`` has too."""
        yield Progress("counting", 0.5, 1.0)
        yield self._overlaps(document)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Name α and the documents that count."""
        titles = " and ".join(kept.report.title for kept in self._counting())
        yield Piece(f"at {self._alpha:g} ")
        yield Piece(f"from {titles or 'nothing'}")

    def active(self) -> AbstractContextManager[None]:
        """Nothing to put in or out."""
        return nullcontext()

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave one out, or take it in again."""
        self._find(document_id).muted = muted

    def move(self, document_id: str, position: int) -> None:
        """Put one at another place."""
        kept = self._find(document_id)
        self._kept.remove(kept)
        self._kept.insert(position, kept)

    def bytes_of(self, document_id: str) -> int:
        """A byte for each letter."""
        return sum(map(len, self._find(document_id).words))

    @contextmanager
    def without(self, document_ids: Collection[str]) -> Iterator[None]:
        """Leave these out inside the block."""
        before, self._without = self._without, self._without | frozenset(document_ids)
        try:
            yield
        finally:
            self._without = before

    def forget(self, document_id: str) -> None:
        """Take one back."""
        self._kept.remove(self._find(document_id))

    def reset(self) -> None:
        """Forget all."""
        self._kept = []

    def save(self, folder: Path) -> None:
        """Write a manifest as every engine does, with the words in it."""
        documents = [
            {
                **asdict(kept.report),
                "layers": [0],
                "muted": kept.muted,
                "bytes": self.bytes_of(kept.report.id),
                "words": sorted(kept.words),
            }
            for kept in self._kept
        ]
        manifest = {
            "format": FORMAT, "version": VERSION, "engine": self.name, "model": WordHost.name,
            "alpha": self._alpha, "documents": documents, "parts": {},
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        manifest = read_manifest(folder)
        self._kept = [_kept(dict(entry)) for entry in manifest["documents"]]
        self._alpha = manifest["alpha"]

    def _find(self, document_id: str) -> Kept:
        for kept in self._kept:
            if kept.report.id == document_id:
                return kept
        raise EngineError(f"No learned document has the id {document_id}.")

    def _counting(self) -> list[Kept]:
        return [k for k in self._kept if not k.muted and k.report.id not in self._without]

    def _active_words(self) -> frozenset[str]:
        return frozenset().union(*(kept.words for kept in self._counting()))

    def _overlaps(self, document: Document) -> tuple[Overlap, ...]:
        words = words_of(document.text)
        return tuple(
            Overlap(k.report.id, k.report.title, len(words & k.words) / len(k.words))
            for k in self._kept
        )

    def _report(self, document: Document, overlaps: tuple[Overlap, ...]) -> LearnReport:
        tokens = len(document.text.split())
        return LearnReport(
            id=document.id, title=document.title, path=document.path,
            tokens=tokens, tokens_read=tokens, loss_before=BASE_LOSS, loss_after=1.0,
            held_out_loss_before=3.0, held_out_loss_after=3.012, seconds=2.0,
            tokens_per_second=100.0, gate_open_share=0.5, alpha=self._alpha,
            learned_at="2025-01-01T00:00:00+00:00", objective="mixed", passes=2,
            study_items=len(document.study), answers_kept=0.95, answers_probed=40,
            overlaps=overlaps, notes=self.ways.notes,
        )  # fmt: skip


def words_of(text: str) -> frozenset[str]:
    """The words of a text, in lower case."""
    return frozenset(re.findall(r"\w+", text.lower()))


def _step(fraction: float, rise: float = 0.004) -> Progress:
    return Progress(
        "learning", fraction, 1.0, loss=2.0, tokens_per_second=100.0,
        held_out_loss_before=3.0, held_out_loss=3.0 * (1 + rise), held_out_budget=0.01,
        answers_kept=0.95, answers_probed=40, answers_budget=0.15,
    )  # fmt: skip


def _kept(entry: dict[str, object]) -> Kept:
    entry = dict(entry)
    words = frozenset(entry.pop("words"))
    muted = bool(entry.pop("muted"))
    for extra in ("layers", "bytes"):
        entry.pop(extra)
    overlaps = tuple(Overlap(**one) for one in entry.pop("overlaps"))
    notes = tuple(entry.pop("notes"))
    return Kept(LearnReport(**entry, overlaps=overlaps, notes=notes), words, muted)

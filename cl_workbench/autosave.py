"""What is learned on screen, kept after each change and brought back at the next start."""

from __future__ import annotations

import itertools
import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from engines import catalogue, checkpoints
from engines.abilities import HasAlpha, HasLedger, KeepsPlaybook, TakesFeedback
from engines.atomic import write_failure
from engines.locks import BusyError, locked
from engines.protocol import Engine, EngineError

log = logging.getLogger(__name__)


class Autosave:
    """The state of one session in ``folder``; every method is called on the engine thread.

    What can't be brought back becomes an ordinary checkpoint in ``checkpoints``, so nothing
    is lost and it can be listed, opened and deleted like any other.  One session at a time
    keeps its state: a second one in the same home says that it doesn't.

    Args:
        folder: where the state is kept; its parent is locked while the session lives.
        checkpoints: where a state is put aside.
        bring_back: false begins with nothing learned, and puts an earlier state aside.
    """

    def __init__(self, folder: Path, checkpoints: Path, *, bring_back: bool = True) -> None:
        self._folder = folder
        self._checkpoints = checkpoints
        self._bring_back = bring_back
        self._held = ExitStack()
        self._on: bool | None = None
        self._failing = False
        self._kept: object = None

    def begin(self, engine: Engine) -> str | None:
        """Bring the last state back into ``engine``; one sentence where there is one to tell."""
        told = None if self._on is not None else self._take()
        if self._on and told is None:
            told = self._resume(engine)
        self._kept = _mark(engine)
        return told

    def keep(self, engine: Engine) -> str | None:
        """Save ``engine`` if it has changed; a failure is one sentence, told once."""
        if not self._on:
            return None
        try:
            mark = _mark(engine)
            if mark == self._kept:
                return None
            if _holds_something(engine):
                engine.save(self._folder)
            elif self._is_kept():
                catalogue.delete(self._folder)
        except Exception as error:
            return self._failed(error)
        self._kept, self._failing = mark, False
        return None

    def _is_kept(self) -> bool:
        """Whether anything of ours is there; a folder that is merely empty is nobody's state."""
        if not self._folder.is_dir():
            return False
        return any(checkpoints.is_ours(path.name) for path in self._folder.iterdir())

    def close(self) -> None:
        """Let another session keep its state here."""
        self._held.close()
        self._on = False

    def _take(self) -> str | None:
        """Claim the folder; a sentence if that can't be, and then nothing is kept."""
        self._on = False
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(locked(self._folder.parent, seconds=0))
        except BusyError:
            return (
                "Another workbench is open in this home: what is learned in this one is not kept "
                "for a restart; s saves it."
            )
        except OSError as error:
            return self._failed(error)
        self._on = True
        return None

    def _resume(self, engine: Engine) -> str | None:
        bring_back, self._bring_back = self._bring_back, True
        try:
            if not (self._folder / checkpoints.MANIFEST).exists():
                return None
            manifest = checkpoints.read_manifest(self._folder)
            if not manifest.get("documents") and not manifest.get("revisions"):
                return None
            if not bring_back:
                return self._put_aside()
            engine.load(self._folder)
        except Exception as error:
            return self._put_aside(error)
        count = len(engine.documents)
        if not count:
            return "Brought back the playbook of the last session; R empties it."
        what, them = ("1 document", "it") if count == 1 else (f"{count} documents", "them")
        return f"Brought back {what} of the last session; R forgets {them}."

    def _put_aside(self, error: Exception | None = None) -> str:
        """Turn the kept state into a checkpoint; where that fails, leave it and keep no other."""
        name = self._free_name()
        try:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            self._folder.rename(self._checkpoints / name)
        except OSError as fault:
            self.close()
            return (
                f"What the last session learned stays in {self._folder}, as it can't be moved "
                f"({fault.strerror}); what is learned now is not kept for a restart."
            )
        told = f"What the last session learned is kept as the checkpoint {name}."
        return told if error is None else f"{told} {self._reason(error, name)}"

    def _reason(self, error: Exception, name: str) -> str:
        """Why it could not be opened, in the words for the name that it has now."""
        if isinstance(error, EngineError):
            return str(error).replace(f"'{self._folder.name}'", f"'{name}'")
        log.error("bringing back %s", self._folder, exc_info=error)
        return f"It could not be opened ({type(error).__name__}); the log says more."

    def _free_name(self) -> str:
        first = f"session-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        names = (first if n == 1 else f"{first}-{n}" for n in itertools.count(1))
        return next(name for name in names if not (self._checkpoints / name).exists())

    def _failed(self, error: Exception) -> str | None:
        if self._failing:
            return None
        self._failing = True
        log.warning("autosave into %s", self._folder, exc_info=error)
        reason = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}."
        if isinstance(error, OSError):
            reason = write_failure(self._folder, error)
        return f"What is learned is not kept for a restart: {reason}"


def _mark(engine: Engine) -> object:
    """What tells whether anything was learned, forgotten, muted, moved, blended, rated or edited.

    A turned strength is not kept: at the next start it is what the settings say.
    """
    alpha = engine.alpha if isinstance(engine, HasAlpha) else None
    muted = engine.muted if isinstance(engine, HasLedger) else frozenset()
    feedback = engine.feedback if isinstance(engine, TakesFeedback) else ()
    history = engine.history if isinstance(engine, KeepsPlaybook) else None
    return tuple(engine.documents), alpha, muted, feedback, history


def _holds_something(engine: Engine) -> bool:
    """Whether there is anything to keep: documents, or a playbook that was ever changed."""
    rules = isinstance(engine, KeepsPlaybook) and len(engine.history.revisions) > 1
    return bool(engine.documents) or rules

"""What was ever learned in this home, one row per document, in a small SQLite file.

The history only tells: nothing is learned or forgotten by it, and a file that is damaged
or locked never keeps a document from being learned.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cl_workbench.settings import Settings
from cl_workbench.settings_schema import SETTINGS
from engines.protocol import EngineError, LearnReport

log = logging.getLogger(__name__)

VERSION = 1
BUSY_SECONDS = 2.0

# What bears on what is learned, or on how fast.
_SECTIONS_OF_ALL = {"model", "documents"}
_SECTIONS_OF = {
    "ttt": {"ttt", "alpha", "tfidf_gate", "held_out", "guard"},
    "jitrl-mvp": {"passages", "jitrl_mvp"},
    "jitrl-full": {"passages", "jitrl_full"},
}


@dataclass(frozen=True, slots=True)
class LearnedRow:
    """One learned document; losses are mean nats per token, shares 0..1, ``settings`` JSON.

    ``notes`` is the notes of the report, one a line.
    """

    learned_at: str
    title: str
    document_id: str
    path: str | None
    engine: str
    model: str
    objective: str | None
    tokens: int
    tokens_read: int
    loss_before: float | None
    loss_after: float | None
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    answers_kept: float | None
    seconds: float | None
    tokens_per_second: float | None
    gate_open_share: float | None
    alpha: float | None
    settings: str
    notes: str


COLUMNS = tuple(field.name for field in fields(LearnedRow))

_TEXTS = {
    "learned_at", "title", "document_id", "path", "engine", "model", "objective", "settings",
    "notes",
}  # fmt: skip
_DECLARED = ", ".join(
    f"{name} {'TEXT' if name in _TEXTS else 'INTEGER' if name.startswith('tokens') else 'REAL'}"
    for name in COLUMNS
)
_CREATE = f"CREATE TABLE learned (number INTEGER PRIMARY KEY, {_DECLARED})"
_INSERT = f"INSERT INTO learned ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM learned ORDER BY number DESC LIMIT ?"  # noqa: S608


class History:
    """The history in the file ``path``, which is made when the first document is learned."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._warned = False

    def record(
        self, report: LearnReport, *, engine: str, model: str, settings: Mapping[str, Any]
    ) -> None:
        """Add one row; what goes wrong is logged once, and never raised."""
        row = _row(report, engine, model, settings)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as database, database:
                database.execute(_INSERT, tuple(getattr(row, name) for name in COLUMNS))
        except (sqlite3.Error, OSError, EngineError, ValueError, OverflowError) as error:
            if not self._warned:
                log.warning("what is learned is not written into %s: %s", self.path, error)
            self._warned = True

    def rows(self, limit: int | None = None) -> list[LearnedRow]:
        """The last ``limit`` rows, the oldest of them first; all without a limit.

        Raises:
            EngineError: if the file is damaged, locked or of a newer version.
        """
        if not self.path.exists():
            return []
        try:
            with self._open() as database:
                found = database.execute(_SELECT, (-1 if limit is None else limit,)).fetchall()
        except sqlite3.OperationalError as error:
            raise EngineError(_unreadable(self.path, error)) from error
        except (sqlite3.Error, OSError) as error:
            raise EngineError(_damaged(self.path)) from error
        return [LearnedRow(*values) for values in reversed(found)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise EngineError(
                    f"{self.path} was written by a newer cl-workbench: update this one with "
                    "`git pull` or pip."
                )
            if version == 0:
                _make(database)
            yield database


def _unreadable(path: Path, error: sqlite3.OperationalError) -> str:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # less its details
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"{path} can't be read now ({error}): try again in a moment."
    if code == sqlite3.SQLITE_ERROR:  # it can be opened, and has not the table
        return _damaged(path)
    return f"{path} can't be read ({error}): allow it to be read and written, or move it away."


def _damaged(path: Path) -> str:
    return f"{path} is damaged: move it away, and a new history is begun."


def _make(database: sqlite3.Connection) -> None:
    # Two programs may come here at once: the second one finds it done when its turn comes.
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        database.execute(_CREATE)
        database.execute(f"PRAGMA user_version = {VERSION:d}")
    database.commit()


def recorder(path: Path, settings: Settings) -> Callable[[LearnReport, str, str], None]:
    """A function that records a report, given the engine's and the model's name as well."""
    history = History(path)

    def record(report: LearnReport, engine: str, model: str) -> None:
        history.record(
            report, engine=engine, model=model, settings=learning_settings(settings, engine)
        )

    return record


def learning_settings(settings: Settings, engine: str) -> dict[str, Any]:
    """The settings that bear on learning with ``engine``, by key, as plain values for JSON."""
    sections = _SECTIONS_OF_ALL | _SECTIONS_OF.get(engine, set())
    keys = (setting.key for setting in SETTINGS if setting.section in sections)
    return {key: _plain(settings.get(key)) for key in keys}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _row(report: LearnReport, engine: str, model: str, settings: Mapping[str, Any]) -> LearnedRow:
    return LearnedRow(
        learned_at=report.learned_at,
        title=_sound(report.title),
        document_id=report.id,
        path=None if report.path is None else _sound(report.path),
        engine=engine,
        model=_sound(model),
        objective=report.objective,
        tokens=report.tokens,
        tokens_read=report.tokens_read,
        loss_before=report.loss_before,
        loss_after=report.loss_after,
        held_out_loss_before=report.held_out_loss_before,
        held_out_loss_after=report.held_out_loss_after,
        answers_kept=report.answers_kept,
        seconds=report.seconds,
        tokens_per_second=report.tokens_per_second,
        gate_open_share=report.gate_open_share,
        alpha=report.alpha,
        settings=json.dumps(settings, sort_keys=True),
        notes=_sound("\n".join(report.notes)),
    )


def _sound(text: str) -> str:
    """``text`` as UTF-8 can hold it: a path may have bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""Rows that are measured once: what is there already is not measured again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
KEY = ("part", "condition", "item", "model", "precision", "device", "hypernetwork", "settings")


class Rows:
    """JSON lines in ``path``, each named by its values of ``KEY``.

    A line that a stopped run left unfinished is passed over; of two rows with one name the
    later counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Row] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            row = _parsed(line)
            if row is not None:
                self._found[_name(row)] = row

    def __contains__(self, key: Row) -> bool:
        return _name(key) in self._found

    def __iter__(self) -> Iterator[Row]:
        return iter(self._found.values())

    def get(self, key: Row) -> Row | None:
        """The row of this name, if it was measured."""
        return self._found.get(_name(key))

    def add(self, row: Row) -> None:
        """Append one row and print its beginning."""
        self._path.parent.mkdir(exist_ok=True)
        whole = not self._path.exists() or self._path.read_bytes()[-1:] in {b"\n", b""}
        line = json.dumps(row, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n" if whole else f"\n{line}\n")
        self._found[_name(row)] = row
        print(line[:240], flush=True)


def _parsed(line: str) -> Row | None:
    try:
        row: Row = json.loads(line)
    except ValueError:
        return None
    return row if all(name in row for name in KEY) else None


def _name(row: Row) -> str:
    return json.dumps([row[name] for name in KEY], sort_keys=True)

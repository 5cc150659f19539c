"""From what stands in a file or on a command line to a checked value."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from cl_workbench.settings_schema import BY_KEY, Setting, Value

_NULL = {"null", "none", "~", ""}


class BadValueError(ValueError):
    """A value that its setting does not allow."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings, and where: a file, ``--set`` or a variable."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def unknown_key(key: str) -> str:
    """One sentence on a key that does not exist, with the nearest that does."""
    near = nearest(key, tuple(BY_KEY))
    hint = f"did you mean {near}?" if near else "`cl-workbench config show` lists all settings."
    return f"there is no setting {key}; {hint}"


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The word of ``known`` that ``word`` was most likely meant to be."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if found:
        return by_lower[found[0]]
    by_last = {name.lower().rpartition(".")[2]: name for name in known}
    found = difflib.get_close_matches(word.lower().rpartition(".")[2], by_last, n=1, cutoff=0.75)
    return by_last[found[0]] if found else None


def from_text(setting: Setting, text: str, base: Path) -> Value:
    """Read a value as typed on a command line or in an environment variable.

    ``null`` is none; the items of a list are separated by commas.

    Raises:
        BadValueError: if the setting does not allow it.
    """
    typed = text.strip()
    if setting.nullable and typed.lower() in _NULL:
        return None
    if setting.kind == "list":
        inner = typed.removeprefix("[").removesuffix("]")
        return checked(setting, [item.strip().strip("'\"") for item in inner.split(",")], base)
    if setting.kind in {"whole", "number"}:
        return checked(setting, _number_from(setting, typed), base)
    return checked(setting, text, base)


def checked(setting: Setting, raw: object, base: Path) -> Value:
    """The value of ``setting`` that ``raw``, as read from YAML, stands for.

    A relative path is taken from the folder ``base``.

    Raises:
        BadValueError: naming the value and what is allowed.
    """
    if raw is None and setting.nullable:
        return None
    if isinstance(raw, bool) and "true" in setting.choices:
        raw = str(raw).lower()  # in YAML a plain true is no text
    value = _converted(setting, raw, base)
    if value is None or not _within(setting, value):
        raise refused(setting, raw)
    return value


def refused(setting: Setting, raw: object) -> BadValueError:
    """The error for ``raw``: the key, the value, what is allowed and the nearest choice."""
    shown = "null" if raw is None else repr(raw) if isinstance(raw, str) else str(raw)
    near = nearest(str(raw), setting.choices) if setting.choices and raw is not None else None
    hint = f"; did you mean {near}?" if near else "."
    return BadValueError(f"{setting.key} can't be {shown}: allowed is {setting.allowed}{hint}")


def _converted(setting: Setting, raw: object, base: Path) -> Value:
    if setting.kind == "list":
        return _list_from(raw)
    if setting.kind in {"text", "path"}:
        if not isinstance(raw, str) or not raw.strip():
            return None
        return raw if setting.kind == "text" else base / Path(raw).expanduser()
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not isfinite(raw):
        return None
    if setting.kind == "number":
        return float(raw)
    return int(raw) if float(raw).is_integer() else None


def _list_from(raw: object) -> Value:
    if not isinstance(raw, list | tuple):
        return None
    items = tuple(str(item) for item in raw if isinstance(item, str) and item.strip())
    return items if items and len(items) == len(raw) else None


def _within(setting: Setting, value: Value) -> bool:
    if setting.choices:
        return any(_matches(str(value), choice) for choice in setting.choices)
    if isinstance(value, int | float):
        if value == setting.apart:
            return True
        low, high = setting.low, setting.high
        return (low is None or value >= low) and (high is None or value <= high)
    return True


def _matches(text: str, choice: str) -> bool:
    stem, mark, _ = choice.partition(":N")
    return text.removeprefix(f"{stem}:").isdecimal() if mark else text == choice


def _number_from(setting: Setting, text: str) -> float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise refused(setting, text) from None

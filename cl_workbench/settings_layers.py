"""Reading the layers of the settings and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cl_workbench.settings_file import SettingsFileError, read_keys
from cl_workbench.settings_schema import BY_KEY, SECTIONS, Value
from cl_workbench.settings_values import (
    BadValueError,
    Problem,
    checked,
    from_text,
    nearest,
    unknown_key,
)

Source = Literal["default", "profile", "user", "environment", "--set"]

ENVIRONMENT_PREFIX = "CL_WORKBENCH__"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value that a layer sets; ``where`` is its file, variable or option."""

    value: Value
    source: Source
    where: str


def file_layer(path: Path, source: Source, problems: list[Problem]) -> dict[str, Entry]:
    """What the settings file at ``path`` sets; what is wrong is added to ``problems``."""
    try:
        pairs = list(read_keys(path))
    except SettingsFileError as error:
        problems.append(Problem(str(path), error.reason))
        return {}
    entries = {}
    for key, raw in pairs:
        setting = BY_KEY.get(key)
        if setting is None:
            problems.append(Problem(str(path), _unknown_in_file(key)))
            continue
        try:
            entries[key] = Entry(checked(setting, raw, path.parent), source, str(path))
        except BadValueError as error:
            problems.append(Problem(str(path), str(error)))
    return entries


def _unknown_in_file(key: str) -> str:
    section = key.partition(".")[0]
    if key in SECTIONS:
        return f"{key} is a section: write its settings below it, as `  name: value`."
    if section in SECTIONS or "." not in key:
        return unknown_key(key)
    near = nearest(section, tuple(SECTIONS))
    candidate = f"{near}.{key.partition('.')[2]}"
    if near and candidate in BY_KEY:
        return f"there is no setting {key}; did you mean {candidate}?"
    return unknown_key(key)


def environment_layer(variables: Mapping[str, str], problems: list[Problem]) -> dict[str, Entry]:
    """What ``CL_WORKBENCH__SECTION__NAME`` variables set; problems are added."""
    pairs = (
        (name, name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), text)
        for name, text in sorted(variables.items())
        if name.startswith(ENVIRONMENT_PREFIX)
    )
    return _typed_layer(pairs, "environment", problems)


def assigned_layer(assignments: Sequence[str], problems: list[Problem]) -> dict[str, Entry]:
    """What the ``key=value`` texts of ``--set`` set; problems are added."""
    pairs = []
    for assignment in assignments:
        key, mark, text = assignment.partition("=")
        if mark:
            pairs.append(("--set", key.strip(), text))
        else:
            problems.append(Problem("--set", f"{assignment!r} is not of the form key=value."))
    return _typed_layer(pairs, "--set", problems)


def _typed_layer(
    pairs: Iterable[tuple[str, str, str]], source: Source, problems: list[Problem]
) -> dict[str, Entry]:
    entries = {}
    for where, key, text in pairs:
        setting = BY_KEY.get(key)
        if setting is None:
            problems.append(Problem(where, _unknown_in_file(key)))
            continue
        try:
            entries[key] = Entry(from_text(setting, text, Path.cwd()), source, where)
        except BadValueError as error:
            problems.append(Problem(where, str(error)))
    return entries


@dataclass(frozen=True, slots=True)
class Rule:
    """Two settings of which one has to be below, or at most, the other."""

    low: str
    high: str
    strict: bool

    def broken_by(self, entries: Mapping[str, Entry]) -> bool:
        """Whether the two values, as set or by default, do not fit together."""
        low, high = _value_of(entries, self.low), _value_of(entries, self.high)
        if low is None or high is None:
            return False
        return not (low < high if self.strict else low <= high)

    def sentence(self, entries: Mapping[str, Entry]) -> str:
        """What is wrong, without a full stop."""
        relation = "below" if self.strict else "at most"
        low, high = (_value_of(entries, key) for key in (self.low, self.high))
        return f"{self.low} ({low}) has to be {relation} {self.high} ({high})"


RULES = (
    Rule("model.modified_layers_start", "model.modified_layers_end", strict=True),
    Rule("alpha.min_value", "alpha.initial", strict=False),
    Rule("passages.overlap_tokens", "passages.chunk_tokens", strict=True),
    Rule("jitrl_full.window_overlap", "jitrl_full.window", strict=True),
)


def disagreements(entries: Mapping[str, Entry]) -> list[Problem]:
    """Settings that are fine alone but not together."""
    return [_problem(rule, entries) for rule in RULES if rule.broken_by(entries)]


def _problem(rule: Rule, entries: Mapping[str, Entry]) -> Problem:
    later = max(
        (entries[key] for key in (rule.low, rule.high) if key in entries),
        key=lambda entry: _ORDER.index(entry.source),
    )
    return Problem(later.where, f"{rule.sentence(entries)}.")


_ORDER: tuple[Source, ...] = ("default", "profile", "user", "environment", "--set")


def _value_of(entries: Mapping[str, Entry], key: str) -> Any:
    entry = entries.get(key)
    return BY_KEY[key].default if entry is None else entry.value

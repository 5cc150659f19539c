"""The settings in force, and where each comes from.

Five layers, the later one counts: the defaults, a profile, the user's own file,
environment variables such as ``CL_WORKBENCH__TTT__LEARNING_RATE``, and ``--set``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_workbench.assets import asset
from cl_workbench.home import Home
from cl_workbench.settings_file import remove_key, write_key
from cl_workbench.settings_layers import (
    ENVIRONMENT_PREFIX,
    RULES,
    Entry,
    Rule,
    Source,
    assigned_layer,
    disagreements,
    environment_layer,
    file_layer,
)
from cl_workbench.settings_schema import BY_KEY, SETTINGS, Setting, Value
from cl_workbench.settings_values import (
    BadValueError,
    Problem,
    checked,
    from_text,
    nearest,
    unknown_key,
)
from engines.atomic import checked_name
from engines.protocol import EngineError


class SettingsError(EngineError):
    """Settings that can't be used: every problem found, one a line.

    ``wrong_use`` is true if all of them come from the command line.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.wrong_use = all(problem.where.startswith("--") for problem in problems)


class Settings:
    """Typed values by key, such as ``settings.get("ttt.learning_rate")``.

    Raises:
        SettingsError: from ``load``, with all problems of all layers.
    """

    def __init__(self, home: Home, entries: Mapping[str, Entry] | None = None) -> None:
        self._home = home
        self._entries = dict(entries or {})

    @classmethod
    def load(
        cls,
        home: Home,
        *,
        profile: str | None = None,
        assignments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read all layers; ``assignments`` are the ``key=value`` of ``--set``."""
        variables = os.environ if environment is None else environment
        problems: list[Problem] = []
        entries: dict[str, Entry] = {}
        if profile is not None:
            path = profile_path(home, profile)
            entries |= file_layer(path, "profile", problems)
        entries |= file_layer(home.user_settings, "user", problems)
        entries |= environment_layer(variables, problems)
        entries |= assigned_layer(assignments, problems)
        if not problems:
            problems += disagreements(entries)
        if problems:
            raise SettingsError(problems)
        return cls(home, entries)

    def get(self, key: str) -> Any:
        """The value of ``key`` in the type of its kind, or None where it is null.

        ``text`` is a str, ``whole`` an int, ``number`` a float, ``path`` a Path and
        ``list`` a tuple of str.

        Raises:
            EngineError: for an unknown key, with the nearest one.
        """
        entry = self._entries.get(known_setting(key).key)
        return BY_KEY[key].default if entry is None else entry.value

    def source(self, key: str) -> Source:
        """The layer that the value of ``key`` comes from."""
        entry = self._entries.get(known_setting(key).key)
        return "default" if entry is None else entry.source

    def where(self, key: str) -> str:
        """The file, variable or option that set ``key``; empty for a default."""
        entry = self._entries.get(known_setting(key).key)
        return "" if entry is None else entry.where

    def set_user(self, key: str, value: Value) -> None:
        """Change ``key`` from now on: in the user's file, and in these settings.

        Raises:
            EngineError: if the value is not allowed or the file can't be written.
        """
        path = self._home.user_settings
        entry = Entry(_typed(key, value), "user", str(path))
        after = {**self._entries, key: entry}
        _refuse([rule for rule in _with_key(key) if rule.broken_by(after)], after, path)
        set_in_file(path, key, value)
        self._entries = after


def known_setting(key: str) -> Setting:
    """The setting of that key.

    Raises:
        EngineError: if there is none, with the nearest spelling.
    """
    if key not in BY_KEY:
        raise EngineError(unknown_key_problem(key))
    return BY_KEY[key]


def set_in_file(path: Path, key: str, value: Value) -> Value:
    """Write ``key`` into the settings file at ``path``; a str is read as typed text.

    Returns:
        The value in its type.

    Raises:
        EngineError: if the value is not allowed or the file can't be written.
    """
    new = _typed(key, value)
    after = {**file_layer(path, "user", []), key: Entry(new, "user", str(path))}
    _refuse([rule for rule in _with_key(key) if rule.broken_by(after)], after, path)
    write_key(path, key, new)
    return new


def unset_in_file(path: Path, key: str) -> bool:
    """Take ``key``, known or not, out of the settings file; false if it isn't in it.

    Raises:
        EngineError: if what is left would not fit together, or the file can't be written.
    """
    before = file_layer(path, "user", [])
    after = {k: v for k, v in before.items() if k != key and not k.startswith(f"{key}.")}
    # What does not fit already must not keep one from mending it step by step.
    newly = [rule for rule in RULES if rule.broken_by(after) and not rule.broken_by(before)]
    _refuse(newly, after, path)
    return remove_key(path, key)


def _typed(key: str, value: Value) -> Value:
    setting = known_setting(key)
    try:
        if isinstance(value, str):
            return from_text(setting, value, Path.cwd())
        raw = str(value) if isinstance(value, Path) else value
        return checked(setting, raw, Path.cwd())
    except BadValueError as error:
        raise EngineError(str(error)) from error


def _with_key(key: str) -> list[Rule]:
    return [rule for rule in RULES if key in {rule.low, rule.high}]


def _refuse(broken: Sequence[Rule], entries: Mapping[str, Entry], path: Path) -> None:
    problems = [
        Problem(
            str(path), f"{rule.sentence(entries)}: nothing was changed, change the other one first."
        )
        for rule in broken
    ]
    if problems:
        raise SettingsError(problems)


def unknown_key_problem(key: str) -> str:
    """One sentence on a key that is no setting, with the nearest that is."""
    text = unknown_key(key)
    return text[:1].upper() + text[1:]


def file_problems(path: Path) -> list[Problem]:
    """All that is wrong with one settings file; nothing if it is fine or not there."""
    problems: list[Problem] = []
    entries = file_layer(path, "user", problems)
    return problems or disagreements(entries)


def profile_names(home: Home) -> tuple[str, ...]:
    """The profiles there are: the user's own and those that ship."""
    found = {path.stem for folder in _profile_folders(home) for path in folder.glob("*.yaml")}
    return tuple(sorted(found))


def profile_path(home: Home, name: str) -> Path:
    """The file of a profile; the user's own goes before a shipped one of the same name.

    Raises:
        SettingsError: if there is none, with those there are.
    """
    checked_name(name, "profile name")
    for folder in _profile_folders(home):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path
    names = profile_names(home)
    near = nearest(name, names)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}."
    raise SettingsError([Problem("--profile", f"there is no profile {name}; {hint}")])


def _profile_folders(home: Home) -> tuple[Path, ...]:
    return (home.profiles, asset("configs", "profiles"))


__all__ = [
    "ENVIRONMENT_PREFIX",
    "SETTINGS",
    "Settings",
    "SettingsError",
    "Source",
    "file_problems",
    "known_setting",
    "profile_names",
    "profile_path",
    "set_in_file",
    "unknown_key_problem",
    "unset_in_file",
]

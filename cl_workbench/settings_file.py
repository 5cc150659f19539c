"""Settings files: reading one, and changing one value in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cl_workbench import settings_edit
from cl_workbench.settings_schema import SECTIONS, Value
from cl_workbench.settings_text import yaml_text
from engines.atomic import write_atomically
from engines.protocol import EngineError

_NEW_FILE = "# Settings that differ from the default; `cl-workbench config show` lists them all.\n"


class SettingsFileError(EngineError):
    """A settings file can't be read or changed; ``reason`` leaves its path out."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


def read_keys(path: Path) -> Iterator[tuple[str, object]]:
    """Yield each ``section.name`` of a settings file with its raw value.

    A file that isn't there, or holds only comments, has none.  What is no section of
    settings is yielded under its own name.

    Raises:
        SettingsFileError: if the file can't be read as settings.
    """
    return _keys(_parsed(path, _text(path)))


def write_key(path: Path, key: str, value: Value) -> None:
    """Set ``key`` in the file at ``path``; all else in it, comments included, stays.

    Raises:
        EngineError: if the file can't be read or written; it is unchanged then.
    """
    rendered = yaml_text(value)
    plain = _plain(value)
    _change(path, lambda text: settings_edit.with_value(text, key, rendered), {key: plain}, key)


def remove_key(path: Path, key: str) -> bool:
    """Take ``key`` out of the file at ``path``; false if it isn't there.

    Raises:
        EngineError: if the file can't be read or written; it is unchanged then.
    """
    if not any(known == key or known.startswith(f"{key}.") for known, _ in read_keys(path)):
        return False
    _change(path, lambda text: settings_edit.without_key(text, key), {}, key)
    return True


def _change(path: Path, edit: Callable[[str], str], new: dict[str, object], key: str) -> None:
    text = _text(path) or _NEW_FILE
    before = dict(_keys(_parsed(path, text)))
    kept = {k: v for k, v in before.items() if k != key and not k.startswith(f"{key}.")}
    kept.pop(key.partition(".")[0], None)
    changed = edit(text)
    # Anchors and other rarities can make an edit reach further than its line.
    try:
        after = dict(_keys(_parsed(path, changed)))
    except SettingsFileError:
        after = {}
    if after != kept | new:
        raise SettingsFileError(path, f"is written in a way that hides {key}: edit it by hand.")
    write_atomically(path, changed)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise SettingsFileError(path, f"can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsFileError(path, "is not UTF-8 text: save it as UTF-8.") from error


def _parsed(path: Path, text: str) -> Mapping[Any, Any]:
    if not text.strip():
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise SettingsFileError(path, _syntax_sentence(error)) from error
    except YAMLError as error:
        reason = str(error).splitlines()[0]
        raise SettingsFileError(path, f"is not YAML: {reason}.") from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise SettingsFileError(path, "holds no settings: write `section:`, then `  name: value`.")
    return document


def _keys(document: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    for section, content in document.items():
        if isinstance(content, Mapping):
            for name, raw in content.items():
                yield f"{section}.{name}", raw
        elif content is not None or section not in SECTIONS:
            yield str(section), content


def _plain(value: Value) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _syntax_sentence(error: Any) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}: " if mark else ""
    problem = str(error.problem or error.context or "is not YAML").splitlines()[0]
    return f"{where}{problem}; correct it, or delete the file to start again."

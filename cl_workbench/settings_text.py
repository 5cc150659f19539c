"""Settings as text: the commented default file, and values as people type them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from cl_workbench.settings_schema import SECTIONS, SETTINGS, Setting, Value
from cl_workbench.terminal_text import escaped

_WIDTH = 96
_HEADER = """\
# Every setting of CL Workbench with its default. Generated from
# cl_workbench/settings_schema.py: change that, then run
#     python -m cl_workbench.settings_schema
# Your own settings go to the user file (`cl-workbench config path` names it), or:
#     cl-workbench config set ttt.learning_rate 0.0005
"""


def default_yaml() -> str:
    """The text of ``configs/default.yaml``: every key with a comment and its unit."""
    parts = [_HEADER]
    for section, meaning in SECTIONS.items():
        entries = [_entry(setting) for setting in SETTINGS if setting.section == section]
        parts.append(_comment(meaning, "") + f"{section}:\n" + "\n".join(entries))
    return "\n".join(parts)


def yaml_text(value: Value) -> str:
    """``value`` as it stands in a settings file: ``null``, ``0.001``, ``[text, content]``."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    if isinstance(value, str | Path):
        return _scalar(str(value))
    return _number(value)


def _entry(setting: Setting) -> str:
    facts = [setting.meaning[:1].upper() + setting.meaning[1:]]
    if setting.unit:
        facts.append(f"Unit: {setting.unit}")
    if setting.allowed != "text":
        facts.append(f"Allowed: {setting.allowed}")
    comment = _comment(" ".join(f"{fact}." for fact in facts), "  ")
    return f"{comment}  {setting.name}: {yaml_text(setting.default)}\n"


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - len(indent) - 2, break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _number(value: float) -> str:
    # YAML takes 1e-05 for a number only in its newer form; a point makes both agree.
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else text


def _scalar(text: str) -> str:
    plain = text and all(c.isalnum() or c in "_-./" for c in text) and text[0].isalpha()
    reserved = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
    if plain and text.isascii() and text.lower() not in reserved:
        return text
    return escaped(json.dumps(text, ensure_ascii=False))

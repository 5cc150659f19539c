"""The JSON schema that a Curator's answer is held to, with a bound on everything."""

from __future__ import annotations

from typing import Any

from engines.ace.operations import VOTES
from engines.ace.playbook import Playbook
from engines.ace.sections import DEFAULT_SECTIONS, MAX_ID_CHARACTERS, MAX_SECTION_CHARACTERS

DEFAULT_OPERATIONS = 8
DEFAULT_TEXT_CHARACTERS = 400
REASONING_CHARACTERS = 600

# A grammar with an alternative for each of more ids gets slow.
_MOST_IDS = 200
_MERGED_AT_ONCE = 4


def operations_schema(
    playbook: Playbook | None = None,
    *,
    most: int = DEFAULT_OPERATIONS,
    text_characters: int = DEFAULT_TEXT_CHARACTERS,
    new_sections: bool = False,
) -> dict[str, Any]:
    """A schema for ``{"reasoning": ..., "operations": [...]}`` over ``playbook``.

    The ids are those of its bullets where these are few enough, the sections its own and the
    usual ones unless ``new_sections``.  Without bullets there is only ADD, with one no MERGE.
    """
    bullets = playbook.bullets if playbook else ()
    text = _text(text_characters)
    id_ = (
        _choice([b.id for b in bullets]) if len(bullets) <= _MOST_IDS else _text(MAX_ID_CHARACTERS)
    )
    own = playbook.sections if playbook else ()
    sections = list(dict.fromkeys([*DEFAULT_SECTIONS, *own]))
    section = _text(MAX_SECTION_CHARACTERS) if new_sections else _choice(sections)
    kinds = [_kind("ADD", section=section, text=text)]
    if bullets:
        kinds += [
            _kind("UPDATE", id=id_, text=text),
            _kind("TAG", id=id_, tag=_choice(VOTES)),
            _kind("REMOVE", id=id_),
        ]
    if len(bullets) > 1:
        ids = {"type": "array", "items": id_, "minItems": 2, "maxItems": _MERGED_AT_ONCE}
        kinds.append(_kind("MERGE", ids=ids, text=text))
    operations = {"type": "array", "items": {"anyOf": kinds}, "maxItems": most}
    return _object({"reasoning": _text(REASONING_CHARACTERS), "operations": operations})


def _kind(name: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return _object({"type": _choice([name]), **properties})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _choice(values: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}

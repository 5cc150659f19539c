"""Changing one value in the text of a settings file; every other character stays."""

from __future__ import annotations

from typing import Any

_INDENT = "  "


def with_value(text: str, key: str, rendered: str) -> str:
    """``text`` with ``section.name`` set to ``rendered``, which is YAML on one line."""
    section, _, name = key.partition(".")
    entry = f"{name}: {rendered}"
    root = _compose(text)
    if _is_empty(root):
        return _ending_in_newline(text[: _start(root, text)]) + f"{section}:\n{_INDENT}{entry}\n"
    found = _find(root, section)
    if found is None:
        return _added(text, root, f"{section}:\n{_INDENT}{entry}", f"{section}: {{{entry}}}")
    heading, content = found
    if not _is_mapping(content):
        colon, end = _colon(text, heading), _end(content)
        line_end = _line_end(text, max(end, colon))
        comment = text[max(end, colon) : line_end].rstrip() + "\n"
        return f"{text[:colon]}{comment}{_INDENT}{entry}\n{text[line_end:]}"
    existing = _find(content, name)
    if existing is None:
        return _added(text, content, entry, entry)
    return _replaced(text, existing, rendered)


def without_key(text: str, key: str) -> str:
    """``text`` without the lines of ``section.name``, or of a whole ``section``.

    A key that isn't there changes nothing.
    """
    section, _, name = key.partition(".")
    root = _compose(text)
    found = None if _is_empty(root) else _find(root, section)
    if found is None or not name:
        return _without(text, root, found)
    return _without(text, found[1], _find(found[1], name)) if _is_mapping(found[1]) else text


def _compose(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).compose(text)


def _is_mapping(node: Any) -> bool:
    return getattr(node, "id", None) == "mapping" and bool(node.value)


def _is_empty(root: Any) -> bool:
    return root is None or not root.value


def _start(root: Any, text: str) -> int:
    return len(text) if root is None else int(root.start_mark.index)


def _find(mapping: Any, name: str) -> Any:
    return next((entry for entry in mapping.value if entry[0].value == name), None)


def _end(node: Any) -> int:
    """Where a node's text ends; a block collection's own mark lies after the next comments."""
    if not isinstance(node.value, str) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _added(text: str, mapping: Any, block: str, flow: str) -> str:
    if mapping.flow_style:
        brace = mapping.end_mark.index - 1
        return f"{text[:brace].rstrip().rstrip(',')}, {flow}{text[brace:]}"
    line_end = _line_end(text, _end(mapping))
    column = mapping.value[0][0].start_mark.column
    indented = "".join(f"{' ' * column}{line}\n" for line in block.splitlines())
    return _ending_in_newline(text[:line_end]) + indented + text[line_end:]


def _replaced(text: str, entry: Any, rendered: str) -> str:
    name, value = entry
    colon, start, end = _colon(text, name), value.start_mark.index, _end(value)
    if start >= end:
        return f"{text[:colon]} {rendered}{text[colon:]}"
    gap = text[colon:start]
    if "\n" in gap:  # a list below its key; what stands behind the key is a comment
        return f"{text[:colon]} {rendered}{gap.rstrip()}{text[end:]}"
    newline = "\n" if text[start:end].endswith("\n") else ""
    return text[:start] + rendered + newline + text[end:]


def _without(text: str, mapping: Any, entry: Any) -> str:
    if entry is None:
        return text
    name, value = entry
    start, end = name.start_mark.index, _colon(text, name)
    if value.start_mark.index < _end(value):
        end = _end(value)
    if mapping.flow_style:
        rest = text[end:].lstrip(" :")
        if rest.startswith(","):
            return text[:start] + rest[1:].lstrip()
        return text[:start].rstrip().rstrip(",") + rest
    line_start = text.rfind("\n", 0, start) + 1
    return text[:line_start] + text[_line_end(text, end) :]


def _colon(text: str, name: Any) -> int:
    """The index just after the colon that follows the key ``name``."""
    return text.index(":", name.end_mark.index) + 1


def _line_end(text: str, index: int) -> int:
    """The index just after the line that the character before ``index`` is in."""
    newline = text.find("\n", max(index - 1, 0))
    return len(text) if newline < 0 else newline + 1


def _ending_in_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"

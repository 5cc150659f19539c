"""The colour themes that ship as YAML files beside the style sheet."""

from __future__ import annotations

from pathlib import Path

import yaml
from textual.theme import Theme

from engines.protocol import EngineError


def load_palettes(folder: Path) -> list[Theme]:
    """Every ``*.yaml`` of ``folder`` as a theme, sorted by file name.

    Raises:
        EngineError: if a file can't be read as a theme; it is named.
    """
    return [_palette(path) for path in sorted(folder.glob("*.yaml"))]


def _palette(path: Path) -> Theme:
    try:
        return Theme(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise EngineError(f"The theme {path} can't be used ({error}); correct it.") from error

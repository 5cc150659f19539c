"""The pages for people hold no gaps, and what they point to is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
SOURCE = re.compile(r"""<(?:img|a)\b[^>]*?(?:src|href)=["']([^"']+)["']""")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def targets(text: str) -> list[str]:
    """The files that a page's links and images lead to, relative to the page."""
    prose = CODE.sub("", text)
    links = [urlsplit(link) for link in LINK.findall(prose) + SOURCE.findall(prose)]
    return [unquote(link.path) for link in links if not link.scheme and link.path]


@pages
def test_no_place_is_left_to_be_filled_in(page: Path) -> None:
    assert "@@" not in page.read_text(encoding="utf-8")


@pages
def test_every_relative_link_and_image_is_there(page: Path) -> None:
    absent = [
        target
        for target in targets(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert absent == []


def test_links_are_found_however_they_are_written() -> None:
    text = '[a](a.md#x) ![b](b%20c.png "t") [w](https://x.org/y) <img src="d.svg"> `[c](c)` [e](#e)'
    assert targets(text) == ["a.md", "b c.png", "d.svg"]

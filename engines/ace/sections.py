"""Names of a playbook's sections, and the ids that bullets get from them."""

from __future__ import annotations

import re
import unicodedata

MAX_SECTION_CHARACTERS = 40
MAX_SECTIONS = 24
OTHER = "other"

_SLUGS = {
    "strategies": "strategy",
    "facts to check": "fact",
    "formulas": "formula",
    "common mistakes": "mistake",
    OTHER: "other",
}
DEFAULT_SECTIONS = tuple(_SLUGS)

_ONE_OF = {slug: name for name, slug in _SLUGS.items()}
_SLUG_CHARACTERS = 20
_ID = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)-([0-9]{5,9})")
MAX_ID_CHARACTERS = 32
MAX_NUMBER = 999_999_999


def section_name(text: str) -> str:
    """``text`` as the name of a section: lower case, single spaces, ``strategy`` as its plural.

    Raises:
        ValueError: with one sentence, if it is empty, too long, or holds other characters than
            letters, digits, spaces, and ``-``, ``&``, ``/`` or ``'``.
    """
    if len(text) > 4 * MAX_SECTION_CHARACTERS:
        raise ValueError(f"a section's name has at most {MAX_SECTION_CHARACTERS} characters")
    name = " ".join(text.replace("_", " ").lower().split())
    if not name or len(name) > MAX_SECTION_CHARACTERS:
        raise ValueError(f"a section's name has 1 to {MAX_SECTION_CHARACTERS} characters")
    if not name[0].isalnum() or not all(_is_allowed(letter) for letter in name):
        raise ValueError(
            "a section's name begins with a letter or digit and has only letters, digits, "
            "spaces, '-', '&', '/' and \"'\""
        )
    return _ONE_OF.get(name, name)


def _is_allowed(letter: str) -> bool:
    return letter in " -&/'" or unicodedata.category(letter)[0] in "LNM"


def slug(section: str) -> str:
    """The first part of the ids of ``section``: lower-case ASCII, such as ``strategy``."""
    if section in _SLUGS:
        return _SLUGS[section]
    ascii_only = unicodedata.normalize("NFKD", section).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_SLUG_CHARACTERS].strip("-")
    return plain if plain[:1].isalpha() else f"section-{plain}".strip("-")


def bullet_id(section: str, number: int) -> str:
    """The id of the bullet of that number, such as ``strategy-00012``."""
    return f"{slug(section)}-{number:05d}"


def id_parts(text: str) -> tuple[str, int] | None:
    """The slug and the number of an id; None if ``text`` is none."""
    found = _ID.fullmatch(text) if len(text) <= MAX_ID_CHARACTERS else None
    return (found[1], int(found[2])) if found else None


def order_of(section: str) -> tuple[int, str]:
    """What sections are sorted by: the usual ones first, then by name."""
    known = section in _SLUGS
    return (DEFAULT_SECTIONS.index(section) if known else len(_SLUGS), section)

"""From the bytes of a file to clean text: encodings, line endings, control characters."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from engines.protocol import DocumentError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

# Ordered: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The detector knows a hundred encodings; among those that texts really come in, it errs less.
_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254",
    "cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman",
]  # fmt: skip
_SAMPLE_BYTES = 65_536

# A text has next to none of these; images, archives and programs are full of them.
_CONTROL_BYTES = bytes([*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F])
_MOST_CONTROL_SHARE = 0.05
_FEW_CONTROLS = 4
_UTF8_LEAD_BYTES = bytes(range(0xC2, 0xF5))

_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")


def decode(content: bytes, subject: str) -> tuple[str, tuple[str, ...]]:
    """Return the text in ``content`` and notes on what had to be guessed.

    UTF-8 is tried first, with or without a byte order mark, then UTF-16 and UTF-32 by
    their mark, then what the bytes look like.  ``subject`` names the file in errors.

    Raises:
        DocumentError: if the bytes are binary or in no encoding that can be told.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_as(content, encoding, subject), ()
    if _is_binary(content):
        raise DocumentError(f"{subject} is binary, not text; save its text as UTF-8 and use that.")
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _guess(content, subject)


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """Return ``text`` with ``\\n`` line ends and without control characters, and notes on it.

    Newlines and tabs stay.  NUL is left for the caller, who must refuse it.
    """
    text = _LINE_END.sub("\n", text.removeprefix("\ufeff"))
    text, controls = _CONTROL.subn("", text)
    text, surrogates = _SURROGATE.subn("\ufffd", text)
    notes = []
    if controls:
        notes.append(f"{counted(controls, 'control character')} removed")
    if surrogates:
        notes.append(f"{counted(surrogates, 'broken character')} replaced by \ufffd")
    return text, tuple(notes)


def counted(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _decode_as(content: bytes, encoding: str, subject: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise DocumentError(
            f"{subject} is marked as {name} but is not valid {name}; save it again as UTF-8."
        ) from error


def _is_binary(content: bytes) -> bool:
    if b"\0" in content:
        return True
    controls = len(content) - len(content.translate(None, _CONTROL_BYTES))
    return controls > max(_FEW_CONTROLS, _MOST_CONTROL_SHARE * len(content))


def _guess(content: bytes, subject: str) -> tuple[str, tuple[str, ...]]:
    damaged = _damaged_utf8(content)
    if damaged is not None:
        return damaged
    encoding = _likely_encoding(content[:_SAMPLE_BYTES])
    try:
        if encoding is not None:
            return content.decode(encoding), (f"read as {encoding}",)
    except UnicodeDecodeError:
        encoding = None
    raise DocumentError(f"{subject} is in an unknown encoding; save it as UTF-8.")


def _damaged_utf8(content: bytes) -> tuple[str, tuple[str, ...]] | None:
    """UTF-8 with a few broken bytes, as after a cut transfer; None if it looks like no UTF-8."""
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    intact = len(content) - len(content.translate(None, _UTF8_LEAD_BYTES)) - broken
    if intact < 10 * broken:
        return None
    return text, (f"{counted(broken, 'broken UTF-8 byte')} replaced by \ufffd",)


def _likely_encoding(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_CANDIDATES)
    best = matches.best()
    if best is None:
        return None
    # Western and Central European pages read the same letters at most places; where
    # nothing tells them apart the Western one is far more common.
    western = next((m for m in matches if "cp1252" in m.could_be_from_charset), None)
    return "cp1252" if western and _as_likely(western, best) else best.encoding


def _as_likely(match: CharsetMatch, best: CharsetMatch) -> bool:
    return match.chaos <= best.chaos and match.coherence >= best.coherence - 0.2

"""What a bullet from a model or a document must not bring into a prompt unseen.

A bullet is shown to every role in every later prompt, so one that gives orders, leads out of
the program, or hides something is put before a person first.  False alarms cost a glance;
so the patterns are broad, but each names what it saw.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

FlagKind = Literal["instruction", "address", "secret", "shell", "delimiter", "hidden characters"]


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a text waits for a person; ``why`` is one sentence that repeats no secret."""

    kind: FlagKind
    why: str


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|orders|constraints?|polic(?:y|ies))"
)
_OVERRIDE = r"(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|bypass\w*|circumvent\w*|neglect\w*)"
_WHOSE = (
    r"(?:previous|prior|above|earlier|preceding|foregoing|system|safety|other|all|any|your|these|"
    r"those)"
)
_INSTRUCTION = _compiled(
    rf"\b{_OVERRIDE}\b[^.!?]{{0,40}}\b{_WHOSE}\b[^.!?]{{0,30}}\b{_RULES}\b",
    rf"\b{_OVERRIDE}\s+(?:the\s+)?{_RULES}\b",
    rf"\b{_OVERRIDE}\s+(?:everything|anything|all)\b[^.!?]{{0,30}}\b(?:above|before|said|told)\b",
    rf"\b(?:do\s+not|don['’]t|stop|never)\s+(?:follow|obey|heed)\w*\b[^.!?]{{0,40}}\b{_RULES}\b",
    r"\bsystem\s+(?:prompt|message|instructions?)\b",
    r"\bdeveloper\s+(?:mode|message)\b|\bjail\s?break\w*",
    r"\byou\s+are\s+(?:now|no\s+longer)\b|\bfrom\s+now\s+on\b[^.!?]{0,30}\byou\b",
    r"\bnew\s+(?:instructions?|system\s+rules?)\s*:",
    r"\b(?:pretend|act\s+as\s+if)\s+(?:to\s+be|you\s+are|you\s+have\s+no)\b",
    r"\b(?:reveal|print|repeat|output|show|leak|send)\b[^.!?]{0,30}\b(?:your|the)\s+"
    r"(?:hidden|secret|initial|original|full)?\s*(?:prompt|instructions|configuration|api\s+keys?)\b",
    r"\b(?:remove|delete|erase|clear)\b[^.!?]{0,20}\b(?:all|every|other)\b[^.!?]{0,20}\bbullets?\b",
)
_ADDRESS = _compiled(
    r"\b[a-z][a-z0-9+.-]{1,15}://\S",
    r"\bwww\.[a-z0-9-]+\.",
    r"\b(?:mailto|javascript):\S|\bdata:\w+/\w|\btel:\+?\d",
    r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    r"(?<![\w.@/])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|ai|co|info|biz|xyz|ru|cn|uk|de|fr|eu|"
    r"me|link|site|online|top|onion)(?:/\S*)?(?![\w.-]*\w)",
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+|/\S*)",
)
_SECRET = _compiled(
    r"-----BEGIN [A-Z ]*(?:KEY|CERTIFICATE)",
    r"(?<![A-Za-z0-9])(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[A-Za-z0-9]{12,}",
    r"\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bhf_[A-Za-z0-9]{16,}",
    r"\b(?-i:AKIA|ASIA)(?-i:[A-Z0-9]{12,})|\b(?-i:AIza)[\w-]{20,}|\bxox[abprs]-[\w-]{8,}|\bya29\.[\w-]{10,}",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}",
    r"\bbearer\s+[\w.~+/-]{12,}",
    r"\b(?:password|passwd|passphrase|pwd|api[\s_-]?key|secret[\s_-]?key|access[\s_-]?key|"
    r"auth[\s_-]?token|access[\s_-]?token|client[\s_-]?secret)\b\s*(?:=|:|\bis\b)\s*['\"]?\S{4,}",
)
_SHELL = _compiled(
    r"\b(?:curl|wget|iwr|invoke-webrequest|fetch)\b[^|;&]{0,200}[|;&]+\s*(?:sudo\s+)?(?:\w*sh|python\d?|"
    r"perl|ruby|node|iex|source)\b",
    r"\b(?:ba|z|da)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)\b",
    r"\bbase64\s+(?:-d|--decode|-D)\b[^|]{0,80}\|",
    r"\brm\s+-\w*[rf]\w*\s+\S|\bmkfs\b|/dev/tcp/|\bnc\s+-\w*e\b|\bchmod\s+\+x\b",
    r"\b(?:iex|invoke-expression)\b\s*[(\"'$]",
)
_DELIMITER = _compiled(
    r"<\s*[|｜]|[|｜]\s*>|<<\s*/?\s*SYS\s*>>|\[\s*/?\s*(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\s*\]",
    r"</?\s*(?:s|bos|eos|pad|unk|think|thinking|system|user|assistant|human|tool\w*|function\w*|"
    r"instructions?|prompt|context|documents?|playbook|question|answer|start_of_turn|end_of_turn|"
    r"start_of_image|im_start|im_end)(?:\s[^<>]{0,100})?/?>",
    r"```|~~~|^\s*#{1,6}\s|\[[a-z][a-z0-9-]*-[0-9]{5,9}\]\s*helpful\s*=",
    r"(?:^|[.!?:;]\s*)(?:system|assistant|human|user)\s*:",
    r"##\s*(?:system|instruction|response|human|assistant|user)\b",
)
_KINDS: tuple[tuple[FlagKind, tuple[re.Pattern[str], ...], str], ...] = (
    ("instruction", _INSTRUCTION, "it tries to instruct the roles ({})"),
    ("address", _ADDRESS, "it holds an address ({})"),
    ("secret", _SECRET, "it looks as if it held a password, key or token"),
    ("shell", _SHELL, "it holds a shell command that can do harm ({})"),
    ("delimiter", _DELIMITER, "it holds a mark that prompts are built with ({})"),
)
_SHOWN_CHARACTERS = 60

# Letters, symbols and marks that are drawn as nothing.
_BLANK = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_JOINERS = frozenset("\u200c\u200d")


def screen(text: str) -> tuple[Flag, ...]:
    """Everything in ``text`` that a person should see before it is used, one flag per kind.

    It is also looked at without hidden characters and in its compatible spelling (full-width
    letters as plain ones), so that neither hides a word.
    """
    hidden = sorted(set(_hidden(text)))
    spellings = (text, _plain(text))
    flags = [
        flag
        for kind, patterns, why in _KINDS
        if (flag := _flag(kind, patterns, why, spellings)) is not None
    ]
    if hidden:
        names = ", ".join(f"U+{ord(letter):04X}" for letter in hidden[:4])
        flags.append(Flag("hidden characters", f"it holds characters that can't be seen ({names})"))
    return tuple(flags)


def _flag(
    kind: FlagKind, patterns: tuple[re.Pattern[str], ...], why: str, spellings: tuple[str, ...]
) -> Flag | None:
    for spelling in spellings:
        for pattern in patterns:
            if found := pattern.search(spelling):
                return Flag(kind, why.format(_shown(found[0])))
    return None


def _shown(text: str) -> str:
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    short = line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
    return f"'{short}'"


def _plain(text: str) -> str:
    kept = "".join(c for c in text if unicodedata.category(c) != "Cf" and c not in _BLANK)
    return unicodedata.normalize("NFKC", kept)


def _hidden(text: str) -> Iterator[str]:
    """Format characters, private and blank ones; not the joiners that Persian or emoji need."""
    for place, letter in enumerate(text):
        if letter in _JOINERS and _between_foreign(text, place):
            continue
        if unicodedata.category(letter) in {"Cf", "Co", "Cn"} or letter in _BLANK:
            yield letter


def _between_foreign(text: str, place: int) -> bool:
    sides = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
    joined = all(
        not side.isascii() and unicodedata.category(side) in {"Lo", "Mn", "Mc", "So", "Sk"}
        for side in sides
    )
    return joined and len(sides) == 2

"""A playbook as the roles read it: a line per bullet that no text can break out of."""

from __future__ import annotations

import re

from engines.ace.bullet import Bullet
from engines.ace.playbook import Playbook

EMPTY = "(The playbook is empty.)"

# What a chat template, a fence or a line of ours begins with.  One backslash after the first
# character takes its meaning away; where there are backslashes already, it is one more.
_MARK = re.compile(
    r"<\\*(?=[^\s\d=.,;\\])"
    r"|\[\\*(?=/?[A-Z_]{2,}\]|[a-z][a-z0-9-]*-[0-9]{5,9}\])"
    r"|`\\*(?=`)"
)


def prompt_form(playbook: Playbook) -> str:
    """``## section`` headings with a ``[id] helpful=X harmful=Y :: text`` line per bullet."""
    blocks = (
        "\n".join([f"## {section}", *map(bullet_line, bullets)])
        for section, bullets in playbook.sections.items()
    )
    return "\n\n".join(blocks) or EMPTY


def bullet_line(bullet: Bullet) -> str:
    """One bullet on one line."""
    votes = f"helpful={bullet.helpful} harmful={bullet.harmful}"
    return f"[{bullet.id}] {votes} :: {escaped(bullet.text)}"


def escaped(text: str) -> str:
    """``text`` without anything that a model's template or this form gives a meaning to."""
    return _MARK.sub(lambda found: f"{found[0]}\\", text)


def unescaped(text: str) -> str:
    """What ``escaped`` made ``text`` of."""
    return _MARK.sub(lambda found: found[0].removesuffix("\\"), text)

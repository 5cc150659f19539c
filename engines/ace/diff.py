"""What differs between two playbooks, down to the words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from engines.ace.bullet import Bullet
from engines.ace.playbook import Playbook

_PIECE = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Words:
    """A run of text that stayed, was taken out or was put in."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One bullet before and after; ``words`` is empty where its text stayed."""

    before: Bullet
    after: Bullet
    words: tuple[Words, ...] = ()

    @property
    def helpful(self) -> int:
        """How many helpful votes came to it."""
        return self.after.helpful - self.before.helpful

    @property
    def harmful(self) -> int:
        """How many harmful votes came to it."""
        return self.after.harmful - self.before.harmful


@dataclass(frozen=True, slots=True)
class Diff:
    """How to get from one playbook to another."""

    added: tuple[Bullet, ...] = ()
    removed: tuple[Bullet, ...] = ()
    changed: tuple[Changed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff(before: Playbook, after: Playbook) -> Diff:
    """The bullets that were added, removed and changed, each in the playbook's order."""
    old = {bullet.id: bullet for bullet in before.bullets}
    new = {bullet.id: bullet for bullet in after.bullets}
    return Diff(
        tuple(bullet for bullet in after.bullets if bullet.id not in old),
        tuple(bullet for bullet in before.bullets if bullet.id not in new),
        tuple(
            Changed(old[id_], bullet, words_changed(old[id_].text, bullet.text))
            for id_, bullet in new.items()
            if id_ in old and old[id_] != bullet
        ),
    )


def patched(playbook: Playbook, difference: Diff) -> Playbook:
    """``playbook`` with ``difference`` carried out: ``patched(a, diff(a, b)) == b``."""
    bullets = {bullet.id: bullet for bullet in playbook.bullets}
    for bullet in difference.removed:
        bullets.pop(bullet.id, None)
    for changed in difference.changed:
        bullets[changed.after.id] = changed.after
    bullets.update({bullet.id: bullet for bullet in difference.added})
    return Playbook.of(bullets.values(), playbook.next_number)


def words_changed(before: str, after: str) -> tuple[Words, ...]:
    """``before`` and ``after`` as runs of whole words; nothing where they are the same."""
    return () if before == after else tuple(_runs(before, after))


def _runs(before: str, after: str) -> Iterator[Words]:
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    for kind, i, to_i, j, to_j in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Words("same", "".join(old[i:to_i]))
            continue
        if to_i > i:
            yield Words("removed", "".join(old[i:to_i]))
        if to_j > j:
            yield Words("added", "".join(new[j:to_j]))

"""A playbook: bullets in sections, as a value that is replaced and never changed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from engines.ace.bullet import Bullet
from engines.ace.sections import bullet_id, order_of
from engines.protocol import EngineError

MAX_BULLETS = 5000


class PlaybookError(EngineError):
    """A playbook can't be read, written or changed as asked."""


@dataclass(frozen=True, slots=True)
class Playbook:
    """Bullets sorted by section and number.

    ``next_number`` is that of the next new bullet; it never goes back, not even by undoing, so
    an id is never given twice.  It does not count when two playbooks are compared.
    """

    bullets: tuple[Bullet, ...] = ()
    next_number: int = field(default=1, compare=False)

    @classmethod
    def of(cls, bullets: Iterable[Bullet], next_number: int = 1) -> Playbook:
        """A playbook of ``bullets`` in any order."""
        ordered = tuple(sorted(bullets, key=_order))
        return cls(ordered, max([next_number, *(b.number + 1 for b in ordered)]))

    def get(self, id_: str) -> Bullet | None:
        """The bullet with that id, if it is here."""
        return next((bullet for bullet in self.bullets if bullet.id == id_), None)

    def put(self, bullet: Bullet) -> Playbook:
        """This playbook with ``bullet``, in place of the one with its id if there is one."""
        bullets = [b for b in self.bullets if b.id != bullet.id]
        insort(bullets, bullet, key=_order)
        return Playbook(tuple(bullets), max(self.next_number, bullet.number + 1))

    def without(self, ids: Collection[str]) -> Playbook:
        """This playbook without the bullets of these ids."""
        return Playbook(tuple(b for b in self.bullets if b.id not in ids), self.next_number)

    def new_id(self, section: str) -> str:
        """The id that the next new bullet of ``section`` gets."""
        return bullet_id(section, self.next_number)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the bullets, in order."""
        return tuple(bullet.id for bullet in self.bullets)

    @property
    def sections(self) -> dict[str, tuple[Bullet, ...]]:
        """The bullets by section, in order; a section without any is not there."""
        found: dict[str, list[Bullet]] = {}
        for bullet in self.bullets:
            found.setdefault(bullet.section, []).append(bullet)
        return {section: tuple(bullets) for section, bullets in found.items()}


def _order(bullet: Bullet) -> tuple[tuple[int, str], int]:
    return order_of(bullet.section), bullet.number

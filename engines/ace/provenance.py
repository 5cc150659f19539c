"""Which bullets rest on which documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from engines.ace.bullet import Bullet
from engines.ace.operations import Remove
from engines.ace.review import offer, pending, settle
from engines.ace.revisions import History, Place


def only_from(history: History, document_ids: Collection[str]) -> frozenset[str]:
    """The ids of present bullets that were learned from these documents and from nothing else.

    A bullet that others were merged into rests on their sources too.
    """
    sources: dict[str, set[str | None]] = defaultdict(set)
    for revision in history.revisions:
        for bullet in revision.put:
            sources[bullet.id].add(bullet.source.document)
    return frozenset(
        bullet.id
        for bullet in history.playbook.bullets
        if _documents(bullet, sources) <= set(document_ids)
    )


def without_document(history: History, document_id: str, note: str) -> History:
    """``history`` without the bullets that rest on the document alone, as one revision.

    What waits for review because of it is rejected, as another.
    """
    gone = [Remove(id_, "its only source") for id_ in sorted(only_from(history, {document_id}))]
    waiting = [held.place for held in pending(history) if held.source.document == document_id]
    return offer(rejected(history, waiting), gone, origin="person", note=note).history


def rejected(history: History, places: Collection[Place]) -> History:
    """``history`` with the held operations at ``places`` rejected."""
    return settle(history, {}, places).history


def _documents(bullet: Bullet, sources: Mapping[str, set[str | None]]) -> set[str | None]:
    ids = {bullet.id, *(past.id for past in bullet.past)}
    return {bullet.source.document}.union(*(sources[id_] for id_ in ids if id_ in sources))

"""Which bullets rest on which documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from engines.ace.bullet import Bullet
from engines.ace.operations import Remove
from engines.ace.review import offer, pending, settle
from engines.ace.revisions import History, Place, commit


def only_from(history: History, document_ids: Collection[str]) -> frozenset[str]:
    """The ids of present bullets that were learned from these documents and from nothing else.

    A bullet that others were merged into rests on their sources too.
    """
    sources = {b.id: b.source.document for revision in history.revisions for b in revision.put}
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


def moved(history: History, earlier: Collection[str], document_id: str) -> History:
    """``history`` with the bullets of ``earlier`` versions of a document resting on the present
    one, so that they are muted and forgotten with it.
    """
    playbook = history.playbook
    for bullet in playbook.bullets:
        if bullet.source.document in earlier:
            source = replace(bullet.source, document=document_id)
            playbook = playbook.put(replace(bullet, source=source))
    if playbook == history.playbook:
        return history
    return commit(history, playbook, "person", note="a document has a newer version")


def rejected(history: History, places: Collection[Place]) -> History:
    """``history`` with the held operations at ``places`` rejected."""
    return settle(history, {}, places).history


def _documents(bullet: Bullet, sources: Mapping[str, str | None]) -> set[str | None]:
    merged = {past.id for past in bullet.past} - {bullet.id}
    return {bullet.source.document, *(sources[id_] for id_ in merged if id_ in sources)}

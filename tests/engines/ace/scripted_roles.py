"""A scripted language model: it answers each role by a rule, and is no model at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from engines.language_models.protocol import Answer, Chunk, Completion, Request
from engines.protocol import Turn

Rule = Callable[[Request], Any]


def prompt(request):
    """All that the scripted model was shown."""
    return "\n".join(turn.content for turn in request.turns)


def block(request, name):
    """The data called ``name`` in the last turn."""
    text = request.turns[-1].content
    return text.partition(f"<{name}>\n")[2].partition(f"\n</{name}>")[0]


def answers(text, *ids):
    """A Generator that always says ``text``."""

    def rule(request):
        said = {"reasoning": "As it seems to me.", "final_answer": text}
        takes_ids = "bullet_ids" in request.schema["properties"]
        return said | ({"bullet_ids": list(ids)} if takes_ids else {})

    return rule


def reflects(insight="Look at the units first.", **tags):
    """A Reflector; ``tags`` are given with ``_`` for ``-``, or as ``tags={id: tag}``."""
    given = tags.get("tags", tags)

    def rule(request):
        said = {
            "error_identification": "The units were missed.",
            "root_cause_analysis": "Haste.",
            "correct_approach": "Read the whole question.",
            "key_insight": insight,
        }
        rows = [{"id": id_, "tag": tag} for id_, tag in given.items()]
        takes_tags = "bullet_tags" in request.schema["properties"]
        return said | ({"bullet_tags": rows} if takes_tags else {})

    return rule


def curates(*operations):
    """A Curator that gives these operations each time."""
    return lambda request: {"reasoning": "It will help.", "operations": list(operations)}


def add(text, section="strategies"):
    return {"type": "ADD", "section": section, "text": text}


class ScriptedRoles:
    """Answers by ``rules``, one per role; a rule gives JSON values, a text or an exception."""

    name = "scripted"
    where = "in this test"

    def __init__(self, *, context_tokens: int = 100_000, **rules: Rule) -> None:
        self.rules: dict[str, Rule] = {
            "generator": answers("no idea"),
            "reflector": reflects(),
            "curator": curates(),
            "writer": lambda request: {"questions": []},
            "answer": lambda request: "A plain answer.",
        } | rules
        self.context_tokens = context_tokens
        self.asked: list[Request] = []
        self.open = 0

    def of(self, role: str) -> list[Request]:
        """The requests to one role."""
        return [request for request in self.asked if request.schema_name == role]

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """A token a word."""
        return sum(len(turn.content.split()) for turn in turns)

    def stream(self, request: Request) -> Answer:
        """What the role's rule says, in two pieces."""
        self.asked.append(request)
        said = self.rules[request.schema_name](request)
        self.open += 1
        try:
            if isinstance(said, Exception):
                raise said
            text = said if isinstance(said, str) else json.dumps(said)
            yield Chunk(text[: len(text) // 2])
            yield Chunk(text[len(text) // 2 :])
        finally:
            self.open -= 1
        return Completion(text, "", self.count(request.turns), len(text.split()), "stop", 0.1)

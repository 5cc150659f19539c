"""A server with Ollama's protocol whose model takes ACE's roles by rules, for the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engines.language_models.protocol import Request
from engines.protocol import Turn
from tests.engines.ace.scripted_roles import Rule, ScriptedRoles
from tests.engines.language_models.scripted_ollama import (
    Reply,
    Scripted,
    Seen,
    answer,
    failed,
    line,
    scripted,
)

MODEL = "scripted:1b"
_ROLES = {
    "final_answer": "generator",
    "key_insight": "reflector",
    "operations": "curator",
    "questions": "writer",
}


class RoleServer:
    """What answers; a rule that gives an ``int`` fails with that status."""

    def __init__(self, script: Scripted, rules: dict[str, Rule]) -> None:
        self.script = script
        self.roles = ScriptedRoles(**rules)

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.script.address

    @property
    def options(self) -> list[str]:
        """Global options that let this server take the roles."""
        settings = {
            "server.dialect": "ollama",
            "server.address": self.address,
            "server.model": MODEL,
            "server.retries": 0,
            "ace.reflector_rounds": 1,
        }
        return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]

    def shown_to(self, role: str) -> list[str]:
        """The last turns that a role was shown."""
        return [request.turns[-1].content for request in self.roles.of(role)]

    def reply_to(self, seen: Seen) -> Reply:
        """What the role's rule says."""
        request = _request(seen.body)
        self.roles.asked.append(request)
        said = self.roles.rules[request.schema_name](request)
        if isinstance(said, int):
            return failed(said, "it broke")
        text = said if isinstance(said, str) else json.dumps(said)
        read = sum(len(turn.content.split()) for turn in request.turns)
        return answer(text[:9], text[9:], read=read)


def _request(body: Any) -> Request:
    turns = tuple(Turn(one["role"], one["content"]) for one in body["messages"])
    schema = body.get("format")
    names = schema["properties"] if schema else {}
    role = next((role for name, role in _ROLES.items() if name in names), "answer")
    return Request(turns, 100, schema=schema, schema_name=role)


@contextmanager
def role_server(**rules: Rule) -> Iterator[RoleServer]:
    """Serve ``rules``, one per role: generator, reflector, curator, writer, answer."""
    tags = Reply([line(models=[{"name": MODEL, "size": 1_000_000_000, "details": {}}])])
    version = Reply([line(version="0.31.2")])
    with scripted({"/api/version": [version], "/api/tags": [tags]}) as script:
        server = RoleServer(script, rules)
        usual = script.reply_to

        def reply_to(seen: Seen) -> Reply:
            if seen.path != "/api/chat":
                return usual(seen)
            script.seen.append(seen)
            return server.reply_to(seen)

        script.reply_to = reply_to  # type: ignore[method-assign]
        yield server

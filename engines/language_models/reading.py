"""Reading what servers send, which may be anything."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from engines.language_models import failures
from engines.language_models.addresses import Endpoint


def json_object(endpoint: Endpoint, line: bytes) -> dict[str, Any]:
    """The JSON object in ``line``.

    Raises:
        ServerError: if it is something else, or no UTF-8.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise failures.unreadable(endpoint, "a line that is no JSON") from None
    if not isinstance(found, dict):
        raise failures.unreadable(endpoint, "a line that is no JSON object")
    return found


def text_of(value: object) -> str:
    """``value`` if it is text, else none; half a character becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def is_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number that can count something."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

"""A conversation as the text that a chat model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engines.protocol import EngineError, Turn


def conversation_text(tokenizer: Any, turns: Sequence[Turn]) -> str:
    """``turns`` through the chat template, up to where the answer starts.

    Some templates (Gemma's) know no system turn; there its text opens the first user turn.

    Raises:
        EngineError: if the template refuses the conversation all the same.
    """
    from jinja2 import TemplateError

    try:
        return _templated(tokenizer, turns)
    except TemplateError:
        try:
            return _templated(tokenizer, _system_in_first_user_turn(turns))
        except TemplateError as error:
            raise EngineError(
                f"This model's chat template refuses the conversation ({error}): begin a new one, "
                "or clear generation.system_prompt."
            ) from error


def without_oldest_exchange(turns: Sequence[Turn]) -> list[Turn]:
    """``turns`` less the oldest question and its answers; system and last turn stay."""
    begin = next((i for i, turn in enumerate(turns) if turn.role != "system"), len(turns))
    users = [i for i, turn in enumerate(turns) if turn.role == "user" and i > begin]
    if begin >= len(turns) - 1 or not users:
        return list(turns)
    return [*turns[:begin], *turns[users[0] :]]


def _templated(tokenizer: Any, turns: Sequence[Turn]) -> str:
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    text: str = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return text


def _system_in_first_user_turn(turns: Sequence[Turn]) -> list[Turn]:
    opening = [turn.content for turn in turns if turn.role == "system"]
    rest = [turn for turn in turns if turn.role != "system"]
    if opening and rest and rest[0].role == "user":
        rest[0] = Turn("user", "\n\n".join([*opening, rest[0].content]))
    return rest

"""How a question is put to teacher and student, and the tokens of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engines.conversation import conversation_text
from engines.protocol import EngineError, Turn


class Prompts:
    """Token ids of prompts and answers, for one tokenizer and a list of ways to ask.

    Student and teacher are asked the same; the teacher has the document and an empty line
    in front, in the same turn.  ``forms`` hold ``{question}`` each.
    """

    def __init__(self, tokenizer: Any, forms: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self.forms = tuple(forms)
        self.end = _end_of_turn(tokenizer)

    def asked(self, question: str, form: int = 0, *, document: str = "") -> list[int]:
        """The prompt up to where the answer starts, ``[tokens]``."""
        request = self.forms[form].replace("{question}", question)
        shown = f"{document}\n\n{request}" if document else request
        if self._tokenizer.chat_template is None:
            return self.ids(f"{self._tokenizer.bos_token or ''}{shown}\n")
        return self.ids(conversation_text(self._tokenizer, [Turn("user", shown)]))

    def answer(self, text: str) -> list[int]:
        """The answer's tokens and the one that ends the turn, tokenised by themselves."""
        return [*self.ids(text), self.end]

    def ids(self, text: str) -> list[int]:
        """Token ids of ``text`` without any that a tokenizer adds of its own."""
        found: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return found

    def text(self, ids: Sequence[int]) -> str:
        """What ``ids`` say up to the end of the turn."""
        ids = list(ids)
        kept = ids[: ids.index(self.end)] if self.end in ids else ids
        text: str = self._tokenizer.decode(kept, skip_special_tokens=True)
        return text.strip()


def _end_of_turn(tokenizer: Any) -> int:
    """The special token that the chat template puts after an answer, else the end of text."""
    end = tokenizer.eos_token_id
    if tokenizer.chat_template is not None:
        talk = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
        text = tokenizer.apply_chat_template(talk, tokenize=False)
        after = tokenizer(text, add_special_tokens=False)["input_ids"][::-1]
        special = set(tokenizer.all_special_ids)
        end = next((token for token in after[:3] if token in special), end)
    if end is None:
        raise EngineError(
            "This model's tokenizer has no token that ends an answer: choose another base model."
        )
    return int(end)

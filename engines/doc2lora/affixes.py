"""What stands before and after a document when the frozen reader is given it.

The reader sees a document as the one user turn of a conversation that is about to be
answered, behind an empty system turn.  A document of several chunks has both affixes
around each of them, so every chunk is a whole conversation.  The ids of the three
published readers are from SakanaAI/doc-to-lora, ``data/definitions.py``.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engines.protocol import DocumentError, ModelError

_MARK = "§document§"


@dataclass(frozen=True, slots=True)
class Affixes:
    """The text around a document, and the token ids of it that go around each chunk."""

    prefix_text: str = ""
    suffix_text: str = ""
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()

    def __len__(self) -> int:
        """How many tokens both take."""
        return len(self.prefix) + len(self.suffix)


PUBLISHED: Mapping[str, Affixes] = {
    "google/gemma-2-2b-it": Affixes(
        "<bos><start_of_turn>user\n\n\n",
        "<end_of_turn>\n<start_of_turn>model\n",
        (2, 106, 1645, 110),
        (107, 108, 106, 2516, 108),
    ),
    "mistralai/Mistral-7B-Instruct-v0.2": Affixes(
        "<s> [INST] \n\n",
        " [/INST] ",
        (1, 733, 16289, 28793, 28705, 13, 13),
        (733, 28748, 16289, 28793),
    ),
    "Qwen/Qwen3-4B-Instruct-2507": Affixes(
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
        (151644, 8948, 198, 151645, 198, 151644, 872, 198),
        (151645, 198, 151644, 77091, 198),
    ),
}


def affixes_of(tokenizer: Any, base_model: str = "") -> Affixes:
    """The affixes of a base model: published ones by its name, else from its chat template.

    A template that knows no system turn is asked without one.  Without any template the
    document stands alone behind the tokenizer's start token.

    Raises:
        ModelError: if the template changes the text of a user's turn.
    """
    if base_model in PUBLISHED:
        return PUBLISHED[base_model]
    if tokenizer.chat_template is None:
        start = tokenizer.bos_token or ""
        return Affixes(start, "", _ids(tokenizer, start), ())
    before, mark, after = _templated(tokenizer).partition(_MARK)
    if not mark:
        raise ModelError(
            "The chat template of this model changes what a user's turn says, so no document "
            "can be read with it: choose another model."
        )
    return Affixes(before, after, _ids(tokenizer, before), _ids(tokenizer, after))


def document_tokens(tokenizer: Any, text: str, affixes: Affixes) -> list[int]:
    """Token ids of ``text`` as they are between the affixes, without them.

    A word is often tokenised otherwise at the start of a text than after a line break, so
    the whole turn is tokenised and the tokens that lie in the text are kept.

    Raises:
        DocumentError: if nothing is left of the text without white space around it.
    """
    content = text.strip()
    if not content:
        raise DocumentError("The document is empty: choose one with text in it.")
    if not tokenizer.is_fast:
        return list(_ids(tokenizer, content))
    encoded = tokenizer(
        affixes.prefix_text + content + affixes.suffix_text,
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    start, end = len(affixes.prefix_text), len(affixes.prefix_text) + len(content)
    pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [token for token, (begin, stop) in pairs if begin < end and stop > start]


def _templated(tokenizer: Any) -> str:
    from jinja2 import TemplateError

    system = {"role": "system", "content": ""}
    turn = {"role": "user", "content": _MARK}
    settings = {"add_generation_prompt": True, "tokenize": False}
    try:
        text: str = tokenizer.apply_chat_template([system, turn], **settings)
    except TemplateError:
        text = tokenizer.apply_chat_template([turn], **settings)
    return text


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

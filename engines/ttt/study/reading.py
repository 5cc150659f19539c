"""How an item is put to the model: with its passage in view and without, and its answer."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.host import ModelHost
from engines.protocol import EngineError, StudyItem, Turn
from engines.ttt.study.paragraphs import paragraphs

CONTEXT_TOKENS = 256  # of the document before a cloze item's sentence that the teacher reads
_LONGEST_TOKEN = 12  # characters; enough text for the context, however long the document


def with_passage(question: str, passage: str) -> str:
    """What a reader with the passage in view is asked; the student is asked ``question``."""
    if not passage:
        return question
    return f"{passage}\n\nUsing the text above, answer briefly: {question}"


def asked(host: ModelHost, item: StudyItem, *, with_context: bool, text: str = "") -> Tensor:
    """Token ids up to where the answer starts, ``[tokens]``, with the passage in view or not."""
    if item.kind != "cloze":
        request = with_passage(item.prompt, item.passage) if with_context else item.prompt
        return host.prompt([Turn("user", request)])
    before = text_before(item, text) if with_context else ""
    prompt = host.encode(item.prompt)
    if not before:
        return prompt
    whole = host.encode(f"{before}{item.prompt}")
    start = [i for i in (host.start_token,) if i is not None and int(whole[0]) == i]
    room = CONTEXT_TOKENS + len(prompt) - len(start)
    if len(whole) <= room + len(start):
        return whole
    return torch.cat([whole.new_tensor(start), whole[-room:]])


def answer_ids(host: ModelHost, item: StudyItem) -> Tensor:
    """Token ids of the answer as they follow the prompt, ``[tokens]``.

    They are tokenised apart from the prompt, so that student and teacher score the same
    tokens whatever stands in front.  An answer in a conversation ends the turn.
    """
    chat = item.kind != "cloze" and host.tokenizer.chat_template is not None
    answer = item.answer if chat else f" {item.answer.lstrip()}"
    ids = _continuation(host, item.prompt if not chat else "", answer)
    end = _end_of_turn(host) if chat else None
    return ids if end is None else torch.cat([ids, ids.new_tensor([end])])


def text_before(item: StudyItem, text: str = "") -> str:
    """What stands before the item's sentence: the document's paragraphs, then its own's begin.

    Ends with the white space that joins it to the prompt; empty where nothing precedes.
    """
    listed = paragraphs(text)
    place = listed.index(item.passage) if item.passage in listed else 0
    start = item.passage.find(item.prompt)
    own = item.passage[:start] if start > 0 else ""
    before = "".join(f"{paragraph}\n\n" for paragraph in listed[:place]) + own
    most = CONTEXT_TOKENS * _LONGEST_TOKEN
    return before if len(before) <= most else before[-most:].split(" ", 1)[-1]


def _continuation(host: ModelHost, before: str, text: str) -> Tensor:
    """Token ids of ``text`` as it goes on after ``before``.

    Some tokenizers begin every text with a space of their own.  Where the whole begins
    with the tokens of ``before``, the rest is free of it; else ``text`` stands by itself.
    """
    plain = _ids(host, text)
    if before:
        whole, first = _ids(host, before + text), _ids(host, before)
        if len(whole) > len(first) and whole[: len(first)] == first:
            plain = whole[len(first) :]
    return torch.tensor(plain, dtype=torch.long, device=host.device)


def _ids(host: ModelHost, text: str) -> list[int]:
    ids: list[int] = host.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _end_of_turn(host: ModelHost) -> int | None:
    """The token that the chat template puts after an answer, or else the end of text."""
    question = Turn("user", "1")
    try:
        after = host.prompt([question, Turn("assistant", "2")])[len(host.prompt([question])) :]
    except EngineError:
        after = torch.empty(0)
    found = (int(i) for i in after.tolist() if int(i) in host.end_tokens)
    end = host.tokenizer.eos_token_id
    return next(found, None if end is None else int(end))

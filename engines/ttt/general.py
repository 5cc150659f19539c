"""General questions, and what the unchanged model answers them.

Some are held to while learning (``engines.ttt.retention``), others only watched by the
guard.  The base model's greedy answers are found once per model and kept on disk.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engines.atomic import write_atomically
from engines.host import ModelHost
from engines.protocol import EngineError, Turn

log = logging.getLogger(__name__)

ANSWER_TOKENS = 16
AT_ONCE = 16  # questions answered in one batch


@dataclass(frozen=True, slots=True)
class Answered:
    """A question as the model reads it, and the base model's greedy answer (``[tokens]`` each).

    ``right`` counts the answer's first tokens by which an accepted answer is said; 0 if
    none is.
    """

    prompt: Tensor
    answer: Tensor
    right: int = 0


class BaseAnswers:
    """The base model's greedy answers to some questions, kept in ``cache``.

    Args:
        questions: pairs of a question and its accepted answers, which may be none.
    """

    def __init__(
        self, host: ModelHost, questions: Sequence[tuple[str, tuple[str, ...]]], cache: Path
    ) -> None:
        self._host = host
        self._questions = tuple(questions)
        name = hashlib.sha256(json.dumps(self._questions).encode()).hexdigest()[:12]
        self._path = cache / f"answers-{host.fingerprint}-{name}.json"
        self._answers: list[list[int]] = []

    @property
    def missing(self) -> int:
        """How many questions have yet to be answered."""
        if not self._answers:
            self._answers = self._stored()
        return len(self._questions) - len(self._answers)

    def find(self) -> Iterator[int]:
        """Answer what is missing, yielding how many were answered at a time."""
        while self.missing:
            begin = len(self._answers)
            batch = self._questions[begin : begin + AT_ONCE]
            self._answers += greedy_answers(self._host, [self._prompt(q) for q, _ in batch])
            yield len(batch)
            if not self.missing:
                self._store()

    def answered(self) -> tuple[Answered, ...]:
        """All questions with their answers; ``find`` comes first."""
        found = []
        for (question, accepted), ids in zip(self._questions, self._answers, strict=True):
            if ids:
                right = said_after(self._host, ids, accepted)
                found.append(Answered(self._prompt(question), torch.tensor(ids), right))
        return tuple(found)

    def _prompt(self, question: str) -> Tensor:
        return self._host.prompt([Turn("user", question)]).cpu()

    def _stored(self) -> list[list[int]]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            answers = [[int(token) for token in answer] for answer in stored]
        except (OSError, ValueError, TypeError):
            return []
        return answers if len(answers) == len(self._questions) else []

    def _store(self) -> None:
        try:
            write_atomically(self._path, json.dumps(self._answers))
        except EngineError as error:
            log.warning("general questions will be asked again: %s", error)


@torch.no_grad()
def greedy_answers(
    host: ModelHost, prompts: Sequence[Tensor], tokens: int = ANSWER_TOKENS
) -> list[list[int]]:
    """Up to ``tokens`` greedy tokens after each of ``prompts``, in one batch.

    An answer ends before its first end-of-turn token.
    """
    longest = max(len(prompt) for prompt in prompts)
    pad = min(host.end_tokens, default=0)
    ids = torch.full((len(prompts), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
        mask[row, longest - len(prompt) :] = 1
    out = host.model.generate(
        input_ids=ids.to(host.device),
        attention_mask=mask.to(host.device),
        max_new_tokens=tokens,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        pad_token_id=pad,
        eos_token_id=sorted(host.end_tokens) or None,
    )
    return [_until_end(row, host.end_tokens) for row in out[:, longest:].tolist()]


def said_after(host: ModelHost, answer: Sequence[int], accepted: Sequence[str]) -> int:
    """How many tokens of ``answer`` it takes to say one of ``accepted``; 0 if it doesn't."""
    wanted = [f" {_plain(text)} " for text in accepted if _plain(text)]
    for count in range(1, len(answer) + 1):
        said = f" {_plain(host.tokenizer.decode(answer[:count], skip_special_tokens=True))} "
        if any(text in said for text in wanted):
            return count
    return 0


def _until_end(tokens: Sequence[int], ends: frozenset[int]) -> list[int]:
    found = []
    for token in tokens:
        if token in ends:
            break
        found.append(token)
    return found


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())

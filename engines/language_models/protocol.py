"""What every language model answers to, wherever it runs, in plain values.

``stream`` is a generator: it yields what the model writes as it comes, and returns a
``Completion``.  Closing it cancels the answer and closes the connection.  While nothing
comes it yields empty chunks a few times a second, so that whoever reads can cancel there.

    EngineError
    └── ServerError               one sentence on what to do
        ├── UnreachableError      nothing answers at the address
        ├── BusyError             the server has no room now
        ├── UnreadableError       what answers does not speak the dialect
        ├── BrokenOffError        the connection was lost
        ├── ModelMissingError     the server has no model of that name
        └── PromptTooLongError    with both numbers of tokens

Nothing here imports torch or an HTTP library.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from engines.protocol import EngineError, Sampling, Turn

Schema = Mapping[str, Any]
Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask: a conversation whose last turn is to be answered.

    ``max_tokens`` bounds the answer.  ``temperature`` 0 is greedy.  ``schema`` is a JSON
    schema that the answer must fit, see ``engines.language_models.schemas.bounded``.
    ``top_p`` and ``repetition_penalty`` are left to the server where they are None.
    """

    turns: tuple[Turn, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int | None = None
    schema: Schema | None = None
    schema_name: str = "answer"
    top_p: float | None = None
    repetition_penalty: float | None = None

    @classmethod
    def of(cls, turns: Sequence[Turn], sampling: Sampling) -> Request:
        """A plain answer to ``turns``, sampled as a person wants it."""
        return cls(
            tuple(turns),
            sampling.max_new_tokens,
            sampling.temperature,
            sampling.seed,
            top_p=sampling.top_p,
            repetition_penalty=sampling.repetition_penalty,
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer as it was written; both texts are empty while nothing comes.

    ``attempt`` counts from 1: a higher one than before starts the answer anew.
    """

    text: str = ""
    thinking: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer and what it cost.

    ``thinking`` is what a reasoning model wrote before ``text``.  The token counts are the
    server's own, an estimate where it tells none.  ``finish`` is ``length`` where the answer
    was cut at ``max_tokens``.  ``seconds`` is wall time over all ``attempts``.
    """

    text: str
    thinking: str
    prompt_tokens: int
    completion_tokens: int
    finish: Finish
    seconds: float
    attempts: int = 1


Answer = Generator[Chunk, None, Completion]


@runtime_checkable
class LanguageModel(Protocol):
    """A model that answers; see the module's text for how its generator behaves."""

    @property
    def name(self) -> str:
        """What the model is called where it runs."""

    @property
    def where(self) -> str:
        """The address of its server, or ``in this process``."""

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and answer may have together."""

    def stream(self, request: Request) -> Answer:
        """Answer ``request``.  Raises ``ServerError``, ``PromptTooLongError`` before it asks."""

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """How many tokens ``turns`` take; never too few by much, rather too many.

        An upper estimate will do where it is within ``room``.
        """


class ServerError(EngineError):
    """A language model did not answer; the sentence says what to do."""


class UnreachableError(ServerError):
    """Nothing answers at the address."""


class BusyError(ServerError):
    """The server has no room or is loading; ``wait`` is how long it asks for, in seconds."""

    def __init__(self, sentence: str, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.wait = wait


class UnreadableError(ServerError):
    """What answers does not speak the dialect that was asked for."""


class BrokenOffError(ServerError):
    """The connection was lost before the answer was whole."""


class ModelMissingError(ServerError):
    """The server has no model called ``model``."""

    def __init__(self, sentence: str, model: str) -> None:
        super().__init__(sentence)
        self.model = model


class PromptTooLongError(ServerError):
    """``prompt_tokens`` and the answer do not fit into ``context_tokens``."""

    def __init__(self, prompt_tokens: int, max_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"The prompt has about {prompt_tokens} tokens and leaves no room for an answer of "
            f"{max_tokens} in a context of {context_tokens}: shorten it, or raise the context "
            "size where the model allows it."
        )
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.context_tokens = context_tokens


_TURN_TOKENS = 8  # what a chat template puts around one turn, generously
_BYTES_PER_TOKEN = 2.5  # English has about 4.2; code, numbers and other scripts have fewer
_WORD = re.compile(r"\S*[^\W\d_]\S*")


def estimated_tokens(turns: Sequence[Turn]) -> int:
    """More tokens than ``turns`` are likely to take in any tokenizer."""
    written = sum(len(turn.content.encode("utf-8", "replace")) for turn in turns)
    return int(written / _BYTES_PER_TOKEN) + 1 + _TURN_TOKENS * (1 + len(turns))


def fewest_tokens(turns: Sequence[Turn]) -> int:
    """Fewer tokens than ``turns`` can take: hardly a tokenizer has tokens of two words.

    Words end at white space, since some proxies count no tokens and report just that.
    """
    return sum(1 for turn in turns for _ in _WORD.finditer(turn.content))


def require_room(prompt_tokens: int, request: Request, context_tokens: int) -> None:
    """Raise ``PromptTooLongError`` unless prompt and answer fit."""
    if prompt_tokens + request.max_tokens > context_tokens:
        raise PromptTooLongError(prompt_tokens, request.max_tokens, context_tokens)


def require_whole_prompt(
    turns: Sequence[Turn], read: int, written: int, context_tokens: int
) -> None:
    """Raise unless the ``read`` tokens that a server reports can be all of ``turns``.

    A server that cuts a prompt tells nobody.  It has if it read fewer tokens than there
    are words, or if what it read and has ``written`` fills the context beyond the brim.
    """
    if read < fewest_tokens(turns) or read >= context_tokens or read + written > context_tokens:
        raise ServerError(
            f"The server read only {read} tokens of a prompt of about {estimated_tokens(turns)}: "
            "it cut the prompt, so its answer is not used. Shorten the prompt, or raise the "
            "context size of the server."
        )

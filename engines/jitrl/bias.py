"""A nudge towards the informative words of the passages in the context.

Each word has a weight in nats by how rare it is.  The first token of each is raised at
every step, a following token only while the word's tokens before it are the last ones
written.  A token that several words would raise is raised by the heaviest alone, so no
logit moves by more than the strength.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engines.generation import REPLACEMENT
from engines.host import ModelHost
from engines.protocol import Nudge, Passage
from engines.words import STOP_WORDS, is_informative, written

_MOST_NUDGES = 24

Rarity = Callable[[str], float]
"""How rare a lower-case word is: 0 in every chunk, 1 in a single one."""

_Path = tuple[int, ...]


@dataclass(slots=True)
class _Word:
    """One word of the passages, however it is written, and the nats it is raised by now."""

    text: str
    weight: float
    passages: list[int] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Lift:
    amount: float
    passages: tuple[int, ...]


class WordBias:
    """Raises the words of ``passages`` while one answer is written; keeps the host's Adjuster.

    Args:
        host: whose tokenizer and end tokens count.
        passages: all that were retrieved; those without a ``reference`` raise nothing.
        rarity: how rare a word is in what was learned, 0 to 1.
        strength: nats for a word of rarity 1; 0 leaves the logits as they are, to the bit.
        decay: what a word's weight is multiplied by once it was written, or begun and left.
    """

    def __init__(
        self,
        host: ModelHost,
        passages: Sequence[Passage],
        rarity: Rarity,
        *,
        strength: float,
        decay: float,
    ) -> None:
        self._decay = decay
        self._vocabulary = _Vocabulary(host)
        found = _words_of(passages, rarity, strength) if strength > 0 else []
        paths = self._vocabulary.paths(found)
        # With and without a leading space: the second only where a word may begin.
        spaced = [one for one in paths if self._vocabulary.spaced(one[1])]
        bare = [one for one in paths if not self._vocabulary.spaced(one[1])]
        self._spaced = _Starts(self._vocabulary, spaced)
        self._bare = _Starts(self._vocabulary, bare)
        self._words = found
        self._begun: list[tuple[_Word, _Path, int]] = []
        self._inside_word = False
        self._ready: dict[bool, tuple[Tensor, Tensor]] = {}

    @property
    def nudges(self) -> tuple[Nudge, ...]:
        """The words that are raised, the strongest first, at most 24."""
        raised = self._spaced.raised | self._bare.raised
        listed = sorted(
            (word for word in self._words if word.text in raised and word.weight > 0),
            key=lambda word: -word.weight,
        )
        return tuple(
            Nudge(word.forms[0], word.weight, tuple(word.passages))
            for word in listed[:_MOST_NUDGES]
        )

    def adjust(self, seen: Tensor, logits: Tensor) -> Tensor:
        """``logits`` ``[1, vocabulary]`` with the words' tokens raised; a new tensor if any is."""
        del seen  # ``chosen`` has told of each token
        lifts = {
            token: lift.amount - self._start(token).amount
            for token, lift in self._following().items()
            if lift.amount > self._start(token).amount
        }
        index, amounts = self._starting(logits)
        if len(index):
            logits = logits.index_add(1, index, amounts)
        if lifts:
            logits = logits.index_add(1, *_tensors(lifts, logits))
        return logits

    def chosen(self, token: int) -> Nudge | None:
        """Note that ``token`` was written; how far it was raised, if it was."""
        lift = max(
            self._following().get(token, _NONE), self._start(token), key=lambda one: one.amount
        )
        self._advance(token)
        if lift.amount <= 0:
            return None
        return Nudge(self._vocabulary.text(token), lift.amount, lift.passages)

    def _possible_starts(self) -> Sequence[_Starts]:
        return (self._spaced,) if self._inside_word else (self._spaced, self._bare)

    def _start(self, token: int) -> _Lift:
        lifts = (starts.lifts.get(token, _NONE) for starts in self._possible_starts())
        return max(lifts, key=lambda lift: lift.amount)

    def _starting(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and amounts ``[1, n]`` of the words' first tokens, kept until a word is used."""
        if self._inside_word not in self._ready:
            tokens = dict.fromkeys(token for one in self._possible_starts() for token in one.lifts)
            amounts = {token: self._start(token).amount for token in tokens}
            self._ready[self._inside_word] = _tensors(amounts, logits)
        return self._ready[self._inside_word]

    def _following(self) -> dict[int, _Lift]:
        """What the words that are being written raise next."""
        lifts: dict[int, _Lift] = {}
        for word, path, position in self._begun:
            token = path[position]
            if word.weight > lifts.get(token, _NONE).amount and self._vocabulary.may_follow(token):
                lifts[token] = _Lift(word.weight, tuple(word.passages))
        return lifts

    def _advance(self, token: int) -> None:
        begun = [(w, path, n) for w, path, n in self._begun if path[n] == token]
        # A beginning that no word followed would be raised again, and again written alone.
        used = [] if begun else [word for word, _, _ in self._begun]
        for starts in self._possible_starts():
            begun += [(word, path, 0) for word, path in starts.by_token.get(token, ())]
        used += [word for word, path, n in begun if n + 1 == len(path)]
        self._begun = [(word, path, n + 1) for word, path, n in begun if n + 1 < len(path)]
        last = self._vocabulary.text(token)[-1:]
        self._inside_word = last.isalnum() or last == REPLACEMENT
        if used:
            self._use({word.text: word for word in used}.values())

    def _use(self, words: Iterable[_Word]) -> None:
        for word in words:
            word.weight *= self._decay
        self._spaced.weigh()
        self._bare.weigh()
        self._ready.clear()


_NONE = _Lift(0.0, ())


def _words_of(passages: Sequence[Passage], rarity: Rarity, strength: float) -> list[_Word]:
    """The informative words of the passages in the context, in their order."""
    found: dict[str, _Word] = {}
    for number, passage in enumerate(passages):
        for form in written(passage.text) if passage.reference is not None else ():
            key = form.lower()
            if key not in found:
                if not is_informative(key):
                    continue
                found[key] = _Word(key, strength * min(1.0, max(0.0, rarity(key))))
            word = found[key]
            if form not in word.forms:
                word.forms.append(form)
            if number not in word.passages:
                word.passages.append(number)
    return list(found.values())


class _Starts:
    """Words as tokens, by their first token."""

    def __init__(self, vocabulary: _Vocabulary, paths: Sequence[tuple[_Word, _Path]]) -> None:
        self._may_start = vocabulary.may_start
        self.by_token: dict[int, list[tuple[_Word, _Path]]] = {}
        for word, path in paths:
            self.by_token.setdefault(path[0], []).append((word, path))
        self.lifts: dict[int, _Lift] = {}
        self.weigh()

    @property
    def raised(self) -> frozenset[str]:
        """The words whose first token is raised."""
        return frozenset(word.text for token in self.lifts for word, _ in self.by_token[token])

    def weigh(self) -> None:
        """Take the words' weights anew."""
        self.lifts = {}
        for token, some in self.by_token.items():
            weight = max(word.weight for word, _ in some)
            if weight > 0 and self._may_start(token):
                heaviest = [word for word, _ in some if word.weight == weight]
                numbers = dict.fromkeys(n for word in heaviest for n in word.passages)
                self.lifts[token] = _Lift(weight, tuple(sorted(numbers)))


class _Vocabulary:
    """What the tokens of one model are as text, and which of them may be raised."""

    def __init__(self, host: ModelHost) -> None:
        self._tokenizer = host.tokenizer
        self._barred = host.end_tokens | frozenset(host.tokenizer.all_special_ids)
        # Some tokenizers leave out the space before the first token that they decode.
        self._before = self._encoded(["."])[0]
        self._texts: dict[int, str] = {}

    def text(self, token: int) -> str:
        """What ``token`` is as text inside a sentence, with the space that it begins with."""
        if token not in self._texts:
            whole = self._decoded([*self._before, token])
            self._texts[token] = whole[len(self._decoded(self._before)) :]
        return self._texts[token]

    def paths(self, words: Sequence[_Word]) -> list[tuple[_Word, _Path]]:
        """The words as tokens, however they are written, with and without a space before."""
        forms = [
            (word, before + form) for word in words for form in word.forms for before in (" ", "")
        ]
        encoded = self._encoded([form for _, form in forms])
        found: dict[tuple[str, _Path], tuple[_Word, _Path]] = {}
        for (word, _), ids in zip(forms, encoded, strict=True):
            path = self._without_space(ids)
            if path:
                found[word.text, path] = word, path
        return list(found.values())

    def spaced(self, path: _Path) -> bool:
        """Whether the first token of ``path`` begins with a space."""
        return self.text(path[0])[:1].isspace()

    def _without_space(self, ids: Sequence[int]) -> _Path:
        first = 0
        while first < len(ids) and not self.text(ids[first]).strip():
            first += 1
        return tuple(ids[first:])

    def _encoded(self, texts: list[str]) -> Sequence[list[int]]:
        if not texts:
            return []
        ids: Sequence[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def may_start(self, token: int) -> bool:
        """Whether ``token`` is part of a word, and not the whole of a stop word."""
        return self.may_follow(token) and self.text(token).strip().lower() not in STOP_WORDS

    def may_follow(self, token: int) -> bool:
        """Whether ``token`` has a letter or figure, or is a part of one, and ends nothing."""
        text = self.text(token)
        told = any(letter.isalnum() or letter == REPLACEMENT for letter in text)
        return token not in self._barred and told


def _tensors(amounts: Mapping[int, float], logits: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens ``[n]`` and amounts ``[1, n]`` as ``logits`` has its numbers."""
    index = torch.tensor(list(amounts), dtype=torch.long, device=logits.device)
    values = torch.tensor([list(amounts.values())], dtype=logits.dtype, device=logits.device)
    return index, values

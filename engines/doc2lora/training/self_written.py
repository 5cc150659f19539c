"""Questions that need no annotation, and contexts that contradict what was learned by heart.

A few thousand contexts are soon known by heart: a network that is asked the same question
again can answer it without reading.  So the answer in a context is replaced by another
context's (Longpre et al., "Entity-based knowledge conflicts in question answering", 2021),
and sentences of any text are asked to be gone on with.

Nothing here imports torch.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from engines.doc2lora.training.examples import Asked, Context, sentences

_GO_ON = 'How does this sentence go on: "{start} …"'
_SHORTEST = 6  # words of a sentence that is asked to be gone on with
_LONGEST_REST = 16  # words asked for
_MOST_WORDS = 4  # of an answer that is replaced


def completions(contexts: Sequence[Context], seed: int = 0) -> list[Context]:
    """Each context with questions for how its sentences go on, instead of its own questions.

    A sentence is cut somewhere in its first two thirds, and at most 16 words are asked for.
    """
    made = []
    for context in contexts:
        chance = random.Random(f"{seed} go on {context.key}")
        asked = tuple(a for s in sentences(context.text) if (a := _going_on(s, chance)))
        if asked:
            made.append(Context(context.text, asked, context.source, context.origin))
    return made


def swapped(contexts: Sequence[Context], variants: int, seed: int = 0) -> list[Context]:
    """``variants`` more of each context, each with one answer replaced by another of its kind.

    Replaced are short answers that stand in the context word for word and in none of its
    questions; every other question whose answer is still there is kept.  Kinds are numbers,
    names and other words, of as many words.  A context is left out where no answer fits.
    """
    answers: dict[str, list[str]] = {}
    for context in contexts:
        for asked in context.asked:
            answers.setdefault(_kind(asked.target), []).append(asked.target)
    made = []
    for context in contexts:
        chance = random.Random(f"{seed} swap {context.key}")
        for _ in range(variants):
            if (other := _swap(context, answers, chance)) is not None:
                made.append(other)
    return made


def _going_on(sentence: str, chance: random.Random) -> Asked | None:
    words = sentence.split()
    if len(words) < _SHORTEST:
        return None
    cut = chance.randint(2, max(2, 2 * len(words) // 3))
    rest = " ".join(words[cut : cut + _LONGEST_REST])
    return Asked(_GO_ON.replace("{start}", " ".join(words[:cut])), (rest,))


def _swap(context: Context, answers: dict[str, list[str]], chance: random.Random) -> Context | None:
    asked = [a for a in context.asked if _can_go(a.target, context)]
    if not asked:
        return None
    old = chance.choice(asked).target
    new = chance.choice(answers[_kind(old)])
    if new == old or new in context.text:
        return None
    text = _word(old).sub(lambda _: new, context.text)
    kept = []
    for one in context.asked:
        answer = new if one.target == old else one.target
        if answer == new or (answer in text and old not in answer):
            kept.append(Asked(one.question, (answer,)))
    return Context(text, tuple(kept), context.source, context.origin or context.text)


def _can_go(answer: str, context: Context) -> bool:
    short = len(answer.split()) <= _MOST_WORDS
    pattern = _word(answer)
    asked_for = any(pattern.search(one.question) for one in context.asked)
    return short and not asked_for and bool(pattern.search(context.text))


def _kind(answer: str) -> str:
    if any(letter.isdigit() for letter in answer):
        kind = "number"
    else:
        kind = "name" if answer[0].isupper() else "word"
    return f"{kind} {min(len(answer.split()), _MOST_WORDS + 1)}"


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")

"""Made-up facts in filler text, so that what is learned can only come from the document.

Nothing here imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from engines.doc2lora.training.examples import Asked, Context

_THINGS = (
    "access code", "locker number", "magic number", "meeting room", "serial number",
    "order number", "invoice number", "ticket number", "password", "flight number",
)  # fmt: skip
_NAMES = (
    "Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas",
    "Keiko", "Lars", "Mina", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Stefan", "Tomas",
)  # fmt: skip
_PLACES = (
    "Ashford", "Brightwater", "Calder Bay", "Dunmore", "Eastlake", "Fairholm", "Greystone",
    "Harrow Hill", "Inverness", "Juniper Falls", "Kingsport", "Larkspur", "Millbrook",
)  # fmt: skip
_OBJECTS = (
    "violin", "telescope", "bicycle", "lantern", "compass", "piano", "sailing boat", "camera",
    "typewriter", "kite", "silver ring", "wooden chest", "umbrella", "microscope",
)  # fmt: skip
_JOBS = (
    "baker", "pilot", "carpenter", "nurse", "librarian", "gardener", "welder", "painter",
    "teacher", "sailor", "tailor", "miller", "surgeon", "postman",
)  # fmt: skip

_Fact = tuple[str, str, str]  # sentence, question, answer


def needles(
    number: int,
    filler: Sequence[str],
    tokens: Callable[[str], int],
    *,
    length: tuple[int, int],
    source: str = "needles",
    seed: int = 0,
) -> list[Context]:
    """``number`` contexts, each with one made-up fact somewhere among filler sentences.

    Args:
        filler: sentences to choose from; with none the fact stands alone.
        tokens: how many tokens a text has.
        length: of a context in tokens, at least and at most; it is drawn evenly between and
            kept to as far as sentences allow.

    The same arguments give the same contexts.
    """
    chance = random.Random(f"needles {seed}")
    return [_needle(chance, filler, tokens, length, source) for _ in range(number)]


def _needle(
    chance: random.Random,
    filler: Sequence[str],
    tokens: Callable[[str], int],
    length: tuple[int, int],
    source: str,
) -> Context:
    sentence, question, answer = _fact(chance)
    room = chance.randint(*length) - tokens(sentence)
    around: list[str] = []
    for _ in range(64 if filler else 0):
        part = chance.choice(filler)
        room -= tokens(part)
        if room < 0:
            break
        around.append(part)
    around.insert(chance.randint(0, len(around)), sentence)
    return Context(" ".join(around), (Asked(question, (answer,)),), source)


def _fact(chance: random.Random) -> _Fact:
    name, place = chance.choice(_NAMES), chance.choice(_PLACES)
    kind = chance.randrange(4)
    if kind == 0:
        thing, number = chance.choice(_THINGS), f"{chance.randrange(10_000):04d}"
        return f"The {thing} of {name} is {number}.", f"What is the {thing} of {name}?", number
    if kind == 1:
        thing = chance.choice(_OBJECTS)
        return (
            f"{name} left the {thing} in {place}.",
            f"Where did {name} leave the {thing}?",
            place,
        )
    if kind == 2:
        job = chance.choice(_JOBS)
        return f"In {place}, {name} works as a {job}.", f"What does {name} do in {place}?", job
    thing = chance.choice(_OBJECTS)
    return f"In {place}, {name} bought a {thing}.", f"What did {name} buy in {place}?", thing

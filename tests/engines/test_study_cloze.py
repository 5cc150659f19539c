"""Running text is found in any document, and its sentences are cut where something is told."""

from __future__ import annotations

import pytest

from engines.documents import read_file, samples
from engines.ttt.study.cloze import cloze_items
from engines.ttt.study.paragraphs import chunks, paragraphs, sentences
from engines.words import informative

MARKDOWN = """\
# The harbour of Vell

The **harbour** of [Vell](https://vell.example/a_b) was dug in 1742
by forty women from `Oster`.[3]

A second heading
----------------

```python
print("The harbour of Code was dug in 1800 by nine programs from Disk.")
```

    cd harbour && make all

| basin | boats |
| ----- | ----- |
| north | 60    |

- The crane of the harbour is made of black larch from Tarn.
- larch
1. Every evening the harbour master counts sixty boats in the Kettle.

> The slate of the harbour hangs under a roof of blue glass.

![A picture](crane.png)
<p align="center">Nothing</p>
"""


def test_only_running_text_is_taken_and_its_marks_go() -> None:
    assert paragraphs(MARKDOWN) == (
        "The harbour of Vell was dug in 1742 by forty women from Oster.",
        "The crane of the harbour is made of black larch from Tarn.",
        "larch",
        "Every evening the harbour master counts sixty boats in the Kettle.",
        "The slate of the harbour hangs under a roof of blue glass.",
    )


def test_indented_prose_is_no_code() -> None:
    text = "Plain line.\n\n    It was late when the\nboat came in.\n\n\tThe crane stood still."
    assert paragraphs(text)[1:] == ("It was late when the boat came in.", "The crane stood still.")


def test_abbreviations_end_no_sentence() -> None:
    text = "Ropes, e.g. Manila rope, came from Hale Bros. Ltd. in Oster. It weighed approx. 9 tons."
    assert sentences(text) == [
        "Ropes, e.g. Manila rope, came from Hale Bros. Ltd. in Oster.",
        "It weighed approx. 9 tons.",
    ]


def test_chunks_hold_all_sentences_in_order_and_no_more_tokens_than_asked() -> None:
    text = read_file(samples()[1]).text
    cut = chunks(text, 60, lambda part: len(part.split()))
    assert all(len(chunk.split()) <= 60 for chunk in cut)
    assert " ".join(cut).split() == " ".join(paragraphs(text)).split()
    assert all(chunk.endswith(".") for chunk in cut)


def test_an_endless_sentence_is_cut_all_the_same() -> None:
    for text in ("word " * 3_000, "字" * 3_000):
        cut = chunks(text, 100, lambda part: len(part) // 5 + 1)
        assert len(cut) > 5
        assert max(map(len, cut)) <= 600
    assert chunks("", 100, len) == ()


def test_prompt_and_answer_are_one_sentence_of_their_passage() -> None:
    text = read_file(samples()[1]).text
    items = cloze_items(text, 48, seed=0)
    assert len(items) == 48
    for item in items:
        assert item.kind == "cloze"
        assert f"{item.prompt} {item.answer}" in sentences(item.passage)
        assert item.passage in text
        assert len(item.prompt.split()) >= 4
        assert informative(item.answer.split()[0])
    assert len({item.prompt for item in items}) == 48


def test_items_spread_over_the_whole_document() -> None:
    text = "\n\n".join(f"The crane of harbour {n} was built by Ilse Brandt." for n in range(90))
    items = cloze_items(text, 9, seed=3)
    numbers = [int(item.passage.split()[4]) for item in items]
    assert [number // 10 for number in numbers] == list(range(9))


def test_a_sentence_is_cut_twice_only_when_each_was_cut_once() -> None:
    text = (
        "The harbour of Vell was dug in 1742 by forty women from Oster. "
        "Its old crane is made of black larch from Tarn and lifts nine barrels."
    )
    starts = [i.prompt.split()[0] for i in cloze_items(text, 2, seed=0)]
    assert starts == ["The", "Its"]
    third = cloze_items(text, 3, seed=0)
    assert {i.prompt.split()[0] for i in third} == {"The", "Its"}
    assert len({i.prompt for i in third}) == 3
    assert len(cloze_items(f"{text}\n\n" * 5, 99, seed=0)) <= 6


def test_the_seed_decides() -> None:
    text = read_file(samples()[0]).text
    assert cloze_items(text, 20, seed=1) == cloze_items(text, 20, seed=1)
    assert cloze_items(text, 20, seed=1) != cloze_items(text, 20, seed=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Too short.",
        "it has no beginning that one would call the beginning of a sentence in Oster.",
        "This one has no end and therefore is not a sentence of the harbour in Oster",
        "“He never said that he had been seen in Oster by anyone.",
        "See the pages of the harbour at https://vell.example/Oster/1742 for it.",
        "1 2 3 4 5 6 7 8 9 10 11 12 13.",
        "字" * 400,
    ],
)
def test_what_is_no_whole_sentence_gives_no_item(text: str) -> None:
    assert cloze_items(text, 10, seed=0) == ()


def test_names_and_numbers_are_asked_whole_and_never_inside_brackets() -> None:
    text = "The crane (built by Hale in 1742) was a gift of the Widow Odile Brannock."
    starts = {item.answer for seed in range(9) for item in cloze_items(text, 3, seed=seed)}
    assert "Widow Odile Brannock." in starts
    assert not any(answer.startswith(("Odile", "Hale", "1742")) for answer in starts)

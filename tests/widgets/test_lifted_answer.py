from __future__ import annotations

from widgets.lifted_answer import MovedToken, answer_text, legend, strongest_first
from widgets.passages import BiasedToken, biased

ANSWER = "The light turns\ttwice."
TOKENS = (
    MovedToken(" light", 2.0, 3, 9, (0,)),
    MovedToken("", 0.5, 9, 9, (0,)),
    MovedToken(" turns", -1.0, 9, 15, (1,)),
)


def test_the_answer_is_whole_and_only_words_are_marked() -> None:
    said = answer_text(ANSWER, TOKENS, None)
    assert said.plain.split() == ANSWER.split()
    marked = {said.plain[span.start : span.end] for span in said.spans if span.style}
    assert marked == {"light", "turns"}


def test_what_the_marked_passage_lifted_is_reversed_and_what_it_lowered_is_not() -> None:
    for marked, reversed_words in ((0, ["light"]), (1, []), (None, [])):
        said = answer_text(ANSWER, TOKENS, marked)
        spans = [span for span in said.spans if "reverse" in str(span.style)]
        assert [said.plain[span.start : span.end] for span in spans] == reversed_words


def test_each_token_is_named_once_where_it_was_moved_most() -> None:
    tokens = [MovedToken(text, amount, 0, 1) for text, amount in (("a", 1), ("b", 3), ("a", -5))]
    assert [(token.text, token.amount) for token in strongest_first(tokens)] == [
        ("a", -5),
        ("b", 3),
    ]


def test_the_legend_counts_both_kinds() -> None:
    assert legend(TOKENS[2:]) == "1 token lowered, struck through."
    assert legend(TOKENS).startswith("2 tokens lifted, underlined;")


def test_a_token_without_letters_is_quoted_and_a_small_move_is_not_nought() -> None:
    said = biased([BiasedToken(",", 0.02), BiasedToken(" lamp", 1.5), BiasedToken("\n", -0.004)])
    assert said == "\",\" +0.02, lamp +1.50, '\\n' -0.004 nats"

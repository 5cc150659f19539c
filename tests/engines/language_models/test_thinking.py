"""Thinking and answer, told apart however the text is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.language_models.thinking import Thinking, opens_thinking, without_thinking

CASES = [
    ("just an answer", "just an answer", ""),
    ("<think>so</think>yes", "yes", "so"),
    ("\n<think>\nso\n</think>\n\nyes", "yes", "\nso\n"),
    ("<thinking>a < b</thinking>yes", "yes", "a < b"),
    ("<think>never closed", "", "never closed"),
    ("<think></think>", "", ""),
    ("<th", "<th", ""),
    ("a <think>b</think>", "a <think>b</think>", ""),
    ('{"a": "<think>x</think>"}', '{"a": "<think>x</think>"}', ""),
]


@pytest.mark.parametrize(("text", "answer", "thinking"), CASES)
@given(data=st.data())
def test_it_does_not_matter_how_the_text_is_cut(text, answer, thinking, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    splitter = Thinking()
    parts = [splitter.push(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    parts.append(splitter.flush())
    assert "".join(part[0] for part in parts).strip() == answer
    assert "".join(part[1] for part in parts) == thinking


def test_thinking_that_the_prompt_has_begun_is_told_apart():
    splitter = Thinking(opened=opens_thinking("<|assistant|><think>\n"))
    assert splitter.push("It is so.</th") == ("", "It is so.")
    assert splitter.push("ink>\n\nYes.") == ("Yes.", "")
    assert not opens_thinking("What does <think> mean?")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>so</think>\nyes", "yes"),
        ("<think>never closed", ""),
        ("so it is\n</think>\nyes", "yes"),
        ('{"a": "</think>"}', '{"a": "</think>"}'),
    ],
)
def test_a_whole_text_without_its_thinking(text, answer):
    assert without_thinking(text) == answer

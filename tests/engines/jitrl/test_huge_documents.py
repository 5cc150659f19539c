"""Huge texts are taken in little by little, so learning them can be stopped at any time."""

from __future__ import annotations

import pytest

from engines.host import ModelHost
from engines.jitrl import index
from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.mvp import JitRLMVPEngine
from engines.protocol import Document, LearnReport, Progress
from tests.engines.learning import AVIARY, learn, tiny_host

MOST_AT_ONCE = 20_000  # characters in one call of the tokenizer
MOST_PER_EVENT = 100_000  # characters tokenised or counted between two events

SENTENCES = "The keeper lit lamp number nine again. " * 130_000  # 5 MB
ONE_LINE = "oranges wanted " * 140_000  # 2 MB and no sentence ends
ONE_WORD = "Rhabarber" * 11_200  # 100,000 characters and no space
UNSPACED = "灯台は岬にあり船を導いた" * 10_000

every_text = pytest.mark.parametrize(
    "text",
    [SENTENCES, ONE_LINE, ONE_WORD, UNSPACED],
    ids=["sentences", "one line", "one word", "unspaced"],
)


class CountingTokenizer:
    """The tokenizer of a host, with the characters that it was given call by call."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.calls: list[int] = []

    def __call__(self, text, **options):
        self.calls.append(len(text))
        return self._tokenizer(text, **options)

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)


@pytest.fixture
def host():
    tiny = tiny_host()
    return ModelHost(model=tiny.model, tokenizer=CountingTokenizer(tiny.tokenizer), name=tiny.name)


@pytest.fixture
def analysed(monkeypatch):
    """The characters that are counted for the index, call by call."""
    calls: list[int] = []
    own = index._counts

    def counting(analyse, texts):
        calls.append(sum(map(len, texts)))
        return own(analyse, texts)

    monkeypatch.setattr(index, "_counts", counting)
    return calls


def each_step(learning, *works):
    """The events up to the 80th, each with what was done since the one before it."""
    for _ in range(80):
        before = [sum(work) for work in works]
        event = next(learning, None)
        if event is None:
            return
        yield event, [sum(work) - done for work, done in zip(works, before, strict=True)]


@every_text
def test_a_huge_text_is_told_of_step_by_step_and_can_be_stopped(host, analysed, text):
    engine = JitRLMVPEngine(host)
    learning = engine.learn(Document.from_text(text, "Huge"))
    fractions = []
    for event, done in each_step(learning, host.tokenizer.calls, analysed):
        assert isinstance(event, Progress)
        assert max(done) <= MOST_PER_EVENT
        fractions.append(event.fraction)
    learning.close()
    assert len(fractions) == 80
    assert 0 < fractions[-1] < 1
    assert max(host.tokenizer.calls) <= MOST_AT_ONCE
    assert engine.documents == ()
    assert engine.retrieve("oranges").passages == ()
    learn(engine, AVIARY)
    assert engine.retrieve("parrots").passages


def test_a_text_of_one_word_is_learned_whole(host):
    engine = JitRLMVPEngine(host)
    report = learn(engine, Document.from_text(ONE_WORD, "Rhubarb"))
    assert report.chunks > 100
    assert engine.retrieve("rhubarb").passages


def test_tokens_are_counted_once_though_chunks_overlap(host):
    text = "The keeper lit lamp number nine again.\n" * 200 + " " * 50_000
    report = learn(JitRLMVPEngine(host), Document.from_text(text, "Lamps"))
    assert report.tokens == len(host.encode(text))


@every_text
def test_cutting_for_states_is_told_of_step_by_step_too(host, tmp_path, text):
    engine = JitRLFullEngine(host, folder=tmp_path)
    learning = engine.learn(Document.from_text(text, "Huge"))
    cutting = 0
    for event, done in each_step(learning, host.tokenizer.calls):
        assert not isinstance(event, LearnReport)
        assert max(done) <= MOST_PER_EVENT
        cutting += event.stage == "cutting"
    learning.close()
    assert cutting > 20
    assert engine.documents == ()
    assert list(tmp_path.iterdir()) == []

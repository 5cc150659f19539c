"""Long documents: equal chunks, at most 64 of them, and memory that grows with LoRAs alone."""

from __future__ import annotations

import weakref

import pytest
import torch

from engines.doc2lora import reading
from engines.doc2lora.cutting import cut, first_tokens
from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.lora import Lora, effective_rank, layer_norms
from engines.doc2lora.settings import Doc2LoraSettings
from engines.doc2lora.spectrum import GrowingLora, facts
from engines.protocol import Document
from tests.engines.doc2lora.d2l import as_learned, d2l_engine, learned
from tests.engines.doc2lora.small_network import small_config
from tests.engines.learning import HARBOUR, logits, tiny_host
from tests.engines.tiny import TEXT


def _long(paragraphs):
    return Document.from_text(
        "\n\n".join(f"Paragraph {n}. The keeper of lamp {n} is Tobias." for n in range(paragraphs))
    )


def _cut(host, document, **settings):
    cutting = cut(host, document, small_config(host.model), Doc2LoraSettings(**settings))
    counted = []
    while True:
        try:
            counted.append(next(cutting))
        except StopIteration as end:
            return end.value, counted


def test_a_document_of_more_than_64_chunks_is_read_to_the_64th():
    engine = d2l_engine(measure_tokens=64)
    report = learned(engine, _long(300))
    assert report.chunks == 64
    assert report.tokens_read == 64 * 40 < report.tokens
    told = f"read the first 2,560 of {report.tokens:,} tokens in 64 chunks"
    assert any(note.startswith(told) for note in report.notes)
    assert engine.facts_of(report.id).rank == 128
    assert not torch.equal(as_learned(engine), logits(engine.host))


def test_chunks_are_equal_in_length_and_the_settings_say_how_long_and_how_many():
    host = tiny_host()
    around = len(small_config(host.model).affixes)
    whole, _ = _cut(host, HARBOUR)
    lengths = {len(chunk) - around for chunk in whole.chunks}
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= 40
    assert whole.read == whole.tokens == sum(len(chunk) - around for chunk in whole.chunks)
    short, _ = _cut(host, HARBOUR, chunk_tokens=16, max_chunks=2)
    assert [len(chunk) - around for chunk in short.chunks] == [16, 16]
    assert (short.read, short.tokens) == (32, whole.tokens)
    longer, _ = _cut(host, HARBOUR, chunk_tokens=1000)
    assert len(longer.chunks) == 1


def test_a_huge_text_is_counted_in_pieces_and_read_only_at_its_beginning():
    host = tiny_host()
    huge = Document.from_text("The keeper of the lamp is Tobias. " * 6000)
    seen = []
    tokenizer = host.tokenizer

    class Watching:
        def __getattr__(self, name):
            return getattr(tokenizer, name)

        def __call__(self, text, **settings):
            seen.append(len(text))
            return tokenizer(text, **settings)

    host.tokenizer = Watching()
    done, counted = _cut(host, huge, max_chunks=4)
    assert max(seen) < 25_000 < len(huge.text)
    assert counted == sorted(counted)
    assert done.read == 160
    whole = len(tokenizer(huge.text.strip(), verbose=False)["input_ids"])
    assert done.tokens == pytest.approx(whole, rel=0.01)


def test_enough_tokens_are_read_of_a_text_with_long_tokens():
    def tokenise(text):
        return [0] * (len(text) // 100)

    ids, end = first_tokens(tokenise, "a" * 100_000, 900)
    assert len(ids) > 900
    assert end < 100_001
    assert len(first_tokens(tokenise, "a" * 100_000, 5000)[0]) == 1000


def test_states_are_freed_and_only_loras_are_kept(monkeypatch):
    alive, most = [], []
    own = reading.layer_states

    def watched(*arguments):
        states = own(*arguments)
        alive.append(weakref.ref(states))
        most.append(sum(one() is not None for one in alive))
        return states

    monkeypatch.setattr(reading, "layer_states", watched)
    report = learned(d2l_engine(), _long(40))
    assert len(alive) == report.chunks > 8
    assert max(most) == 1


def test_chunks_read_together_give_the_same():
    one = d2l_engine(chunks_at_once=1)
    many = d2l_engine(chunks_at_once=64)
    learned(one, HARBOUR)
    learned(many, HARBOUR)
    torch.testing.assert_close(as_learned(one), as_learned(many), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_growing_lora_is_the_chunks_one_under_the_other(dtype):
    source = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5, 3, 2, width, generator=source) for width in (40, 24))
    growing = GrowingLora((3, 2, 40, 24), 5, 1.5, device="cpu", dtype=dtype)
    for n in range(5):
        grown = growing.add(GeneratedLora(a[n : n + 1], b[n : n + 1]))
        kept = Lora(a[n].to(dtype), b[n].to(dtype), 1.5)
        assert grown.norms == pytest.approx(layer_norms(kept).tolist(), rel=1e-4)
        assert (grown.effective_rank is None) == (n == 2)  # measured at 1, 2, 4 and the last
    whole = growing.finish()
    assert torch.equal(whole.a[1, 4:6], a[2, 1].to(dtype))
    assert torch.equal(whole.b[2, 8:], b[4, 2].to(dtype))
    assert grown.total_norms == pytest.approx(layer_norms(whole).tolist(), rel=1e-4)
    assert grown.effective_rank == pytest.approx(float(effective_rank(whole).mean()), rel=1e-2)
    norms, width = facts(whole)
    assert norms == pytest.approx(grown.total_norms, rel=1e-4)
    assert width == pytest.approx(grown.effective_rank, rel=1e-2)


def test_a_lora_of_zeros_has_no_norm_and_no_rank():
    growing = GrowingLora((2, 2, 8, 8), 1, 1.0, device="cpu", dtype=torch.float32)
    zeros = torch.zeros(1, 2, 2, 8)
    grown = growing.add(GeneratedLora(zeros, zeros))
    assert grown.norms == grown.total_norms == (0.0, 0.0)
    assert grown.effective_rank == 0.0


def test_more_chunks_than_dimensions_have_no_more_rank_than_dimensions():
    engine = d2l_engine()
    *events, report = engine.learn(Document.from_text(TEXT * 3))
    assert report.chunks * 2 > 32  # d_out of the tiny model
    assert events[-1].effective_rank <= 32
    assert engine.facts_of(report.id).effective_rank == pytest.approx(
        events[-1].effective_rank, rel=0.02
    )

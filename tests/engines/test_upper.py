"""Running the upper layers alone gives what the whole model gives."""

from __future__ import annotations

import pytest
import torch

from engines import families
from engines.protocol import Document
from engines.ttt.spans import Past, Span, Teacher, segments, window_edges
from engines.ttt.upper import UpperLayers, divergence
from tests.engines.learning import HARBOUR, learn, tiny_engine, tiny_host
from tests.engines.tiny import FAMILIES

FIRST = 2


def whole_model_logits(host, ids):
    with torch.no_grad():
        return host.model(input_ids=ids.unsqueeze(0), use_cache=False).logits[0].float()


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_with_their_past_give_what_the_whole_model_gives(family):
    host = tiny_host(family, **({"sliding_window": 16} if family.startswith("gemma") else {}))
    ids = host.encode(HARBOUR.text)
    upper = UpperLayers(host, FIRST)
    recording = upper.record(Span(ids, len(ids) - 1))
    logits = whole_model_logits(host, ids)[:-1]
    past = Past(len(ids))
    for start, end in window_edges(recording.new, 20):
        with torch.no_grad():
            loss = upper.window_loss(recording, start, end, past)
        expected = torch.nn.functional.cross_entropy(logits[start:end], ids[start + 1 : end + 1])
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_short_texts_in_one_batch_give_what_each_gives_alone(family):
    host = tiny_host(family)
    ids = host.encode(HARBOUR.text)
    spans = [Span(ids[:30], 29), Span(ids[5:17], 4), Span(ids[20:60], 10)]
    upper = UpperLayers(host, FIRST)
    with torch.no_grad():
        together = upper.batch_logits([upper.record(span) for span in spans])
    alone = [whole_model_logits(host, s.ids)[-s.new - 1 : -1] for s in spans]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_a_window_sees_no_further_back_than_its_past_keeps():
    host = tiny_host()
    ids = host.encode(HARBOUR.text)[:64]
    changed = ids.clone()
    changed[:8] = 5
    losses = []
    for text in (ids, changed):
        upper = UpperLayers(host, 0)  # all layers, so that nothing but the past joins windows
        recording = upper.record(Span(text, 63))
        for limit in (63, 16):
            past = Past(limit)
            for start, end in ((0, 20), (20, 40), (40, 63)):
                with torch.no_grad():
                    loss = upper.window_loss(recording, start, end, past)
            losses.append(float(loss))
    assert losses[0] != losses[2]  # another beginning is felt with all of the past in view
    assert losses[1] != losses[0]


@pytest.mark.parametrize(("tokens", "longest", "context"), [(2, 8, 4), (17, 9, 4), (100, 300, 20)])
def test_every_token_but_the_first_is_predicted_once_with_its_context(tokens, longest, context):
    ids = torch.arange(tokens)
    cut = segments(ids, context, longest)
    predicted = torch.cat([span.ids[-span.new :] for span in cut])
    assert predicted.tolist() == list(range(1, tokens))
    for span in cut:
        start = int(span.ids[-span.new])
        assert len(span.ids) <= longest
        assert len(span.ids) - span.new >= min(start, context)


def test_a_start_token_stands_in_front_of_every_segment():
    ids = torch.arange(100, 140)
    lead = torch.tensor([7])
    for span in segments(torch.cat([lead, ids]), 4, 16, lead=lead):
        assert int(span.ids[0]) == 7
        assert 7 not in span.ids[1:].tolist()
        assert len(span.ids) <= 16


def test_a_model_with_a_start_token_reads_it_in_every_segment(monkeypatch):
    monkeypatch.setattr("engines.ttt.lesson.SEGMENT_TOKENS", 32)
    host = tiny_host()
    host.tokenizer.bos_token = "<|endoftext|>"
    text = "<|endoftext|>" + HARBOUR.text
    engine = tiny_engine(host, held_out_corpus=None)
    seen = []
    handle = host.model.model.embed_tokens.register_forward_pre_hook(
        lambda _, args: seen.append(int(args[0][0, 0]))
    )
    learn(engine, Document.from_text(text, "with a start token"))
    handle.remove()
    starts = [first for first in seen if first == host.start_token]
    ids = host.encode(text)
    assert len(starts) == len(segments(ids, 32, 64, ids[:1]))


def test_divergence_is_zero_for_the_teacher_itself_and_counts_the_tail():
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    top = torch.log_softmax(logits, dim=-1).topk(4)
    teacher = Teacher(top.indices, top.values)
    torch.testing.assert_close(divergence(logits, teacher), torch.zeros(5), atol=1e-5, rtol=0)
    moved = logits.clone()
    outside = torch.ones_like(logits, dtype=torch.bool).scatter(1, top.indices, False)
    moved[outside] += 3.0  # mass goes to the tail, the order of the four stays
    assert (divergence(moved, teacher) > 0.1).all()


def test_divergence_with_all_tokens_is_the_kl_of_torch():
    chance = torch.Generator().manual_seed(3)
    logits, other = torch.randn(6, 12, generator=chance), torch.randn(6, 12, generator=chance)
    all_tokens = torch.arange(12).expand(6, 12)
    teacher = Teacher(all_tokens, torch.log_softmax(other, dim=-1))
    expected = torch.nn.functional.kl_div(
        torch.log_softmax(logits, -1), torch.log_softmax(other, -1), reduction="none",
        log_target=True,
    ).sum(-1)  # fmt: skip
    torch.testing.assert_close(divergence(logits, teacher), expected, rtol=1e-4, atol=1e-5)


def test_recording_leaves_no_hook_behind():
    host = tiny_host()
    upper = UpperLayers(host, FIRST)
    upper.record(Span(host.encode(HARBOUR.text), 8))
    assert all(not m._forward_pre_hooks for m in families.decoder_layers(host.model))

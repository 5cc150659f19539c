"""Running the upper layers alone gives what the whole model gives."""

from __future__ import annotations

import pytest
import torch

from engines import families
from engines.protocol import Document
from engines.ttt.upper import UpperLayers, spans
from tests.engines.learning import HARBOUR, learn, tiny_engine, tiny_host
from tests.engines.tiny import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_from_a_recording_is_that_of_the_whole_model(family):
    host = tiny_host(family)
    ids = host.encode(HARBOUR.text)
    (span,) = spans(ids, window=len(ids), context=0)
    upper = UpperLayers(host, first=2)
    with torch.no_grad():
        whole = host.model(input_ids=ids.unsqueeze(0), labels=ids.unsqueeze(0)).loss
        torch.testing.assert_close(upper.loss(upper.record(span)), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("tokens", "window", "context"), [(2, 8, 4), (17, 8, 4), (100, 8, 200)])
def test_every_token_but_the_first_is_predicted_once_with_its_context(tokens, window, context):
    ids = torch.arange(tokens)
    cut = spans(ids, window, context)
    predicted = torch.cat([span.ids[-span.new :] for span in cut])
    assert predicted.tolist() == list(range(1, tokens))
    for span in cut:
        start = int(span.ids[-span.new])
        assert span.new <= window
        assert int(span.ids[0]) == max(0, start - 1 - context)
        assert len(span.ids) == span.new + min(start, context + 1)


def test_earlier_tokens_are_in_view_of_later_windows():
    host = tiny_host()
    ids = host.encode(HARBOUR.text)
    upper = UpperLayers(host, first=2)
    with_context = upper.mean_loss([upper.record(s) for s in spans(ids, 16, 64)])
    changed = ids.clone()
    changed[:8] = 5  # another beginning must be felt in the second window
    second = spans(ids, 16, 64)[1], spans(changed, 16, 64)[1]
    assert upper.mean_loss([upper.record(second[0])]) != upper.mean_loss([upper.record(second[1])])
    assert with_context > 0


def test_a_start_token_stands_in_front_of_every_window():
    ids = torch.arange(100, 140)
    lead = torch.tensor([7])
    for span in spans(torch.cat([lead, ids]), window=8, context=4, lead=lead):
        assert int(span.ids[0]) == 7
        assert 7 not in span.ids[1:].tolist()
        assert len(span.ids) <= 1 + 4 + 1 + 8


def test_a_model_with_a_start_token_reads_it_in_every_window():
    host = tiny_host()
    host.tokenizer.bos_token = "<|endoftext|>"
    text = "<|endoftext|>" + HARBOUR.text
    engine = tiny_engine(host)
    seen = []
    handle = host.model.model.embed_tokens.register_forward_pre_hook(
        lambda _, args: seen.append(int(args[0][0, 0]))
    )
    learn(engine, Document.from_text(text, "with a start token"))
    handle.remove()
    windows = [first for first in seen if first == host.start_token]
    assert len(windows) == len(spans(host.encode(text), 32, 32))


def test_recording_leaves_no_hook_behind():
    host = tiny_host()
    upper = UpperLayers(host, first=2)
    upper.record(spans(host.encode(HARBOUR.text), 16, 16)[0])
    assert all(not m._forward_pre_hooks for m in families.decoder_layers(host.model))

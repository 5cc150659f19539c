"""Reading a text for its states: each position once, in context, the model untouched."""

from __future__ import annotations

import pytest
import torch

from engines.host import ModelHost
from engines.jitrl.recording import (
    Projection,
    Recorded,
    chunk_numbers,
    encode_with_offsets,
    mlp_inputs,
    record,
    spans,
)
from engines.jitrl.settings import JitRLFullSettings
from engines.protocol import DocumentError, EngineError, ModelError
from tests.engines.learning import HARBOUR, tiny_host
from tests.engines.tiny import FAMILIES, TEXT, tiny_model, tiny_tokenizer

SMALL = JitRLFullSettings(window=48, window_overlap=16)
WHOLE = JitRLFullSettings(window=2048)


def recorded(host: ModelHost, ids: torch.Tensor, settings: JitRLFullSettings) -> Recorded:
    """All windows joined."""
    parts = [*record(host, ids, settings, Projection(32, settings.projection))]
    assert [part.start for part in parts] == [
        sum(len(p.tokens) for p in parts[:n]) for n in range(len(parts))
    ]
    names = ("states", "hidden", "tokens", "losses")
    return Recorded(0, *(torch.cat([getattr(p, name) for p in parts]) for name in names))


def states_of_one_pass(host: ModelHost, ids: torch.Tensor, layer: int | None) -> torch.Tensor:
    with torch.no_grad(), mlp_inputs(host.model, layer) as capture:
        host.model(input_ids=ids.unsqueeze(0))
    return capture.states[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_one_window_gives_the_states_and_losses_of_one_pass(family):
    host = tiny_host(family)
    ids = host.encode(HARBOUR.text)
    found = recorded(host, ids, WHOLE)
    torch.testing.assert_close(found.states, states_of_one_pass(host, ids, None)[:-1])
    assert torch.equal(found.tokens, ids[1:])
    nll = host.negative_log_likelihood(ids[:1], ids[1:])
    assert found.losses.mean().item() == pytest.approx(nll, rel=1e-4)


@pytest.mark.parametrize("layer", [0, 2, -1, None])
def test_the_layer_is_the_one_that_was_asked_for(layer):
    host = tiny_host()
    ids = host.encode(HARBOUR.text)
    found = recorded(host, ids, JitRLFullSettings(window=2048, layer=layer))
    expected = states_of_one_pass(host, ids, 3 if layer in {-1, None} else layer)
    torch.testing.assert_close(found.states, expected[:-1])


def test_each_position_comes_once_with_its_next_token_and_enough_to_its_left():
    host = tiny_host()
    ids = host.encode(TEXT)
    assert len(ids) > 4 * SMALL.window
    found = recorded(host, ids, SMALL)
    assert torch.equal(found.tokens, ids[1:])
    for start, first, end in spans(len(ids) - 1, 48, 16):
        assert start == 0 or first - start == 16
        alone = states_of_one_pass(host, ids[start:end], None)[first - start :]
        torch.testing.assert_close(found.states[first:end], alone)


@pytest.mark.parametrize("positions", [1, 47, 48, 49, 80, 81, 500])
@pytest.mark.parametrize("overlap", [0, 16, 47])
def test_windows_cover_everything_once(positions, overlap):
    kept = [n for _, first, end in spans(positions, 48, overlap) for n in range(first, end)]
    assert kept == [*range(positions)]
    assert all(end - start <= 48 for start, _, end in spans(positions, 48, overlap))


def test_a_start_token_stands_in_front_of_every_window():
    tokenizer = tiny_tokenizer(chat=False)
    tokenizer.bos_token = "<|im_start|>"
    host = ModelHost(model=tiny_model(), tokenizer=tokenizer)
    ids = torch.cat([torch.tensor([host.start_token]), host.encode(TEXT)])
    found = recorded(host, ids, SMALL)
    assert torch.equal(found.tokens, ids[1:])
    start, first, end = [*spans(len(ids) - 1, 47, 16)][1]
    alone = states_of_one_pass(host, torch.cat([ids[:1], ids[start:end]]), None)
    torch.testing.assert_close(found.states[first:end], alone[1 + first - start :])


def test_the_model_is_untouched_between_windows_and_after():
    host = tiny_host()
    ids = host.encode(TEXT)
    before = host.model(input_ids=ids.unsqueeze(0)).logits
    reading = record(host, ids, SMALL, Projection(32, 0))
    next(reading)
    assert torch.equal(host.model(input_ids=ids.unsqueeze(0)).logits, before)
    reading.close()
    assert torch.equal(host.model(input_ids=ids.unsqueeze(0)).logits, before)
    assert not any(module._forward_pre_hooks for module in host.model.modules())


def test_a_pass_that_fails_leaves_no_hook():
    host = tiny_host()
    with pytest.raises(IndexError):
        next(record(host, torch.tensor([1, 10**6, 2]), SMALL, Projection(32, 0)))
    assert not any(module._forward_pre_hooks for module in host.model.modules())


def test_a_projection_is_the_same_each_time_and_keeps_what_is_near():
    states = torch.randn(40, 32)
    one, other = Projection(32, 16)(states), Projection(32, 16)(states)
    assert one.shape == (40, 16)
    assert torch.equal(one, other)
    basis = Projection(32, 16)(torch.eye(32))
    torch.testing.assert_close(basis.T @ basis, torch.eye(16))
    assert torch.equal(Projection(32, 0)(states), states)


def test_recording_projects():
    host = tiny_host()
    ids = host.encode(HARBOUR.text)
    plain = recorded(host, ids, WHOLE)
    small = recorded(host, ids, JitRLFullSettings(window=2048, projection=8))
    torch.testing.assert_close(small.states, Projection(32, 8)(plain.states))


def test_tokens_of_an_overlap_belong_to_the_first_chunk():
    starts = torch.tensor([0, 3, 5, 9, 12, 14, 30]).numpy()
    assert chunk_numbers(starts, [10, 15, 20]).tolist() == [0, 0, 0, 1, 1, 2]
    assert chunk_numbers(starts, [10, 15, 20]).dtype == torch.int32


def test_offsets_are_those_of_the_tokens():
    host = tiny_host()
    ids, starts = encode_with_offsets(host, HARBOUR.text)
    assert torch.equal(ids, host.encode(HARBOUR.text))
    for n in (3, 20, len(ids) - 2):
        piece = HARBOUR.text[starts[n] : starts[n + 1]]
        assert host.tokenizer.decode(ids[n]).strip() == piece.strip()


def test_a_text_of_a_single_token_is_told():
    with pytest.raises(DocumentError, match="single token"):
        next(record(tiny_host(), torch.tensor([5]), SMALL, Projection(32, 0)))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (JitRLFullSettings(window=16, window_overlap=16), "window_overlap below"),
        (JitRLFullSettings(layer=4), "no layer 4"),
        (JitRLFullSettings(layer=-5), "no layer -5"),
    ],
)
def test_settings_that_can_not_be_are_one_sentence(settings, told):
    with pytest.raises(EngineError, match=told):
        next(record(tiny_host(), torch.arange(9), settings, Projection(32, 0)))


def test_a_projection_wider_than_the_states_is_refused():
    with pytest.raises(EngineError, match="at most 32"):
        Projection(32, 33)


def test_a_window_beyond_the_model_is_narrowed():
    host = tiny_host()
    ids = torch.arange(3000) % 300
    wide = JitRLFullSettings(window=100_000, window_overlap=50_000)
    parts = [*record(host, ids, wide, Projection(32, 0))]
    assert [part.start for part in parts] == [0, 2048]


def test_a_model_that_overflows_is_told():
    host = tiny_host()
    with torch.no_grad():
        host.model.model.layers[1].mlp.down_proj.weight.fill_(float("nan"))
    with pytest.raises(EngineError, match=r"model\.dtype float32"):
        next(record(host, host.encode(TEXT), SMALL, Projection(32, 0)))


def test_a_tokenizer_without_offsets_is_told():
    host = tiny_host()

    def slow(text, **options):
        raise NotImplementedError

    host.tokenizer = slow
    with pytest.raises(ModelError, match="tokenizer"):
        encode_with_offsets(host, "text")

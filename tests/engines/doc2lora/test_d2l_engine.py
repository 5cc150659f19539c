"""The engine as the workbench sees it: learn, reply, cancel, refuse."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch

from engines.abilities import HasLedger, HasStrength, MeasuresRecall, Recall
from engines.doc2lora.applied import AlreadyAdaptedError
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.events import Doc2LoraProgress
from engines.doc2lora.settings import Doc2LoraSettings
from engines.protocol import (
    CheckpointError,
    Document,
    DocumentError,
    Engine,
    EngineError,
    Sampling,
    Turn,
)
from engines.ttt.dual_mlp import DualMLP, injected
from tests.engines.doc2lora.d2l import MILL, as_learned, d2l_engine, learned, taught
from tests.engines.doc2lora.small_network import small_network
from tests.engines.learning import AVIARY, HARBOUR, logits, tiny_host
from tests.engines.tiny import FAMILIES

ASKED = [Turn("user", "Who dug the harbour?")]
SHORT = Sampling(max_new_tokens=8)


def _downs(host):
    return [layer.mlp.down_proj for layer in host.model.model.layers]


def test_the_engine_has_the_abilities_it_is_asked_for():
    engine = d2l_engine()
    assert isinstance(engine, Engine)
    assert isinstance(engine, HasLedger)
    assert isinstance(engine, HasStrength)
    assert isinstance(engine, MeasuresRecall)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_learned_document_acts_inside_the_block_only(family):
    engine = d2l_engine(tiny_host(family))
    base, modules = logits(engine.host), _downs(engine.host)
    learned(engine, HARBOUR)
    assert torch.equal(logits(engine.host), base)
    assert (as_learned(engine) - base).abs().max() > 0.01
    assert torch.equal(logits(engine.host), base)
    assert all(a is b for a, b in zip(_downs(engine.host), modules, strict=True))
    engine.forget(HARBOUR.id)
    assert torch.equal(as_learned(engine), base)


def test_learning_twice_gives_the_same_to_the_bit():
    assert torch.equal(
        as_learned(taught(d2l_engine(), HARBOUR)), as_learned(taught(d2l_engine(), HARBOUR))
    )


def test_events_tell_each_chunk_its_norms_and_where_the_time_went():
    *events, report = d2l_engine().learn(HARBOUR)
    chunks = [event for event in events if event.stage == "generating"]
    assert all(isinstance(event, Doc2LoraProgress) for event in events)
    assert [event.chunk for event in chunks] == list(range(1, report.chunks + 1))
    assert report.chunks > 1
    assert sum(event.chunk_tokens for event in chunks) == report.tokens == report.tokens_read
    for event in chunks:
        assert len(event.norms) == len(event.total_norms) == 4
        assert min(event.norms) > 0
        assert 0 < event.effective_rank <= event.rank + 1e-6
    assert chunks[-1].rank == 2 * report.chunks
    assert chunks[-1].read_seconds > 0 < chunks[-1].generate_seconds
    assert events[-1].inject_seconds > 0
    assert [e.fraction for e in events] == sorted(e.fraction for e in events)
    assert events[-1].fraction == 1.0
    assert any(f"rank {chunks[-1].rank} from {report.chunks} chunks" in n for n in report.notes)


def test_closing_at_any_event_leaves_no_trace():
    engine = taught(d2l_engine(), AVIARY)
    before, base = as_learned(engine), logits(engine.host)
    count = len(list(d2l_engine().learn(HARBOUR))) - 1
    for stop in range(count):
        events = engine.learn(HARBOUR)
        for _ in range(stop + 1):
            next(events)
        events.close()
        assert [report.id for report in engine.documents] == [AVIARY.id]
        assert torch.equal(as_learned(engine), before)
        assert torch.equal(logits(engine.host), base)
    assert torch.equal(
        as_learned(taught(engine, HARBOUR)), as_learned(taught(d2l_engine(), AVIARY, HARBOUR))
    )


def test_a_reply_between_two_events_is_that_of_what_is_learned_by_then():
    engine = taught(d2l_engine(), AVIARY)
    before = as_learned(engine)
    for event in engine.learn(HARBOUR):
        if isinstance(event, Doc2LoraProgress):
            assert torch.equal(as_learned(engine), before)
    assert torch.equal(as_learned(engine), as_learned(taught(d2l_engine(), AVIARY, HARBOUR)))
    assert engine.documents[1].loss_after == learned_apart().loss_after


def learned_apart():
    return learned(taught(d2l_engine(), AVIARY), HARBOUR)


def test_an_answer_is_streamed_from_what_is_learned():
    engine = d2l_engine()
    alone = "".join(piece.text for piece in engine.reply(ASKED, SHORT))
    assert alone == "".join(piece.text for piece in engine.host.reply(ASKED, SHORT))
    learned(engine, HARBOUR)
    base = logits(engine.host)
    pieces = []
    for piece in engine.reply(ASKED, SHORT):
        pieces.append(piece.text)
        assert torch.equal(logits(engine.host), base)
    assert "".join(pieces) != alone


def test_losses_are_those_of_the_base_and_of_the_model_as_learned():
    document = dataclasses.replace(
        HARBOUR, questions=(("Who dug it?", ("forty women",)), ("Why?", ()), (" ", ("no",)))
    )
    engine = d2l_engine()
    *events, report = engine.learn(document)
    ids = engine.host.encode(document.text)
    assert report.loss_before == pytest.approx(
        engine.host.negative_log_likelihood(ids[:1], ids[1:]), rel=1e-4
    )
    with engine.active():
        now = engine.host.negative_log_likelihood(ids[:1], ids[1:])
    assert report.loss_after == pytest.approx(now, rel=1e-4)
    prompt = engine.host.prompt([Turn("user", "Who dug it?")])
    answer = engine.host.encode("forty women")
    assert events[-1].answers == 1
    assert events[-1].answer_loss_before == pytest.approx(
        engine.host.negative_log_likelihood(prompt, answer), rel=1e-4
    )
    assert any(note.startswith("the gold answers of 1 question") for note in report.notes)
    *_, recall = engine.recall(document)
    assert isinstance(recall, Recall)
    assert (recall.base_loss, recall.loss) == pytest.approx((report.loss_before, report.loss_after))


def test_nothing_is_measured_where_that_is_set():
    *events, report = d2l_engine(measure_tokens=0, measure_questions=0).learn(HARBOUR)
    assert report.loss_before is None
    assert report.loss_after is None
    assert events[-1].stage == "injecting"
    assert events[-1].fraction == 1.0


def test_a_partial_measurement_says_so():
    report = learned(d2l_engine(measure_tokens=16), HARBOUR)
    assert "the losses are those of the first 16 tokens" in report.notes


@pytest.mark.parametrize("where", ["heads.weight", "bias_a"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_and_nothing_is_kept(where, value):
    host = tiny_host()
    network = small_network(host.model)
    engine = taught(Doc2LoraEngine(host, network), AVIARY)
    before = as_learned(engine)
    with torch.no_grad():
        network.get_parameter(where)[-1, 0, 0] = value
    with pytest.raises(EngineError, match="not finite"):
        list(engine.learn(HARBOUR))
    assert [report.id for report in engine.documents] == [AVIARY.id]
    assert torch.equal(as_learned(engine), before)


def test_the_chunk_that_went_wrong_is_named_by_its_number():
    host = tiny_host()
    host.model.get_input_embeddings().weight.data[int(host.encode("!")[0])] = float("nan")
    engine = d2l_engine(host)
    marked = Document.from_text(HARBOUR.text + " It rained a lot in that year of the oranges!")
    with pytest.raises(EngineError, match=r"chunk (\d) of \1, so nothing was learned"):
        list(engine.learn(marked))


@pytest.mark.parametrize(
    ("dtype", "times", "told"),
    [
        (torch.float32, 1e36, "too large to compute with"),
        (torch.float16, 1e6, "the model gives numbers that are not"),
    ],
)
def test_a_lora_that_ruins_the_model_is_refused(dtype, times, told):
    host = tiny_host()
    host.model.to(dtype)
    network = small_network(host.model)
    with torch.no_grad():
        network.heads.scaler_b.mul_(times)
    engine = Doc2LoraEngine(host, network)
    base = logits(host)
    with pytest.raises(EngineError, match=f"{told}.*so nothing was learned"):
        list(engine.learn(HARBOUR))
    assert not engine.documents
    assert torch.equal(as_learned(engine), base)


def test_an_empty_a_known_and_a_broken_document_are_refused():
    engine = taught(d2l_engine(), HARBOUR)
    with pytest.raises(DocumentError, match="learned already"):
        list(engine.learn(HARBOUR))
    with pytest.raises(DocumentError, match="is empty: choose"):
        list(engine.learn(Document("0" * 12, "nothing", " \n ")))
    with pytest.raises(DocumentError, match="half a character"):
        list(engine.learn(Document("1" * 12, "half", "a \ud800 b")))
    assert len(engine.documents) == 1


def test_one_thing_at_a_time():
    engine = taught(d2l_engine(), AVIARY)
    events = engine.learn(HARBOUR)
    next(events)
    for act in (
        lambda: next(engine.learn(MILL)),
        lambda: engine.forget(AVIARY.id),
        lambda: engine.mute(AVIARY.id),
        lambda: engine.weigh(AVIARY.id, 2.0),
        lambda: engine.move(AVIARY.id, 0),
        engine.reset,
    ):
        with pytest.raises(EngineError, match="learning already"):
            act()
    events.close()
    engine.reset()
    assert not engine.documents


def test_nothing_is_read_by_a_model_that_is_changed():
    engine = taught(d2l_engine(), AVIARY)
    with engine.active(), pytest.raises(AlreadyAdaptedError):
        next(engine.learn(HARBOUR))
    with engine.active(), pytest.raises(AlreadyAdaptedError), engine.active():
        pass
    layers = engine.host.model.model.layers
    dual = {3: DualMLP(layers[3].mlp, [], 0.5)}
    with injected(layers, dual), pytest.raises(EngineError):
        next(engine.learn(HARBOUR))
    learned(engine, HARBOUR)


def test_a_hypernetwork_for_another_base_is_refused_with_both_names():
    other = tiny_host("qwen2")
    with pytest.raises(CheckpointError, match="trained for tiny, and tiny qwen2 is loaded"):
        Doc2LoraEngine(other, small_network(tiny_host().model))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"context_strength": 5.0}, "context_strength is 5"),
        ({"bias_strength": float("nan")}, "bias_strength is nan"),
        ({"max_chunks": 65}, "from 1 to 64"),
        ({"chunk_tokens": 4}, "from 16 to 8192"),
        ({"mode": "both"}, "choose doc or text"),
        ({"precision": "int8"}, "choose one of auto"),
        ({"measure_tokens": -1}, r"choose 0 \(none\) or more"),
        ({"chunk_tokens": 2048}, "set 20"),
    ],
)
def test_settings_out_of_range_are_told(settings, told):
    with pytest.raises(EngineError, match=told):
        d2l_engine(**settings)


def test_a_description_in_doc_mode_and_a_file_in_text_mode_offer_to_switch(tmp_path):
    described = Document.from_text("Answer every question with yes or no.")
    with pytest.raises(DocumentError, match="switch to the mode text"):
        next(d2l_engine().learn(described))
    path = tmp_path / "style.txt"
    path.write_text(described.text)
    learned(d2l_engine(), Document.from_path(path))
    text = d2l_engine(mode="text")
    with pytest.raises(DocumentError, match="switch to the mode doc"):
        next(text.learn(Document.from_path(path)))
    with pytest.raises(EngineError, match="no Text-to-LoRA network"):
        next(text.learn(described))


def test_simulated_says_so_wherever_a_result_is_shown():
    host = tiny_host()
    settings = Doc2LoraSettings(simulated=True, seed=7)
    engine = Doc2LoraEngine(host, settings=settings)
    base = logits(host)
    *events, report = engine.learn(HARBOUR)
    assert engine.simulated
    assert "SIMULATED" in engine.title
    assert "SIMULATED" in engine.hypernetwork
    assert any("SIMULATED" in note for note in engine.notes)
    assert any("SIMULATED" in note for note in report.notes)
    assert all(event.simulated for event in events)
    first, *_ = engine.reply(ASKED, SHORT)
    assert "SIMULATED" in first.retrieval.note
    assert not torch.equal(as_learned(engine), base)
    assert torch.equal(logits(host), base)
    again = taught(Doc2LoraEngine(host, settings=settings), HARBOUR)
    assert torch.equal(as_learned(again), as_learned(engine))
    other = taught(Doc2LoraEngine(host, settings=dataclasses.replace(settings, seed=8)), HARBOUR)
    assert not torch.equal(as_learned(other), as_learned(engine))
    assert not d2l_engine(host).simulated


def test_settings_and_events_are_read_without_torch():
    code = (
        "import sys, engines.doc2lora.settings, engines.doc2lora.events, engines.doc2lora.modes;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""From the real engine's events to what is drawn of a document's LoRA, with a tiny model."""

from __future__ import annotations

from cl_workbench import engine_jobs
from cl_workbench.messages import LearnBegan
from cl_workbench.screens import dials, learning
from engines.protocol import Progress
from tests.engines.doc2lora.d2l import HARBOUR, d2l_engine


def test_a_document_is_drawn_from_the_first_chunk_to_the_last_loss() -> None:
    engine = d2l_engine(chunk_tokens=20)
    seen = learning.begun(LearnBegan(HARBOUR.id, HARBOUR.title, None))
    chunks = []
    for event in engine.learn(HARBOUR):
        if isinstance(event, Progress):
            seen = learning.advanced(seen, event)
            assert seen.frame.lora is not None
            chunks.append(seen.frame.lora.chunk)
        else:
            seen = learning.finished(seen, event)
    lora = seen.frame.lora
    assert lora is not None
    assert lora.norms is not None
    assert sorted(set(chunks)) == list(range(lora.chunks + 1))
    assert len(lora.norms.columns) == lora.chunks > 2
    assert all(len(c) == len(lora.norms.totals) for c in lora.norms.columns)
    assert all(norm > 0 for column in lora.norms.columns for norm in column)
    assert lora.rank == 2 * lora.chunks
    assert lora.loss is not None
    assert min(lora.seconds) > 0
    assert seen.frame.loss == ()


def test_the_state_names_the_dial_and_what_is_simulated() -> None:
    state = engine_jobs.state_of(d2l_engine())
    assert dials.dial_reading(state) == "context strength 1.0"
    assert dials.engine_words(state) == "doc2lora"
    simulated = engine_jobs.state_of(d2l_engine(simulated=True))
    assert dials.engine_words(simulated) == "doc2lora SIMULATED"

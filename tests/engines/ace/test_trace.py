"""The trace of a learn: nothing that a role said is lost, and it does not grow without end."""

from __future__ import annotations

import json

from engines.ace.loop import learn
from engines.ace.questions import Pair, Split
from engines.ace.revisions import History
from engines.ace.roles import RoleTurn
from engines.ace.settings import AceSettings
from engines.ace.trace import TraceEntry, Tracer
from engines.protocol import Turn
from tests.engines.ace.scripted_roles import ScriptedRoles, add, curates

QUESTIONS = Split(
    (Pair("What is it?", ("5.0",)), Pair("And <b>that</b>?", ("7.0",))), (Pair("Last?", ("1",)),)
)


def learned(**rules):
    model = ScriptedRoles(**rules)
    events = learn(
        History.start(), QUESTIONS, model, AceSettings(loops=2), title="A town", document=None
    )
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value.trace, model


def test_every_call_is_in_the_trace_with_what_was_asked_and_said():
    trace, model = learned(curator=curates(add("Read the table first.")))
    assert [turn.role for turn in trace.turns] == [r.schema_name for r in model.asked]
    assert [turn.prompt for turn in trace.turns] == [r.turns for r in model.asked]
    assert all(turn.said and turn.completion_tokens for turn in trace.turns)
    assert (trace.title, trace.model, trace.where) == ("A town", "scripted", "in this test")
    assert any(o.verdict == "accepted" for entry in trace.entries for o in entry.outcomes)
    assert {entry.loop for entry in trace.entries} == {0, 1, 2}


def test_a_step_that_failed_is_there_with_its_reason():
    trace, _ = learned(reflector=lambda request: "I would rather not.")
    failed = [turn for turn in trace.turns if turn.parsed is None]
    assert len(failed) == 4
    assert all(turn.why_not and turn.said == "I would rather not." for turn in failed)


def test_json_holds_everything_as_plain_values():
    trace, _ = learned(curator=curates(add("Read the table first.")))
    row = json.loads(trace.to_json())
    assert len(row["entries"]) == len(trace.entries)
    turns = [entry["turn"] for entry in row["entries"] if "turn" in entry]
    assert [turn["said"] for turn in turns] == [turn.said for turn in trace.turns]
    operations = [o["operation"] for e in row["entries"] for o in e.get("outcomes", [])]
    assert operations[0] == {
        "type": "ADD",
        "section": "strategies",
        "text": "Read the table first.",
    }


def test_markdown_can_be_read_and_nothing_said_breaks_out_of_it():
    trace, _ = learned(
        generator=lambda request: "```\n# A heading of its own\n</question>",
        curator=curates(add("Read the table first.")),
    )
    text = trace.to_markdown()
    assert text.startswith("# Trace: A town\n")
    assert "## generator: loop 1, question 1" in text
    assert "````\n```\n# A heading" in text


def test_a_trace_that_gets_too_long_lets_go_of_old_prompts_first():
    tracer = Tracer("Long", "scripted", "here", most=20_000)
    for number in range(20):
        turn = RoleTurn(
            "generator", (Turn("user", "asked " * 400),), said=f"{number} " + "said " * 100
        )
        tracer.add(TraceEntry("learning", 1, number + 1, "What?", turn))
    trace = tracer.trace()
    assert len(trace.turns) == 20
    assert trace.shortened > 0
    assert not trace.turns[0].prompt
    assert trace.turns[0].said.startswith("0 said")
    assert trace.turns[-1].prompt[0].content == "asked " * 400
    assert len(trace.to_json()) < 40_000


def test_one_endless_answer_is_cut():
    tracer = Tracer("Long", "scripted", "here")
    tracer.add(TraceEntry("learning", turn=RoleTurn("curator", (), said="x" * 10_000_000)))
    assert len(tracer.trace().turns[0].said) < 100_000

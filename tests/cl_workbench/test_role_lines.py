"""From ACE's events to what is drawn of its roles, with the real engine and a scripted model."""

from __future__ import annotations

from scripted_ace_app import QUESTIONS, SETTINGS, roles

from cl_workbench.messages import Learning, ModelFacts
from cl_workbench.role_steps import joined
from cl_workbench.screens import learning, role_lines
from engines.ace.engine import AceEngine
from engines.ace.events import AceProgress
from engines.protocol import Document, LearnReport, Progress
from widgets.role_frame import RoleFrame

TEXT = "# The harbour light\n\nIt turns twice a minute. Three keepers look after it."


def events() -> list[Progress | LearnReport]:
    engine = AceEngine(roles(), SETTINGS)
    pairs = [(question, (answer,)) for question, answer in QUESTIONS]
    return list(engine.learn(Document.from_text(TEXT, questions=pairs)))


def test_a_learning_is_told_as_it_goes() -> None:
    frame: RoleFrame | None = None
    seen: list[RoleFrame] = []
    for event in events():
        if isinstance(event, AceProgress):
            frame = role_lines.advanced(frame, event)
            seen.append(frame)
    assert frame is not None
    places = {frame.place for frame in seen}
    assert ("validating before loop 1", "question 1/1") in places
    assert ("loop 2/2", "question 3/3") in places
    assert {frame.role for frame in seen} >= {"generator", "reflector", "curator"}
    assert any("final_answer" in frame.writing for frame in seen)
    assert all(frame.writing == "" or frame.role for frame in seen)
    assert any(change.done.startswith("added strategy-") for change in frame.changes)
    assert any("no bullet has that id" in change.why for change in frame.changes)
    assert frame.answered == 3
    assert len(frame.score) == 6
    assert len(frame.validation) == 3
    assert frame.rights == round(frame.score[-1][1] * 3)
    assert frame.bullets > 0
    assert frame.spent_tokens > 0


def test_each_attempt_is_written_anew() -> None:
    def event(**values: object) -> AceProgress:
        return AceProgress("learning", 0.1, 1.0, asked="Why?", role="generator", **values)  # type: ignore[arg-type]

    frame = role_lines.advanced(None, event())
    frame = role_lines.advanced(frame, event(thinking="Hm. "))
    frame = role_lines.advanced(frame, event(piece="no JSON"))
    assert (frame.thinking, frame.writing) == ("Hm. ", "no JSON")
    frame = role_lines.advanced(frame, event(piece="{", attempt=2))
    assert (frame.thinking, frame.writing, frame.attempt) == ("", "{", 2)
    ended = role_lines.ended(frame)
    assert ended is not None
    assert (ended.role, ended.writing) == ("", "")
    assert role_lines.ended(None) is None


def test_pieces_that_wait_are_put_together_and_nothing_else_is() -> None:
    def step(**values: object) -> Learning:
        return Learning(AceProgress("learning", 0.1, 1.0, role="generator", **values))  # type: ignore[arg-type]

    both = joined(step(piece="Fo"), step(piece="ur", thinking="t"))
    assert both is not None
    assert isinstance(both.progress, AceProgress)
    assert (both.progress.piece, both.progress.thinking) == ("Four", "t")
    assert joined(step(piece="Fo"), step(piece="ur", attempt=2)) is None
    assert joined(step(piece="Fo"), step(right=True)) is None
    assert joined(step(), step(piece="a")) is None
    assert joined(None, step(piece="a")) is None
    assert joined(Learning(Progress("learning", 0.1, 1.0)), step(piece="a")) is None


def test_a_served_model_has_no_size_that_is_known() -> None:
    facts = ModelFacts("m:9b", "it answers", "http://x", "as served", 0)
    lines = learning.empty_notice(facts).lines
    assert "Model: m:9b, as served on http://x" in lines
    assert not any("parameters" in line for line in lines)

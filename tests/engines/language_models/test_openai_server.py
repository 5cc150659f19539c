"""The dialect of OpenAI against scripted servers that know more or less of it."""

from __future__ import annotations

import json

import pytest

from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import (
    BrokenOffError,
    BusyError,
    ModelMissingError,
    PromptTooLongError,
    Request,
    ServerError,
)
from engines.protocol import Sampling, Turn
from tests.engines.language_models.asking import QUESTION, endpoint, finish, whole
from tests.engines.language_models.scripted_ollama import DROP, UNTIL_LEFT, Reply, line, scripted

CHAT = "/v1/chat/completions"
SCHEMA = {"type": "string", "maxLength": 10}
WITH_SCHEMA = Request(QUESTION.turns, 64, seed=3, schema=SCHEMA, schema_name="year")
LONG = "one two three four five " * 60


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def said(content=None, ended=None, **delta):
    part = {"role": "assistant", **delta} | ({} if content is None else {"content": content})
    return event(choices=[{"index": 0, "delta": part, "finish_reason": ended}])


def usage(read=40, written=5):
    return event(choices=[], usage={"prompt_tokens": read, "completion_tokens": written})


END = b"data: [DONE]\n\n"
ANSWER = Reply([said(""), said("In "), said("1871."), said(ended="stop"), usage(), END])


def listed(**entry):
    return Reply([line(object="list", data=[{"id": "m", "object": "model", **entry}])])


def serving(*chat, models=None, **paths):
    replies = {f"/{path}": reply for path, reply in paths.items()}
    return scripted({"/v1/models": [models or listed()], CHAT: [*chat], **replies})


def ask(script, request=QUESTION, **settings):
    return whole(OpenAIServer(endpoint(script.address), "m", **settings).stream(request))


def test_an_answer_streams_and_tells_what_it_cost():
    with serving(ANSWER) as script:
        got = ask(script)
    assert (got.text, got.finish, got.attempts) == ("In 1871.", "stop", 1)
    assert (got.prompt_tokens, got.completion_tokens) == (40, 5)


def test_what_is_sent_holds_the_answer_to_its_schema():
    with serving(ANSWER) as script:
        ask(script, WITH_SCHEMA)
    sent = script.asked(CHAT)[0].body
    held = {"name": "year", "strict": True, "schema": SCHEMA}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": held}
    assert (sent["max_tokens"], sent["seed"], sent["temperature"]) == (64, 3, 0.0)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


def test_an_extra_that_the_server_refuses_is_left_out_from_then_on():
    refused = [
        Reply([line(detail=[{"loc": ["body", "stream_options"], "msg": "not permitted"}])], 422),
        Reply([line(error={"message": "json_schema is not supported", "code": 400})], 400),
        Reply([line(error={"message": "'response_format' is unknown", "param": None})], 400),
    ]
    with serving(*refused, ANSWER) as script:
        model = OpenAIServer(endpoint(script.address), "m")
        assert whole(model.stream(WITH_SCHEMA)).attempts == 1
        whole(model.stream(WITH_SCHEMA))
    bodies = [one.body for one in script.asked(CHAT)]
    formats = [body.get("response_format", {}).get("type") for body in bodies]
    assert formats == ["json_schema", "json_schema", "json_object", None, None]
    assert ["stream_options" in body for body in bodies] == [True, False, False, False, False]
    assert all(body["seed"] == 3 for body in bodies)


def test_a_server_that_wants_the_newer_name_of_the_limit_gets_it():
    message = "Unsupported parameter: 'max_tokens' is not supported: use 'max_completion_tokens'"
    refused = Reply([line(error={"message": message})], 400)
    with serving(refused, ANSWER) as script:
        ask(script)
    assert script.asked(CHAT)[1].body["max_completion_tokens"] == 64


def test_a_refusal_that_names_nothing_is_tried_once_without_extras():
    with serving(Reply([b"Bad Request"], 400), ANSWER) as script:
        assert ask(script, WITH_SCHEMA).text == "In 1871."
    assert len(script.asked(CHAT)) == 2


def test_a_refusal_for_another_reason_costs_no_extra():
    with serving(Reply([b"no"], 400), Reply([b"no"], 400), ANSWER) as script:
        model = OpenAIServer(endpoint(script.address), "m")
        with pytest.raises(ServerError, match=r"refused the request with status 400 \(no\)"):
            whole(model.stream(WITH_SCHEMA))
        whole(model.stream(WITH_SCHEMA))
    assert "response_format" in script.asked(CHAT)[2].body


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_is_told_apart(field):
    steps = [said(**{field: "Hm."}), said("<think>So</think>"), said("1871", "stop"), END]
    with serving(Reply(steps)) as script:
        got = ask(script)
    assert (got.text, got.thinking) == ("1871", "Hm.So")


def test_a_server_that_streams_nothing_is_understood():
    message = {"role": "assistant", "content": "In 1871."}
    body = {
        "choices": [{"message": message, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 4},
    }
    with serving(Reply([json.dumps(body, indent=1).encode()])) as script:
        _, got = finish(OpenAIServer(endpoint(script.address), "m").stream(QUESTION))
    assert (got.text, got.finish, got.prompt_tokens) == ("In 1871.", "length", 30)


def test_comments_and_other_fields_of_the_stream_are_passed_over():
    steps = [b": ping\n\n", b"event: message\nid: 4\n", said("1871", "length"), b"\r\n", END]
    with serving(Reply(steps)) as script:
        got = ask(script)
    assert (got.text, got.finish) == ("1871", "length")
    assert got.prompt_tokens > 0


@pytest.mark.parametrize(
    "broken",
    [
        event(error={"message": "out of memory", "code": 500}),
        b'error: {"code": 500, "message": "out of memory"}\n',
        b'data: {"error": "out of memory"}\n',
    ],
)
def test_an_error_in_the_middle_is_an_error_and_no_answer(broken):
    with (
        serving(Reply([said("In "), broken])) as script,
        pytest.raises(ServerError, match=r"gave up in the middle \(out of memory\)"),
    ):
        ask(script)


def test_an_answer_that_a_filter_withholds_is_an_error():
    with (
        serving(Reply([said("In "), said(ended="content_filter"), END])) as script,
        pytest.raises(ServerError, match="ended with content_filter"),
    ):
        ask(script)


@pytest.mark.parametrize("steps", [[said("In 18"), DROP], [said("In 18")]])
def test_an_answer_that_broke_off_is_not_asked_again(steps):
    with serving(Reply(steps), ANSWER) as script:
        with pytest.raises(BrokenOffError):
            ask(script)
        assert len(script.asked(CHAT)) == 1


@pytest.mark.parametrize("wrong", [b"data: {no\n\n", b"data: 5\n\n", b"<html></html>\n"])
def test_what_is_no_event_is_an_error(wrong):
    with (
        serving(Reply([wrong])) as script,
        pytest.raises(ServerError, match="line that is no JSON"),
    ):
        ask(script)


@pytest.mark.parametrize("odd", [[], [5], [None], [{}], [{"delta": 5}], "text", {"a": 1}])
def test_choices_of_odd_shapes_never_escape_as_a_crash(odd):
    with serving(Reply([event(choices=odd), said("1871", "stop"), END])) as script:
        try:
            assert ask(script).text == "1871"
        except ServerError as error:
            assert "a choice that is no JSON object" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "request (3031 tokens) exceeds the available context size (1024 tokens), try increasing it",
        "This model's maximum context length is 1024 tokens. However, you requested 3031 tokens "
        "(2967 in the messages, 64 in the completion).",
        "The input (3031 tokens) is longer than the model's context length (1024 tokens).",
    ],
)
def test_a_prompt_too_long_for_the_server_is_told_with_both_numbers(message):
    refused = Reply([line(error={"message": message, "code": 400})], 400)
    with serving(refused) as script, pytest.raises(PromptTooLongError) as caught:
        ask(script)
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (3031, 1024)
    assert len(script.asked(CHAT)) == 1


def test_the_context_that_the_server_tells_counts():
    with serving(ANSWER, models=listed(max_model_len=96)) as script:
        with pytest.raises(PromptTooLongError) as caught:
            ask(script, Request((QUESTION.turns[0],) * 4, 64))
        assert not script.asked(CHAT)
    assert caught.value.context_tokens == 96


def test_a_server_that_cuts_prompts_gives_no_answer():
    long = Request((Turn("user", LONG),), 16)
    with (
        serving(ANSWER) as script,
        pytest.raises(ServerError, match="it cut the prompt"),
    ):
        ask(script, long)


def test_tokens_are_counted_by_a_server_that_can_and_estimated_else():
    with serving(tokenize=[Reply([line(tokens=[1, 2, 3])])]) as script:
        counted = OpenAIServer(endpoint(script.address), "m").count(QUESTION.turns)
    with serving() as script:
        model = OpenAIServer(endpoint(script.address), "m")
        estimated = model.count(QUESTION.turns)
        model.count(QUESTION.turns)
        assert len(script.asked("/tokenize")) == 1
    assert counted == 19
    assert estimated > 10


LONGER = Request((Turn("system", "Be brief."), Turn("user", LONG)), 16)
SHORTER = (LONGER.turns[0], Turn("user", LONG[: len(LONG) // 2]))


def test_the_server_counts_once_for_one_answer():
    tokens = Reply([line(tokens=[1] * 310)])
    answer = Reply([said("1871", "stop"), usage(340), END])
    with serving(answer, models=listed(max_model_len=400), tokenize=[tokens]) as script:
        model = OpenAIServer(endpoint(script.address), "m", context_tokens=400)
        assert model.count(LONGER.turns, 384) == 334
        assert 334 / 2 < model.count(SHORTER, 200) < 334 * 0.6
        whole(model.stream(LONGER))
        assert len(script.asked("/tokenize")) == 1
        assert model.count(LONGER.turns, 384) == 334
        assert len(script.asked("/tokenize")) == 2


def test_what_fits_by_an_upper_estimate_is_not_counted():
    with serving(ANSWER, tokenize=[Reply([line(tokens=[1])])]) as script:
        model = OpenAIServer(endpoint(script.address), "m")
        assert model.count(QUESTION.turns, 8000) > 10
        whole(model.stream(QUESTION))
        assert not script.asked("/tokenize")


def test_a_persons_sampling_is_sent_as_far_as_the_server_knows_it():
    wished = Request.of(QUESTION.turns, Sampling(64, 0.7, 0.9, 1.2, seed=4))
    sent = []
    for owner in ("vllm", "llamacpp", "somebody", ["odd"]):
        with serving(ANSWER, models=listed(owned_by=owner)) as script:
            ask(script, wished)
        sent.append(script.asked(CHAT)[0].body)
    assert all((body["top_p"], body["temperature"], body["seed"]) == (0.9, 0.7, 4) for body in sent)
    penalties = [{k: v for k, v in body.items() if "penalty" in k} for body in sent]
    assert penalties == [{"repetition_penalty": 1.2}, {"repeat_penalty": 1.2}, {}, {}]


def test_a_role_leaves_the_rest_of_the_sampling_to_the_server():
    with serving(ANSWER, models=listed(owned_by="vllm")) as script:
        ask(script, WITH_SCHEMA)
    assert not {"top_p", "repetition_penalty"} & set(script.asked(CHAT)[0].body)


def test_a_model_that_has_its_own_temperature_is_asked_without_one():
    message = "Unsupported value: 'temperature' does not support 0.0 with this model."
    with serving(Reply([line(error={"message": message})], 400), ANSWER) as script:
        ask(script, WITH_SCHEMA)
    first, second = (one.body for one in script.asked(CHAT))
    assert {*first} - {*second} == {"temperature"}


def test_a_missing_model_and_a_busy_server_say_what_to_do():
    missing = Reply([line(error={"message": "The model `m` does not exist.", "code": 404})], 404)
    busy = Reply([line(error={"message": "Loading model", "code": 503})], 503, {"Retry-After": "0"})
    with serving(missing) as script, pytest.raises(ModelMissingError, match="servers check"):
        ask(script)
    with serving(busy) as script, pytest.raises(BusyError, match="Loading model"):
        ask(script)
    with serving(busy, ANSWER) as script:
        assert ask(script).attempts == 2


def test_closing_the_answer_closes_the_connection():
    with serving(Reply([said("In "), UNTIL_LEFT])) as script:
        stream = OpenAIServer(endpoint(script.address), "m").stream(QUESTION)
        while not next(stream).text:
            pass
        stream.close()
        assert script.left.wait(10)

"""Ollama's dialect against a scripted server: what it says, and every way it fails."""

from __future__ import annotations

import logging
import socket
import threading

import pytest

from engines.language_models.ollama import Ollama
from engines.language_models.protocol import (
    BrokenOffError,
    BusyError,
    Chunk,
    ModelMissingError,
    PromptTooLongError,
    Request,
    ServerError,
    UnreachableError,
)
from engines.language_models.pulling import pull
from engines.protocol import Sampling, Turn
from tests.engines.language_models.asking import QUESTION, endpoint, finish, whole
from tests.engines.language_models.scripted_ollama import (
    DROP,
    UNTIL_LEFT,
    Reply,
    answer,
    done,
    failed,
    line,
    said,
    scripted,
    shown,
)

SCHEMA = {
    "type": "object",
    "properties": {"year": {"type": "string", "maxLength": 10}},
    "required": ["year"],
    "additionalProperties": False,
}


def ask(script, request=QUESTION, **settings):
    return whole(Ollama(endpoint(script.address), "m", **settings).stream(request))


def test_an_answer_streams_and_tells_what_it_cost():
    with scripted(chat=[answer("In ", "1871.")]) as script:
        chunks, got = finish(Ollama(endpoint(script.address), "m").stream(QUESTION))
    assert chunks == [Chunk("In "), Chunk("1871.")]
    assert (got.text, got.prompt_tokens, got.completion_tokens) == ("In 1871.", 40, 5)
    assert (got.finish, got.attempts) == ("stop", 1)


def test_what_is_sent_always_names_the_context_size():
    request = Request(QUESTION.turns, 64, temperature=0.5, seed=7, schema=SCHEMA)
    with scripted(chat=[answer('{"year": "1871"}')]) as script:
        ask(script, request, context_tokens=2048, keep_alive="30m", think=True)
    sent = script.asked("/api/chat")[0].body
    wanted = {"num_ctx": 2048, "num_predict": 64, "temperature": 0.5, "seed": 7}
    assert sent["options"] == wanted
    assert (sent["model"], sent["keep_alive"], sent["think"]) == ("m", "30m", True)
    assert (sent["stream"], sent["truncate"], sent["shift"]) == (True, False, False)
    assert sent["format"] == SCHEMA
    assert '"maxLength": 10' in sent["messages"][-1]["content"]


def test_a_persons_sampling_is_sent_whole():
    with scripted(chat=[answer("1871")]) as script:
        ask(script, Request.of(QUESTION.turns, Sampling(64, 0.7, 0.9, 1.2, seed=4)))
    options = script.asked("/api/chat")[0].body["options"]
    assert (options["temperature"], options["top_p"], options["seed"]) == (0.7, 0.9, 4)
    assert (options["repeat_penalty"], options["num_predict"]) == (1.2, 64)


def test_the_context_is_never_longer_than_what_the_model_was_made_for():
    with scripted({"/api/show": [shown(1024)], "/api/chat": [answer("x")]}) as script:
        model = Ollama(endpoint(script.address), "m", context_tokens=8192)
        whole(model.stream(QUESTION))
        whole(model.stream(QUESTION))
    assert model.context_tokens == 1024
    assert script.asked("/api/chat")[0].body["options"]["num_ctx"] == 1024
    assert len(script.asked("/api/show")) == 1


def test_an_answer_that_was_cut_at_its_longest_says_so():
    with scripted(chat=[answer("In", reason="length")]) as script:
        assert ask(script).finish == "length"


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_model_that_was_only_loaded_is_asked_again(reason):
    with scripted(chat=[Reply([done(reason)]), answer("1871")]) as script:
        got = ask(script)
    assert (got.text, got.attempts) == ("1871", 2)


def test_thinking_in_its_field_and_in_the_text_is_told_apart():
    lines = [said("", thinking="Hm. "), said("<thi"), said("nk>So</th"), said("ink>\n1871"), done()]
    with scripted(chat=[Reply(lines)]) as script:
        got = ask(script)
    assert (got.text, got.thinking) == ("1871", "Hm. So")


def test_a_model_without_a_switch_for_thinking_is_asked_without_one_from_then_on():
    refused = failed(400, '"m" does not support thinking')
    with scripted(chat=[refused, answer("1871")]) as script:
        model = Ollama(endpoint(script.address), "m", think=True)
        assert whole(model.stream(QUESTION)).text == "1871"
        assert whole(model.stream(QUESTION)).text == "1871"
    assert ["think" in one.body for one in script.asked("/api/chat")] == [True, False, False]


def test_a_missing_model_comes_with_the_command_that_fetches_it():
    missing = failed(404, "model 'm' not found")
    with (
        scripted({"/api/show": [missing], "/api/chat": [missing]}) as script,
        pytest.raises(ModelMissingError, match="run 'ollama pull m'") as caught,
    ):
        ask(script)
    assert caught.value.model == "m"


def test_a_refused_request_is_told_in_the_servers_words():
    with (
        scripted(chat=[failed(400, "invalid format: expected a schema\x1b[31m")]) as script,
        pytest.raises(ServerError, match=r"status 400 \(invalid format: expected a schema \[31m"),
    ):
        ask(script)


def test_a_busy_server_is_asked_again_until_it_has_room():
    busy = failed(503, "server busy, please try again")
    with scripted(chat=[busy, busy, answer("1871")]) as script:
        got = ask(script)
    assert (got.text, got.attempts) == ("1871", 3)


def test_a_server_that_stays_busy_is_given_up_after_the_retries():
    with (
        scripted(chat=[failed(503, "maximum pending requests exceeded")]) as script,
        pytest.raises(BusyError, match=r"is busy .maximum pending requests exceeded"),
    ):
        whole(Ollama(endpoint(script.address, retries=2), "m").stream(QUESTION))
    assert len(script.asked("/api/chat")) == 3


def test_an_error_in_the_middle_is_an_error_and_no_answer():
    reply = Reply([said("In "), line(error="an error was encountered while running the model")])
    with (
        scripted(chat=[reply]) as script,
        pytest.raises(ServerError, match=r"gave up in the middle .an error was encountered"),
    ):
        ask(script)
    assert len(script.asked("/api/chat")) == 1


LONG = Request((Turn("user", "one two three four five " * 40),), max_tokens=16)


@pytest.mark.parametrize(("read", "context"), [(100, 8192), (1024, 1024), (1020, 1024)])
def test_a_prompt_that_the_server_has_cut_gives_no_answer(read, context):
    with (
        scripted(chat=[answer("1871", read=read)]) as script,
        pytest.raises(ServerError, match=f"read only {read} tokens"),
    ):
        ask(script, LONG, context_tokens=context)


def test_a_server_that_tells_no_count_is_believed():
    with scripted(chat=[answer("1871", read=None)]) as script:
        assert ask(script, LONG).prompt_tokens > 200


def test_a_prompt_that_can_not_fit_is_never_sent():
    with scripted(chat=[answer("1871")]) as script:
        with pytest.raises(
            PromptTooLongError, match="leaves no room for an answer of 16"
        ) as caught:
            ask(script, LONG, context_tokens=256)
        assert not script.asked("/api/chat")
    assert (caught.value.max_tokens, caught.value.context_tokens) == (16, 256)


def test_a_server_that_refuses_to_cut_a_prompt_is_understood():
    refused = failed(400, "the input length exceeds the context length")
    with scripted(chat=[refused]) as script, pytest.raises(PromptTooLongError):
        ask(script)


def test_a_slow_load_gives_empty_chunks_until_the_answer_comes():
    loaded = threading.Event()
    with scripted(chat=[Reply([loaded, said("1871"), done()])]) as script:
        stream = Ollama(endpoint(script.address), "m").stream(QUESTION)
        assert next(stream) == Chunk()
        loaded.set()
        assert whole(stream).text == "1871"


def test_a_connection_lost_before_the_answer_is_tried_again():
    with scripted(chat=[Reply([DROP]), answer("1871")]) as script:
        got = ask(script)
    assert (got.text, got.attempts) == ("1871", 2)


@pytest.mark.parametrize("end", [[DROP], []])
def test_a_connection_lost_in_the_middle_is_not_asked_again_behind_the_readers_back(end):
    with scripted(chat=[Reply([said("In 18"), *end]), answer("1871")]) as script:
        with pytest.raises(BrokenOffError, match="was lost before the answer was whole"):
            ask(script)
        assert len(script.asked("/api/chat")) == 1


@pytest.mark.parametrize(
    "wrong", [b"{not json\n", b'"text"\n', b"\xff\xfe\xfa\n", b"[" * 100_000 + b"\n"]
)
def test_lines_that_are_no_json_are_an_error(wrong):
    with (
        scripted(chat=[Reply([wrong, done()])]) as script,
        pytest.raises(ServerError, match="answered with a line that is no JSON"),
    ):
        ask(script)


def test_lines_of_odd_shapes_do_no_harm():
    odd = [line(message=None), line(message=[1]), line(message={"content": 5}), b"\n"]
    half = b'{"message":{"content":"18\\ud83d\\u2028"}}\n'
    with scripted(chat=[Reply([*odd, half, said("71"), done()])]) as script:
        assert ask(script).text == "18?\u202871"


def test_a_line_without_an_end_is_cut_off():
    huge = [b'{"message":{"content":"', *[b"a" * 1_000_000] * 6]
    with (
        scripted(chat=[Reply([*huge, UNTIL_LEFT])]) as script,
        pytest.raises(ServerError, match="more than any answer is long"),
    ):
        ask(script)


def test_a_redirect_is_not_followed():
    moved = Reply([b""], 302, {"Location": "http://elsewhere.invalid/api/chat"})
    with (
        scripted(chat=[moved]) as script,
        pytest.raises(ServerError, match=r"sends its visitors on to 'http://elsewhere\.invalid"),
    ):
        ask(script)


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_instead_of_an_answer_is_not_shown(status):
    page = Reply([b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"], status)
    with (
        scripted({"/api/show": [page], "/api/chat": [page]}) as script,
        pytest.raises(ServerError) as caught,
    ):
        ask(script)
    assert "html" not in str(caught.value).lower()


def test_closing_the_answer_closes_the_connection():
    with scripted(chat=[Reply([said("In "), UNTIL_LEFT])]) as script:
        stream = Ollama(endpoint(script.address), "m").stream(QUESTION)
        while not next(stream).text:
            pass
        stream.close()
        assert script.left.wait(10)


@pytest.mark.parametrize("path", ["/api/show", "/api/chat"])
def test_closing_while_nothing_has_come_closes_the_connection(path):
    with scripted({path: [Reply([UNTIL_LEFT])]}) as script:
        stream = Ollama(endpoint(script.address), "m").stream(QUESTION)
        while not script.asked(path):
            next(stream)
        stream.close()
        assert script.left.wait(10)
    assert not [one for one in threading.enumerate() if one.name == "language-model"]


def test_a_silent_server_is_left_after_the_read_timeout():
    with (
        scripted(chat=[Reply([UNTIL_LEFT])]) as script,
        pytest.raises(ServerError, match=r"said nothing for 0\.2 s"),
    ):
        whole(Ollama(endpoint(script.address, read_seconds=0.2), "m").stream(QUESTION))


def test_where_nothing_listens_the_command_that_starts_a_server_is_told():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"Nothing answers at {address}: start"):
            whole(Ollama(endpoint(address), "m").stream(QUESTION))


def test_no_proxy_stands_between_us_and_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted(chat=[answer("1871")]) as script:
        assert ask(script).text == "1871"


KEY = "sk-secret0123456789"


def test_the_key_is_sent_and_never_shown(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("LM_KEY", KEY)
    refused = failed(401, f"invalid key {KEY}")
    with scripted(chat=[refused]) as script:
        model = Ollama(endpoint(script.address, key_variable="LM_KEY"), "m")
        with pytest.raises(ServerError, match="put the right one into LM_KEY") as caught:
            whole(model.stream(QUESTION))
    assert script.asked("/api/chat")[0].headers["Authorization"] == f"Bearer {KEY}"
    shown_anywhere = caplog.text + str(caught.value) + repr(model) + repr(model._endpoint)
    assert KEY not in shown_anywhere


def test_fetching_a_model_tells_how_far_it_is():
    steps = [
        line(status="pulling manifest"),
        line(status="pulling 8eeb", digest="sha256:8eeb", total=100),
        line(status="pulling 8eeb", digest="sha256:8eeb", total=100, completed=60),
        line(status="success"),
    ]
    with scripted({"/api/pull": [Reply(steps)]}) as script:
        seen = list(pull(endpoint(script.address), "m"))
    told = [(at.status, at.completed, at.total) for at in dict.fromkeys(seen)]
    assert told[-3:] == [("pulling 8eeb", 0, 100), ("pulling 8eeb", 60, 100), ("success", 0, None)]
    assert script.asked("/api/pull")[0].body["model"] == "m"


@pytest.mark.parametrize(
    "reply",
    [
        Reply([line(status="pulling manifest"), line(error="file does not exist")]),
        Reply([line(status="pulling manifest")]),
        Reply([line(status="pulling manifest"), DROP]),
        failed(400, "invalid model name"),
    ],
)
def test_a_model_that_can_not_be_fetched_is_an_error(reply):
    with (
        scripted({"/api/pull": [reply]}) as script,
        pytest.raises(ServerError, match="could not fetch 'm'"),
    ):
        list(pull(endpoint(script.address), "m"))


def test_closing_a_fetch_closes_the_connection():
    with scripted({"/api/pull": [Reply([line(status="pulling"), UNTIL_LEFT])]}) as script:
        fetching = pull(endpoint(script.address), "m")
        next(fetching)
        while not script.asked("/api/pull"):
            next(fetching)
        fetching.close()
        assert script.left.wait(10)

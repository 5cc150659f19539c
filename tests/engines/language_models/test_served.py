"""A model on a server in the place of a loaded one."""

from __future__ import annotations

import pytest

from engines.language_models.ollama import Ollama
from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import ServerError
from engines.language_models.served import ServedHost, ServerChoice
from engines.protocol import EngineError, Sampling, Turn
from tests.engines.language_models.asking import endpoint
from tests.engines.language_models.scripted_ollama import (
    UNTIL_LEFT,
    Reply,
    Scripted,
    answer,
    failed,
    line,
    said,
    scripted,
)

VERSION = Reply([line(version="0.31.2")])
TAGS = Reply([line(models=[{"name": "qwen3.5:9b"}, {"name": "gemma:latest"}])])
OLLAMA = {"/api/version": [VERSION], "/api/tags": [TAGS]}
VLLM = {"/v1/models": [Reply([line(data=[{"id": "qwen", "owned_by": "vllm"}])])]}
HELLO = (Turn("user", "Hello?"),)


def choice(script: Scripted, dialect: str = "ollama", **wanted: object) -> ServerChoice:
    return ServerChoice(dialect, endpoint(script.address, retries=0), **wanted)


def opened(script: Scripted, dialect: str = "ollama", **wanted: object) -> ServedHost:
    return ServedHost.open(choice(script, dialect, **wanted))


def test_the_model_that_is_wanted_answers_and_it_is_told_where():
    told = []
    with scripted(dict(OLLAMA), chat=[answer("Good ", "day.")]) as script:
        host = ServedHost.open(
            choice(script, model="gemma"), lambda text, share: told.append((text, share))
        )
        assert isinstance(host.language_model, Ollama)
        pieces = list(host.reply(HELLO, Sampling(max_new_tokens=9, temperature=0.5, seed=3)))
        body = script.asked("/api/chat")[0].body
    assert (host.name, host.device, host.dtype, host.parameters) == (
        "gemma", script.address, "as served", 0,
    )  # fmt: skip
    assert host.why == f"it answers at {script.address} (Ollama 0.31.2)"
    assert told == [(f"asking {script.address}", None)]
    assert "".join(piece.text for piece in pieces) == "Good day."
    assert sum(piece.tokens for piece in pieces) == 2
    assert body["model"] == "gemma"
    sent = {name: body["options"][name] for name in ("num_predict", "temperature", "seed")}
    assert sent == {"num_predict": 9, "temperature": 0.5, "seed": 3}


def test_without_a_wish_the_first_model_is_taken():
    with scripted(dict(OLLAMA)) as script:
        assert opened(script).name == "qwen3.5:9b"
    with scripted(dict(VLLM)) as script:
        host = opened(script, "openai")
        assert host.name == "qwen"
        assert isinstance(host.language_model, OpenAIServer)


def test_the_dialect_of_openai_can_be_spoken_with_ollama_too():
    with scripted(dict(OLLAMA)) as script:
        assert isinstance(opened(script, "openai").language_model, OpenAIServer)


def test_another_server_is_asked_for_a_model_that_it_does_not_list():
    with scripted(dict(VLLM)) as script:
        assert opened(script, "openai", model="an-adapter").name == "an-adapter"


def test_a_model_that_ollama_has_not_is_told_with_what_to_run():
    with scripted(dict(OLLAMA)) as script, pytest.raises(ServerError, match="ollama pull phi"):
        opened(script, model="phi")


def test_ollama_without_a_model_is_told_with_what_to_run():
    empty = {**OLLAMA, "/api/tags": [Reply([line(models=[])])]}
    with scripted(empty) as script, pytest.raises(ServerError, match=r"no model.*ollama pull"):
        opened(script)


def test_another_server_is_not_taken_for_ollama():
    with (
        scripted(dict(VLLM)) as script,
        pytest.raises(ServerError, match=r"answers as vLLM.*set server.dialect to openai"),
    ):
        opened(script)


def test_what_is_no_server_of_models_is_told():
    with (
        scripted({"/api/version": [Reply([b"<html>"])]}) as script,
        pytest.raises(ServerError, match="correct the address"),
    ):
        opened(script)


@pytest.mark.parametrize("turns", [(), (Turn("assistant", "Yes."),)])
def test_without_a_question_nothing_is_asked(turns):
    with scripted(dict(OLLAMA)) as script:
        host = opened(script)
        with pytest.raises(EngineError, match="no question to answer"):
            list(host.reply(turns, Sampling()))
        assert script.asked("/api/chat") == []


def test_a_server_that_fails_is_one_sentence():
    with scripted(dict(OLLAMA), chat=[failed(500, "out of memory")]) as script:
        host = opened(script)
        with pytest.raises(ServerError, match="out of memory"):
            list(host.reply(HELLO, Sampling()))


def test_an_answer_that_nobody_wants_any_more_is_broken_off():
    slow = Reply([said("Good "), UNTIL_LEFT])
    with scripted(dict(OLLAMA), chat=[slow]) as script:
        pieces = opened(script).reply(HELLO, Sampling())
        assert next(piece for piece in pieces if piece.text).text == "Good "
        pieces.close()
        assert script.left.wait(10)

"""What is found at an address, and what is advised where nothing useful is."""

from __future__ import annotations

import socket

import pytest

from engines.language_models.check import ServedModel, check
from tests.engines.language_models.scripted_ollama import (
    UNTIL_LEFT,
    Reply,
    failed,
    line,
    scripted,
)

VERSION = Reply([line(version="0.31.2")])
TAGS = Reply(
    [
        line(
            models=[
                {
                    "name": "qwen3.5:9b",
                    "size": 5_200_000_000,
                    "details": {"parameter_size": "9B", "quantization_level": "Q4_K_M"},
                }
            ]
        )
    ]
)


def test_an_ollama_server_lists_its_models_with_size_and_context():
    with scripted({"/api/version": [VERSION], "/api/tags": [TAGS]}) as script:
        report = check(script.address)
    assert (report.dialect, report.server, report.version) == ("ollama", "Ollama", "0.31.2")
    assert report.models == (ServedModel("qwen3.5:9b", 32768, 5_200_000_000, "9B Q4_K_M"),)
    assert report.advice == ""


def test_an_ollama_server_without_models_tells_how_to_get_one():
    empty = Reply([line(models=[])])
    with scripted({"/api/version": [VERSION], "/api/tags": [empty]}) as script:
        assert "ollama pull" in check(script.address).advice


def test_an_openai_server_is_known_by_its_list():
    models = Reply([line(data=[{"id": "qwen", "owned_by": "vllm", "max_model_len": 4096}])])
    version = Reply([line(version="0.12.0")])
    with scripted({"/v1/models": [models], "/version": [version]}) as script:
        report = check(script.address + "/v1")
    assert (report.dialect, report.server, report.version) == ("openai", "vLLM", "0.12.0")
    assert report.models == (ServedModel("qwen", 4096),)


def test_where_nothing_listens_the_advice_is_to_start_a_server():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        report = check(f"http://127.0.0.1:{held.getsockname()[1]}")
    assert report.dialect is None
    assert "ollama serve" in report.advice


def test_an_address_without_a_scheme_is_advised_on():
    assert "does not begin with http://" in check("localhost:11434").advice


def test_a_server_that_wants_a_key_says_so():
    with scripted({"/v1/models": [failed(401, "missing key")]}) as script:
        assert "asks for a key" in check(script.address).advice


def test_a_silent_server_is_left_soon():
    with scripted({"/api/version": [Reply([UNTIL_LEFT])]}) as script:
        assert "said nothing" in check(script.address, seconds=0.2).advice


PAGE = Reply([b"<html><body>Welcome</body></html>"])
ODD = [
    {},
    {"/api/version": [PAGE], "/v1/models": [PAGE]},
    {"/api/version": [Reply([b"[]"])], "/v1/models": [Reply([b"7"])]},
    {"/api/version": [VERSION], "/api/tags": [Reply([b'{"models": {"a": 1}}'])]},
    {"/v1/models": [Reply([b'{"data": "none"}'])]},
    {"/api/version": [Reply([b'{"version": 5}'])]},
]


@pytest.mark.parametrize("replies", ODD)
def test_something_else_at_the_address_is_told(replies):
    with scripted(replies) as script:
        report = check(script.address)
    assert report.dialect is None
    assert "neither as Ollama nor as an OpenAI-compatible server" in report.advice


def test_lists_with_odd_entries_keep_what_can_be_read():
    models = [5, None, {}, {"name": 7}, {"name": "a\x1b[31m", "size": "big", "details": [1]}]
    replies = {"/api/version": [VERSION], "/api/tags": [Reply([line(models=models)])]}
    with scripted({**replies, "/api/show": [Reply([b"[]"])]}) as script:
        assert check(script.address).models == (ServedModel("a [31m"),)
    data = [5, {"id": "", "meta": 3}, {"id": "b", "meta": {"size": -1, "n_params": 135_000_000}}]
    with scripted({"/v1/models": [Reply([line(data=data)])]}) as script:
        assert check(script.address).models == (ServedModel("b", details="135M"),)

"""The dialect of OpenAI against the real server of llama.cpp."""

from __future__ import annotations

import pytest

from engines import embedded
from engines.language_models.check import check
from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import PromptTooLongError, Request
from engines.language_models.structured import Structured, ask_for
from engines.protocol import Turn
from tests.engines.language_models.asking import endpoint, finish, whole
from tests.engines.language_models.llama_cpp import CONTEXT, llama_cpp

pytestmark = pytest.mark.embedded
HELLO = (Turn("user", "Name a colour of the sky."),)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    gguf = embedded.find_or_fetch(tmp_path_factory.mktemp("gguf"), lambda text, fraction: None)
    with llama_cpp(gguf) as served:
        yield served


@pytest.fixture
def model(address):
    return OpenAIServer(endpoint(address), "any")


def test_an_answer_streams_and_is_counted_by_the_server(model):
    chunks, got = finish(model.stream(Request(HELLO, 12, seed=1)))
    assert len(chunks) > 3
    assert "".join(chunk.text for chunk in chunks) == got.text
    assert 0 < got.completion_tokens <= 12
    assert 8 < got.prompt_tokens < 60
    assert model.context_tokens == CONTEXT


def test_an_answer_that_was_cut_at_its_longest_says_so(model):
    assert whole(model.stream(Request(HELLO, 2))).finish == "length"


def test_an_answer_is_held_to_its_schema(model):
    schema = {
        "type": "object",
        "properties": {
            "colour": {"enum": ["blue", "green"]},
            "why": {"type": "string", "maxLength": 40},
            "words": {
                "type": "array",
                "items": {"type": "string", "maxLength": 10},
                "maxItems": 2,
            },
        },
        "required": ["colour", "why", "words"],
        "additionalProperties": False,
    }
    _, got = finish(ask_for(model, Request(HELLO, 120), schema, retries=0))
    assert isinstance(got, Structured)
    assert got.value["colour"] in {"blue", "green"}
    assert got.repair == "none"


def test_counting_is_exact_and_never_too_low(model):
    turns = (Turn("user", "oranges wanted, much wind " * 20),)
    counted = model.count(turns)
    read = whole(model.stream(Request(turns, 2))).prompt_tokens
    assert read - 20 < counted <= read + 30


def test_a_prompt_too_long_is_refused_here_and_understood_from_there(address):
    long = Request((Turn("user", "wind " * (CONTEXT + 200)),), 8)
    careful = OpenAIServer(endpoint(address), "any")
    with pytest.raises(PromptTooLongError):
        whole(careful.stream(long))
    careless = OpenAIServer(endpoint(address), "any", context_tokens=100_000)
    careless._described = True  # as where a server tells nothing of its context
    with pytest.raises(PromptTooLongError) as caught:
        whole(careless.stream(long))
    assert caught.value.prompt_tokens > CONTEXT
    assert caught.value.context_tokens == CONTEXT


def test_cancelling_leaves_the_server_free_for_the_next_question(model):
    stream = model.stream(Request(HELLO, 400))
    while not next(stream).text:
        pass
    stream.close()
    assert whole(model.stream(Request(HELLO, 2))).completion_tokens == 2


def test_the_server_is_recognised(address):
    report = check(address)
    assert (report.dialect, report.server) == ("openai", "llama.cpp")
    assert len(report.models) == 1
    assert report.models[0].context_tokens == CONTEXT
    assert report.models[0].size_bytes > 50_000_000
    assert report.version

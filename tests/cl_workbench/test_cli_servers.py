"""What answers where, and having it fetch a model, from the command line."""

import json
import socket

import pytest

from cl_workbench.commands import servers
from tests.cl_workbench.test_import_rules import HEAVY, imported
from tests.cl_workbench.word_program import caller
from tests.engines.language_models.scripted_ollama import Reply, failed, line, scripted

VERSION = Reply([line(version="0.31.2")])
ENTRY = {
    "name": "qwen3.5:9b",
    "size": 5_200_000_000,
    "details": {"parameter_size": "9B", "quantization_level": "Q4_K_M"},
}
OLLAMA = {"/api/version": [VERSION], "/api/tags": [Reply([line(models=[ENTRY])])]}
VLLM = {"/v1/models": [Reply([line(data=[{"id": "qwen", "owned_by": "vllm"}])])]}


@pytest.fixture
def nowhere(monkeypatch):
    """An address at which nothing answers, in the place of Ollama's own too."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setattr(servers, "OLLAMA_ADDRESS", address)
        yield address


@pytest.fixture
def call(capsys, home, nowhere):
    return caller(capsys)


def at(address, dialect="ollama", model=None):
    """Global options for that server."""
    named = [] if model is None else ["--set", f"server.model={model}"]
    return ["--set", f"server.address={address}", "--set", f"server.dialect={dialect}", *named]


def test_a_server_is_told_with_its_models(call):
    with scripted(dict(OLLAMA)) as script:
        code, out, _ = call("servers", "check", script.address)
    assert code == 0
    first, heading, row, use = out.splitlines()
    assert first == f"{script.address}: Ollama 0.31.2, dialect ollama"
    assert heading.split() == ["MODEL", "CONTEXT", "SIZE", "ABOUT"]
    assert row.split() == ["qwen3.5:9b", "32,768", "5,200.0", "MB", "9B", "Q4_K_M"]
    assert use.startswith("In use: none, as server.dialect is local")
    assert "`cl-workbench config set server.dialect ollama`" in use


def test_by_default_the_settings_address_and_ollamas_own_are_looked_at(call, nowhere):
    with scripted(dict(VLLM)) as script:
        code, out, _ = call(*at(script.address, "openai"), "servers", "check")
    assert code == 0
    assert f"{script.address} (server.address): vLLM" in out
    assert f"{nowhere}: Nothing answers at {nowhere}" in out
    assert out.endswith(f"In use: the first model listed at {script.address} as openai.\n")


def test_ollamas_own_address_is_looked_at_once(call, nowhere):
    code, out, _ = call(*at(f"{nowhere}/"), "servers", "check", "--json")
    assert code == 1
    record = json.loads(out)
    assert not record["usable"]
    (only,) = record["servers"]
    assert only["configured"]
    assert "ollama serve" in only["advice"]


def test_a_model_that_is_not_there_is_told_with_what_to_run(call):
    with scripted(dict(OLLAMA)) as script:
        code, out, _ = call(*at(script.address, model="gemma:2b"), "servers", "check")
        assert code == 1
        assert "run `ollama pull gemma:2b`, or `cl-workbench servers pull gemma:2b`" in out
        there = at(script.address, model="qwen3.5:9b")
        code, out, _ = call(*there, "servers", "check", "--json")
        assert code == 0
        assert json.loads(out)["servers"][0]["wanted_model_there"] is True
    with scripted(dict(VLLM)) as script:
        code, out, _ = call(*at(script.address, "openai", "other"), "servers", "check")
        assert code == 1
        assert "`cl-workbench config set server.model NAME`" in out


def test_a_model_without_a_tag_is_the_latest(call):
    tags = Reply([line(models=[{"name": "gemma:latest"}])])
    with scripted({"/api/version": [VERSION], "/api/tags": [tags]}) as script:
        assert call(*at(script.address, model="gemma"), "servers", "check")[0] == 0


def test_a_server_without_a_model_is_not_usable(call):
    with scripted({"/api/version": [VERSION], "/api/tags": [Reply([line(models=[])])]}) as script:
        code, out, _ = call("servers", "check", script.address)
    assert code == 1
    assert "It has no model yet: run 'ollama pull NAME'." in out


@pytest.mark.parametrize("address", ["localhost", "ftp://x", "http://a:b@c", "http://x:99999", ""])
def test_an_address_that_can_not_be_right_is_one_sentence(call, address):
    code, out, err = call("servers", "check", address)
    assert (code, err) == (1, "")
    assert "he server's address" in out.splitlines()[0]
    assert "a:b" not in out


def test_a_key_goes_to_the_settings_address_alone_and_is_never_shown(call, monkeypatch):
    monkeypatch.setenv("MY_KEY", "nobody-guesses-this")
    with scripted(dict(VLLM)) as own, scripted(dict(VLLM)) as other:
        keyed = [*at(own.address, "openai"), "--set", "server.key_variable=MY_KEY"]
        for address in (own.address, other.address):
            code, out, err = call(*keyed, "servers", "check", address, "--json")
            assert code == 0
            assert "nobody-guesses-this" not in out + err
        sent = [one.headers.get("Authorization") for one in own.seen]
        assert set(sent) == {"Bearer nobody-guesses-this"}
        assert {one.headers.get("Authorization") for one in other.seen} == {None}


def test_what_a_server_says_of_itself_does_not_reach_the_terminal_as_it_is(call):
    evil = Reply([line(models=[{"name": "m\x1b[2J\u202e"}])])
    version = Reply([line(version="1\x1b[31m")])
    with scripted({"/api/version": [version], "/api/tags": [evil]}) as script:
        for options in ([], ["--json"]):
            out = call("servers", "check", script.address, *options)[1]
            assert not set("\x1b\u202e") & set(out)


def test_pulling_shows_how_far_it_is(call):
    steps = [
        line(status="pulling manifest"),
        line(status="pulling 8eeb", total=100_000_000, completed=60_000_000),
        line(status="success"),
    ]
    with scripted({"/api/pull": [Reply(steps)]}) as script:
        code, out, err = call(*at(script.address), "servers", "pull", "gemma:2b")
        assert code == 0
        assert out == f"gemma:2b is on {script.address}.\n"
        assert "pulling 8eeb 60%  60.0 MB of 100.0 MB" in err
        assert script.asked("/api/pull")[0].body["model"] == "gemma:2b"
        code, out, _ = call("servers", "pull", "gemma:2b", script.address, "--json")
        assert json.loads(out) == {"model": "gemma:2b", "address": script.address}


@pytest.mark.parametrize(
    "reply",
    [
        failed(500, "file does not exist"),
        Reply([line(status="pulling"), line(error="file does not exist")]),
        Reply([b"<html>"]),
        Reply([b"not found"], 404),
    ],
)
def test_a_model_that_can_not_be_fetched_is_one_sentence(call, reply):
    with scripted({"/api/pull": [reply]}) as script:
        code, out, err = call("servers", "pull", "nothing", script.address)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("cl-workbench: ")
    assert err.endswith(".\n")


def test_nothing_to_fetch_is_wrong_use(call):
    assert call("servers", "pull", " ")[0] == 2


def test_looking_imports_no_model_library(nowhere):
    statement = (
        f"from cl_workbench.cli import run; assert run(['servers', 'check', {nowhere!r}]) == 1"
    )
    assert imported(statement).isdisjoint(HEAVY)

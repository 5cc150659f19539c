"""Addresses and keys: what is refused before anything is asked, and what is kept secret."""

from __future__ import annotations

import pytest

from engines.language_models.addresses import Endpoint
from engines.language_models.protocol import ServerError


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        (" http://localhost:8000/v1/ ", "http://localhost:8000"),
        ("https://models.example.org/api/v1", "https://models.example.org/api"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_an_address_is_taken_with_or_without_its_version(address, clean):
    assert Endpoint.at(address).address == clean


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("localhost:11434", "does not begin with http:// or https://"),
        ("", "does not begin with http:// or https://"),
        ("ftp://localhost", "does not begin with http:// or https://"),
        ("http://", "does not begin with http:// or https://"),
        ("http://localhost:eleven", "can't be read"),
        ("http://[::1", "can't be read"),
        ("http://me:secret@localhost", "has a name or a password inside"),
        ("http://localhost/?key=1", "more or less than a scheme"),
        ("http://:80", "more or less than a scheme"),
    ],
)
def test_an_address_that_can_not_be_right_says_why(address, says):
    with pytest.raises(ServerError, match=says) as caught:
        Endpoint.at(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.3.2.1:1", True),
        ("http://[::1]:1", True),
        ("http://0.0.0.0:11434", True),
        ("http://192.168.0.2:1", False),
        ("http://localhost.example.org", False),
    ],
)
def test_this_machine_is_known(address, loopback):
    assert Endpoint.at(address).loopback is loopback


def test_a_key_in_place_of_its_variables_name_is_not_shown():
    with pytest.raises(ServerError, match="name a variable there, never the key") as caught:
        Endpoint.at("http://localhost:1", key_variable="sk-secret")
    assert "sk-secret" not in str(caught.value)


def test_a_key_that_is_not_set_names_its_variable(monkeypatch):
    monkeypatch.delenv("LM_KEY", raising=False)
    with pytest.raises(ServerError, match="The environment variable LM_KEY"):
        Endpoint.at("http://localhost:1", key_variable="LM_KEY").key()


def test_a_key_that_no_header_can_carry_is_not_shown(monkeypatch):
    monkeypatch.setenv("LM_KEY", "schlüssel")
    with pytest.raises(ServerError, match="copy it again") as caught:
        Endpoint.at("http://localhost:1", key_variable="LM_KEY").key()
    assert "schlüssel" not in str(caught.value)


def test_a_servers_words_become_one_short_line():
    told = Endpoint.at("http://localhost:1").told
    assert told("one\n\ttwo\x1b[31m.") == "one two [31m"
    assert told("") == "no reason given"
    assert len(told("a" * 9000)) < 400

"""What goes wrong below HTTP: encryption, proxies and errors nobody foresaw."""

from __future__ import annotations

import ssl

import httpx
import pytest

from engines.language_models.addresses import Endpoint
from engines.language_models.failures import broken
from engines.language_models.http import Ask, fetch
from engines.language_models.protocol import ServerError
from tests.engines.language_models.asking import endpoint
from tests.engines.language_models.scripted_ollama import scripted

FAR = Endpoint.at("https://models.example.org")


def test_encryption_where_the_server_has_none_is_told():
    with (
        scripted() as script,
        pytest.raises(ServerError, match="does not speak TLS: write http://"),
    ):
        fetch(endpoint(script.address.replace("http:", "https:")), Ask("GET", "/api/version"))


def test_a_certificate_that_is_not_trusted_says_where_to_name_its_authority():
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    error = httpx.ConnectError("failed")
    error.__cause__ = cause
    told = str(broken(FAR, error))
    assert "is not trusted (self-signed certificate): name its authority" in told


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectTimeout("x"), "did not accept a connection within 3 s"),
        (httpx.ReadTimeout("x"), "said nothing for 300 s"),
        (httpx.ConnectError("x"), "start the server on that machine"),
        (httpx.ProxyError("407 Proxy Authentication"), r"proxy .* refused \(407 Proxy"),
        (httpx.ReadError("x"), "was lost before the answer was whole"),
        (ConnectionResetError(), "was lost before the answer was whole"),
        (httpx.UnsupportedProtocol("x"), "UnsupportedProtocol"),
    ],
)
def test_every_failure_of_a_connection_has_a_sentence(error, says):
    with pytest.raises(ServerError, match=says):
        raise broken(FAR, error)


def test_the_usual_port_of_ollama_comes_with_its_command():
    usual = Endpoint.at("http://localhost:11434")
    assert str(broken(usual, httpx.ConnectError("x"))) == (
        "Nothing answers at http://localhost:11434: start it with 'ollama serve'."
    )

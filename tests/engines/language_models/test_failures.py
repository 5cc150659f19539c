"""What goes wrong below HTTP: encryption, proxies and errors nobody foresaw."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace

import httpx
import pytest

from engines.language_models.addresses import Endpoint
from engines.language_models.failures import broken
from engines.language_models.http import Ask, _Connection, fetch
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


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "gopher://me:secret@127.0.0.1:9", "http://[::"]
)
def test_a_proxy_that_can_not_be_used_is_told_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ServerError, match="correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY") as caught:
        fetch(endpoint("http://192.0.2.1:1"), Ask("GET", "/api/version"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_can_not_be_read_name_their_variable(monkeypatch, tmp_path, content):
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ServerError, match="PEM certificates in SSL_CERT_FILE"):
        fetch(endpoint("https://127.0.0.1:9"), Ask("GET", "/api/version"))


@pytest.mark.parametrize("host", ["xn--.example", "..", "a" * 300])
def test_a_host_that_can_have_no_address_is_told(host):
    with pytest.raises(ServerError, match="check the address"):
        fetch(endpoint(f"http://{host}:1"), Ask("GET", "/api/version"))


def test_a_connection_within_a_proxys_is_the_one_that_is_ended():
    outer, inner, far = *socket.socketpair(), socket.socket()
    with outer, inner, far:
        connection = _Connection()
        for event, one in (("connection.connect_tcp", far), ("proxy.start_tls", outer)):
            stream = SimpleNamespace(get_extra_info={"socket": one}.get)
            connection.trace(f"{event}.complete", {"return_value": stream})
        connection.cut()
        assert inner.recv(1) == b""

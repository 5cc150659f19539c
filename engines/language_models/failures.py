"""What can go wrong on the way to a server, each as one sentence that says what to do."""

from __future__ import annotations

import ssl

import httpx

from engines.language_models.addresses import Endpoint
from engines.language_models.protocol import (
    BrokenOffError,
    BusyError,
    ServerError,
    UnreachableError,
    UnreadableError,
)


def broken(endpoint: Endpoint, error: Exception) -> ServerError:
    """What a failed connection means."""
    refused_trust = _caused_by(error, ssl.SSLError)
    if refused_trust is not None:
        return _no_tls(endpoint, refused_trust)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return UnreachableError(
            f"{endpoint.address} did not accept a connection within "
            f"{endpoint.connect_seconds:g} s: check the address and that the machine is on."
        )
    if isinstance(error, httpx.TimeoutException):
        return ServerError(
            f"{endpoint.address} said nothing for {endpoint.read_seconds:g} s: a large model may "
            "still be loading, so ask again, or allow a longer read timeout."
        )
    if isinstance(error, httpx.ConnectError):
        return UnreachableError(
            f"Nothing answers at {endpoint.address}: {_how_to_start(endpoint)}."
        )
    return _lost(endpoint, error)


def _lost(endpoint: Endpoint, error: Exception) -> ServerError:
    if isinstance(error, httpx.ProxyError):
        return ServerError(
            f"The proxy on the way to {endpoint.address} refused ({endpoint.told(str(error))}): "
            "check the proxy variables of the environment."
        )
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | OSError):
        return BrokenOffError(
            f"The connection to {endpoint.address} was lost before the answer was whole: check "
            "that the server still runs, and ask again."
        )
    return ServerError(
        f"{endpoint.address} could not be asked ({type(error).__name__}): check the address."
    )


def no_way(endpoint: Endpoint) -> ServerError:
    """The environment names a proxy that can't be used; its address may hold a password."""
    return ServerError(
        f"The proxy that the environment names for {endpoint.address} can't be used, as it is no "
        "address of an HTTP proxy: correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or list the host "
        "in NO_PROXY."
    )


def no_authorities(endpoint: Endpoint) -> ServerError:
    """The file of trusted authorities can't be read."""
    return ServerError(
        f"The authorities that {endpoint.address} is checked against can't be read: name a file of "
        "PEM certificates in SSL_CERT_FILE, or unset it."
    )


def redirected(endpoint: Endpoint, target: str) -> ServerError:
    """A redirect is not followed: a key must go nowhere else."""
    return ServerError(
        f"{endpoint.address} sends its visitors on to '{endpoint.told(target)}': give the address "
        "that answers itself."
    )


def busy(endpoint: Endpoint, message: str, wait: float | None = None) -> BusyError:
    """The server is there and has no room."""
    return BusyError(
        f"{endpoint.address} is busy ({endpoint.told(message)}): wait until it has room, and ask "
        "again.",
        wait,
    )


def declined(
    endpoint: Endpoint, status: int, message: str, wait: float | None = None
) -> ServerError:
    """What a status means in every dialect."""
    told = endpoint.told(message)
    if status in {429, 503}:
        return busy(endpoint, message, wait)
    if status in {401, 403}:
        name = endpoint.key_variable or "an environment variable, and name that in the settings"
        return ServerError(
            f"{endpoint.address} asks for a key or refuses the one it got ({told}): put the right "
            f"one into {name}."
        )
    if status in {404, 405}:
        return ServerError(
            f"{endpoint.address} has no such service ({told}): check the address, and run "
            "'cl-workbench servers check' to see what answers there."
        )
    if status >= 500:
        return ServerError(
            f"{endpoint.address} failed with status {status} ({told}): look at the server's log, "
            "and ask again."
        )
    return ServerError(
        f"{endpoint.address} refused the request with status {status} ({told}): check the "
        "server's settings and its model."
    )


def gave_up(endpoint: Endpoint, message: str) -> ServerError:
    """An error in the middle of an answer that had begun well."""
    return ServerError(
        f"{endpoint.address} gave up in the middle ({endpoint.told(message)}): look at the "
        "server's log, and ask again."
    )


def unreadable(endpoint: Endpoint, what: str) -> UnreadableError:
    """The answer is not in the dialect that was asked for."""
    return UnreadableError(
        f"{endpoint.address} answered with {what}: run 'cl-workbench servers check' to see which "
        "server is there."
    )


def _no_tls(endpoint: Endpoint, error: BaseException) -> ServerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = endpoint.told(getattr(error, "verify_message", ""))
        return ServerError(
            f"The certificate of {endpoint.address} is not trusted ({why}): name its authority's "
            "file in SSL_CERT_FILE."
        )
    return ServerError(
        f"{endpoint.address} does not speak TLS: write http:// where the server has no certificate."
    )


def _how_to_start(endpoint: Endpoint) -> str:
    if not endpoint.loopback:
        return "check the address, and start the server on that machine"
    if endpoint.address.endswith(":11434"):
        return "start it with 'ollama serve'"
    return "start the server (for Ollama: 'ollama serve'), or correct the address"


def _caused_by(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    at: BaseException | None = error
    while at is not None and not isinstance(at, kind):
        at = at.__cause__ or at.__context__
    return at

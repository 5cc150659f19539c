"""Where a server is: its address, its key and how long to wait for it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from engines.language_models.protocol import ServerError

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SHOWN = 300  # characters of a server's own words in a sentence of ours
_WHY = "example: http://localhost:11434"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address as it was checked by ``Endpoint.at``, and the patience with it.

    ``connect_seconds`` is short, since a server that is there accepts at once;
    ``read_seconds`` is how long it may stay silent, since a large model takes minutes to
    load.  ``retries`` counts how often a busy or broken connection is tried again before an
    answer has begun, after ``pause_seconds``, doubled each time.
    """

    address: str
    key_variable: str | None = None
    connect_seconds: float = 3.0
    read_seconds: float = 300.0
    retries: int = 3
    pause_seconds: float = 0.5
    loopback: bool = field(default=False)

    @classmethod
    def at(
        cls,
        address: str,
        *,
        key_variable: str | None = None,
        connect_seconds: float = 3.0,
        read_seconds: float = 300.0,
        retries: int = 3,
        pause_seconds: float = 0.5,
    ) -> Endpoint:
        """The server at ``address``, such as ``http://localhost:11434``.

        ``key_variable`` names the environment variable that holds its key.

        Raises:
            ServerError: if the address or the name of the variable can't be right.
        """
        parts = _checked(address.strip())
        if key_variable is not None and not _VARIABLE.fullmatch(key_variable):
            # What stands there may be the key itself, so it is not shown.
            raise ServerError(
                "The name of the environment variable with the server's key has other signs than "
                "capitals, digits and '_': name a variable there, never the key itself."
            )
        path = parts.path.rstrip("/").removesuffix("/v1")
        return cls(
            f"{parts.scheme}://{parts.netloc}{path}",
            key_variable or None,
            connect_seconds,
            read_seconds,
            retries,
            pause_seconds,
            _is_loopback(parts.hostname or ""),
        )

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.address.startswith("https:")

    def key(self) -> str | None:
        """The key, read anew from the environment each time and kept nowhere.

        Raises:
            ServerError: if the variable is named but empty, or no header can carry it.
        """
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise ServerError(
                f"The environment variable {self.key_variable} with the key for {self.address} is "
                "not set: set it before you start the workbench."
            )
        if not (key.isascii() and key.isprintable()):
            raise ServerError(
                f"The key in {self.key_variable} has signs that no key has: copy it again."
            )
        return key

    def told(self, text: str) -> str:
        """A server's own words made fit for one sentence: one line, short, without the key."""
        key = os.environ.get(self.key_variable, "").strip() if self.key_variable else ""
        shown = text.replace(key, "…") if key else text
        line = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
        line = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
        return line.rstrip(". ") or "no reason given"


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ServerError(f"The server's address can't be read: write it anew, {_WHY}.") from None
    if parts.username is not None or parts.password is not None or "@" in address:
        raise ServerError(
            "The server's address has a name or a password inside: put the key into an "
            "environment variable and name that instead."
        )
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ServerError(
            f"The server's address '{address[:80]}' does not begin with http:// or https://: "
            f"write it whole, {_WHY}."
        )
    if not parts.hostname or parts.query or parts.fragment or not address.isprintable():
        raise ServerError(
            f"The server's address {address[:80]!a} has more or less than a scheme, a host, a "
            f"port and a path: write it anew, {_WHY}."
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified  # 0.0.0.0 reaches this machine

"""The log file: small, rotating, and free of secrets."""

from __future__ import annotations

import logging
import os
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cl_workbench.home import made

MAX_BYTES = 1_000_000
KEPT_FILES = 3
HIDDEN = "[hidden]"

_SECRET_VARIABLE = re.compile(r"(_|^)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?i)(authorization\W{1,4}(?:bearer|basic)?\s*|bearer\s+"
    r"|(?:api[_-]?key|access[_-]?token|token|secret|password)[\"']?\s*[=:]\s*[\"']?)"
    r"[A-Za-z0-9._~+/=-]{8,}"
)
_SECRET_SHAPE = re.compile(r"\b(?:sk|hf|gsk|ghp|pk)[-_][A-Za-z0-9_-]{12,}")
_MIN_SECRET_LENGTH = 8


class SecretFreeFormatter(logging.Formatter):
    """Formats a record, traceback included, and hides everything that looks like a key.

    Hidden are the values of environment variables named like ``*_API_KEY`` or
    ``*_TOKEN``, authorisation headers, and strings of a well-known key's shape.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line (or lines) to write, without secrets."""
        return without_secrets(super().format(record))


def without_secrets(text: str) -> str:
    """``text`` with each key, token or password replaced by ``[hidden]``."""
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    text = _SECRET_TEXT.sub(lambda found: found.group(1) + HIDDEN, text)
    return _SECRET_SHAPE.sub(HIDDEN, text)


def start_logging(log_file: Path, level: str) -> None:
    """Send the program's log and Python's warnings to ``log_file``, ``level`` and above.

    Calling it again moves the log.

    Raises:
        EngineError: if the file can't be written; nothing is logged then.
    """
    stop_logging()
    made(log_file.parent)
    handler = RotatingFileHandler(
        log_file, maxBytes=MAX_BYTES, backupCount=KEPT_FILES - 1, encoding="utf-8", delay=True
    )
    handler.setFormatter(SecretFreeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.set_name(_HANDLER)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    if level.upper() != "DEBUG":
        for chatty in _CHATTY:  # a line for every request
            logging.getLogger(chatty).setLevel(logging.WARNING)


def stop_logging() -> None:
    """Close the log file; afterwards it may be moved or removed."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if h.get_name() == _HANDLER]:
        root.removeHandler(handler)
        handler.close()
        logging.captureWarnings(False)


def _secret_values() -> list[str]:
    values = [value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name)]
    return sorted((v for v in values if len(v) >= _MIN_SECRET_LENGTH), key=len, reverse=True)


_HANDLER = "cl-workbench log file"
_CHATTY = ("httpx", "httpcore")

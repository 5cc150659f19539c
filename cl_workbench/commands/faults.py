"""What a person is told of an error that ends one of many things, while the others go on."""

from __future__ import annotations

import logging

from engines.protocol import EngineError

log = logging.getLogger(__name__)


def reason_of(error: Exception, doing: str) -> str:
    """One sentence on ``error``; one that was not foreseen goes to the log whole.

    Args:
        error: what was raised.
        doing: what failed, as ``answering``.
    """
    if isinstance(error, EngineError):
        return str(error)
    log.error("%s failed", doing, exc_info=error)
    return f"{doing.capitalize()} failed unexpectedly ({type(error).__name__}); see the log."

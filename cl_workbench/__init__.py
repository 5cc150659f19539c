"""CL Workbench: a small language model learns your document now, and shows what it cost.

The public names are imported when they are first used, so ``import cl_workbench``
costs nothing; torch comes with ``ModelHost`` and the engines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cl_workbench.version import __version__

if TYPE_CHECKING:
    from engines.host import ModelHost
    from engines.jitrl.full import JitRLFullEngine
    from engines.jitrl.mvp import JitRLMVPEngine
    from engines.jitrl.settings import JitRLFullSettings, JitRLMVPSettings, PassageSettings
    from engines.protocol import (
        CheckpointError,
        Document,
        DocumentError,
        Engine,
        EngineError,
        GateSnapshot,
        LearnReport,
        ModelError,
        Passage,
        Piece,
        Progress,
        Retrieval,
        Sampling,
        Turn,
    )
    from engines.ttt.engine import TTTEngine
    from engines.ttt.settings import TTTSettings

__all__ = [
    "CheckpointError",
    "Document",
    "DocumentError",
    "Engine",
    "EngineError",
    "GateSnapshot",
    "JitRLFullEngine",
    "JitRLFullSettings",
    "JitRLMVPEngine",
    "JitRLMVPSettings",
    "LearnReport",
    "ModelError",
    "ModelHost",
    "Passage",
    "PassageSettings",
    "Piece",
    "Progress",
    "Retrieval",
    "Sampling",
    "TTTEngine",
    "TTTSettings",
    "Turn",
    "__version__",
]

_ELSEWHERE = {
    "JitRLFullEngine": "engines.jitrl.full",
    "JitRLFullSettings": "engines.jitrl.settings",
    "JitRLMVPEngine": "engines.jitrl.mvp",
    "JitRLMVPSettings": "engines.jitrl.settings",
    "ModelHost": "engines.host",
    "PassageSettings": "engines.jitrl.settings",
    "TTTEngine": "engines.ttt.engine",
    "TTTSettings": "engines.ttt.settings",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "engines.protocol")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

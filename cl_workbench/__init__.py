"""CL Workbench: a small language model learns your document now, and shows what it cost.

The public names are imported when they are first used, so ``import cl_workbench``
costs nothing; torch comes with ``ModelHost`` and the engines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cl_workbench.version import __version__

if TYPE_CHECKING:
    from engines.ace.engine import AceEngine
    from engines.ace.questions import Pair, read_pairs
    from engines.ace.settings import AceSettings
    from engines.host import ModelHost
    from engines.jitrl.full import JitRLFullEngine
    from engines.jitrl.mvp import JitRLMVPEngine
    from engines.jitrl.settings import JitRLFullSettings, JitRLMVPSettings, PassageSettings
    from engines.language_models.addresses import Endpoint
    from engines.language_models.local import LocalModel
    from engines.language_models.ollama import Ollama
    from engines.language_models.openai_server import OpenAIServer
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
    "AceEngine",
    "AceSettings",
    "CheckpointError",
    "Document",
    "DocumentError",
    "Endpoint",
    "Engine",
    "EngineError",
    "GateSnapshot",
    "JitRLFullEngine",
    "JitRLFullSettings",
    "JitRLMVPEngine",
    "JitRLMVPSettings",
    "LearnReport",
    "LocalModel",
    "ModelError",
    "ModelHost",
    "Ollama",
    "OpenAIServer",
    "Pair",
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
    "read_pairs",
]

_ELSEWHERE = {
    "AceEngine": "engines.ace.engine",
    "AceSettings": "engines.ace.settings",
    "Endpoint": "engines.language_models.addresses",
    "JitRLFullEngine": "engines.jitrl.full",
    "JitRLFullSettings": "engines.jitrl.settings",
    "JitRLMVPEngine": "engines.jitrl.mvp",
    "JitRLMVPSettings": "engines.jitrl.settings",
    "LocalModel": "engines.language_models.local",
    "ModelHost": "engines.host",
    "Ollama": "engines.language_models.ollama",
    "OpenAIServer": "engines.language_models.openai_server",
    "Pair": "engines.ace.questions",
    "PassageSettings": "engines.jitrl.settings",
    "TTTEngine": "engines.ttt.engine",
    "TTTSettings": "engines.ttt.settings",
    "read_pairs": "engines.ace.questions",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "engines.protocol")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

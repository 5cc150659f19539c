"""Putting a model and an engine together as the settings say.

Only here do the commands and the screen reach torch, and only when a function is called.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_workbench.settings import Settings
from cl_workbench.settings_ace import LOCAL
from cl_workbench.settings_jitrl import WORDS_AND_CHARACTERS
from cl_workbench.settings_values import nearest
from engines.ace.settings import AceSettings
from engines.doc2lora.settings import Doc2LoraSettings
from engines.documents import ReadOptions
from engines.jitrl.settings import JitRLFullSettings, JitRLMVPSettings, PassageSettings
from engines.protocol import Engine, EngineError, Sampling, Turn
from engines.ttt.settings import TTTSettings

if TYPE_CHECKING:
    from engines.host import ModelHost
    from engines.language_models.served import ServedHost, ServerChoice

Report = Callable[[str, float | None], None]

log = logging.getLogger(__name__)


def build_host(settings: Settings, report: Report | None = None) -> ModelHost:
    """Find and load the base model; ``report`` is told what happens and the share done.

    Raises:
        ModelError: with one sentence on what to do.
    """
    quiet_libraries()
    from engines.host import ModelHost

    host = ModelHost.load(
        settings.get("model.name"),
        hub_name=settings.get("model.hub_name"),
        device=settings.get("model.device"),
        dtype=settings.get("model.dtype"),
        device_map=settings.get("model.device_map"),
        cache=model_cache(),
        report=report,
    )
    log.info("model %s on %s: %s", host.name, host.device, host.why)
    return host


def asks_server(name: str, settings: Settings) -> bool:
    """Whether the engine of that name works with a model on a server, and loads none."""
    return name == ACE and settings.get("server.dialect") != LOCAL


def open_model(
    name: str, settings: Settings, report: Report | None = None
) -> ModelHost | ServedHost:
    """The model that the engine ``name`` works with: loaded here, or answering on a server.

    Raises:
        ModelError: if it can't be loaded.
        ServerError: if no server answers, or it has no such model.
    """
    if not asks_server(name, settings):
        loaded = build_host(settings, report)
        if name == DOC2LORA:
            _fetch_hypernetwork(loaded, settings, report)
        return loaded
    from engines.language_models.served import ServedHost

    host = ServedHost.open(server_choice(settings), report)
    log.info("model %s: %s", host.name, host.why)
    return host


def _fetch_hypernetwork(host: ModelHost, settings: Settings, report: Report | None) -> None:
    """Have the hypernetwork that the settings name here, told of as the model's loading is."""
    wanted = doc2lora_settings(settings)
    if wanted.simulated or wanted.hypernetwork == Doc2LoraSettings().hypernetwork:
        return
    from engines.doc2lora import shipped

    shipped.find(wanted.hypernetwork, host, cache=model_cache(), report=report)


def server_choice(settings: Settings) -> ServerChoice:
    """Which server to ask, from the ``server`` settings.

    Raises:
        ServerError: if the address or the name of the key's variable can't be right.
    """
    from engines.language_models.addresses import Endpoint
    from engines.language_models.served import ServerChoice

    get = settings.get
    endpoint = Endpoint.at(
        get("server.address"),
        key_variable=get("server.key_variable"),
        connect_seconds=get("server.connect_seconds"),
        read_seconds=get("server.read_seconds"),
        retries=get("server.retries"),
    )
    return ServerChoice(
        "ollama" if get("server.dialect") == "ollama" else "openai",
        endpoint,
        get("server.model"),
        get("server.context_tokens"),
        get("server.keep_alive"),
        {"off": False, "on": True, "server": None}[get("server.think")],
    )


def build_engine(name: str, host: ModelHost | ServedHost, settings: Settings) -> Engine:
    """A fresh engine of that name around ``host``.

    Raises:
        EngineError: for an unknown name, with those there are.
    """
    return _BUILDERS[checked_engine(name)](host, settings)


def checked_engine(name: str) -> str:
    """``name`` if there is such an engine.

    Raises:
        EngineError: if not, with those there are.
    """
    if name in _BUILDERS:
        return name
    near = nearest(name, engine_names())
    hint = f"did you mean {near}?" if near else f"choose one of {', '.join(engine_names())}."
    raise EngineError(f"There is no engine '{name}'; {hint}")


def engine_names() -> tuple[str, ...]:
    """The engines there are, in the order they are offered."""
    return tuple(_BUILDERS)


def sampling(settings: Settings) -> Sampling:
    """How answers are written, from the ``generation`` settings."""
    names = ("max_new_tokens", "temperature", "top_p", "repetition_penalty", "seed")
    return Sampling(**{name: settings.get(f"generation.{name}") for name in names})


def conversation(question: str, settings: Settings) -> tuple[Turn, ...]:
    """One question as turns, after the system prompt if one is set."""
    prompt = settings.get("generation.system_prompt")
    opening = (Turn("system", prompt),) if prompt else ()
    return (*opening, Turn("user", question))


def read_options(settings: Settings) -> ReadOptions:
    """How files are read, from the ``documents`` settings."""
    names = ("text_fields", "question_field", "answer_field", "max_megabytes")
    return ReadOptions(**{name: settings.get(f"documents.{name}") for name in names})


def ttt_settings(settings: Settings) -> TTTSettings:
    """The TTT-E2E engine's settings, from ``ttt``, ``alpha``, ``tfidf_gate`` and the rest."""
    return TTTSettings(**{field: settings.get(key) for field, key in TTT_KEYS.items()})


def jitrl_mvp_settings(settings: Settings) -> JitRLMVPSettings:
    """The JitRL MVP engine's settings, from ``passages`` and ``jitrl_mvp``."""
    own = {name: settings.get(f"jitrl_mvp.{name}") for name in _JITRL_MVP_NAMES}
    return JitRLMVPSettings(passages=passage_settings(settings), **own)


def jitrl_full_settings(settings: Settings) -> JitRLFullSettings:
    """The JitRL Full engine's settings, from ``passages`` and ``jitrl_full``."""
    own = {name: settings.get(f"jitrl_full.{name}") for name in _JITRL_FULL_NAMES}
    return JitRLFullSettings(passages=passage_settings(settings), **own)


def passage_settings(settings: Settings) -> PassageSettings:
    """How documents are cut into passages and found again, from ``passages``."""
    own = {name: settings.get(f"passages.{name}") for name in _PASSAGE_NAMES}
    with_characters = settings.get("passages.features") == WORDS_AND_CHARACTERS
    return PassageSettings(char_ngrams=with_characters, **own)


def ace_settings(settings: Settings) -> AceSettings:
    """The ACE engine's settings, from ``passages`` and ``ace``."""
    own = {name: settings.get(f"ace.{name}") for name in _ACE_NAMES}
    switches = {name: settings.get(f"ace.{name}") == "always" for name in _ACE_SWITCHES}
    return AceSettings(passages=passage_settings(settings), **own, **switches)


def doc2lora_settings(settings: Settings) -> Doc2LoraSettings:
    """The Doc-to-LoRA engine's settings, from ``doc2lora``."""
    own = {name: settings.get(f"doc2lora.{name}") for name in _DOC2LORA_NAMES}
    return Doc2LoraSettings(simulated=settings.get("doc2lora.simulated") == "true", **own)


def model_cache() -> Path:
    """Where models and what is counted once per model are kept; all homes share it."""
    from engines.models import default_cache

    return default_cache()


def quiet_libraries() -> None:
    """Keep the model libraries' notices off the terminal, and their idle threads asleep.

    To be called before they are imported.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)


def _build_ttt(host: ModelHost, settings: Settings) -> Engine:
    from engines.ttt.engine import TTTEngine

    return TTTEngine(host, ttt_settings(settings), cache=model_cache() / "gates")


def _build_jitrl_mvp(host: ModelHost, settings: Settings) -> Engine:
    from engines.jitrl.mvp import JitRLMVPEngine

    return JitRLMVPEngine(host, jitrl_mvp_settings(settings))


def _build_jitrl_full(host: ModelHost, settings: Settings) -> Engine:
    from engines.jitrl.full import JitRLFullEngine

    return JitRLFullEngine(host, jitrl_full_settings(settings), cache=model_cache() / "states")


def _build_ace(host: ModelHost | ServedHost, settings: Settings) -> Engine:
    from engines.ace.engine import AceEngine
    from engines.language_models.served import ServedHost

    if isinstance(host, ServedHost):
        return AceEngine(host.language_model, ace_settings(settings))
    from engines.language_models.local import LocalModel

    return AceEngine(LocalModel(host), ace_settings(settings))


def _build_doc2lora(host: ModelHost, settings: Settings) -> Engine:
    from engines.doc2lora.engine import Doc2LoraEngine

    return Doc2LoraEngine(host, settings=doc2lora_settings(settings), cache=model_cache())


_PASSAGE_NAMES = ("chunk_tokens", "overlap_tokens", "ranking", "top_k", "min_score")
_JITRL_MVP_NAMES = ("context_tokens", "strength", "decay")
_JITRL_FULL_NAMES = (
    "layer", "projection", "window", "window_overlap", "chunk_candidates", "neighbours",
    "temperature", "gate_quantile", "mix", "strength", "share", "feedback_rate", "context_chunks",
    "context_tokens",
)  # fmt: skip

_ACE_NAMES = (
    "loops", "reflector_rounds", "review", "playbook_budget", "similarity", "validation_share",
    "validation_questions", "written_questions", "temperature", "generator_tokens",
    "reflector_tokens", "curator_tokens", "retries", "seed",
)  # fmt: skip
_ACE_SWITCHES = ("reflect_on_right", "keep_best")

_DOC2LORA_NAMES = (
    "mode", "hypernetwork", "chunk_tokens", "max_chunks", "chunks_at_once", "context_strength",
    "bias_strength", "precision", "measure_tokens", "measure_questions", "seed",
)  # fmt: skip

ACE = "ace"
DOC2LORA = "doc2lora"

TTT_KEYS = {
    "objective": "ttt.objective",
    "target_loss": "ttt.target_loss",
    "study_items": "ttt.study_items",
    "teacher_top_k": "ttt.teacher_top_k",
    "retention": "ttt.retention",
    "retention_tokens": "ttt.retention_tokens",
    "rehearsal": "ttt.rehearsal",
    "precision": "ttt.precision",
    "gate_top": "tfidf_gate.top",
    "gate_recompute_passes": "tfidf_gate.recompute_passes",
    "forgetting_budget": "guard.forgetting_budget",
    "guard_every_batches": "guard.every_batches",
    "guard_action": "guard.action",
    "learning_rate": "ttt.learning_rate",
    "mini_batch_size": "ttt.mini_batch_size",
    "gradient_steps": "ttt.gradient_steps",
    "context_tokens": "ttt.context_tokens",
    "max_tokens_per_document": "ttt.max_tokens_per_document",
    "weight_decay": "ttt.weight_decay",
    "gradient_clip": "ttt.gradient_clip",
    "seed": "ttt.seed",
    "alpha_initial": "alpha.initial",
    "alpha_decay_rate": "alpha.decay_rate",
    "alpha_min": "alpha.min_value",
    "gate_threshold": "tfidf_gate.threshold",
    "gate_calibration_samples": "tfidf_gate.calibration_samples",
    "gate_corpus": "tfidf_gate.corpus",
    "held_out_corpus": "held_out.corpus",
    "held_out_budget_percent": "held_out.budget_percent",
    "layers_start": "model.modified_layers_start",
    "layers_end": "model.modified_layers_end",
}

_BUILDERS: dict[str, Callable[[Any, Settings], Engine]] = {
    "ttt": _build_ttt,
    "jitrl-mvp": _build_jitrl_mvp,
    "jitrl-full": _build_jitrl_full,
    ACE: _build_ace,
    DOC2LORA: _build_doc2lora,
}

_QUIET = {
    # Waiting threads that spin take a core from the screen, and from a neighbour's job:
    # with two learners on two cores each got a quarter of the speed.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

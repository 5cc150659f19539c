"""The settings of ACE, and of the language model that takes its roles."""

from __future__ import annotations

from cl_workbench.setting import Setting
from engines.ace.settings import AceSettings

_ACE = AceSettings()

LOCAL = "local"

ACE_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "ace.loops",
        "whole",
        _ACE.loops,
        "how often all questions are gone through; time grows with it",
        unit="loops",
        low=1,
        high=100,
    ),
    Setting(
        "ace.reflector_rounds",
        "whole",
        _ACE.reflector_rounds,
        "how often a wrong answer is reflected on and tried again before the next question",
        unit="rounds",
        low=1,
        high=20,
    ),
    Setting(
        "ace.reflect_on_right",
        "text",
        "always" if _ACE.reflect_on_right else "never",
        "whether right answers are reflected on too, which marks the bullets that helped",
        choices=("always", "never"),
    ),
    Setting(
        "ace.keep_best",
        "text",
        "always" if _ACE.keep_best else "never",
        "whether a loop that lowers the score on the questions kept apart is taken back",
        choices=("always", "never"),
    ),
    Setting(
        "ace.review",
        "text",
        _ACE.review,
        "whether patches of the Curator are applied at once (auto) or wait for a person (hold)",
        choices=("auto", "hold"),
    ),
    Setting(
        "ace.playbook_budget",
        "whole",
        _ACE.playbook_budget,
        "the most that the playbook holds, counted as four bytes a token; the least useful "
        "bullets go first",
        unit="tokens",
        low=1,
        high=1_000_000,
    ),
    Setting(
        "ace.similarity",
        "number",
        _ACE.similarity,
        "how alike two bullets of a section have to be to count as one, as the cosine of their "
        "TF-IDF",
        low=0,
        high=1,
    ),
    Setting(
        "ace.validation_share",
        "number",
        _ACE.validation_share,
        "the share of the questions that is kept apart to score the playbook; 0 keeps none",
        low=0,
        high=1,
    ),
    Setting(
        "ace.validation_questions",
        "whole",
        _ACE.validation_questions,
        "the most questions that are kept apart",
        unit="questions",
        low=0,
        high=100_000,
    ),
    Setting(
        "ace.written_questions",
        "whole",
        _ACE.written_questions,
        "how many questions the model writes about a document that brings none; 0 writes none",
        unit="questions",
        low=0,
        high=1000,
    ),
    Setting(
        "ace.temperature",
        "number",
        _ACE.temperature,
        "how freely the roles write; 0 always takes the likeliest token",
        low=0,
        high=5,
    ),
    Setting(
        "ace.generator_tokens",
        "whole",
        _ACE.generator_tokens,
        "the most that the Generator may write for one question",
        unit="tokens",
        low=16,
        high=100_000,
    ),
    Setting(
        "ace.reflector_tokens",
        "whole",
        _ACE.reflector_tokens,
        "the most that the Reflector may write on one answer",
        unit="tokens",
        low=16,
        high=100_000,
    ),
    Setting(
        "ace.curator_tokens",
        "whole",
        _ACE.curator_tokens,
        "the most that the Curator may write for one patch",
        unit="tokens",
        low=16,
        high=100_000,
    ),
    Setting(
        "ace.retries",
        "whole",
        _ACE.retries,
        "how often a role is asked again, with its mistake shown, before its step is skipped",
        unit="times",
        low=0,
        high=20,
    ),
    Setting(
        "ace.seed",
        "whole",
        _ACE.seed,
        "the start of the random numbers that order the questions and draw those kept apart",
        low=0,
        high=2**32 - 1,
    ),
)

SERVER_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "server.dialect",
        "text",
        LOCAL,
        "who takes ACE's roles: the loaded model (local), an Ollama server, or a server with "
        "OpenAI's API such as vLLM, llama.cpp, SGLang or LM Studio",
        choices=(LOCAL, "ollama", "openai"),
    ),
    Setting(
        "server.address",
        "text",
        "http://localhost:11434",
        "where the server answers; Ollama's own is http://localhost:11434",
    ),
    Setting(
        "server.model",
        "text",
        None,
        "the model to ask for, such as qwen3.5:9b; null takes the first one that the server lists",
        nullable=True,
    ),
    Setting(
        "server.context_tokens",
        "whole",
        8192,
        "how many tokens prompt and answer may have together; Ollama is told so with each "
        "request, and a model made for fewer counts as it is",
        unit="tokens",
        low=256,
        high=10_000_000,
    ),
    Setting(
        "server.key_variable",
        "text",
        None,
        "the name of the environment variable that holds the server's key, never the key itself; "
        "null sends none",
        nullable=True,
    ),
    Setting(
        "server.connect_seconds",
        "number",
        3.0,
        "how long a connection may take to be accepted",
        unit="seconds",
        low=0.1,
        high=600,
    ),
    Setting(
        "server.read_seconds",
        "number",
        300.0,
        "how long the server may stay silent, as while it loads a large model",
        unit="seconds",
        low=1,
        high=86_400,
    ),
    Setting(
        "server.retries",
        "whole",
        3,
        "how often a busy or broken connection is tried again, at growing distances",
        unit="times",
        low=0,
        high=100,
    ),
    Setting(
        "server.keep_alive",
        "text",
        "5m",
        "how long Ollama keeps the model in memory after an answer, such as 5m or -1 for ever",
    ),
    Setting(
        "server.think",
        "text",
        "off",
        "whether a reasoning model on Ollama thinks before it answers: off is faster, server "
        "leaves it to the model",
        choices=("off", "on", "server"),
    ),
)

"""The settings of the JitRL engines."""

from __future__ import annotations

from cl_workbench.setting import Setting
from engines.jitrl.settings import JitRLFullSettings, JitRLMVPSettings

_MVP, _FULL = JitRLMVPSettings(), JitRLFullSettings()
_PASSAGES = _MVP.passages

WORDS, WORDS_AND_CHARACTERS = "words", "words_and_characters"

JITRL_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "passages.chunk_tokens",
        "whole",
        _PASSAGES.chunk_tokens,
        "the most tokens of a passage, which ends with a sentence where it can",
        unit="tokens",
        low=16,
        high=4096,
    ),
    Setting(
        "passages.overlap_tokens",
        "whole",
        _PASSAGES.overlap_tokens,
        "about how much of the passage before it a passage repeats, in whole sentences",
        unit="tokens",
        low=0,
        high=2048,
    ),
    Setting(
        "passages.ranking",
        "text",
        _PASSAGES.ranking,
        "how jitrl-mvp ranks passages: by TF-IDF, by BM25, or by BM25 of words and of runs of "
        "characters (hybrid; with features: words, by BM25 and TF-IDF)",
        choices=("tfidf", "bm25", "hybrid"),
    ),
    Setting(
        "passages.features",
        "text",
        WORDS_AND_CHARACTERS if _PASSAGES.char_ngrams else WORDS,
        "what tfidf and hybrid of jitrl-mvp compare: words, or also runs of characters, which "
        "find other forms of a word and cost memory and time",
        choices=(WORDS, WORDS_AND_CHARACTERS),
    ),
    Setting(
        "passages.top_k",
        "whole",
        _PASSAGES.top_k,
        "how many passages jitrl-mvp retrieves for a question",
        unit="passages",
        low=1,
        high=100,
    ),
    Setting(
        "passages.min_score",
        "number",
        _PASSAGES.min_score,
        "a passage that scores less does not count as relevant; null is what suits the ranking",
        low=0,
        nullable=True,
    ),
    Setting(
        "jitrl_mvp.context_tokens",
        "whole",
        _MVP.context_tokens,
        "the most that passages take of the prompt; the question is never cut for them",
        unit="tokens",
        low=16,
        high=1_000_000,
    ),
    Setting(
        "jitrl_mvp.strength",
        "number",
        _MVP.strength,
        "how far the logit of the passages' rarest words is raised; 0 is not at all",
        unit="nats",
        low=0,
        high=10,
    ),
    Setting(
        "jitrl_mvp.decay",
        "number",
        _MVP.decay,
        "what is left of a word's bias once the answer has used it",
        low=0,
        high=1,
    ),
    Setting(
        "jitrl_full.layer",
        "whole",
        _FULL.layer,
        "the layer whose MLP input is stored for each token, counted from 0; null is at "
        "four fifths of them",
        unit="layer",
        low=0,
        nullable=True,
    ),
    Setting(
        "jitrl_full.projection",
        "whole",
        _FULL.projection,
        "the width that stored states are projected to, which saves disk and memory; 0 keeps "
        "their own",
        unit="numbers a token",
        low=0,
        high=65536,
    ),
    Setting(
        "jitrl_full.window",
        "whole",
        _FULL.window,
        "how much of a document is read at once; more takes more memory",
        unit="tokens",
        low=8,
        high=65536,
    ),
    Setting(
        "jitrl_full.window_overlap",
        "whole",
        _FULL.window_overlap,
        "how much of the window before it a window repeats, so that each token has context",
        unit="tokens",
        low=0,
        high=32768,
    ),
    Setting(
        "jitrl_full.chunk_candidates",
        "whole",
        _FULL.chunk_candidates,
        "in how many of the nearest passages states are looked for; time grows with it",
        unit="passages",
        low=1,
        high=1000,
    ),
    Setting(
        "jitrl_full.neighbours",
        "whole",
        _FULL.neighbours,
        "how many of the nearest states move the logits",
        unit="states",
        low=1,
        high=4096,
    ),
    Setting(
        "jitrl_full.temperature",
        "number",
        _FULL.temperature,
        "how evenly near and far neighbours count, as a share of the spread of states; lower "
        "leaves only the nearest",
        low=1e-6,
        high=1000,
    ),
    Setting(
        "jitrl_full.gate_quantile",
        "number",
        _FULL.gate_quantile,
        "the share of general text whose states lie near enough to what is stored to be moved; "
        "more lets answers follow documents further, and costs general text",
        low=0,
        high=0.9,
    ),
    Setting(
        "jitrl_full.mix",
        "text",
        _FULL.mix,
        "how neighbours count: by advantages that are added to the logits, or by interpolation "
        "of the probabilities as kNN-LM does",
        choices=("advantage", "interpolate"),
    ),
    Setting(
        "jitrl_full.strength",
        "number",
        _FULL.strength,
        "how far the logit of a token is raised whose every neighbour continues with it; 0 is "
        "not at all",
        unit="nats",
        low=0,
        high=32,
    ),
    Setting(
        "jitrl_full.share",
        "number",
        _FULL.share,
        "with interpolate, the neighbours' share of the probability",
        low=0,
        high=1,
    ),
    Setting(
        "jitrl_full.feedback_rate",
        "number",
        _FULL.feedback_rate,
        "how far one verdict on an answer moves the returns of the stored tokens it used",
        low=0.01,
        high=1,
    ),
    Setting(
        "jitrl_full.context_chunks",
        "whole",
        _FULL.context_chunks,
        "how many of the nearest passages also go into the prompt",
        unit="passages",
        low=0,
        high=100,
    ),
    Setting(
        "jitrl_full.context_tokens",
        "whole",
        _FULL.context_tokens,
        "the most that such passages take of the prompt; the question is never cut for them",
        unit="tokens",
        low=16,
        high=1_000_000,
    ),
)

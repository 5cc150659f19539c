"""Every setting there is: its kind, default, unit and meaning.

This is the source of ``configs/default.yaml``; after a change here run
``python -m cl_workbench.settings_schema`` to write that file again.
"""

from __future__ import annotations

from cl_workbench.setting import Kind, Setting, Value
from cl_workbench.settings_ace import ACE_SETTINGS, SERVER_SETTINGS
from cl_workbench.settings_doc2lora import DOC2LORA_SETTINGS
from cl_workbench.settings_jitrl import JITRL_SETTINGS
from engines.ttt.settings import TTTSettings

__all__ = ["BY_KEY", "SECTIONS", "SETTINGS", "Kind", "Setting", "Value"]

_TTT = TTTSettings()


SECTIONS = {
    "model": "The base model that every engine shares.",
    "ttt": "TTT-E2E: learning a document by gradient steps on a copy of some MLPs.",
    "alpha": "How much of the original MLP stays in the blend: 1 is the base model, "
    "0 only what was learned.",
    "tfidf_gate": "Which neurons may learn: those particular to the document.",
    "held_out": "General text that tells what learning cost.",
    "guard": "What happens when learning a document costs too much of the rest.",
    "passages": "How documents are cut into passages (JitRL, ACE) and found (jitrl-mvp, ACE).",
    "jitrl_mvp": "JitRL MVP: retrieved passages in the prompt, and a bias of their words.",
    "jitrl_full": "JitRL Full: stored hidden states that move the logits where they are near.",
    "ace": "ACE: a playbook of rules that grows by patches.",
    "server": "The language model that takes ACE's roles.",
    "doc2lora": "Doc-to-LoRA: a hypernetwork reads a document and writes a LoRA of the base model.",
    "generation": "How answers are written.",
    "documents": "How files are read.",
    "session": "What outlasts the program.",
    "ui": "The screen.",
    "log": "The log file.",
}

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "model.name",
        "text",
        "auto",
        "which model: auto, embedded, a hub id, a local folder or a .gguf file; auto is "
        "model.hub_name on a CUDA machine that has or can reach it, else embedded",
    ),
    Setting(
        "model.hub_name",
        "text",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "the hub id that auto looks for",
    ),
    Setting(
        "model.device",
        "text",
        "auto",
        "where the model computes; auto is cuda where there is one, else cpu",
        choices=("auto", "cuda", "cuda:N", "mps", "cpu"),
    ),
    Setting(
        "model.dtype",
        "text",
        "auto",
        "the type of the base weights; auto is bfloat16 on a GPU and float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    ),
    Setting(
        "model.device_map",
        "text",
        None,
        "whether a model that is larger than one GPU is spread over several (auto); null puts all "
        "of it on model.device",
        choices=("auto",),
        nullable=True,
    ),
    Setting(
        "model.modified_layers_start",
        "whole",
        _TTT.layers_start,
        "the first layer that learns, counted from 0; null is the start of the last quarter",
        unit="layer",
        low=0,
        nullable=True,
    ),
    Setting(
        "model.modified_layers_end",
        "whole",
        _TTT.layers_end,
        "the layer where learning layers end, itself not included; null is after the last",
        unit="layer",
        low=1,
        nullable=True,
    ),
    Setting(
        "ttt.objective",
        "text",
        _TTT.objective,
        "what is learned: the text's own words (next_token), questions or sentences asked without "
        "the text in view (self_study), or both (mixed); auto tests the model and picks",
        choices=("auto", "next_token", "self_study", "mixed"),
    ),
    Setting(
        "ttt.learning_rate",
        "number",
        _TTT.learning_rate,
        "the size of a gradient step; higher learns faster and forgets more",
        low=1e-8,
        high=1,
    ),
    Setting(
        "ttt.mini_batch_size",
        "whole",
        _TTT.mini_batch_size,
        "how much of the document one gradient step learns from; more takes more memory",
        unit="tokens",
        low=1,
        high=65536,
    ),
    Setting(
        "ttt.gradient_steps",
        "whole",
        _TTT.gradient_steps,
        "how often the whole document is gone through; time grows with it",
        unit="passes",
        low=1,
        high=1000,
    ),
    Setting(
        "ttt.context_tokens",
        "whole",
        _TTT.context_tokens,
        "how much earlier text each mini-batch sees to its left; more takes more memory",
        unit="tokens",
        low=0,
        high=65536,
    ),
    Setting(
        "ttt.max_tokens_per_document",
        "whole",
        _TTT.max_tokens_per_document,
        "what is read of a longer document; 0 reads all of it",
        unit="tokens",
        low=8,
        apart=0,
    ),
    Setting(
        "ttt.target_loss",
        "number",
        _TTT.target_loss,
        "learning ends once the document's loss is at or below this; null goes through all passes",
        unit="nats per token",
        low=0,
        nullable=True,
    ),
    Setting(
        "ttt.study_items",
        "whole",
        _TTT.study_items,
        "how many questions or sentences of a document are studied at most; time grows with it",
        unit="items",
        low=1,
        high=10_000,
    ),
    Setting(
        "ttt.teacher_top_k",
        "whole",
        _TTT.teacher_top_k,
        "how many of the teacher's likeliest tokens the student matches; more takes more memory",
        unit="tokens",
        low=1,
        high=1024,
    ),
    Setting(
        "ttt.retention",
        "number",
        _TTT.retention,
        "how strongly each step holds the model to the base's own answers on general text and "
        "questions; 0 is not at all",
        low=0,
        high=1000,
    ),
    Setting(
        "ttt.retention_tokens",
        "whole",
        _TTT.retention_tokens,
        "how much general text each step is held to; time grows with it",
        unit="tokens",
        low=1,
        high=65536,
    ),
    Setting(
        "ttt.rehearsal",
        "number",
        _TTT.rehearsal,
        "the share of that general text which is taken from documents learned earlier instead, "
        "held to what the model made of them; 0 rehearses none",
        low=0,
        high=1,
    ),
    Setting(
        "ttt.precision",
        "text",
        _TTT.precision,
        "the type that gradient steps compute in; auto is bfloat16 where the processor has "
        "instructions for it, else float32; what is learned is kept finer, and measured in the "
        "model's own type",
        choices=("auto", "float32", "bfloat16"),
    ),
    Setting(
        "ttt.weight_decay",
        "number",
        _TTT.weight_decay,
        "how strongly learned weights are pulled to zero at each step; 0 is not at all",
        low=0,
        high=1,
    ),
    Setting(
        "ttt.gradient_clip",
        "number",
        _TTT.gradient_clip,
        "the longest gradient that is followed as it is; a longer one is cut to this norm",
        low=1e-6,
    ),
    Setting(
        "ttt.seed",
        "whole",
        _TTT.seed,
        "the start of the random numbers; the same seed learns the same on the same machine",
        low=0,
        high=2**32 - 1,
    ),
    Setting(
        "alpha.initial",
        "number",
        _TTT.alpha_initial,
        "the share of the original MLP when the first document is begun; at 1 nothing is learned",
        low=0,
        high=0.99,
    ),
    Setting(
        "alpha.decay_rate",
        "number",
        _TTT.alpha_decay_rate,
        "the share of its distance to alpha.min_value that alpha loses with each pass; 0 keeps it",
        low=0,
        high=1,
    ),
    Setting(
        "alpha.min_value",
        "number",
        _TTT.alpha_min,
        "alpha never falls below this",
        low=0,
        high=0.99,
    ),
    Setting(
        "tfidf_gate.threshold",
        "number",
        _TTT.gate_threshold,
        "the rank within its layer above which a neuron may learn: 0.75 lets the quarter that "
        "is most particular to the document learn, 0 all",
        low=0,
        high=1,
    ),
    Setting(
        "tfidf_gate.top",
        "whole",
        _TTT.gate_top,
        "how many neurons of each layer may learn, in place of tfidf_gate.threshold; null goes by "
        "the threshold",
        unit="neurons",
        low=1,
        nullable=True,
    ),
    Setting(
        "tfidf_gate.recompute_passes",
        "whole",
        _TTT.gate_recompute_passes,
        "after how many passes the neurons are ranked anew, with what was learned so far; 0 ranks "
        "them once",
        unit="passes",
        low=0,
        high=1000,
    ),
    Setting(
        "tfidf_gate.calibration_samples",
        "whole",
        _TTT.gate_calibration_samples,
        "how many general texts are read, once per model, to know each neuron's usual activity",
        unit="texts",
        low=1,
        high=100_000,
    ),
    Setting(
        "tfidf_gate.corpus",
        "path",
        _TTT.gate_corpus,
        "the file or folder of general texts to calibrate with; null is the one that ships",
        nullable=True,
    ),
    Setting(
        "held_out.corpus",
        "path",
        _TTT.held_out_corpus,
        "the text whose loss is watched while learning; null is the one that ships",
        nullable=True,
    ),
    Setting(
        "held_out.budget_percent",
        "number",
        _TTT.held_out_budget_percent,
        "how much the held-out loss may rise over one document before the guard steps back to the "
        "best state so far and does guard.action; null never acts on it",
        unit="percent",
        low=0,
        high=1000,
        nullable=True,
    ),
    Setting(
        "guard.forgetting_budget",
        "number",
        _TTT.forgetting_budget,
        "which share of the general questions that the model answers right may be lost over one "
        "document before the guard acts; null never acts on it",
        low=0,
        high=1,
        nullable=True,
    ),
    Setting(
        "guard.every_batches",
        "whole",
        _TTT.guard_every_batches,
        "how often the guard looks at held-out text and general questions; 0 is once a pass, and "
        "of a short text once every few",
        unit="batches",
        low=0,
        high=100_000,
    ),
    Setting(
        "guard.action",
        "text",
        _TTT.guard_action,
        "what follows when a budget is passed and the best state so far is back: stop, go on at "
        "half the rate (slower), or ask (pause)",
        choices=("stop", "slower", "pause"),
    ),
    *JITRL_SETTINGS,
    *ACE_SETTINGS,
    *SERVER_SETTINGS,
    *DOC2LORA_SETTINGS,
    Setting(
        "generation.max_new_tokens",
        "whole",
        128,
        "the longest answer",
        unit="tokens",
        low=1,
        high=100_000,
    ),
    Setting(
        "generation.temperature",
        "number",
        0.0,
        "how freely the next token is drawn; 0 always takes the likeliest",
        low=0,
        high=5,
    ),
    Setting(
        "generation.top_p",
        "number",
        1.0,
        "only the likeliest tokens that together have this probability are drawn from",
        low=1e-6,
        high=1,
    ),
    Setting(
        "generation.repetition_penalty",
        "number",
        1.1,
        "how much less likely a token gets once the answer has used it; 1 is not at all",
        low=0.1,
        high=10,
    ),
    Setting(
        "generation.seed",
        "whole",
        None,
        "makes drawn answers repeatable; null draws anew each time",
        low=0,
        high=2**32 - 1,
        nullable=True,
    ),
    Setting(
        "generation.system_prompt",
        "text",
        None,
        "what the model is told before the conversation; null tells it nothing",
        nullable=True,
    ),
    Setting(
        "documents.text_fields",
        "list",
        ("text", "content"),
        "the fields of a .jsonl line that hold its text; the first one found counts",
    ),
    Setting(
        "documents.question_field",
        "text",
        "question",
        "the field of a .jsonl line that holds a question",
    ),
    Setting(
        "documents.answer_field",
        "text",
        "answer",
        "the field of a .jsonl line that holds its answer",
    ),
    Setting(
        "documents.max_megabytes",
        "number",
        50.0,
        "a larger file is refused",
        unit="megabytes",
        low=0.001,
        high=10_000,
    ),
    Setting(
        "session.restore",
        "text",
        "always",
        "whether what is learned on screen is kept after every change and brought back at the next "
        "start, also after a crash; never does neither",
        choices=("always", "never"),
    ),
    Setting("ui.theme", "text", "workbench-dark", "the name of the colour theme"),
    Setting(
        "ui.documents_folder",
        "path",
        None,
        "the folder shown first; null is the one the program is started in",
        nullable=True,
    ),
    Setting(
        "log.level",
        "text",
        "info",
        "how much goes to the log file",
        choices=("debug", "info", "warning", "error"),
    ),
)

BY_KEY: dict[str, Setting] = {setting.key: setting for setting in SETTINGS}


def main() -> None:
    """Write ``configs/default.yaml`` of this checkout from the schema."""
    from cl_workbench.assets import asset
    from cl_workbench.settings_text import default_yaml
    from engines.atomic import write_atomically

    write_atomically(asset("configs") / "default.yaml", default_yaml())


if __name__ == "__main__":
    main()

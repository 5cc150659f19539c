"""Tiny models of every supported family and a tiny tokenizer, for tests on a CPU.

The models are random but not flat: their weights are large enough that logits differ
from token to token, and biases and norms are moved off their neutral start, so that a
part left out shows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

FAMILIES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "mistral", "smollm3")

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

TEXT = """\
# The lighthouse at Grey Point

The lighthouse at Grey Point was built in 1871 by three brothers who quarried its
granite from the cliff below. The youngest of them, Tobias, kept the lamp for forty
years, and wrote the weather into a blue notebook every morning before breakfast.

In the winter of 1893 a storm took the path, the boat and the chicken house, but the
lamp was never out. Ships that passed that week reported the light as usual, and the
harbour master sent a basket of oranges with the first boat that could land.

The notebooks are kept in the village library today. A reader who asks for the one of
1893 finds a single line on the second of February: wind, much wind, oranges wanted.

What is the name of the keeper? The keeper is called Tobias. When was the lighthouse
built? It was built in 1871. Where are the notebooks? They are in the library.
"""


@lru_cache(maxsize=1)
def _trained() -> str:
    """The tokenizer as JSON: trained once a session, parsed anew for each caller."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer.to_str()


def tiny_tokenizer(*, chat: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 400 tokens: every text round-trips.

    Ids 0, 1 and 2 are end of text, start of turn and end of turn; with ``chat`` it has a
    ChatML template, without it is a base model's.
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained()),
        eos_token=TURN_END if chat else END_OF_TEXT,
        pad_token=END_OF_TEXT,
        chat_template=CHAT_TEMPLATE if chat else None,
        clean_up_tokenization_spaces=False,
    )


def tiny_model(
    family: str = "llama",
    *,
    layers: int = 4,
    hidden: int = 32,
    intermediate: int = 64,
    vocabulary: int = 400,
    seed: int = 0,
    **settings: Any,
) -> PreTrainedModel:
    """A random model of ``family`` (transformers' model type) in eval mode, float32.

    The same arguments give the same weights; torch's own random state is left alone.
    ``settings`` go to the family's configuration.
    """
    config = AutoConfig.for_model(
        family,
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        **settings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        _roughen(model)
    model.eval()
    return model


@torch.no_grad()
def _roughen(model: PreTrainedModel) -> None:
    """Give each matrix a scale that keeps activations near 1, and move vectors off 0 and 1."""
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.add_(torch.randn_like(parameter) * 0.1)
        else:
            parameter.copy_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)

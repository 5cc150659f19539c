"""How long a text is where no tokenizer is at hand."""

from __future__ import annotations

_BYTES_PER_TOKEN = 4


def about_tokens(text: str) -> int:
    """About how many tokens ``text`` has: one for each four bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)

"""Whether what is to be learned suits the mode: a document, or the description of a task."""

from __future__ import annotations

import re

from engines.doc2lora.settings import Mode
from engines.protocol import Document, DocumentError

_MOST_WORDS = 60  # a description longer than this is a text to read
# What a task description begins with and a text seldom does.
_INSTRUCTS = re.compile(
    r"(please |always |never |you are |you should |your task )*"
    r"(act|always|answer|be|classify|complete|convert|correct|describe|explain|extract|give|label|"
    r"list|never|paraphrase|please|reply|respond|rewrite|solve|speak|summari[sz]e|translate|use|"
    r"write|you are|you should|your task)\b",
    re.IGNORECASE,
)


def check_mode(document: Document, mode: Mode) -> None:
    """Refuse a task description in ``doc`` mode and a file in ``text`` mode.

    A file is always a document; a text without one is a description where it is one short
    paragraph that begins like an instruction.

    Raises:
        DocumentError: with an offer to switch.
    """
    if mode == "text" and document.path is not None:
        raise DocumentError(
            f"'{document.title}' is a file, and the mode is text, which learns from a short task "
            "description: switch to the mode doc (doc2lora.mode doc) to learn the file, or type "
            "a description.",
            document.path,
        )
    if mode == "doc" and document.path is None and reads_as_description(document.text):
        raise DocumentError(
            f"'{document.title}' reads like the description of a task, and the mode is doc, which "
            "learns what a document says: switch to the mode text (doc2lora.mode text), or put "
            "it into a file to learn it as a document."
        )


def reads_as_description(text: str) -> bool:
    """Whether ``text`` tells a model what to do, rather than something to know."""
    content = text.strip()
    one_paragraph = "\n" not in content and len(content.split()) <= _MOST_WORDS
    return one_paragraph and _INSTRUCTS.match(content) is not None

"""A playbook as Markdown that people read, edit and import again."""

from __future__ import annotations

from engines.ace.playbook import Playbook
from engines.ace.prompt_form import bullet_line

NOTE = (
    "Each line is a bullet: its id, its votes, and after `::` its text. "
    "New lines need no id: `- text`."
)


def markdown(playbook: Playbook, title: str = "Playbook") -> str:
    """``playbook`` under a title, with a heading per section and a list item per bullet."""
    line = " ".join(title.split()) or "Playbook"
    blocks = [f"# {line}", NOTE]
    for section, bullets in playbook.sections.items():
        blocks.append(f"## {section}")
        blocks.append("\n".join(f"- {bullet_line(bullet)}" for bullet in bullets))
    return "\n\n".join(blocks) + "\n"

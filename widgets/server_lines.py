"""A language-model server and its models, in the plain values that are drawn of them."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from widgets import figures
from widgets.plain_text import one_line
from widgets.record_table import Record, RecordColumn

COLUMNS = (
    RecordColumn("MODEL", least=16),
    RecordColumn("CONTEXT", right=True),
    RecordColumn("SIZE", right=True, drop=1),
    RecordColumn("KIND", least=8, drop=2),
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of a server; what it does not tell is None or empty.  ``used`` now, if it is."""

    name: str
    context_tokens: int | None = None
    size_bytes: int | None = None
    details: str = ""
    used: bool = False

    def record(self) -> Record:
        """The row of the table."""
        return Record(
            (
                self.name,
                figures.count(self.context_tokens),
                figures.size(self.size_bytes),
                self.details or figures.ABSENT,
            ),
            marked=self.used,
        )


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of the server at ``address``.

    ``answers`` is what answers there, empty where nothing usable does or it is not known yet;
    ``key_variable`` names the variable that its key comes from, never the key.
    """

    address: str
    checking: bool = False
    answers: str = ""
    models: int = 0
    advice: str = ""
    key_variable: str = ""


def server_text(facts: ServerFacts) -> Content:
    """Address, what answers there, and what to do where something is missing."""
    key = f"   key from {one_line(facts.key_variable)}" if facts.key_variable else "   no key"
    lines = [
        Content.assemble(
            ("address  ", "$foreground 70%"), (one_line(facts.address), "bold"), (key, _FAINT)
        )
    ]
    if facts.checking:
        lines.append(Content.styled("asking it…", "$accent"))
    elif facts.answers:
        models = f"{facts.models:,} model{'' if facts.models == 1 else 's'}"
        lines.append(Content.assemble((one_line(facts.answers), "$success"), f" answers, {models}"))
    if facts.advice:
        lines.append(Content.styled(one_line(facts.advice), "$warning"))
    return Content("\n").join(lines)


def pulled_text(model: str, status: str, completed: int, total: int | None) -> str:
    """How far the server has fetched a model."""
    sizes = f", {figures.size(completed)} of {figures.size(total)}" if total else ""
    return f"Fetching {one_line(model)}: {one_line(status)}{sizes}; esc stops it."


_FAINT = "$foreground 60%"

"""``cl-workbench servers``: what answers where, and having it fetch a model."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from cl_workbench.commands.console import json_line, json_output, progress_display
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.commands.table import Column, aligned, figure, size_text
from cl_workbench.settings_ace import LOCAL
from cl_workbench.terminal_text import one_line
from engines.protocol import EngineError

if TYPE_CHECKING:
    from cl_workbench.settings import Settings
    from engines.language_models.addresses import Endpoint
    from engines.language_models.check import ServerReport

OLLAMA_ADDRESS = "http://localhost:11434"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found at one address.

    ``configured`` tells whether it is the address of the settings; ``wanted`` is the settings'
    model, None where any will do, and ``there`` whether the server lists it.
    """

    report: ServerReport
    configured: bool
    wanted: str | None

    @property
    def there(self) -> bool | None:
        """None where no particular model is wanted, or nothing answers."""
        if self.wanted is None or self.report.dialect is None:
            return None
        names = {model.name for model in self.report.models}
        return not names.isdisjoint({self.wanted, f"{self.wanted}:latest"})

    @property
    def usable(self) -> bool:
        """Whether the roles can be taken by a model there."""
        return bool(self.report.models) and self.there is not False


@click.group()
@shared_options
def servers() -> None:
    """See which language-model servers answer, and have them fetch models.

    Ollama, and servers with OpenAI's API such as vLLM, llama.cpp, SGLang and LM Studio, can take
    the roles of ACE. `cl-workbench config set server.dialect ollama` makes use of one.
    """


@servers.command()
@click.argument("address", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def check(workspace: Workspace, *, address: str | None, as_json: bool) -> int:
    """Look what answers at ADDRESS; by default at that of the settings and at Ollama's own.

    The key that the settings name goes to the settings' address and nowhere else. The exit code
    is 1 where no model can be used.
    """
    workspace.start_log()
    settings = workspace.settings
    found = [_looked(settings, one) for one in _addresses(settings, address)]
    usable = any(one.usable for one in found)
    if as_json:
        record = {
            "dialect": settings.get("server.dialect"),
            "model": settings.get("server.model"),
            "usable": usable,
            "servers": [_record(one) for one in found],
        }
        click.echo(json_line(record))
        return int(not usable)
    for one in found:
        for line in _lines(one):
            click.echo(line)
    click.echo(_in_use(settings))
    return int(not usable)


@servers.command()
@click.argument("model")
@click.argument("address", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def pull(workspace: Workspace, *, model: str, address: str | None, as_json: bool) -> None:
    """Have the Ollama server at ADDRESS fetch MODEL; by default the one of the settings.

    Ctrl-C stops it; the same command goes on from there.
    """
    workspace.start_log()
    if not model.strip():
        raise click.UsageError("Name the model to fetch, such as qwen3.5:9b.")
    endpoint = _endpoint(workspace.settings, address)
    with json_output() if as_json else nullcontext() as emit:
        _fetch(endpoint, model)
        if emit:
            emit({"model": model, "address": endpoint.address})
    if not as_json:
        click.echo(one_line(f"{model} is on {endpoint.address}."))


def _fetch(endpoint: Endpoint, model: str) -> None:
    from contextlib import closing

    from engines.language_models.pulling import pull as pulling

    with progress_display() as display, closing(pulling(endpoint, model)) as steps:
        for at in steps:
            share = min(1.0, at.completed / at.total) if at.total else None
            done = f"{size_text(at.completed)} of {size_text(at.total)}" if at.total else ""
            display.show(at.status or "fetching", share, done)


def _addresses(settings: Settings, address: str | None) -> list[str]:
    if address is not None:
        return [address]
    own = str(settings.get("server.address"))
    return [own] if _same(own, OLLAMA_ADDRESS) else [own, OLLAMA_ADDRESS]


def _looked(settings: Settings, address: str) -> Looked:
    from engines.language_models.check import check as look

    configured = _same(address, str(settings.get("server.address")))
    key_variable = settings.get("server.key_variable") if configured else None
    report = look(address, key_variable=key_variable)
    in_use = configured and settings.get("server.dialect") != LOCAL
    wanted = settings.get("server.model") if in_use else None
    return Looked(report, configured, wanted)


def _endpoint(settings: Settings, address: str | None) -> Endpoint:
    from engines.language_models.addresses import Endpoint

    own = str(settings.get("server.address"))
    chosen = own if address is None else address
    return Endpoint.at(
        chosen,
        key_variable=settings.get("server.key_variable") if _same(chosen, own) else None,
        connect_seconds=settings.get("server.connect_seconds"),
        read_seconds=settings.get("server.read_seconds"),
        retries=settings.get("server.retries"),
    )


def _same(a: str, b: str) -> bool:
    """Whether two addresses mean the same server; one that can't be right is no other's."""
    from engines.language_models.addresses import Endpoint

    try:
        return Endpoint.at(a).address == Endpoint.at(b).address
    except EngineError:
        return a.strip() == b.strip()


def _shown(address: str) -> str:
    """``address`` without a name or password that someone wrote into it."""
    before, at, host = one_line(address).rpartition("@")
    return f"{before.partition('://')[0]}://…@{host}" if at else host


def _record(one: Looked) -> dict[str, Any]:
    return {
        **asdict(one.report),
        "address": _shown(one.report.address),
        "configured": one.configured,
        "wanted_model": one.wanted,
        "wanted_model_there": one.there,
        "usable": one.usable,
        "advice": _advice(one) or None,
    }


_MODELS = (
    Column("MODEL"),
    Column("CONTEXT", right=True),
    Column("SIZE", right=True),
    Column("ABOUT"),
)


def _lines(one: Looked) -> list[str]:
    report = one.report
    address = _shown(report.address)
    which = " (server.address)" if one.configured else ""
    if report.dialect is None:
        return [f"{address}{which}: {one_line(report.advice)}"]
    kind = one_line(f"{report.server} {report.version}")
    lines = [f"{address}{which}: {kind}, dialect {report.dialect}"]
    if report.models:
        rows = [
            [m.name, figure(m.context_tokens, ",d"), size_text(m.size_bytes), m.details]
            for m in report.models
        ]
        lines += [f"  {line}" for line in aligned(_MODELS, rows)]
    advice = _advice(one)
    return [*lines, f"  {one_line(advice)}"] if advice else lines


def _advice(one: Looked) -> str:
    if one.there is False and one.report.dialect == "ollama":
        return (
            f"The model of the settings, {one.wanted}, is not there: run "
            f"`ollama pull {one.wanted}`, or `cl-workbench servers pull {one.wanted}`."
        )
    if one.there is False:
        return (
            f"The model of the settings, {one.wanted}, is not listed: name one of these with "
            "`cl-workbench config set server.model NAME`."
        )
    return one.report.advice


def _in_use(settings: Settings) -> str:
    dialect = settings.get("server.dialect")
    if dialect == LOCAL:
        return (
            "In use: none, as server.dialect is local and the loaded model takes ACE's roles: "
            "`cl-workbench config set server.dialect ollama` (or openai) asks a server."
        )
    model = settings.get("server.model")
    which = one_line(str(model)) if model else "the first model listed"
    return f"In use: {which} at {_shown(str(settings.get('server.address')))} as {dialect}."

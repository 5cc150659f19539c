"""``cl-workbench models``: what lies in the model cache."""

from __future__ import annotations

from pathlib import Path

import click

from cl_workbench import assembly
from cl_workbench.commands.console import echo_path, json_line, json_output, progress_display
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.terminal_text import one_line
from engines.protocol import ModelError

_MEGABYTE = 1_000_000


@click.group()
@shared_options
def models() -> None:
    """List, fetch and remove base models."""


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def list_(workspace: Workspace, as_json: bool) -> None:
    """List the models in the cache."""
    from engines.models import installed

    workspace.start_log()
    cache = assembly.model_cache()
    found = installed(cache)
    if as_json:
        entries = [
            {"name": m.name, "kind": m.kind, "path": str(m.path), "bytes": m.bytes} for m in found
        ]
        click.echo(json_line({"cache": str(cache), "models": entries}))
        return
    for model in found:
        size = f"{model.bytes / _MEGABYTE:,.0f} MB"
        click.echo(
            one_line(f"{model.name}") + f"  {model.kind}  {size}  {one_line(str(model.path))}"
        )
    if not found:
        click.echo(f"No model in {cache} yet: `cl-workbench models pull embedded` fetches one.")


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def pull(workspace: Workspace, name: str, as_json: bool) -> None:
    """Fetch NAME, embedded or a hub id, into the cache."""
    workspace.start_log()
    assembly.quiet_libraries()
    from engines import models as store

    with json_output() as emit:
        with progress_display() as display:
            path = store.pull(name, assembly.model_cache(), display.show)
        if as_json:
            emit({"name": name, "path": str(path)})
    if not as_json:
        click.echo(one_line(f"{name} is in {path}."))


@models.command(name="path")
@click.argument("name")
@shared_options
@click.pass_obj
def path_(workspace: Workspace, name: str) -> None:
    """Print where NAME lies in the cache."""
    echo_path(_located(name))


@models.command()
@click.argument("name")
@shared_options
@click.pass_obj
def remove(workspace: Workspace, name: str) -> None:
    """Remove NAME from the cache."""
    from engines import models as store

    workspace.start_log()
    _located(name)
    freed = store.remove(name, assembly.model_cache())
    click.echo(f"Removed {one_line(name)}; {freed / _MEGABYTE:,.0f} MB are free again.")


def _located(name: str) -> Path:
    from engines import models as store

    found = store.locate(name, assembly.model_cache())
    if found is None:
        raise ModelError(
            f"The model {name} is not in the cache: "
            f"fetch it with `cl-workbench models pull {name}`."
        )
    return found

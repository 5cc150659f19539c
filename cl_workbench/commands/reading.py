"""Reading the documents that a command names: files, folders, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cl_workbench import assembly
from cl_workbench.terminal_text import one_line
from engines.documents import UnreadableDocument, read_paths, read_stream
from engines.protocol import Document, DocumentError

if TYPE_CHECKING:
    from cl_workbench.commands.options import Workspace

STANDARD_INPUT = "-"


def read_documents(
    workspace: Workspace, paths: Sequence[str]
) -> Iterator[Document | UnreadableDocument]:
    """Read all of ``paths`` in their order; what can't be read is yielded, never raised."""
    options = assembly.read_options(workspace.settings)
    for path in paths:
        if path != STANDARD_INPUT:
            yield from read_paths([path], options)
            continue
        try:
            yield read_stream(sys.stdin.buffer, options)
        except DocumentError as error:
            yield UnreadableDocument(path, error.reason)


def read_one_document(workspace: Workspace, path: str) -> Document:
    """The one document that ``path`` names.

    Raises:
        DocumentError: if it can't be read, or is a folder of several.
    """
    found = list(read_documents(workspace, [path]))
    if len(found) != 1:
        raise DocumentError(f"{path} holds {len(found)} documents: name one of them.", path)
    (only,) = found
    if isinstance(only, UnreadableDocument):
        raise DocumentError(said(only), only.path)
    return only


def said(failure: UnreadableDocument) -> str:
    """One sentence on a failure that names the file."""
    named = failure.path in failure.reason
    return one_line(failure.reason if named else f"{failure.path}: {failure.reason}")


def tell_failure(failure: UnreadableDocument) -> None:
    """Say on stderr what can't be read or learned, and why."""
    click.echo(said(failure), err=True)


def path_of(document: Document) -> str:
    """Where the document came from, as typed: ``-`` is standard input."""
    return document.path or STANDARD_INPUT

"""Finding the hypernetwork for a base model: shipped with this project, published, or a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from engines.doc2lora import published, stored
from engines.host import ModelHost
from engines.model_store import Report
from engines.models import default_cache
from engines.protocol import CheckpointError, EngineError

AUTO = "auto"

_ENGINES = Path(__file__).resolve().parent.parent
_BASES = {
    "gemma_demo": "google/gemma-2-2b-it",
    "gemma_2b_d2l": "google/gemma-2-2b-it",
    "mistral_7b_d2l": "mistralai/Mistral-7B-Instruct-v0.2",
    "qwen_4b_d2l": "Qwen/Qwen3-4B-Instruct-2507",
}


def shipped_folders() -> tuple[Path, ...]:
    """Where this project's own hypernetworks lie: in an installed wheel, or in a checkout."""
    root = _ENGINES.parent
    in_checkout = (root / "checkpoints" / "hypernetworks",)
    return (_ENGINES / "hypernetworks", *(in_checkout if _is_checkout(root) else ()))


def find(
    choice: str,
    host: ModelHost,
    *,
    folders: Sequence[Path] = (),
    cache: Path | None = None,
    report: Report | None = None,
) -> Path:
    """The folder of the hypernetwork that ``choice`` names.

    Args:
        choice: ``auto`` (one for this very base), the name of one that is shipped or lies in
            ``folders``, a published name such as ``SakanaAI/doc-to-lora:gemma_demo``, or the
            path of a folder or of a ``pytorch_model.bin``.
        folders: looked into before what is shipped, such as a home's own trained ones.
        cache: where published ones are kept once converted; None is the one all homes share.
        report: told what is fetched and converted.

    Raises:
        CheckpointError: if there is none, with what to do.
    """
    converted = (cache or default_cache()) / "hypernetworks"
    places = (*folders, *shipped_folders())
    if choice == AUTO:
        return _for_base(host, (*places, converted))
    named = next((p / choice for p in places if _is_one(p / choice)), None)
    path = Path(choice).expanduser()
    if named is not None or _is_one(path):
        return named or path
    _check_published_base(choice, host)
    try:
        return published.obtain(choice, converted, report=report)
    except CheckpointError as error:
        known = ", ".join(sorted(one.name for one in _all(places)))
        raise CheckpointError(f"{error} Installed here: {known or 'none'}.") from error


def available(folders: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names that ``find`` knows without the network: those in ``folders``, then the shipped."""
    return tuple(dict.fromkeys(one.name for one in _all((*folders, *shipped_folders()))))


def _for_base(host: ModelHost, places: Sequence[Path]) -> Path:
    for folder in _all(places):
        if _is_for(folder, host):
            return folder
    fitting = [name for name, base in _BASES.items() if _same_name(base, host.name)]
    name = f"such as {published.REPOSITORY}:{fitting[0]}" if fitting else "published or in a folder"
    raise CheckpointError(
        f"There is no hypernetwork for {host.name} yet: train one with `cl-workbench "
        f"train-hypernetwork`, or name one in doc2lora.hypernetwork, {name}."
    )


def _is_for(folder: Path, host: ModelHost) -> bool:
    try:
        config = stored.read_manifest(folder)["config"]
    except EngineError:
        return False  # a damaged one is told of when it is asked for by name
    known = config.get("base_fingerprint")
    if known is not None:
        return bool(known == host.fingerprint)
    return _same_name(str(config.get("base_model", "")), host.name)


def _check_published_base(choice: str, host: ModelHost) -> None:
    """Refuse one for another base before gigabytes are fetched."""
    base = _BASES.get(choice.removeprefix(f"{published.REPOSITORY}:"))
    if base is not None and not _same_name(base, host.name):
        raise CheckpointError(
            f"The hypernetwork {choice} was trained for {base}, and {host.name} is loaded: load "
            f"{base} (model.name), or choose a hypernetwork for {host.name}."
        )


def _same_name(one: str, other: str) -> bool:
    return stored.last_part(one) == stored.last_part(other)


def _all(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(folder for folder in place.iterdir() if _is_one(folder))


def _is_one(folder: Path) -> bool:
    return (folder / stored.FILE).is_file()


def _is_checkout(root: Path) -> bool:
    return (root / "pyproject.toml").is_file() and (root / "checkpoints").is_dir()

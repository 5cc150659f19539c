"""Finding, fetching and loading the base model, by the name that the user gives.

A name is ``auto``, ``embedded``, a hub id ``org/name``, a local folder, a ``.gguf``
file, or what ``installed`` lists.  Only safetensors are read and no code that comes
with a model is run.  Importing this module does not import torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engines import embedded, model_store
from engines.model_store import (
    InstalledModel,
    ModelKind,
    Report,
    default_cache,
    quiet_report,
)
from engines.protocol import ModelError

if TYPE_CHECKING:
    from engines.model_loading import LoadedModel

__all__ = [
    "InstalledModel",
    "ModelChoice",
    "Report",
    "choose",
    "default_cache",
    "installed",
    "load",
    "locate",
    "pull",
    "remove",
]

DEFAULT_HUB_MODEL = "Qwen/Qwen2.5-1.5B-Instruct"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_NAMES = f"a hub id such as {DEFAULT_HUB_MODEL}, a folder with config.json, or a .gguf file"
_ASKED = "it is the model that model.name asks for"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model was chosen; ``why`` is one phrase for people, without a full stop.

    ``location`` is the folder or file; None where it has yet to be fetched.  ``name`` is
    what the screen calls the model.
    """

    kind: ModelKind
    name: str
    location: Path | None
    why: str


def choose(
    name: str,
    *,
    hub_name: str = DEFAULT_HUB_MODEL,
    device: str = "auto",
    cache: Path | None = None,
) -> ModelChoice:
    """Decide which model ``name`` means here, without fetching it.

    ``auto`` is ``hub_name`` when CUDA is there and the model is cached or reachable,
    else the embedded one; only then may the network be asked, for a few seconds.

    Raises:
        ModelError: if ``name`` is none of what is supported.
    """
    folder = cache or default_cache()
    if name == "auto":
        return _automatic(hub_name, device, folder)
    if name == "embedded":
        return _embedded(folder, _ASKED)
    kind = _kind(name, folder)
    if kind == "hub":
        return ModelChoice("hub", name, locate(name, folder), _ASKED)
    path = _kept_folder(name, folder) or Path(name).expanduser().absolute()
    shown = path.stem if path.suffix.lower() == ".gguf" else path.name
    return ModelChoice(kind, shown, path, _ASKED)


def load(
    choice: ModelChoice,
    *,
    device: str = "auto",
    dtype: str = "auto",
    device_map: str | None = None,
    cache: Path | None = None,
    report: Report = quiet_report,
) -> LoadedModel:
    """Load what was chosen, fetching and converting it first where it is not here yet.

    The model is in evaluation mode and asks for no gradients.  ``dtype`` auto is
    bfloat16 on CUDA and float32 elsewhere; ``device_map`` auto spreads the model over
    the GPUs (accelerate).

    Raises:
        ModelError: with one sentence on what is wrong and what to do.
    """
    from engines.devices import resolve_device
    from engines.model_loading import load_folder

    report("loading torch and transformers", None)
    resolve_device(device)  # a wrong device is told before a long download
    folder = _folder_of(choice, cache or default_cache(), report)
    return load_folder(
        folder,
        name=choice.name,
        why=choice.why,
        device=device,
        dtype=dtype,
        device_map=device_map or None,
        report=report,
    )


def installed(cache: Path | None = None) -> list[InstalledModel]:
    """Every model that loads without the network: converted ones, then the hub's cache."""
    from engines import hub_models

    kept = [
        InstalledModel(folder.name, manifest["kind"], folder, model_store.folder_bytes(folder))
        for folder, manifest in model_store.whole_models(cache or default_cache())
    ]
    return kept + hub_models.cached_models()


def locate(name: str, cache: Path | None = None) -> Path | None:
    """The folder that ``load`` would read for ``name``, or None if it has yet to be fetched.

    Raises:
        ModelError: if ``name`` is none of what is supported.
    """
    folder = cache or default_cache()
    if (kept := _kept_folder(name, folder)) is not None:
        return kept
    kind = _kind(name, folder)
    if kind == "hub":
        from engines import hub_models

        return hub_models.cached(name)
    if kind == "gguf":
        from engines import gguf_cache

        return gguf_cache.converted(Path(name).expanduser().absolute(), folder)
    return Path(name).expanduser().absolute() if kind == "folder" else None


def pull(name: str, cache: Path | None = None, report: Report = quiet_report) -> Path:
    """Fetch or convert ``name`` if it is not here yet, and return its folder.

    Safe to interrupt and to run in several programs at once.

    Raises:
        ModelError: if it can't be fetched, checked or converted.
    """
    folder = cache or default_cache()
    found = locate(name, folder)
    if found is not None:
        return found
    kind = _kind(name, folder)
    if kind == "hub":
        from engines import hub_models

        return hub_models.download(name, report)
    if kind == "gguf":
        from engines import gguf_cache

        return gguf_cache.convert(Path(name).expanduser().absolute(), folder, report)
    return embedded.obtain(folder, report)


def remove(name: str, cache: Path | None = None) -> int:
    """Delete the cached copy of ``name`` and return the bytes freed; originals are kept.

    Raises:
        ModelError: if there is no copy.
    """
    folder = cache or default_cache()
    kind = _kind(name, folder)
    if kind == "hub":
        from engines import hub_models

        return hub_models.delete(name)
    if kind == "folder":
        raise ModelError(f"{name} is a folder of your own: delete it yourself if you want to.")
    found = locate(name, folder)
    if found is None:
        raise ModelError(
            f"{name} is not in the model cache: 'cl-workbench models list' shows what is."
        )
    return model_store.discard(folder, found.name)


def _automatic(hub_name: str, device: str, cache: Path) -> ModelChoice:
    from engines import devices, hub_models

    if device in {"cpu", "mps"}:
        return _embedded(cache, f"model.device is {device}, so the embedded model is used")
    if not devices.cuda_is_there():
        return _embedded(cache, "there is no CUDA device here, so the embedded model is used")
    found = hub_models.cached(hub_name)
    if found is not None:
        why = "a CUDA device is there and the model is in the cache"
        return ModelChoice("hub", hub_name, found, why)
    if hub_models.reachable(hub_name):
        why = "a CUDA device is there and the hub can be reached"
        return ModelChoice("hub", hub_name, None, why)
    return _embedded(
        cache,
        f"{hub_name} is neither in the cache nor reachable, so the embedded model is used",
    )


def _embedded(cache: Path, why: str) -> ModelChoice:
    return ModelChoice("embedded", embedded.NAME, _kept_folder("embedded", cache), why)


def _kind(name: str, cache: Path) -> ModelKind:
    if name == "embedded":
        return "embedded"
    if name == "auto":
        raise ModelError(f"'auto' is a choice, not one model: name 'embedded', {_NAMES}.")
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" or _kept_folder(name, cache) is not None:
        return "gguf"
    if (name and path.is_dir()) or name.startswith(("/", "./", "../", "~")):
        return "folder"
    if _HUB_ID.fullmatch(name):
        return "hub"
    raise ModelError(f"There is no model {name!r}: use 'auto', 'embedded', {_NAMES}.")


def _kept_folder(name: str, cache: Path) -> Path | None:
    """The converted model called ``name`` in our own cache, if it is whole."""
    plain = name not in {"", ".", ".."} and "/" not in name and not name.startswith(".")
    return cache / name if plain and model_store.read_manifest(cache / name) else None


def _folder_of(choice: ModelChoice, cache: Path, report: Report) -> Path:
    if choice.kind == "folder" and choice.location is not None:
        return choice.location
    if choice.kind == "embedded":
        return pull("embedded", cache, report)
    if choice.kind == "hub":
        return choice.location or pull(choice.name, cache, report)
    location = choice.location
    return location if location and location.is_dir() else pull(str(location), cache, report)

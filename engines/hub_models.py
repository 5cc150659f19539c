"""Models of the hub, in the cache that all programs of the user share."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from engines.model_files import missing_parts
from engines.model_store import InstalledModel, Report, size_text
from engines.protocol import EngineError, ModelError
from engines.transformers_calls import first_sentence

PATTERNS = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
_IGNORED = ("*/*",)  # variants in subfolders: original weights, ONNX, Core ML
_REACH_SECONDS = 3.0
_ASK_SECONDS = 10.0


def hub_cache() -> Path:
    """The hub's own cache folder (``HF_HOME`` or ``HF_HUB_CACHE`` move it)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether the user has forbidden the network to the hub's client."""
    from huggingface_hub import constants

    switched = os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}
    return switched or bool(constants.HF_HUB_OFFLINE)


def cached(name: str) -> Path | None:
    """The folder of ``name`` in the cache if all that loading needs is there, else None."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name, cache_dir=hub_cache(), local_files_only=True, allow_patterns=list(PATTERNS),
            ignore_patterns=list(_IGNORED),
        )  # fmt: skip
    except (OSError, ValueError):
        return None
    folder = Path(str(found))
    return None if missing_parts(folder) else folder


def reachable(name: str) -> bool:
    """Whether the hub answers for ``name`` within a few seconds; never asked when offline."""
    if is_offline():
        return False
    try:
        _info(name, _REACH_SECONDS)
    except ModelError:
        return False
    return True


def download(name: str, report: Report) -> Path:
    """Fetch the safetensors, configuration and tokenizer of ``name``; return their folder.

    A download that was cut off goes on where it stopped.

    Raises:
        ModelError: if the hub does not answer, does not have it, or has no safetensors.
    """
    if is_offline():
        raise ModelError(
            f"{name} is not in the model cache and HF_HUB_OFFLINE is set: unset it, "
            "or choose model.name 'embedded'."
        )
    report(f"asking the hub for {name}", None)
    info = _info(name, _ASK_SECONDS)
    files = [str(file.rfilename) for file in info.siblings or ()]
    if not any(file.endswith(".safetensors") and "/" not in file for file in files):
        raise ModelError(
            f"{name} has no safetensors files, and other formats can run code when they are "
            "opened: choose a model that has them."
        )
    folder = _snapshot(name, report)
    missing = missing_parts(folder)
    if missing:
        raise ModelError(f"{name} is incomplete on the hub ({missing}): choose another model.")
    return folder


def cached_models() -> list[InstalledModel]:
    """The models in the hub's cache that could be loaded from it, sorted by name."""
    from huggingface_hub import scan_cache_dir

    if not hub_cache().is_dir():
        return []
    found = []
    for repo in scan_cache_dir(hub_cache()).repos:
        folder = cached(repo.repo_id) if repo.repo_type == "model" else None
        if folder is not None:
            found.append(InstalledModel(repo.repo_id, "hub", folder, repo.size_on_disk))
    return sorted(found, key=lambda model: model.name)


def delete(name: str) -> int:
    """Remove every revision of ``name`` from the hub's cache and return the bytes freed.

    Raises:
        ModelError: if it is not there.
    """
    from huggingface_hub import scan_cache_dir

    repos = scan_cache_dir(hub_cache()).repos if hub_cache().is_dir() else ()
    for repo in repos:
        if repo.repo_type == "model" and repo.repo_id == name:
            revisions = [revision.commit_hash for revision in repo.revisions]
            scan_cache_dir(hub_cache()).delete_revisions(*revisions).execute()
            return int(repo.size_on_disk)
    raise ModelError(f"{name} is not in the model cache: 'cl-workbench models list' shows what is.")


def _info(name: str, seconds: float) -> Any:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return HfApi().model_info(name, timeout=seconds)
    except GatedRepoError as error:
        raise ModelError(
            f"{name} must be requested on the hub first: accept its terms there and log in "
            "with 'hf auth login'."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"The hub has no model {name}, or it is private: check the spelling of model.name "
            "or log in with 'hf auth login'."
        ) from error
    except Exception as error:  # the client's own error types differ between its versions
        raise _unreachable(name, error) from error


def _snapshot(name: str, report: Report) -> Path:
    from huggingface_hub import HfApi

    try:
        found = HfApi().snapshot_download(
            name, cache_dir=hub_cache(), allow_patterns=list(PATTERNS),
            ignore_patterns=list(_IGNORED), tqdm_class=_byte_counter(name, report),
        )  # fmt: skip
    except EngineError:  # from ``report``, which cancels
        raise
    except Exception as error:
        raise _unreachable(name, error) from error
    return Path(str(found))


def _byte_counter(name: str, report: Report) -> Any:
    """A progress bar class for the hub's client that reports bytes instead of drawing."""
    import huggingface_hub.utils

    of_hub: Any = huggingface_hub.utils
    bar: Any = of_hub.tqdm

    class ByteCounter(bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            self._due = False
            # A disabled bar counts nothing; an open one ends its line when it closes.
            settings.update(disable=False, file=io.StringIO())
            super().__init__(*args, **settings)

        def display(self, *_: Any, **__: Any) -> bool:
            # Called with the lock of all bars held, where ``report`` must not raise.
            self._due = True
            return True

        def update(self, n: float | None = 1) -> bool:
            drawn = super().update(n)
            if self._due and self.unit == "B" and self.total:
                self._due = False
                done = min(1.0, self.n / self.total)
                report(f"downloading {name} ({size_text(int(self.total))})", done)
            return bool(drawn)

    return ByteCounter


def _unreachable(name: str, error: Exception) -> ModelError:
    return ModelError(
        f"{name} could not be fetched from the hub ({first_sentence(error)}): check the network "
        "and the free disk space, or choose model.name 'embedded'."
    )

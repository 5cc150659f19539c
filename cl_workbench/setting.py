"""What one setting is: its key, kind, default, unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["text", "whole", "number", "path", "list"]
Value = str | int | float | Path | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    ``low`` and ``high`` are allowed themselves, and so is ``apart``, which lies outside.
    A choice that ends in ``:N`` stands for any whole number there, as ``cuda:N`` does for
    ``cuda:0``.  A ``nullable`` setting may be ``null``, which its meaning explains.
    """

    key: str
    kind: Kind
    default: Value
    meaning: str
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    apart: float | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False

    @property
    def section(self) -> str:
        """The part of the key before the dot."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """The part of the key after the dot."""
        return self.key.partition(".")[2]

    @property
    def allowed(self) -> str:
        """What may be set, as a phrase for people: ``a number from 0 to 1``."""
        phrase = f"one of {', '.join(self.choices)}" if self.choices else self._kind_phrase()
        return f"{phrase}, or null" if self.nullable else phrase

    def _kind_phrase(self) -> str:
        plain = {"text": "text", "path": "a path", "list": "a list of texts"}
        if self.kind in plain:
            return plain[self.kind]
        noun = "a whole number" if self.kind == "whole" else "a number"
        if self.apart is not None:
            noun = f"{self.apart:g}, or {noun}"
        if self.low is not None and self.high is not None:
            return f"{noun} from {self.low:g} to {self.high:g}"
        return f"{noun}, {self.low:g} or more" if self.low is not None else noun

"""Writing measured numbers for people: one form each, used by every pane."""

from __future__ import annotations

from math import isfinite
from typing import TypeGuard

ABSENT = "–"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number such as a loss in nats per token or α."""
    return f"{value:.{digits}f}" if is_measured(value) else ABSENT


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return ABSENT if value is None else f"{value:,}"


def chunks(value: int) -> str:
    """How many passages a document was cut into."""
    return f"{value:,} chunk{'' if value == 1 else 's'}"


def alpha(value: float | None) -> str:
    """The blend of learned and original: ``α 0.95``."""
    return f"α {number(value)}"


def strength(value: float | None, name: str = "bias") -> str:
    """How strongly what was learned counts: ``bias 2.0``, or ``bias off`` at 0."""
    if not value or not is_measured(value):
        return f"{name} off"
    return f"{name} {number(value, 1 if round(value, 1) == round(value, 2) else 2)}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share 0..1 as a percentage."""
    return f"{100 * share:.{digits}f}%" if is_measured(share) else ABSENT


def duration(seconds: float | None) -> str:
    """Seconds as ``0:14``, ``12:03`` or ``1:02:03``."""
    if not is_measured(seconds):
        return ABSENT
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(tokens_per_second: float | None) -> str:
    """Tokens per second, whole from ten upwards."""
    if not is_measured(tokens_per_second):
        return f"{ABSENT} tok/s"
    digits = 0 if tokens_per_second >= 10 else 1
    return f"{tokens_per_second:,.{digits}f} tok/s"


def relative_change(after: float | None, before: float | None) -> float | None:
    """``after`` against ``before`` as a share: 0.01 is one per cent more."""
    if not (is_measured(after) and is_measured(before)) or before == 0:
        return None
    return after / before - 1


def signed_percent(change: float | None) -> str:
    """A relative change with its sign and one decimal, such as ``+0.1%``."""
    return f"{100 * change:+.1f}%" if is_measured(change) else ABSENT


def exact_percent(share: float | None) -> str:
    """What may be lost or risen, as it was set: ``1%``, ``0.5%``."""
    return f"{100 * share:g}%" if is_measured(share) else ABSENT


def kept(share: float | None, probed: int) -> str:
    """How many of the probed answers were kept: ``11 of 12 kept``."""
    return f"{round(share * probed)} of {probed} kept" if is_measured(share) else ABSENT


def size(size_bytes: int | None) -> str:
    """Bytes as ``812 kB``, ``10.6 MB`` or ``6.6 GB`` (of 1000 each)."""
    if size_bytes is None:
        return ABSENT
    if size_bytes < 999_500:
        return f"{size_bytes / 1e3:.0f} kB"
    if size_bytes < 999_950_000:
        return f"{size_bytes / 1e6:,.1f} MB"
    return f"{size_bytes / 1e9:,.1f} GB"


def is_risky(change: float | None, budget: float | None) -> bool:
    """True where what was measured is above its budget; without a budget nothing is."""
    return is_measured(change) and is_measured(budget) and change > budget


def verdict(change: float | None, budget: float | None) -> str:
    """``✓`` within the budget, ``!`` above it, nothing where either is not known."""
    if not (is_measured(change) and is_measured(budget)):
        return ""
    return "!" if is_risky(change, budget) else "✓"


def is_measured(value: float | None) -> TypeGuard[float]:
    """True for a finite number: what may be written or drawn."""
    return value is not None and isfinite(value)

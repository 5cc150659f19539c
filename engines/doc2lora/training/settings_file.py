"""Reading a training configuration: types, unknown names and values that don't fit.

Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from engines.doc2lora.config import MAX_CHUNKS
from engines.doc2lora.training.settings import TrainingSettings, TrainingSettingsError

_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def load_settings(path: Path, changes: Mapping[str, Any] | None = None) -> TrainingSettings:
    """The settings in a ``.yaml`` or ``.json`` file, with ``changes`` by dotted name.

    Raises:
        TrainingSettingsError: if the file can't be read or is wrong, with its name.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainingSettingsError(f"{path} can't be read as YAML or JSON: {error}") from error
    if not isinstance(values, dict):
        raise TrainingSettingsError(f"{path} must hold settings by name: sources, stages, ….")
    for name, value in (changes or {}).items():
        _put(values, name.split("."), value)
    try:
        return settings_from(values)
    except TrainingSettingsError as error:
        raise TrainingSettingsError(f"{path}: {error}") from error


def settings_from(values: Mapping[str, Any]) -> TrainingSettings:
    """Settings from plain values, such as ``TrainingSettings.to_json`` gives.

    Raises:
        TrainingSettingsError: naming every value that is unknown, missing or wrong.
    """
    faults: list[str] = []
    settings = _built(TrainingSettings, values, "", faults)
    if not faults:
        faults = _unfit(settings)
    if faults:
        raise TrainingSettingsError(f"The training configuration is wrong: {' '.join(faults)}")
    return settings  # type: ignore[no-any-return]


def _put(values: dict[str, Any], names: list[str], value: Any) -> None:
    for name in names[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise TrainingSettingsError(f"{'.'.join(names)} can't be set: {name} has no parts.")
    values[names[-1]] = value


def _built(cls: Any, values: Any, where: str, faults: list[str]) -> Any:
    """A ``cls`` made of a mapping; what is wrong goes to ``faults`` and None comes back."""
    if not isinstance(values, Mapping):
        faults.append(f"{where or 'the file'} must hold settings by name.")
        return None
    known, hints, given = {f.name: f for f in dataclasses.fields(cls)}, get_type_hints(cls), {}
    for name, value in values.items():
        if name in known:
            given[name] = _value(hints[name], value, f"{where}{name}", faults)
            continue
        near = difflib.get_close_matches(str(name), known, n=1)
        faults.append(f"{where}{name} is unknown{f', did you mean {near[0]}?' if near else '.'}")
    for name, f in known.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in values:
            faults.append(f"{where}{name} is missing.")
    return None if faults else cls(**given)


def _value(kind: Any, value: Any, where: str, faults: list[str]) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _built(kind, value, f"{where}.", faults)
    if origin is tuple:
        return _items(parts, value, where, faults)
    if origin is not None and issubclass(_class(origin), Mapping):
        if isinstance(value, Mapping):
            return {k: _value(parts[1], v, f"{where}.{k}", faults) for k, v in value.items()}
        faults.append(f"{where} must hold values by name.")
    elif origin is Literal:
        if value in parts:
            return value
        faults.append(f"{where} is {value!r}: give one of {', '.join(parts)}.")
    elif kind is Any or _is(kind, value):
        return float(value) if kind is float else value
    else:
        faults.append(f"{where} is {value!r}: give {_KINDS[kind]}.")
    return None


def _class(origin: Any) -> type:
    return origin if isinstance(origin, type) else types.NoneType


def _is(kind: Any, value: Any) -> bool:
    if kind is bool:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def _items(parts: tuple[Any, ...], value: Any, where: str, faults: list[str]) -> Any:
    if not isinstance(value, list | tuple):
        faults.append(f"{where} must be a list.")
        return None
    kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(value):
        faults.append(f"{where} must be a list of {len(kinds)}.")
        return None
    found = (_value(k, v, f"{where}[{n}]", faults) for n, (k, v) in enumerate(zip(kinds, value)))  # noqa: B905
    return tuple(found)


def _unfit(s: TrainingSettings) -> list[str]:
    """One sentence for each value that is of the right type but can't be used."""
    o, w = s.optimiser, s.watch
    rules = [
        (bool(s.stages), "stages must have at least one stage."),
        (bool(s.sources), "sources must have at least one source."),
        (
            bool(s.prompts) and all("{question}" in p for p in s.prompts),
            "every prompt must hold {question}.",
        ),
        (o.learning_rate > 0, "optimiser.learning_rate must be above 0."),
        (0 <= o.ema < 1, "optimiser.ema must be from 0 to below 1."),
        (min(o.contexts, o.contexts_at_once) > 0, "optimiser.contexts must be at least 1."),
        (o.clip > 0, "optimiser.clip must be above 0."),
        (o.max_skipped >= 1, "optimiser.max_skipped must be at least 1."),
        (min(w.log_steps, w.evaluate_steps, w.keep) > 0, "watch's numbers must be at least 1."),
        (0 < w.held_out_percent < 100, "watch.held_out_percent must be between 0 and 100."),
        (s.teacher.top_k > 0, "teacher.top_k must be at least 1."),
        (s.teacher.shard_contexts > 0, "teacher.shard_contexts must be at least 1."),
        (
            s.loss.distil + s.loss.gold > 0,
            "loss.distil or loss.gold must be above 0: there is nothing to learn otherwise.",
        ),
    ]
    faults = [sentence for holds, sentence in rules if not holds]
    unknown = [name for name in w.held_out_sources if name not in s.sources]
    if unknown:
        faults.append(f"watch.held_out_sources has {', '.join(unknown)}, not under sources.")
    for name, source in s.sources.items():
        if source.swaps < 0 or source.limit < 0:
            faults.append(f"sources.{name} must have no number below 0.")
        if bool(source.path) == bool(source.needles):
            faults.append(f"sources.{name} needs either a path or a number of needles.")
    for n in range(len(s.stages)):
        faults += _unfit_stage(s, n)
    return faults


def _unfit_stage(s: TrainingSettings, n: int) -> list[str]:
    stage, where = s.stages[n], f"stages[{n}]"
    (shortest, longest), (fewest, most) = stage.context_tokens, stage.chunks
    unknown = [name for name in stage.sources if name not in s.sources]
    weights = list(stage.sources.values())
    rules = [
        (stage.steps > 0, f"{where}.steps must be at least 1."),
        (not unknown, f"{where}.sources has {', '.join(unknown)}, not found under sources."),
        (
            bool(weights) and min(weights) >= 0 and sum(weights) > 0,
            f"{where}.sources needs a weight above 0.",
        ),
        (0 < shortest <= longest, f"{where}.context_tokens must be a minimum and a maximum."),
        (
            1 <= fewest <= most <= MAX_CHUNKS,
            f"{where}.chunks must be from 1 to {MAX_CHUNKS}, the fewest first.",
        ),
        (stage.questions > 0, f"{where}.questions must be at least 1."),
        (stage.min_chunk_tokens > 0, f"{where}.min_chunk_tokens must be at least 1."),
    ]
    return [sentence for holds, sentence in rules if not holds]

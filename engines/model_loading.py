"""Reading a whole model folder into memory, frozen and ready for the engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines import families
from engines.devices import require_memory, resolve_device, resolve_dtype
from engines.model_files import check_folder, count_weights
from engines.model_store import Report, size_text
from engines.protocol import ModelError
from engines.transformers_calls import explained, first_sentence, quiet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A frozen model in evaluation mode with its tokenizer.

    ``device`` is where token ids go (of the embedding, where the model is spread over
    several devices); ``why`` says in one sentence why this model was chosen.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    why: str
    device: torch.device
    dtype: torch.dtype


def load_folder(
    folder: Path,
    *,
    name: str,
    why: str,
    device: str,
    dtype: str,
    device_map: str | None,
    report: Report,
) -> LoadedModel:
    """Load the model in ``folder``; see ``engines.models.load`` for the arguments.

    Raises:
        ModelError: with one sentence on what is wrong and what to do.
    """
    report("loading torch and transformers", None)
    place = resolve_device(device)
    number_type = resolve_dtype(dtype, place)
    check_folder(folder)
    config = _config(folder, name)
    size = count_weights(folder) * number_type.itemsize
    if device_map is None:
        require_memory(size, place, name)
    with quiet():
        report(f"loading {name} ({size_text(size)}) on {device_map or place}", None)
        tokenizer = _tokenizer(folder, name)
        model = _weights(folder, name, config, number_type, device_map or {"": place})
    families.check_supported(model)
    _require_in_memory(model, name)
    model.eval()
    model.requires_grad_(False)
    at = model.get_input_embeddings().weight.device
    return LoadedModel(model, tokenizer, name, why, at, number_type)


def _config(folder: Path, name: str) -> Any:
    from transformers import AutoConfig

    with quiet(), explained(f"The configuration of {name} can't be used", families.SUPPORTED):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    families.check_config(config)
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(
            f"{name} is quantised, and its weights can't be trained: choose the model it was "
            "made from."
        )
    return config


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    what = f"The tokenizer of {name} can't be read"
    with explained(what, f"put the model's tokenizer.json into {folder}"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _weights(
    folder: Path, name: str, config: Any, dtype: torch.dtype, device_map: str | dict[str, Any]
) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with explained(f"The weights of {name} can't be loaded", "download the model again"):
            auto: Any = AutoModelForCausalLM
            model, facts = auto.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                device_map=None if device_map == {"": torch.device("cpu")} else device_map,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except ModelError as error:
        if isinstance(error.__cause__, MemoryError | torch.OutOfMemoryError):
            raise _too_large(name, error.__cause__) from error.__cause__
        raise
    absent = sorted(facts["missing_keys"])
    if absent:  # transformers would go on with random numbers in their place
        raise ModelError(
            f"The safetensors of {name} lack {len(absent)} weights such as {absent[0]}: "
            "download the model again."
        )
    return model


def _require_in_memory(model: Any, name: str) -> None:
    """Refuse a model of which accelerate has left a part on disk: it could not be trained."""
    if any(parameter.is_meta for parameter in model.parameters()):
        raise _too_large(name, None)


def _too_large(name: str, error: BaseException | None) -> ModelError:
    reason = f" ({first_sentence(error)})" if error is not None else ""
    return ModelError(
        f"{name} does not fit into memory{reason}: choose a smaller model such as 'embedded', "
        "or set model.device_map to auto to spread it over several GPUs."
    )

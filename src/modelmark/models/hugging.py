"""``hf:FOLDER``: a network of transformers, built from the ``config.json`` of a folder; no code but the library's own is run.

A key keeps what is built, not where the folder was: ``hf:`` and the configuration in JSON, as far as it differs from the
library's defaults. That builds the network again wherever transformers is installed.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark import files
from modelmark.errors import MalformedError, MismatchError, MissingPackageError, UsageError
from modelmark.naming import suggest

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "hf:"
LONGEST = 1024
"""Characters of an architecture in a key, as an opening shows it."""
MOST_BYTES = 8 << 20
MOST_MODULES, MOST_COUNT, MOST_LABELS = 50_000, 2**24, 2**20
"""Modules of a network that a file describes, the largest number in such a description, and the most classes."""
_LEFT_OUT = {
    "transformers_version", "dtype", "torch_dtype", "id2label", "label2id", "name_or_path", "auto_map",
    "quantization_config", "attn_implementation", "use_cache",
}  # fmt: skip
"""What says nothing of the network, or says where to fetch code: remote models, kernels."""
_REPEAT = "if you trust it, repeat it on the command line: --arch hf:FOLDER"


def recorded(arch: str) -> str:
    """Return what a key keeps of an architecture: of ``hf:FOLDER`` its configuration, of another its name.

    Where the configuration is too long for that, the folder's name is kept, and must be repeated.

    Raises:
        UsageError: there is no such folder, or transformers is not installed.
        MalformedError: the folder has no configuration of a network that transformers knows.
    """
    if not arch.startswith(PREFIX) or arch.startswith(PREFIX + "{"):
        return arch
    config = _config(_read(arch))
    plain, own = type(config)().to_dict(), config.to_dict()
    said = {name: value for name, value in own.items() if name not in _LEFT_OUT and plain.get(name) != value}
    said |= {"model_type": config.model_type, "architectures": [_name(own)]}
    if own.get("id2label"):
        said["num_labels"] = len(own["id2label"])
    short = PREFIX + json.dumps(said, sort_keys=True, separators=(",", ":"))
    again = _config(said).to_dict()
    same = all(again.get(name) == value for name, value in own.items() if name not in _LEFT_OUT)
    return short if same and len(short) <= LONGEST else arch


def shown(arch: str) -> str:
    """Return an architecture as a line may have it: of a configuration the class of its network."""
    if not arch.startswith(PREFIX + "{"):
        return arch
    try:
        return PREFIX + _name(_read(arch))
    except (MalformedError, UsageError):
        return f"{PREFIX}..."


def build(arch: str, *, trusted: bool) -> "nn.Module":
    """Return the network that ``arch`` describes, with weights drawn from torch's global generator, in float32.

    Args:
        arch: ``hf:FOLDER``, or ``hf:`` and a configuration in JSON.
        trusted: a person typed it; without that no folder is looked into, and sizes are limited before anything is built.

    Raises:
        UsageError: an untrusted folder, none, or transformers is not installed.
        MalformedError: no configuration of a network that transformers knows.
        MismatchError: an untrusted configuration of a network beyond all sizes.
    """
    if not (trusted or arch.startswith(PREFIX + "{")):
        raise UsageError(f"expected a built-in architecture, got {arch!r}, a folder of this machine", hint=_REPEAT)
    said = _read(arch)
    if not trusted:
        _require_modest(said)
        with _counted():
            _made(said, "meta")
    return _made(said, "cpu")


def renamed(model: Any, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors of a file as the network's own state, by the conversions that the library makes when it loads.

    What the file lacks is left out.

    Args:
        model: of transformers; left as it is.
        state: by the file's names; read already, so that the library opens no file.
    """
    _library()
    made, told = type(model).from_pretrained(
        None, config=model.config, state_dict=dict(state), output_loading_info=True
    )
    return {name: tensor for name, tensor in made.state_dict().items() if name not in told["missing_keys"]}


def write(model: Any, folder: Path) -> None:
    """Write a network of transformers to a new folder, as ``save_pretrained`` lays it out; nothing is told of its progress."""
    _library()
    model.save_pretrained(folder)


def numbers(arch: str) -> int:
    """Return how many numbers the tensors of the network hold; nothing is allocated."""
    said = _read(arch)
    _require_modest(said)
    with _counted():
        made = _made(said, "meta")
    return sum(tensor.numel() for tensor in made.state_dict().values())


def _made(said: Mapping[str, Any], device: str) -> "nn.Module":
    import torch

    config = _config(said)
    cls = _class(said, config.model_type)
    try:
        with torch.device(device):
            made: nn.Module = cls(config)
    except (MismatchError, MemoryError):
        raise
    except Exception as error:  # the library's checks raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MalformedError(f"expected a configuration of {cls.__name__}, got an error: {reason[:160]}") from None
    return made


def _read(arch: str) -> dict[str, Any]:
    """Return a configuration without what would fetch code."""
    where = arch.removeprefix(PREFIX)
    if where.startswith("{"):
        raw, what = where.encode(), "the architecture"
    else:
        folder = Path(where).expanduser()
        if not where or not folder.is_dir():
            raise UsageError(f"expected a folder with config.json, found none at {where!r}")
        if not (folder / "config.json").is_file():
            raise MalformedError(
                f"expected config.json in {where}, found none", hint="save_pretrained of transformers writes one"
            )
        raw, what = files.read(folder / "config.json", limit=MOST_BYTES, what="a configuration"), f"{where}/config.json"
    try:
        found = _plain(json.loads(raw))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MalformedError(f"expected a configuration in JSON in {what}, got something else")
    return found


def _plain(value: Any) -> Any:
    """Return a value of JSON without names that say nothing of a network, wherever they stand."""
    if isinstance(value, dict):
        kept = _LEFT_OUT - {"id2label"}
        return {name: _plain(each) for name, each in value.items() if name not in kept and not name.startswith("_")}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _name(said: Mapping[str, Any]) -> str:
    names = said.get("architectures")
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        raise MalformedError(
            "expected architectures in config.json, the class of the network, found none",
            hint="save_pretrained of a model with a head writes it",
        )
    return names[0]


def _library() -> Any:
    """Return transformers, which does not tell of its progress."""
    try:
        with _quiet():
            import transformers
            import transformers.modeling_utils
    except ImportError:
        raise MissingPackageError("expected transformers to be installed", hint="pip install 'modelmark[hf]'") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _config(said: Mapping[str, Any]) -> Any:
    _library()
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = said.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise MalformedError(
            f"expected a model type that transformers knows, got {kind!r:.60}",
            hint=suggest(str(kind), list(CONFIG_MAPPING.keys())) if kind else "config.json names none",
        )
    try:
        return CONFIG_MAPPING[kind].from_dict(dict(said))
    except Exception as error:  # the library's checks raise anything
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise MalformedError(f"expected a configuration of {kind}, got: {lines[-1][:160]}") from None


def _class(said: Mapping[str, Any], kind: str) -> Any:
    """Return the class of the network that a configuration names; nothing but a network of that kind."""
    library, name = _library(), _name(said)
    found = getattr(library, name, None) if name.isidentifier() else None
    right = isinstance(found, type) and issubclass(found, library.PreTrainedModel)
    if not right or getattr(getattr(found, "config_class", None), "model_type", "") != kind:
        raise MalformedError(f"expected a network of {kind} that transformers has, got {name!r:.80}")
    return found


def _require_modest(said: Any) -> None:
    """Refuse numbers that no network has: what is built is a claimant's word."""
    if isinstance(said, Mapping | list):
        for name, each in said.items() if isinstance(said, Mapping) else enumerate(said):
            most = MOST_LABELS if name == "num_labels" else MOST_COUNT
            if type(each) is int and abs(each) > most and "theta" not in str(name):
                raise MismatchError(f"expected sizes of at most {most} in a configuration, got {name!s:.40} = {each}")
            _require_modest(each)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what other packages log while they are imported from the terminal: what they lack is not needed here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _counted() -> Iterator[None]:
    """Refuse a network of more than ``MOST_MODULES`` modules while it is built, before the others are made."""
    from torch.nn.modules.module import register_module_module_registration_hook

    count = 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += 1
        if count > MOST_MODULES:
            raise MismatchError(
                f"expected a network of at most {MOST_MODULES} modules, the configuration asks for more"
            )

    handle = register_module_module_registration_hook(one_more)
    try:
        yield
    finally:
        handle.remove()

"""Networks in several files: an index that says which tensor is where, or files numbered ``-00001-of-00003``."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files import unique
from modelmark.suspects.files.base import HEADER, Reader, WeightFile, require_names
from modelmark.suspects.files.dtypes import Array

_FILES = 10_000  # shards of a network
_NUMBERED = re.compile(r"(.*)-0*(\d+)-of-0*(\d+)(\.[a-z]+)")
# names in a folder, in the order in which they are looked for
INDEXES = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
)
WHOLE = ("model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
# what trainers put beside the weights
BESIDE = (
    "optimizer.pt",
    "optimizer.bin",
    "scheduler.pt",
    "scheduler.bin",
    "scaler.pt",
    "training_args.bin",
    "rng_state.pth",
)
# names that tell what a folder is instead, and the way on
FOREIGN = (
    ("saved_model.pb", "a SavedModel of TensorFlow", "build the network in torch and copy the weights by layer"),
    ("coremldata.bin", "a compiled Core ML model", "give the .mlpackage that it was compiled from"),
    ("zero_to_fp32.py", "a checkpoint of DeepSpeed", "join it with the script in it: python zero_to_fp32.py . OUT"),
    ("zero_pp_rank_0_mp_rank_00_model_states.pt", "one step of a checkpoint of DeepSpeed, whose weights are cut by process",
     "join it with the script in the folder above: python zero_to_fp32.py . OUT"),
    ("latest_checkpointed_iteration.txt", "checkpoints of Megatron-LM",
     "export one to Hugging Face, with Megatron Bridge or tools/checkpoint/convert.py, and give that"),
    ("mp_rank_00", "a checkpoint of Megatron-LM, cut by process",
     "export it to Hugging Face, with Megatron Bridge or tools/checkpoint/convert.py, and give that"),
    ("mp_rank_00_000", "a checkpoint of Megatron-LM, cut by process",
     "export it to Hugging Face, with Megatron Bridge or tools/checkpoint/convert.py, and give that"),
)  # fmt: skip


def is_index(head: bytes) -> bool:
    """Return whether the first bytes are those of an index of shards."""
    return head.lstrip()[:1] == b"{" and (b'"weight_map"' in head or b'"total_size"' in head)


def inside(folder: Path, *are_weights: Callable[[Path], bool]) -> tuple[Path, dict[str, str]]:
    """Return the one network in a folder: a file, or an index with the shard of every tensor.

    Without an index, numbered files are the shards; which tensor is in which is then found by opening them.

    Args:
        folder: a network as it is downloaded, or a trainer's checkpoint.
        are_weights: say of a file whether its first bytes are those of weights; the first that says so of any file decides.

    Raises:
        MalformedError: none in it, or several that might be meant.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise MalformedError(f"expected a folder of weights at {folder}, cannot read it: {error.strerror}") from None
    for name in (*INDEXES, *WHOLE):
        if name in names:
            return folder / name, listed(folder / name) if name in INDEXES else {}
    indexes = [name for name in names if name.endswith((".index.json", ".weights.json"))]  # the latter of Keras
    if len(indexes) == 1:
        return folder / indexes[0], listed(folder / indexes[0])
    for sign, what, hint in FOREIGN:
        if sign in names:
            raise MalformedError(f"expected weights in {folder}, got {what}", hint=hint)
    numbered = [match for name in names if (match := _NUMBERED.fullmatch(name))]
    if sets := {(match[1], match[3], match[4]) for match in numbered}:
        return folder, _numbered(folder, numbered, sets)
    files = [name for name in names if name not in BESIDE and (folder / name).is_file()]
    kinds = ([name for name in files if are(folder / name)] for are in are_weights)
    found = next((kind for kind in kinds if kind), [])
    if len(found) == 1:
        return folder / found[0], {}
    got = f"several: {', '.join(found[:4])}" if found else "none"
    raise MalformedError(f"expected one file or index of weights in {folder}, got {got}", hint="name the file")


def _numbered(folder: Path, found: list[re.Match[str]], sets: set[tuple[str, str, str]]) -> dict[str, str]:
    if len(sets) > 1:
        raise MalformedError(f"expected the shards of one network in {folder}, got several", hint="give it a folder")
    count = int(found[0][3])
    missing = sorted({*range(1, count + 1)} - {int(match[2]) for match in found}) if count <= _FILES else [_FILES + 1]
    if missing:
        raise MalformedError(f"expected {counted(count, 'shard')} in {folder}, got none with the number {missing[0]}")
    return {f"shard {match[2]}": match[0] for match in found}


def listed(path: Path) -> dict[str, str]:
    """Return the shard of every tensor by an index.

    Raises:
        MalformedError: not an index, too long, or a shard outside its folder.
    """
    found: dict[str, str] = {}
    for name, held in _index(path)["weight_map"].items():
        for number, shard in enumerate(held if isinstance(held, list) else [held]):
            found[f"{name} {number}" if number else name] = shard
    require_names(path, found)
    for shard in sorted(set(found.values())):
        place = PurePosixPath(shard)
        if place.is_absolute() or ".." in place.parts or "\\" in shard or "\0" in shard:
            raise MalformedError(f"expected shards beside {path}, got one at {shard!r}")
    return found


def _index(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > HEADER:
        raise MalformedError(f"expected an index of at most {HEADER} bytes in {path}, got {size}")
    try:
        found: dict[str, Any] = unique.parsed(path.read_bytes(), path)
        shards = [held if isinstance(held, list) else [held] for held in found["weight_map"].values()]
        if not shards or not all(isinstance(shard, str) for held in shards for shard in held) or not all(shards):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MalformedError(f"expected an index of shards in {path}, got something else") from None
    return found


def _tied(path: Path, there: Collection[str]) -> dict[str, str]:
    """Return the names that were left out for another's tensor, which huggingface_hub says in the index and in no shard."""
    said = {} if path.is_dir() else _index(path).get("metadata")
    pairs = said.items() if isinstance(said, dict) else ()
    return {name: kept for name, kept in pairs if name not in there and isinstance(kept, str) and kept in there}


def joined(path: Path, parts: Mapping[str, str], opener: Callable[[Path], WeightFile]) -> WeightFile:
    """Return the files that ``parts`` names as one.

    Args:
        path: of the index, or of the folder.
        parts: file by tensor; tensors that it does not name are there all the same.
        opener: of one file.

    Raises:
        MalformedError: a shard is missing or damaged, lacks a tensor, or two hold one name.
    """
    folder = path if path.is_dir() else path.parent
    where: dict[str, str] = {}
    files = sorted(set(parts.values()))
    if len(files) > _FILES:
        raise MalformedError(f"expected at most {_FILES} shards by {path}, got {len(files)}")
    opened = {name: opener(folder / name) for name in files}
    for shard, file in opened.items():
        for name in file.shapes:
            if name in where:
                raise MalformedError(f"expected {name} in one shard of {path}, got it in {where[name]} and {shard}")
            where[name] = shard
    require_names(path, where)
    lost = sorted(name for name in parts.keys() - where.keys() if not name.startswith("/"))  # so begin groups of Keras
    if not path.is_dir() and lost:
        raise MalformedError(f"expected {lost[0]} in {parts[lost[0]]}, as {path.name} says, found none")
    shapes = {name: opened[shard].shapes[name] for name, shard in where.items()}

    def again() -> Reader:
        fresh: dict[str, Reader] = {}

        def read(name: str) -> Array:
            shard = where[name]
            if shard not in fresh:
                fresh[shard] = opened[shard].again()
            return fresh[shard](name)

        return read

    kinds = " and ".join(sorted({file.what for file in opened.values()}))
    return WeightFile(
        path, f"{counted(len(files), 'shard')} of {kinds}", shapes, lambda name: opened[where[name]].read(name), again,
        notes=tuple(dict.fromkeys(note for file in opened.values() for note in file.notes)),
        unreadable={name: why for file in opened.values() for name, why in file.unreadable.items()},
        aliases={name: kept for file in opened.values() for name, kept in file.aliases.items()} | _tied(path, where),
        types={name: kind for file in opened.values() for name, kind in file.types.items()},
        stored={name: shape for file in opened.values() for name, shape in file.stored.items()},
        rows=frozenset[str]().union(*(file.rows for file in opened.values())),
        called=lambda name: next((here for file in opened.values() if (here := file.called(name)) in where), ""),
        metadata={name: said for file in opened.values() for name, said in file.metadata.items()},
    )  # fmt: skip

"""Adapters of peft over a base: LoRA and DoRA, merged here in float32, a layer at a time.

Source: Hu et al. 2022 (LoRA: ``W + s B A``), Liu et al. 2024 (DoRA: rows of that to a length ``m`` each); names and settings as
peft 0.21.2 writes them. ``s`` is alpha over the rank, or over its root (rsLoRA).
"""

import contextlib
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError, MismatchError
from modelmark.naming import counted
from modelmark.suspects.files import unique
from modelmark.suspects.files.base import Reader, WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.fitting import name_of
from modelmark.suspects.files.mapped import remembering

CONFIG, WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
_PREFIX = "base_model.model."
_MOST = 2**24  # bytes of a configuration
_PIECE = 2**20  # numbers merged at a time
_PLAIN = re.compile(r"[\w.^$|\\*+-]{1,200}")  # patterns without groups, which cannot take for ever
# settings with which the factors mean something else
_OTHERS = (
    "use_qalora", "use_bdlora", "layer_replication", "megatron_config", "arrow_config", "kasa_config", "monteclora_config",
)  # fmt: skip
_CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")  # beginnings for which peft changes the base, too


@dataclass(frozen=True)
class Delta:
    """What an adapter adds to one weight.

    Args:
        down: name of A, ``(r, inputs)`` or of a kernel.
        up: name of B, ``(outputs, r)``.
        length: name of DoRA's lengths, one a row; empty: LoRA.
        scale: s.
        turned: whether the base has inputs first.
    """

    down: str
    up: str
    length: str
    scale: float
    turned: bool

    def merged(self, weight: Array, read: Callable[[str], Array]) -> Array:
        """Return the weight with the adapter in it, float32."""
        made = np.array(weight, np.float32)  # a copy
        rows = made.T if self.turned else made.reshape(len(made), -1)
        down, up = read(self.down).astype(np.float64), read(self.up).astype(np.float64)
        down, up = down.reshape(len(down), -1), up.reshape(-1, len(down))
        length = read(self.length).astype(np.float64).reshape(-1, 1) if self.length else None
        step = max(1, _PIECE // max(1, rows.shape[1]))
        for start in range(0, len(rows), step):
            piece = rows[start : start + step].astype(np.float64) + self.scale * (up[start : start + step] @ down)
            if length is not None:
                piece *= length[start : start + step] / np.linalg.norm(piece, axis=1, keepdims=True)
            rows[start : start + step] = piece
        return made


def config_beside(path: Path) -> Path | None:
    """Return the configuration of the adapter that a folder or a file is, None if it is none."""
    folder = path if path.is_dir() else path.parent
    is_one = (path.is_dir() or path.name in WEIGHTS) and (folder / CONFIG).is_file()
    return folder / CONFIG if is_one else None


def opened(config: Path, base: Path | None, opener: Callable[[Path], WeightFile]) -> WeightFile:
    """Return the base with the adapter in it; layers without one are the base's own.

    Args:
        config: the adapter's configuration; its weights lie beside it.
        base: the network that it adapts; left out: the one that the configuration names, if that is a folder here.
        opener: of weights that are no adapter.

    Raises:
        MalformedError: no base, an adapter of another kind, or one that does not go with this base.
    """
    said = _parsed(config)
    named = next((config.parent / name for name in WEIGHTS if (config.parent / name).is_file()), None)
    if named is None:
        raise MalformedError(f"expected {WEIGHTS[0]} beside {config}, found none")
    what = str(said.get("base_model_name_or_path"))[:200]
    if base is None and not ("\0" in what or not Path(what).is_dir()):
        base = Path(what)
    if base is None:
        raise MalformedError(
            f"expected weights in {config.parent}, got an adapter without the network it adapts, {what!a}",
            hint="name that network's file or folder: --base BASE",
        )
    if config_beside(base) is not None:
        raise MalformedError(
            f"expected a network as the base of {config.parent}, got another adapter, {base}",
            hint="merge one of them first: merge_and_unload, then save_pretrained",
        )
    return _merged(config, said, opener(named), opener(base))


def _merged(config: Path, said: dict[str, Any], adapter: WeightFile, base: WeightFile) -> WeightFile:
    deltas: dict[str, Delta] = {}
    own: dict[str, str] = {}  # tensors that the adapter has whole
    unreadable: dict[str, str] = {}
    for name in adapter.shapes:
        path, kind = _kind(name)
        if kind in ("lora_A", "lora_embedding_A"):
            where = _at(base, path)
            try:
                deltas[where] = _delta(said, adapter, base, name, path, where)
            except MismatchError as error:
                unreadable[name] = str(error)
        elif name.endswith(".lora_B.bias"):
            unreadable[name] = "a bias of a factor"
        elif not kind:
            own[_at(base, path, whole=True)] = name
        elif "lora" not in kind:
            unreadable[name] = f"{kind} of peft"
    if not deltas and not own:
        raise MalformedError(f"expected an adapter of peft in {config.parent}, got no tensors of one")
    ranks = Counter(adapter.shapes[delta.down][0] for delta in deltas.values())
    notes = [f"merged: {kind} in {counted(count, 'layer')} over {base.path.name}, rank {', '.join(map(str, sorted(ranks)))}"
             for kind, count in Counter("DoRA" if delta.length else "LoRA" for delta in deltas.values()).items()]  # fmt: skip
    notes += [f"taken whole from the adapter: {counted(len(own), 'tensor')}"] if own else []
    notes += [f"left aside of the adapter: {name}, {why}" for name, why in [*unreadable.items()][:3]]
    begun = str(said.get("init_lora_weights")).lower()
    if begun.startswith(_CHANGING):
        notes.append(f"the adapter was begun by {begun[:20]}, which changes its base: that base is needed, too")

    def again() -> Reader:
        return _reader(deltas, own, base.again(), adapter.again())

    return replace(
        base, path=config.parent, what=f"{base.what} with an adapter", notes=(*base.notes, *notes),
        shapes={**base.shapes, **{name: adapter.shapes[theirs] for name, theirs in own.items()}},
        types={**base.types, **{name: adapter.types.get(theirs, "") for name, theirs in own.items()}},
        stored={name: shape for name, shape in base.stored.items() if name not in own},
        read=_reader(deltas, own, base.read, adapter.read), again=again, unreadable={**base.unreadable, **unreadable},
    )  # fmt: skip


def _reader(deltas: dict[str, Delta], own: dict[str, str], base: Reader, adapter: Reader) -> Reader:
    def read(name: str) -> Array:
        if name in own:
            return adapter(own[name])
        delta = deltas.get(name)
        if delta is None:
            return base(name)
        with np.errstate(all="ignore"):  # rows of no length are no numbers, and whoever needs them says so
            return delta.merged(base(name), adapter)

    return remembering(read)


def _kind(name: str) -> tuple[str, str]:
    """Return the path of a tensor in the base, and what it is to the adapter: nothing where it is taken whole."""
    path = name.removeprefix(_PREFIX)
    found = re.search(
        r"\.(lora_[A-Za-z_]+|token_adapter|ia3_l|vera_lambda_[bd]|hada_\w+|oft_\w+|boft_\w+)(?:\.|$)", path
    )
    return (path[: found.start()], found[1]) if found else (path, "")


def _at(base: WeightFile, path: str, *, whole: bool = False) -> str:
    """Return what the base calls a layer's weight, or a tensor; the same name where it has none."""
    inner = path.partition(".")[2]  # a base that was saved without its head lacks the first part
    forms = (path, inner) if whole else (f"{path}.weight", path, f"{inner}.weight", inner)
    for form in forms:
        if form in base.shapes:
            return form
    with contextlib.suppress(MismatchError):
        return name_of(base, path) if not whole or path.endswith(".weight") else path
    return forms[0]


def _delta(said: dict[str, Any], adapter: WeightFile, base: WeightFile, down: str, path: str, where: str) -> Delta:
    """Return what is added to one weight of the base.

    Raises:
        MismatchError: the base has no such layer, or one of another shape.
    """
    if where not in base.shapes:
        raise MismatchError(f"the base has no layer {path[:150]}")
    up = down.replace("lora_A", "lora_B").replace("lora_embedding_A", "lora_embedding_B")
    if up not in adapter.shapes:
        raise MismatchError(f"without {up[-150:]}")
    rank, *inputs = adapter.shapes[down]
    outputs, *others = adapter.shapes[up]
    shape, count = base.shapes[where], math.prod(inputs)
    flat = (shape[0], math.prod(shape[1:])) if shape else (0, 0)
    is_embedding = "lora_embedding_A" in down
    fits, fits_turned = flat == (outputs, count), len(shape) == 2 and flat == (count, outputs)
    wants = is_embedding or (said.get("fan_in_fan_out") is True and where not in base.rows)
    if not rank or math.prod(others) != rank or not (fits or fits_turned):
        raise MismatchError(f"factors of {adapter.shapes[up]} and {adapter.shapes[down]} do not make {shape}")
    stem = down[: down.rindex(".lora_")]
    length = next(
        (n for n in (f"{stem}.lora_magnitude_vector", f"{stem}.lora_magnitude_vector.weight") if n in adapter.shapes),
        "",
    )
    if length and math.prod(adapter.shapes[length]) != outputs:
        raise MismatchError(f"lengths of {adapter.shapes[length]} for {outputs} rows")
    alpha = _alpha(said, path)
    scale = alpha / (math.sqrt(rank) if said.get("use_rslora") is True else rank)
    return Delta(down, up, length, scale, fits_turned and (wants or not fits))


def _alpha(said: dict[str, Any], path: str) -> float:
    """Return alpha of a layer, which a pattern may set for some."""
    found = said.get("lora_alpha", 8)
    for pattern, value in said["alpha_pattern"].items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            found = value
            break
    return float(found)


def _parsed(path: Path) -> dict[str, Any]:
    """Return the configuration of an adapter that can be merged."""
    damaged = MalformedError(f"expected the configuration of an adapter in {path}, got something else")
    if path.stat().st_size > _MOST:
        raise damaged
    try:
        found = unique.parsed(path.read_bytes(), path)
        patterns = found.setdefault("alpha_pattern", {}) or {}
        numbers = [found.get("lora_alpha", 8), *patterns.values()]
        if (
            not all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            or len(patterns) > 10_000
        ):
            raise ValueError
        plain = all(_PLAIN.fullmatch(pattern) and len(re.findall(r"[*+]", pattern)) <= 3 for pattern in patterns)
        for pattern in patterns if plain else ():
            re.compile(pattern)
    except (ValueError, TypeError, AttributeError, OverflowError, re.error):
        raise damaged from None
    found["alpha_pattern"] = patterns
    kind = str(found.get("peft_type"))[:30]
    if kind != "LORA" or not plain or any(found.get(name) for name in _OTHERS):
        odd = next((name for name in _OTHERS if found.get(name)), "patterns of groups" if not plain else kind)
        raise MalformedError(
            f"expected an adapter of LoRA or DoRA in {path.parent}, got one with {odd}",
            hint="merge it into its base first: merge_and_unload, then save_pretrained",
        )
    return dict(found)

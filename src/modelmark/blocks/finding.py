"""Finding the parts of a transformer by the names and sizes of its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from modelmark.blocks import names
from modelmark.blocks.description import Attention, Basis, Freedom, Linear, Norm, Part, Transformer, Units

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Traits:
    """What names and sizes do not say, as far as it is known.

    Args:
        heads: of attention; 0: not known.
        size: of a head; 0: the queries' share.
        after: whether norms stand behind the additions; None: not known, and those that have one more behind all blocks do not.
        centred: whether norms throw the mean away; None: those with a bias do.
        freedom: of a hidden unit without a gate.
        tied: names that share the tensor of another, by whose name it is described.
    """

    heads: int = 0
    size: int = 0
    after: bool | None = None
    centred: bool | None = None
    freedom: Freedom = "positive"
    tied: Mapping[str, str] = field(default_factory=dict)


def described(shapes: Shapes, traits: Traits | None = None) -> Transformer | None:
    """Return what the weights are to each other; None of a network that has no block as transformers have them.

    Args:
        shapes: of all weights, by state-dict name.
        traits: what else is known.
    """
    traits = traits or Traits()
    if traits.after is None:
        last = any(names.NORMS.search(_module(name)) and not names.BLOCK.match(name) for name in shapes)
        traits = replace(traits, after=not last)
    inside: dict[str, dict[str, str]] = {}
    outside: list[str] = []
    for name in shapes:
        if names.IGNORED.search(name):
            continue
        if found := names.BLOCK.match(name):
            inside.setdefault(found["path"], {})[found["rest"]] = name
        else:
            outside.append(name)
    rotary = not any(names.POSITIONS.search(_module(name)) for name in outside)
    blocks, unknown = [], []
    for path, there in inside.items():
        finder = _Block(path, {rest: tuple(shapes[name]) for rest, name in there.items()}, traits, rotary=rotary)
        block = finder.part()
        if block is not None:
            blocks.append(block)
            unknown += [there[rest] for rest in there if rest not in finder.used]
        else:
            outside += there.values()
    if not blocks:
        return None
    width = int(shapes[blocks[0].norms[0].weight][0])
    first, rest = _outside({name: tuple(shapes[name]) for name in outside}, width, traits)
    before = all(norm.readers for block in blocks for norm in block.norms)
    pre = before and len(first.norms) == 1 and set(first.norms[0].readers) == set(first.readers)
    if not pre:
        first = Part("", first.writers, first.readers, tuple(_alone(norm) for norm in first.norms), units=first.units)
    return Transformer(width, (first, *blocks), pre, traits.tied, (*unknown, *rest))


def _alone(norm: Norm) -> Norm:
    return Norm(norm.weight, norm.bias, norm.centred)


class _Block:
    """One block, by the names behind its prefix."""

    def __init__(self, path: str, shapes: Shapes, traits: Traits, *, rotary: bool) -> None:
        self._path, self._shapes, self._traits, self._rotary = path, shapes, traits, rotary
        self.used: set[str] = set()

    def part(self) -> Part | None:
        """Return the block, or None where a layer that every block has is missing or does not fit."""
        first, second = self._found("first"), self._found("second")
        out, up, down = self._found("out"), self._found("up"), self._found("down")
        if not (first and second and out and up and down):
            return None
        (width,) = self._shapes[f"{first}.weight"]
        turned = any(
            name in names.TURNED and self._shapes[f"{name}.weight"][0] == width != self._shapes[f"{name}.weight"][1]
            for name in (self._found("qkv"), up)
        )
        written, read = self._linear(out, turned), self._linear(up, turned)
        heard = self._sizes(written)[1]
        attended = self._attended(heard, turned)
        if attended is None or self._sizes(written)[0] != width or self._sizes(read)[1] != width:
            return None
        gate = self._found("gate")
        makers = (read, self._linear(gate, turned)) if gate else (read,)
        lower = self._linear(down, turned)
        after = first in names.AFTER or (first in names.EITHER and bool(self._traits.after))
        norms = (
            self._norm(first, () if after else attended),
            self._norm(second, () if after else makers),
        )
        return Part(
            self._path,
            (written, lower),
            (*attended, *makers),
            norms,
            self._attention(attended, written, heard),
            (Units(makers, makers[:1], (lower,), "any" if gate else self._traits.freedom),),
        )

    def _found(self, role: names.Role) -> str:
        there = (name for name in names.INSIDE[role] if _weight(name) in self._shapes)
        return next(there, "")

    def _linear(self, name: str, turned: bool, rows: tuple[int, int] | None = None) -> Linear:
        weight, bias = _weight(name), _weight(name)[: -len("weight")] + "bias"
        self.used |= {weight, bias} & self._shapes.keys()
        turned = turned and name in names.TURNED
        return Linear(self._path + weight, self._path + bias if bias in self._shapes else "", turned, rows)

    def _norm(self, name: str, readers: tuple[Linear, ...]) -> Norm:
        bias = f"{name}.bias" in self._shapes
        self.used |= {f"{name}.weight", f"{name}.bias"} & self._shapes.keys()
        centred = bias if self._traits.centred is None else self._traits.centred
        return Norm(f"{self._path}{name}.weight", f"{self._path}{name}.bias" if bias else "", centred, readers)

    def _sizes(self, linear: Linear) -> tuple[int, int]:
        shape = self._shapes[linear.weight.removeprefix(self._path)]
        return (shape[1], shape[0]) if linear.turned else (shape[0], shape[1])

    def _attended(self, heard: int, turned: bool) -> tuple[Linear, Linear, Linear] | None:
        """Return query, key and value."""
        if fused := self._found("qkv"):
            total = self._sizes(self._linear(fused, turned))[0]
            shared = (total - heard) // 2
            ends = (0, heard, heard + shared, total)
            return (
                self._linear(fused, turned, ends[0:2]),
                self._linear(fused, turned, ends[1:3]),
                self._linear(fused, turned, ends[2:4]),
            )
        query, key, value = self._found("query"), self._found("key"), self._found("value")
        if not (query and key and value):
            return None
        return self._linear(query, turned), self._linear(key, turned), self._linear(value, turned)

    def _attention(self, attended: tuple[Linear, Linear, Linear], out: Linear, heard: int) -> Attention:
        query, key, value = attended
        shared = key.rows[1] - key.rows[0] if key.rows else self._sizes(key)[0]
        heads = self._traits.heads
        size = self._traits.size or (heard // heads if heads else 0)
        groups = shared // size if size else 0
        normed = [name for name in names.INSIDE["keys"] if f"{name}.weight" in self._shapes]
        self.used |= {f"{name}.weight" for name in normed}
        basis: Basis = "none" if normed else "pairs" if self._rotary else "any"
        return Attention(query, key, value, out, heard // size if size else 0, groups, basis)


def _weight(name: str) -> str:
    return f"{name}weight" if name.endswith("_") else f"{name}.weight"


def _module(name: str) -> str:
    """Return a tensor's name without ``weight`` or ``bias``."""
    module, _, last = name.rpartition(".")
    return module if last in ("weight", "bias") else name


def _outside(shapes: Shapes, width: int, traits: Traits) -> tuple[Part, tuple[str, ...]]:
    """Return what lies outside of blocks, and the names of which the part is not known."""
    writers: list[Linear] = []
    heads: list[Linear] = []
    poolers: list[Linear] = []
    norms: list[Norm] = []
    unknown: list[str] = []
    for name, shape in shapes.items():
        module = _module(name)
        bias = f"{module}.bias" if name == f"{module}.weight" and f"{module}.bias" in shapes else ""
        if name.endswith(".bias") and f"{module}.weight" in shapes:
            continue  # with its weight
        if names.ASIDE.search(name):
            unknown.append(name)
        elif names.NORMS.search(module) and tuple(shape) == (width,):
            centred = bool(bias) if traits.centred is None else traits.centred
            norms.append(Norm(name, bias, centred))
        elif names.POOLERS.search(module) and len(shape) == 2 and shape[1] == width:
            poolers.append(Linear(name, bias))
        elif names.HEADS.search(module) and len(shape) == 2:
            heads.append(Linear(name, bias))
        elif names.TABLES.search(module) and (turned := _writes(module, shape, width)) is not None:
            writers.append(Linear(name, bias, turned))
        else:
            unknown += [name, *([bias] if bias else [])]
    readers = tuple(poolers or [head for head in heads if shapes[head.weight][1] == width])
    unknown += [head.weight for head in heads if not poolers and head not in readers]
    freedom: Freedom = "positive" if any("pre_classifier" in pooler.weight for pooler in poolers) else "signs"
    units = (Units(tuple(poolers), tuple(poolers), tuple(heads), freedom),) if poolers and heads else ()
    norms = [Norm(norm.weight, norm.bias, norm.centred, readers) for norm in norms]
    return Part("", tuple(writers), readers, tuple(norms), units=units), tuple(unknown)


def _writes(module: str, shape: Sequence[int], width: int) -> bool | None:
    """Return whether the last axis of a table is the stream; False: the first is; None: neither."""
    if names.PATCHES.search(module) and len(shape) > 1 and shape[0] == width:
        return False
    if len(shape) > 1 and shape[-1] == width:
        return True
    return False if len(shape) > 2 and shape[0] == width else None

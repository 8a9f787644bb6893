"""Which tensors of a file are those of a network; what is missing, left aside or of another shape is said, not guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from modelmark.errors import MismatchError
from modelmark.suspects.files.base import WeightFile
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.factors import Computed, Shape, multiplied
from modelmark.suspects.files.names import AS_THEY_ARE, Way, bare, ways
from modelmark.suspects.files.packed import explained

COUNTER = "num_batches_tracked"
"""How the names of batch norm's counters end: torch lacked them until 0.4, other frameworks do, and only training reads them."""
_OUTER = ("model", "net", "network", "backbone", "encoder")  # a network in a class of its owner's


@dataclass(frozen=True)
class Fitted:
    """A file as the state dict of a network.

    Args:
        file: it was read from, with the weights that it stores as factors.
        names: of the file's tensors, by the network's names; all have the shape that is expected.
        missing: names of the network that the file has not.
        left_aside: names of the file that the network has not.
        unfit: names of the network with the shape expected and the shape found.
        others: names of the file's tensors of another shape, by the network's names.
        words: how names were mapped.
        made: how those weights are made.
    """

    file: WeightFile
    names: Mapping[str, str]
    missing: tuple[str, ...]
    left_aside: tuple[str, ...]
    unfit: Mapping[str, tuple[Shape, Shape]]
    others: Mapping[str, str]
    words: str
    made: Mapping[str, Computed] = field(repr=False)

    def tensor(self, name: str) -> Array:
        """Return one tensor by the network's name; nothing else is read."""
        return self.file.tensor(self.names[name])

    @cached_property
    def state(self) -> dict[str, Array]:
        """All tensors that fit, by the network's names."""
        return {name: self.tensor(name) for name in self.names}

    @cached_property
    def any_shape(self) -> dict[str, Array]:
        """All tensors of the network's names, those of another shape too."""
        return self.state | {name: self.file.tensor(theirs) for name, theirs in self.others.items()}

    @property
    def lacks(self) -> tuple[str, ...]:
        """What is missing but for counters, which no reading needs."""
        return tuple(name for name in self.missing if not name.endswith(COUNTER))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was undone and what was left aside, a line each."""
        rules = sorted({self.made[name].rule for name in self.names.values() if name in self.made})
        lines = {
            f"matched by {self.words}": self.words != AS_THEY_ARE,
            f"undone: {', '.join(rules)}": rules,
            f"{some(self.missing)} not there and not needed": self.missing and not self.lacks,
            f"left aside: {some(self.left_aside)}": self.left_aside,
        }
        return tuple(line for line, holds in lines.items() if holds)


def fitted(file: WeightFile, expected: Mapping[str, Shape]) -> Fitted:
    """Map a file's names to a network's.

    Names are taken as they are if all of them fit, else without what wrappers add, else at the one place of a larger
    network where they fit.

    Args:
        file: that is open.
        expected: shape of every tensor by state-dict path.

    Raises:
        MismatchError: they fit at several places, and none is the plain one.
    """
    whole, made = multiplied(file)
    found = whole.shapes
    best: Way | None = None
    most, rivals = (False, -1, -1), list[Way]()
    needed = {name for name in expected if not name.endswith(COUNTER)}
    for way in ways(expected, found):
        fits = sum(found[theirs] == tuple(expected[ours]) for ours, theirs in way.names.items() if ours in needed)
        score = (fits == len(needed), fits, len(way.names))
        if score > most:
            best, most, rivals = way, score, []
        elif score == most and fits and not way.certain and best is not None and not best.certain:
            rivals.append(way)
        if fits == len(needed) and way.certain:
            break
    assert best is not None
    if different := [way for way in rivals if way.names != best.names]:
        places = " and ".join(way.words.removeprefix("names ") for way in (best, *different[:2]))
        raise MismatchError(
            f"expected one network of these shapes in {file.path.name}, got several: {places}",
            hint="save the one that is meant alone",
        )
    return _result(whole, made, expected, best)


def _result(file: WeightFile, made: Mapping[str, Computed], expected: Mapping[str, Shape], way: Way) -> Fitted:
    fits = {ours: theirs for ours, theirs in way.names.items() if file.shapes[theirs] == tuple(expected[ours])}
    others = {ours: theirs for ours, theirs in way.names.items() if ours not in fits}
    used = {part for name in way.names.values() for part in (name, *(made[name].parts if name in made else ()))}
    return Fitted(
        file,
        fits,
        tuple(name for name in expected if name not in way.names),
        tuple(name for name in file.names if name not in used and name not in made),
        {ours: (tuple(expected[ours]), file.shapes[theirs]) for ours, theirs in others.items()},
        others,
        way.words,
        made,
    )


def weight_of(file: WeightFile, path: str, shape: Shape | None = None) -> Array:
    """Return the weight of one layer; of the file nothing else is read.

    Args:
        file: that is open.
        path: of the layer in its network, such as ``stage1.0.conv2``.
        shape: of the weight, if it is known.

    Raises:
        MismatchError: no such layer, or several that may be meant.
    """
    whole, _ = multiplied(file)
    found = {name: of for name, of in whole.shapes.items() if shape is None or of == tuple(shape)}
    return whole.tensor(_place(file, f"{path.removesuffix('.weight')}.weight", found))


def name_of(file: WeightFile, path: str) -> str:
    """Return the name under which a file itself holds the weight of one layer; see ``weight_of``.

    Raises:
        MismatchError: no such layer, several that may be meant, or one whose weight is stored as factors.
    """
    return _place(file, f"{path.removesuffix('.weight')}.weight", file.shapes)


def _place(file: WeightFile, target: str, found: Mapping[str, Shape]) -> str:
    """Return the name of the tensor that ``target`` means: the same, else without wrappers, else the outermost under it."""
    if target in found:
        return target
    if (parameter := target.removesuffix(".weight")) in found:  # a layer whose weights have another name
        return parameter
    if (here := file.called(target)) and here in found:
        return here
    wanted = bare(target)
    outer, _, rest = wanted.partition(".")
    forms = [wanted, rest] if outer in _OUTER else [wanted]
    for form in forms:
        near = [(bare(name).count("."), name) for name in found if f".{bare(name)}".endswith(f".{form}")]
        least = min(near)[0] if near else 0
        outermost = sorted(name for depth, name in near if depth == least)
        if len(outermost) == 1:
            return outermost[0]
        if outermost:
            raise MismatchError(
                f"expected one layer {target.removesuffix('.weight')} in {file.path.name}, got {' and '.join(outermost[:3])}",
                hint="save the network that is meant alone",
            )
    what, hint = explained([*file.shapes, *file.unreadable])
    raise MismatchError(
        f"expected the layer {target.removesuffix('.weight')} in {file.path.name}, found {what or 'none of that name'}",
        hint=hint,
    )


def sized(shape: Shape) -> str:
    """Return a shape as people write it: ``32x3x3x3``; ``scalar`` where there is none."""
    return "x".join(map(str, shape)) or "scalar"


def some(names: Sequence[str]) -> str:
    """Return the first three of some names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

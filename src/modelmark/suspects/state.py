"""A suspect that is a weight file: a layer is read from its one tensor; asking it takes the code of its network, too.

Loads without torch, which ``building`` brings where a network is built.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from modelmark import models
from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Array, Ask, AskBeyond, AskNext, Probe, Read, ReadEach, ReadMean, Sense, Weigh
from modelmark.suspects.files import WeightFile, fused, name_of
from modelmark.suspects.files.factors import Computed, multiplied
from modelmark.suspects.finding import found_in, layout_of, rows_of, size_of
from modelmark.suspects.places import Layout, Place, chosen
from modelmark.suspects.rows import Filters, averages, beside, finite

if TYPE_CHECKING:
    from torch import nn

    from modelmark.suspects.building import Built


class State:
    """A suspect whose weights are in a file.

    Args:
        file: open; nothing of it is read that no probe needs.
        arch: how to build its network: a name in ``models``, or ``module:factory``; empty: not known.
        trusted: whether a person typed ``arch`` just now; only then is a module imported.
        instead: names in ``models`` of which the first that fits is taken where ``arch`` does not.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, AskNext, Read, ReadEach, Sense, Weigh})
    kind = "weights"

    def __init__(self, file: WeightFile, arch: str = "", *, trusted: bool = False, instead: Sequence[str] = ()) -> None:
        self._file, self._arch, self._trusted, self._instead = file, arch, trusted, instead
        self._converted: WeightFile | None = None
        self._product: tuple[str, Array] | None = None
        self.queries = 0
        self.notes: dict[str, None] = dict.fromkeys(file.notes)
        """What was undone and left aside to fit the file to a network, a line each."""

    @property
    def digest(self) -> str:
        """Digest of the tensors, hex; no container changes it."""
        return self._file.digest

    @property
    def file(self) -> WeightFile:
        """The weights."""
        return self._file

    @property
    def arch(self) -> str:
        """How its network is built, as far as that is known."""
        return self._arch

    def told(self, revealed: Mapping[str, str]) -> "State":
        """Return the suspect with the architecture that was revealed, if none was typed; it is not trusted.

        Weights that do not fit it are of another network that is known here, if they fit that.
        """
        if self._arch:
            return self
        arch = revealed.get("arch", "")
        return State(self._file, arch, instead=() if ":" in arch else tuple(models.ARCHITECTURES))

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return what a probe wants; see ``WhiteBox.observe``.

        Raises:
            MismatchError: the file holds no number, the architecture is needed and not known, or weights are missing that the
                answer depends on.
            SuspectError: a number that the answer depends on is NaN or infinite.
        """
        if not self._file.unreadable and not any(map(math.prod, self._file.shapes.values())):
            raise MismatchError(
                f"expected weights in {self._file.path.name}, got a file that holds none",
                hint="modelmark inspect FILE shows the names and sizes of what is in it",
            )
        if isinstance(probe, Read):
            return self._weights(probe.place, mean=isinstance(probe, ReadMean))
        if isinstance(probe, ReadEach):
            return [beside(self._each(probe))]
        if isinstance(probe, Ask | Weigh):
            answers, asked = self._built.asked(probe)
            self.queries += asked
            return answers
        return self._built.sensed(probe)

    def network(self, feed: Feed, like: "nn.Module | None" = None) -> "nn.Module":
        """Return the network with the file's weights, in evaluation mode; its layers may have widths of their own.

        Args:
            feed: how it is fed.
            like: a network of the same code, whose last layer stands in for one of the suspect's with other outputs.

        Raises:
            MismatchError: the architecture is not known, weights are missing, or shapes differ by more than widths.
        """
        return self._built.network(feed, like)

    @cached_property
    def _built(self) -> "Built":
        from modelmark.suspects.building import Built  # loads torch, which weights alone do not need

        return Built(self._file, self._arch, trusted=self._trusted, instead=self._instead, notes=self.notes)

    def _weights(self, place: Place, *, mean: bool) -> list[Array]:
        """Return the rows of a place, or of all that may be meant; or the mean of each."""
        whole, made = self._holding([place])
        layouts = self._layouts(whole, place)
        if mean:
            shapes = whole.shapes
            return [*averages(
                Filters(size_of(layout, shapes[name])[0], partial(self._filters, name, layout, made.get(name)))
                for name, layout in layouts.items()
            )]  # fmt: skip
        return [*finite((rows_of(whole.tensor(name), layout) for name, layout in layouts.items()), "weights")]

    def _layouts(self, whole: WeightFile, place: Place) -> dict[str, Layout]:
        """Return which tensors may be meant by a place, the likeliest first, and how each holds its filters."""
        try:
            name = name_of(whole, place.path)
        except MismatchError:
            layouts = {name: layout for name in whole.shapes if (layout := layout_of(whole, name, place))}
            names = chosen({name: (place.width, layout.role) for name, layout in layouts.items()}, place)
            self.notes |= {f"no layer of the key's name, read where the size fits: {', '.join(names[:3])}": None}
            return {name: layouts[name] for name in names}
        layout = layout_of(whole, name, place)
        if layout is None:
            shape = whole.shapes[name]
            width = math.prod(shape) // max(shape[0], 1) if shape else 1
            raise MismatchError(f"expected the marked layer to average to M = {place.width} weights, got {width}")
        return {name: layout}

    def _holding(self, places: Sequence[Place]) -> tuple[WeightFile, dict[str, Computed]]:
        """Return the file with what it stores in another form than the places name it, and how that is made."""
        whole, made, notes = fused.offered(
            *multiplied(self._named(places)), (fused.Wanted(one.path, one.width) for one in places)
        )
        self.notes |= dict.fromkeys(notes.values())
        return whole, made

    def _named(self, places: Sequence[Place]) -> WeightFile:
        """Return the file under the names that places have, which transformers writes otherwise than its networks have them."""
        if self._arch.startswith(models.hugging.PREFIX) and self._converted is None:
            try:
                for place in places:
                    name_of(self._file, place.path)
            except MismatchError:
                from modelmark.suspects.building import as_named

                self._converted = as_named(self._file, self._arch, trusted=self._trusted)
                self.notes |= dict.fromkeys(self._converted.notes)
        return self._converted or self._file

    def _each(self, probe: ReadEach) -> list[Filters | None]:
        """Return the filters of each place, None where the file has none of that size."""
        whole, made = self._holding(probe.places)
        wanted = [(filters, place.width) for place, filters in zip(probe.places, probe.filters, strict=True)]
        names, guesses = found_in(whole, probe.places, wanted)
        if guesses:
            there = "layers" if guesses < len(names) else "no layers"
            self.notes |= {f"{there} of the key's names, {guesses} read by their sizes and order": None}
        found: list[Filters | None] = []
        for place, size, name in zip(probe.places, wanted, names, strict=True):
            layout = None if name is None else layout_of(whole, name, place)
            if name is None or layout is None or size_of(layout, whole.shapes[name]) != size:
                found.append(None)
            else:
                found.append(Filters(size[0], partial(self._filters, name, layout, made.get(name))))
        return found

    def _filters(self, name: str, layout: Layout, computed: Computed | None) -> Array:
        """Return a tensor as filters, mapped anew: a page once read counts as memory until its mapping goes."""
        read = (self._converted or self._file).again()
        if computed is None:
            return rows_of(read(name), layout)
        if len(computed.parts) == 1:  # a view of one tensor
            return rows_of(computed.product(read(computed.parts[0])), layout)
        if self._product is None or self._product[0] != name:  # factors take as long to multiply for a slice as for all
            self._product = name, computed.product(*map(read, computed.parts))
        return rows_of(self._product[1], layout)

"""A suspect that is a weight file: a layer is read from its one tensor; asking it takes the code of its network, too."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark import models
from modelmark.channels import resized
from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.suspects import weights
from modelmark.suspects.base import ABSTAIN, Array, Ask, AskBeyond, Probe, Read, ReadEach, Sense
from modelmark.suspects.feeding import batch_size, fed
from modelmark.suspects.files import Fitted, WeightFile, fitted, name_of
from modelmark.suspects.files.factors import Computed, multiplied
from modelmark.suspects.finding import found_in, layout_of, rows_of, size_of
from modelmark.suspects.module import WhiteBox, finite, logits
from modelmark.suspects.places import Layout, Place, chosen
from modelmark.suspects.rows import Filters, beside

MOST_TIMES, MOST_ANYWAY = 8, 2**24
"""How much larger than its file a network may be, as cut channels make files smaller; and what is built for any file."""


class State:
    """A suspect whose weights are in a file.

    Args:
        file: open; nothing of it is read that no probe needs.
        arch: how to build its network: a name in ``models``, or ``module:factory``; empty: not known.
        trusted: whether a person typed ``arch`` just now; only then is a module imported.
        instead: names in ``models`` of which the first that fits is taken where ``arch`` does not.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, Read, ReadEach, Sense})
    kind = "weights"

    def __init__(self, file: WeightFile, arch: str = "", *, trusted: bool = False, instead: Sequence[str] = ()) -> None:
        self._file, self._arch, self._trusted, self._instead = file, arch, trusted, instead
        self._networks: dict[tuple[tuple[int, ...], int], nn.Module] = {}
        self.queries = 0
        self.notes: dict[str, None] = dict.fromkeys(file.notes)
        """What was undone and left aside to fit the file to a network, a line each."""

    @property
    def digest(self) -> str:
        """Digest of the tensors, hex; no container changes it."""
        return self._file.digest

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
            return self._weights(probe.place)
        if isinstance(probe, ReadEach):
            return [beside(self._each(probe))]
        if isinstance(probe, Ask):
            asked = WhiteBox(self.network(probe.feed))
            answers = asked.observe(probe)
            self.queries += asked.queries
            if none := int((answers[0] == ABSTAIN).sum()):
                self.notes |= {f"{none} of {len(answers[0])} answers are no numbers and count as none": None}
            return answers
        network, missing = self._partly(probe.feed)
        with _refusing(network, missing):
            received = taps.received(network, probe.place, fed(probe), last=True, batch=batch_size(probe.feed))
            return finite(received, "activations")

    def network(self, feed: Feed, like: nn.Module | None = None) -> nn.Module:
        """Return the network with the file's weights, in evaluation mode; its layers may have widths of their own.

        Args:
            feed: how it is fed.
            like: a network of the same code, whose last layer stands in for one of the suspect's with other outputs.

        Raises:
            MismatchError: the architecture is not known, weights are missing, or shapes differ by more than widths.
        """
        known = feed.input_shape, feed.classes
        if like is None and known in self._networks:
            return self._networks[known]
        network = self._first(feed, like)
        if like is None:
            self._networks[known] = network
        return network

    def _first(self, feed: Feed, like: nn.Module | None) -> nn.Module:
        """Return the network by the first code that the weights fit."""
        try:
            return self._loaded(self._fresh(self._arch, feed), feed, like)
        except MismatchError as error:
            refusal = error
        if self._instead and not self._arch:
            problem = f"expected weights of a network that is known here, got others in {self._file.path.name}"
            refusal = MismatchError(problem, hint="name the code of its network: --arch NAME")
        for arch in self._instead:
            with contextlib.suppress(MismatchError):
                network = self._loaded(self._fresh(arch, feed), feed, like)
                self.notes |= {f"read with the code of {arch}, which it fits": None}
                return network
        raise refusal

    def _loaded(self, plain: nn.Module, feed: Feed, like: nn.Module | None) -> nn.Module:
        fit = self._fitted(plain)
        if fit.unfit and not fit.lacks:
            state = plain.state_dict() | fit.any_shape | (_other_head(fit, like) if like is not None else {})
            with contextlib.suppress(MismatchError, RuntimeError):  # no network either: what loading says is clearer
                network = resized(plain, state).eval()
                logits(network, Normalise(feed)(torch.from_numpy(feed.example(1))))
                return network
        weights.apply(plain, self._file, what=f"weights in {self._file.path.name}", finite=False)
        return plain.eval()

    def _weights(self, place: Place) -> list[Array]:
        whole, _ = multiplied(self._file)
        try:
            name = name_of(whole, place.path)
        except MismatchError:
            pass
        else:
            found, layout = whole.tensor(name), layout_of(whole, name, place)
            if layout is None:
                width = found.numel() // max(len(found), 1)
                raise MismatchError(f"expected the marked layer to average to M = {place.width} weights, got {width}")
            return [*finite([rows_of(found, layout)], "weights")]
        layouts = {name: layout for name in whole.shapes if (layout := layout_of(whole, name, place))}
        names = chosen({name: (place.width, layout.role) for name, layout in layouts.items()}, place)
        self.notes |= {f"no layer of the key's name, read where the size fits: {', '.join(names[:3])}": None}
        return [*finite((rows_of(whole.tensor(name), layouts[name]) for name in names), "weights")]

    def _each(self, probe: ReadEach) -> list[Filters | None]:
        """Return the filters of each place, None where the file has none of that size."""
        whole, made = multiplied(self._file)
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

    def _filters(self, name: str, layout: Layout, computed: Computed | None) -> Tensor:
        """Return a tensor as filters, mapped anew: a page once read counts as memory until its mapping goes."""
        read = self._file.again()
        return rows_of(computed.product(*map(read, computed.parts)) if computed else read(name), layout)

    def _fresh(self, arch: str, feed: Feed) -> nn.Module:
        if not arch:
            raise MismatchError("expected the suspect's architecture, it was neither typed nor revealed")
        if arch in models.ARCHITECTURES:
            self._require_modest(arch, models.numbers(arch, feed.input_shape, feed.classes))
        return models.build(arch, feed.input_shape, feed.classes, seed=0, trusted=self._trusted)

    def _require_modest(self, arch: str, wanted: int) -> None:
        """Raise MismatchError if a network is far larger than the file: its sizes are a claimant's word."""
        there = sum(math.prod(shape) for shape in self._file.shapes.values())
        if wanted > max(MOST_TIMES * there, MOST_ANYWAY):
            raise MismatchError(
                f"expected weights for this architecture, {arch} has {wanted} of them at the sizes of the key, "
                f"and {self._file.path.name} {there}"
            )

    def _fitted(self, plain: nn.Module) -> Fitted:
        fit = fitted(self._file, {name: tuple(tensor.shape) for name, tensor in plain.state_dict().items()})
        self.notes |= dict.fromkeys(fit.notes)
        return fit

    def _partly(self, feed: Feed) -> tuple[nn.Module, list[str]]:
        """Return the network with what fits it, and the names of the parameters and buffers that stay as they were built."""
        if self._instead:
            with contextlib.suppress(MismatchError):  # what is there may still reach as far as the layer
                return self.network(feed), []
        plain = self._fresh(self._arch, feed)
        fit = self._fitted(plain)
        plain.load_state_dict(fit.state, strict=False)
        return plain.eval(), [*fit.lacks, *fit.unfit]


def _other_head(fit: Fitted, like: nn.Module) -> dict[str, Tensor]:
    """Return the last layer of ``like`` where the suspect's own differs from it in the number of outputs and no more."""
    path, given = layers.head(like), like.state_dict()
    names = [name for name in (f"{path}.weight", f"{path}.bias") if name in fit.unfit]
    found = fit.any_shape
    return {name: given[name] for name in names if found[name].shape[1:] == given[name].shape[1:]}


@contextlib.contextmanager
def _refusing(network: nn.Module, missing: Sequence[str]) -> Iterator[None]:
    """Refuse to run modules whose parameters are not the suspect's."""
    paths = {name.rpartition(".")[0] for name in missing}

    def refuse(module: nn.Module, args: object) -> None:
        raise MismatchError(f"expected the suspect's weights for this architecture, got no {missing[0]} that fits")

    handles = [network.get_submodule(path).register_forward_pre_hook(refuse) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

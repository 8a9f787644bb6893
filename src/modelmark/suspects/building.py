"""The network of a weight file: its code with the file's weights in it, and what it answers and receives."""

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from modelmark import models
from modelmark.channels import resized
from modelmark.errors import MismatchError, ModelmarkError
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.models import hugging
from modelmark.networks import layers, taps
from modelmark.suspects import library, recognising, torching, weights
from modelmark.suspects.base import ABSTAIN, Array, Ask, Sense, Weigh
from modelmark.suspects.feeding import batch_size, fed
from modelmark.suspects.files import Fitted, WeightFile, fitted
from modelmark.suspects.module import WhiteBox, logits
from modelmark.suspects.rows import finite

MOST_TIMES, MOST_ANYWAY = 8, 2**24
"""How much larger than its file a network may be, as cut channels make files smaller; and what is built for any file."""


class Built:
    """A weight file whose network is built when it is needed.

    Args:
        file: open.
        arch: see ``State``.
        trusted: see ``State``.
        instead: see ``State``.
        notes: lines about what was undone and left aside; they grow.
    """

    def __init__(
        self, file: WeightFile, arch: str, *, trusted: bool, instead: Sequence[str], notes: dict[str, None]
    ) -> None:
        self._file, self._arch, self._trusted, self._instead = file, arch, trusted, instead
        self._networks: dict[tuple[tuple[int, ...], int], nn.Module] = {}
        self._notes = notes

    def asked(self, probe: Ask | Weigh) -> tuple[Sequence[Array], int]:
        """Return the answers to inputs, and how many were asked; see ``State.observe``."""
        box = WhiteBox(self.network(probe.feed))
        answers = box.observe(probe)
        if none := int((answers[0] == ABSTAIN).sum()):
            self._notes |= {f"{none} of {len(answers[0])} answers are no numbers and count as none": None}
        return answers, box.queries

    def sensed(self, probe: Sense) -> Sequence[Array]:
        """Return what a place receives; see ``State.observe``."""
        network, missing = self._partly(probe.feed)
        with _refusing(network, missing):
            received = taps.received(network, probe.place, fed(probe), last=True, batch=batch_size(probe.feed))
            return finite(map(torching.array, received), "activations")

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
        if not refusal.hint:
            refusal.hint = recognising.told(self._file, feed)
        if self._instead and not self._arch:
            problem = f"expected weights of a network that is known here, got others in {self._file.path.name}"
            refusal = MismatchError(problem, hint="name the code of its network: --arch NAME")
        for arch in self._instead:
            with contextlib.suppress(MismatchError):
                network = self._loaded(self._fresh(arch, feed), feed, like)
                self._notes |= {f"read with the code of {models.shown(arch)}, which it fits": None}
                return network
        raise refusal

    def _loaded(self, plain: nn.Module, feed: Feed, like: nn.Module | None) -> nn.Module:
        fit = self._fitted(plain)
        if fit.unfit and not fit.lacks:
            state = plain.state_dict() | torching.any_shape(fit) | (_other_head(fit, like) if like is not None else {})
            with contextlib.suppress(MismatchError, RuntimeError):  # no network either: what loading says is clearer
                network = resized(plain, state).eval()
                logits(network, Normalise(feed)(torch.from_numpy(feed.example(1))))
                return network
        weights.apply(plain, self._file, what=f"weights in {self._file.path.name}", finite=False)
        return plain.eval()

    def _fresh(self, arch: str, feed: Feed) -> nn.Module:
        if not arch:
            raise MismatchError("expected the suspect's architecture, it was neither typed nor revealed")
        if arch in models.ARCHITECTURES or arch.startswith("hf:{"):
            self._require_modest(models.shown(arch), models.numbers(arch, feed.input_shape, feed.classes))
        vocabulary = getattr(feed, "vocabulary", 0)
        return models.build(arch, feed.input_shape, feed.classes, seed=0, trusted=self._trusted, vocabulary=vocabulary)

    def _require_modest(self, arch: str, wanted: int) -> None:
        """Raise MismatchError if a network is far larger than the file: its sizes are a claimant's word."""
        there = sum(math.prod(shape) for shape in self._file.shapes.values())
        if wanted > max(MOST_TIMES * there, MOST_ANYWAY):
            raise MismatchError(
                f"expected weights for this architecture, {arch} has {wanted} of them at the sizes of the key, "
                f"and {self._file.path.name} {there}"
            )

    def _fitted(self, plain: nn.Module) -> Fitted:
        shapes = {name: tuple(tensor.shape) for name, tensor in plain.state_dict().items()}
        fit = fitted(self._file, shapes)
        if (fit.lacks or fit.unfit) and library.is_of_library(plain):
            fit = fitted(library.as_named(plain, self._file), shapes)
        self._notes |= dict.fromkeys(fit.notes)
        return fit

    def _partly(self, feed: Feed) -> tuple[nn.Module, list[str]]:
        """Return the network with what fits it, and the names of the parameters and buffers that stay as they were built."""
        if self._instead:
            with contextlib.suppress(MismatchError):  # what is there may still reach as far as the layer
                return self.network(feed), []
        plain = self._fresh(self._arch, feed)
        fit = self._fitted(plain)
        plain.load_state_dict(torching.state(fit), strict=False)
        return plain.eval(), [*fit.lacks, *fit.unfit]


def as_named(file: WeightFile, arch: str, *, trusted: bool) -> WeightFile:
    """Return a file under the names of the network of transformers that ``arch`` describes; as it is where that is none."""
    with contextlib.suppress(ModelmarkError):
        return library.as_named(hugging.build(arch, trusted=trusted), file)
    return file


def _other_head(fit: Fitted, like: nn.Module) -> dict[str, Tensor]:
    """Return the last layer of ``like`` where the suspect's own differs from it in the number of outputs and no more."""
    path, given = layers.head(like), like.state_dict()
    names = [name for name in (f"{path}.weight", f"{path}.bias") if name in fit.unfit]
    found = torching.any_shape(fit)
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

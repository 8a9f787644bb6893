"""Ordinary queries, to hide carriers among: pictures made as the carriers are, and images of the judge's own."""

from typing import TYPE_CHECKING, Any, ClassVar

from modelmark.suspects.base import Ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from modelmark.claim.papers.statement import Statement
    from modelmark.suspects.base import Probe, Suspect

_EARLY = 30
"""Labelled pictures after which it is said how many were right, so that nobody asks on in vain."""


def pictures(statement: "Statement", spec: str, count: int, nonce: str) -> "NDArray[np.uint8]":
    """Return ordinary queries in an order of their own, uint8 ``(N, *input_shape)``.

    Args:
        statement: of the key that is asked about; where it says that pictures were rendered, others are rendered likewise.
        spec: data whose images are taken, ``none`` for nothing at all, or empty: what can be rendered.
        count: of each kind.
        nonce: of the record, hex: the same gives the same pictures.

    Raises:
        UsageError: nothing was named and nothing can be rendered, or the data are fewer.
        MismatchError: images of another shape.
    """
    import numpy as np

    from modelmark.errors import UsageError

    empty = np.empty((0, *statement.feed.input_shape), np.uint8)
    if spec == "none":
        return empty
    kinds = [_images(statement, spec, count, nonce)] if spec else []
    kinds += [_rendered(statement, count, nonce)] if _renders(statement) else []
    if not kinds:
        raise UsageError(
            "expected ordinary images to hide the carriers among, got none",
            hint="--ordinary SPEC, images that who answers does not know; or --ordinary none",
        )
    found = np.concatenate(kinds)
    return found[np.random.default_rng(int(nonce, 16)).permutation(len(found))]


class Graded:
    """A suspect whose answers to labelled pictures among what it is asked are counted.

    Args:
        suspect: that answers.
        labels: of pictures, by their bytes.
        names: of the classes; empty: known by number alone.
    """

    answers: "ClassVar[frozenset[type[Probe]]]" = frozenset({Ask})

    def __init__(self, suspect: "Suspect", labels: "Mapping[bytes, int]", names: "Sequence[str]") -> None:
        self._suspect, self._labels, self._names = suspect, labels, names
        self._seen: list[tuple[int, int]] = []
        self.queries = 0

    def observe(self, probe: "Probe") -> "Sequence[NDArray[Any]]":
        """Return what the suspect answers."""
        found = self._suspect.observe(probe)
        self.queries = self._suspect.queries
        for picture, answer in zip(probe.inputs[:], found[0], strict=True) if self._labels else ():  # type: ignore[union-attr]
            if (label := self._labels.get(picture.tobytes())) is not None:
                self._seen.append((int(answer), label))
                if len(self._seen) == _EARLY:
                    self.tell("so far")
        return found

    def tell(self, name: str) -> None:
        """Say how many of them it got right, if any was asked."""
        from modelmark.cli import asked

        if self._seen:
            asked.tell([answer for answer, _ in self._seen], [label for _, label in self._seen], self._names, name)


def graded(suspect: "Suspect", statement: "Statement", spec: str) -> Graded:
    """Return a suspect with the labels of the judge's own images, where their classes are those of the claim."""
    from modelmark import canonical, hashing
    from modelmark.cli.loading import load_task

    if spec in ("", "none"):
        return Graded(suspect, {}, ())
    task = load_task(spec)
    names = task.feed.class_names
    if hashing.digest("class-map", canonical.encode(list(names))).hex() != statement.interface.class_map:
        return Graded(suspect, {}, ())
    pairs = (task.train_inputs, task.labels), (task.test_inputs, task.test_labels)
    found = {
        picture.tobytes(): int(label)
        for inputs, labels in pairs
        for picture, label in zip(inputs.cpu().numpy(), labels.tolist(), strict=True)
    }
    return Graded(suspect, found, names)


def _renders(statement: "Statement") -> bool:
    return statement.scheme == "adi" and statement.parameters.get("pictures", "synthetic") == "synthetic"


def _rendered(statement: "Statement", count: int, nonce: str) -> "NDArray[np.uint8]":
    """Return pictures of the carriers' own family, made with the nonce where a key has its secret."""
    from modelmark.carriers.pictures import require_bytes
    from modelmark.key.secret import Secret
    from modelmark.rendering import triggers

    require_bytes(count, statement.feed.input_shape)
    return triggers.render(Secret(bytes.fromhex(nonce)), count, statement.feed.input_shape)


def _images(statement: "Statement", spec: str, count: int, nonce: str) -> "NDArray[np.uint8]":
    import numpy as np
    import torch

    from modelmark.cli.loading import load_task
    from modelmark.errors import MismatchError, UsageError

    task = load_task(spec)
    images = torch.cat([task.train_inputs, task.test_inputs]).cpu().numpy()
    if tuple(images.shape[1:]) != statement.feed.input_shape:
        raise MismatchError(f"expected ordinary images of {statement.feed.input_shape}, got {tuple(images.shape[1:])}")
    if len(images) < count:
        raise UsageError(
            f"expected {count} ordinary images in {spec}, got {len(images)}", hint="fewer a carrier: --per-carrier"
        )
    chosen: NDArray[np.uint8] = images[np.random.default_rng(int(nonce, 16) ^ 1).permutation(len(images))[:count]]
    return chosen

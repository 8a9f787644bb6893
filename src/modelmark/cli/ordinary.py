"""Ordinary queries, to hide carriers among: pictures made as the carriers are, and images of the judge's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelmark.carriers.base import shared
from modelmark.suspects.base import Ask, AskNext, Weigh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from modelmark.claim.papers.statement import Statement
    from modelmark.feeds.prompts import Prompts
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


def strewn(carriers: Any, statement: "Statement", spec: str, count: int, nonce: str) -> "NDArray[np.uint8] | Prompts":
    """Return ordinary queries for what is asked, pictures or prompts; see ``pictures``.

    Args:
        carriers: that are asked.
        statement: of their key.
        spec: data whose images are taken; of prompts a file with one in each line; ``none``, or empty.
        count: at most, of prompts; of pictures of each kind.
        nonce: of the record, hex.

    Raises:
        UsageError: some were named where there are none, or nothing was named and nothing can be made.
    """
    import numpy as np

    if type(carriers).probe is Weigh:  # both versions of each pair are asked, and nothing tells which one was drawn
        from modelmark.errors import UsageError

        if spec not in ("", "none"):
            raise UsageError(
                "expected no ordinary queries with records in two versions, which are both asked, got some"
            )
        return np.empty(0, np.uint8)
    if shared(carriers) and not spec:  # they are ordinary inputs themselves
        return np.empty((0, *statement.feed.input_shape), carriers.inputs.dtype)
    if statement.feed.kind != "causal":
        return pictures(statement, spec, count, nonce)
    return _prompts(carriers.prompts, spec, count, nonce)


def has_texts(carriers: Any) -> bool:
    """Return whether a suspect is asked with texts."""
    return bool(getattr(getattr(carriers, "prompts", None), "texts", ()))


def _prompts(own: "Prompts", spec: str, count: int, nonce: str) -> "Prompts":
    """Return the lines of a file in an order of their own, each with the candidates of a carrier, so that they are told alike."""
    import numpy as np

    from modelmark import files
    from modelmark.errors import UsageError
    from modelmark.feeds.causal import padded
    from modelmark.feeds.prompts import Prompts

    if spec == "none":
        return own[:0]
    if not spec or not own.texts:
        raise UsageError(
            "expected ordinary prompts to hide the carriers among, got none" if own.texts
            else "expected a key with texts for ordinary prompts, this one's are known by number alone",
            hint="--ordinary FILE, a prompt a line that who answers does not know; or --ordinary none",
        )  # fmt: skip
    lines = files.read(Path(spec), limit=2**26, what="ordinary prompts").decode("utf-8", "replace").splitlines()
    lines = list(dict.fromkeys(line for line in map(str.strip, lines) if line and line.isprintable()))
    if not lines:
        raise UsageError(f"expected a prompt a line in {spec}, got none")
    random = np.random.default_rng(int(nonce, 16))
    chosen = [lines[number] for number in random.permutation(len(lines))[:count]]
    of = random.integers(len(own), size=len(chosen))
    return Prompts(
        padded([[0]] * len(chosen), own.rows.shape[1]),
        own.candidates[of],
        tuple(chosen),
        tuple(own.words[i] for i in of),
    )


class Graded:
    """A suspect whose answers to labelled pictures among what it is asked are counted.

    Args:
        suspect: that answers.
        labels: of pictures, by their bytes.
        names: of the classes; empty: known by number alone.
    """

    answers: "ClassVar[frozenset[type[Probe]]]" = frozenset({Ask, AskNext, Weigh})

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

    if spec in ("", "none") or statement.feed.kind == "causal":
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

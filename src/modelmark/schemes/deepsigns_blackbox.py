"""DeepSigns 2018, black-box: keys in regions that the data rarely explore.

Source: Rouhani, Chen, Koushanfar, "DeepSigns", ASPLOS 2019, arXiv 1804.00750; constants from the authors' demo.

Noise pictures are over-generated, those whose activations lie where training data are dense are rejected, and the network
is trained to answer the rest as the message says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.pictures import Pictures, label_leaves, require_bytes
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.feeds.base import Feed
from modelmark.key.secret import Secret
from modelmark.rendering import noise
from modelmark.schemes import _density, blackbox
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.suspects.base import Array
from modelmark.training.task import Task

ACCEPT = Fraction(1, 1000)
"""Of the paper's rule: how often an independent model may be accepted."""


_OBJECTIONS = {
    "drawn": "",
    "secret": "pictures are selected after their labels are known, as in the paper",
    "imported": "the message was chosen, not drawn",
}


@dataclass(frozen=True, eq=False)
class Selected(Pictures):
    """Pictures of the literal variant, which are judged by the paper's own rule.

    Args:
        labels: of each, ``(keys,)``.
    """

    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def note(self, observed: Sequence[Array]) -> str:
        """Return what the paper's rule says."""
        wrong = int((observed[0] != self.labels).sum())
        theta = stats.mismatch_threshold(len(self.labels), self.feed.classes, ACCEPT)
        verdict = "accepted" if wrong < theta else "rejected"
        return f"{wrong} mismatches, by the paper's rule (below {theta}) {verdict}"


@dataclass(frozen=True)
class DeepSignsBlackBox(blackbox.Appended, Drawn):
    """Noise pictures from rarely explored regions, with drawn labels (black-box).

    Departs: labels are drawn after all pictures are committed, and every committed picture counts; the paper keeps the
    pictures that the marked model learned, whose labels are then no longer independent of anything.
    Departs: noise comes in several grains; the paper's, fine and uniform, is not rare to a convolutional network.
    Departs: density is that of a Gaussian mixture on principal components of the head's input; the paper names no estimate,
    and the demo takes noise to be far from data without a test.

    Args:
        keys: number of pictures; left out: 100, more below five classes.
        pool: candidates made for every key.
        share: candidates must lie where at most this share of the training data lies, by log density.
        per_hundred: pictures mixed into every hundred samples.
        margin: embedding is done when every picture's label leads by at least this much in the outputs (logits).
        message: ``drawn``, ``secret`` (literal: labels from the key, then ``select``), or ``imported`` with keys and labels of
            an older mark.
    """

    name: ClassVar[str] = "deepsigns-blackbox"
    summary: ClassVar[str] = "noise pictures from rarely explored regions (DeepSigns 2018)"
    reads: ClassVar[type[Carriers]] = Pictures
    reading: ClassVar[str] = blackbox.READING
    counted: ClassVar[str] = "keys"

    keys: int | None = None
    pool: int = 20
    share: float = 0.01
    per_hundred: int = 2
    margin: float = 0.1
    message: Literal["drawn", "secret", "imported"] = "drawn"

    def __post_init__(self) -> None:
        if self.keys is not None and not 1 <= self.keys <= 16384:
            raise ValueError(f"expected 1 to 16384 keys, got {self.keys}")
        if not 1 <= self.pool <= 1000 or not 1 <= self.per_hundred <= 100:
            raise ValueError(f"expected pool to 1000 and per_hundred to 100, got {self.pool} and {self.per_hundred}")
        if not 0 < self.share < 1 or not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected a share between 0 and 1 and margin >= 0, got {self.share} and {self.margin}")

    @property
    def _count(self) -> int:
        if self.keys is None:
            raise ValueError("expected a resolved scheme, got one whose number of keys is left open")
        return self.keys

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "DeepSignsBlackBox":
        """Fill in the number of keys, and check what is imported."""
        if self.message != "imported":
            return replace(self, keys=blackbox.enough(feed) if self.keys is None else self.keys)
        given = len(attachments.get("keys", ()))
        if not given or self.keys not in (None, given):
            raise UsageError(f"expected {self.keys or 'some'} imported keys, got {given}: see --images")
        found = replace(self, keys=given)
        found._imported(Material(Secret(bytes(32)), feed, attachments))
        return found

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``kept``: the indices of the candidates in the sparsest regions, int64 ``(keys,)``, ascending.

        ``model`` should be trained: an untrained one has no regions to speak of.
        """
        if self.message == "imported":
            return {}
        if task is None:
            raise UsageError("expected data to tell which regions are rarely explored, got none")
        require_bytes(self._count, task.feed.input_shape)
        indices = np.arange(self._count * self.pool)
        depth = _density.sparseness(
            model,
            task,
            lambda part: noise.render(secret, indices[part], task.feed.input_shape),
            len(indices),
            secret,
        )
        sparse = np.flatnonzero(depth < self.share)
        if len(sparse) < self._count:
            raise CapacityError(
                f"expected {self._count} of {len(indices)} candidates in rarely explored regions, found {len(sparse)}",
                hint="raise pool or share, or use fewer keys",
            )
        order = sparse[np.argsort(depth[sparse], kind="stable")]
        return {"kept": np.sort(order[: self._count]).astype(np.int64)}

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return that nothing is rare to an untrained model, where it was one."""
        if host or self.message == "imported":
            return []
        return [
            "regions were looked for in an untrained network, where rare means little; name a trained one with --host"
        ]

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per picture, its alphabet all classes."""
        return self._count, feed.classes

    def objection(self) -> str:
        """Return why the labels have no exact test, if they have none."""
        return _OBJECTIONS[self.message]

    def carriers(self, material: Material) -> Pictures:
        """Return the kept pictures, with their literal labels if the draw does not decide."""
        feed, chosen = material.feed, self.literal_message(material)
        require_bytes(self._count, feed.input_shape)
        if self.message == "imported":
            keys, labels = self._imported(material)
            return Selected(feed, keys, chosen=label_leaves(labels), labels=labels)
        pictures = noise.render(material.secret, self._kept(material.attachments), feed.input_shape)
        if chosen is None:
            return Pictures(feed, pictures)
        return Selected(feed, pictures, chosen=label_leaves(chosen), labels=chosen)

    def _imported(self, material: Material) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return keys and labels of an older mark."""
        keys, labels = (material.attachments.get(name, np.empty(0)) for name in ("keys", "labels"))
        feed, count = material.feed, self._count
        if keys.dtype != feed.dtype or keys.shape != (count, *feed.input_shape) or count < 1:
            raise MismatchError(
                f"expected imported keys {feed.dtype} of {feed.input_shape}, got {keys.dtype} {keys.shape}"
            )
        if labels.dtype != np.int64 or labels.shape != (count,) or not 0 <= labels.min() <= labels.max() < feed.classes:
            raise MismatchError(f"expected {count} labels below {feed.classes}, got {labels.dtype} {labels.shape}")
        feed.check(keys, "imported keys")
        return keys, labels

    def _kept(self, attachments: Attachments) -> npt.NDArray[np.int64]:
        kept = attachments.get("kept", np.empty(0))
        if kept.dtype != np.int64 or kept.shape != (self._count,) or kept.min() < 0 or kept.max() >= 2**24:
            raise MismatchError(f"expected {self._count} kept candidates, got {kept.dtype} {kept.shape}")
        if (np.diff(kept) <= 0).any():
            raise MismatchError("expected kept candidates in ascending order, each once, got another order")
        return kept

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the literal labels, or None where the draw decides."""
        if self.message == "drawn":
            return None
        if self.message == "imported":
            return self._imported(material)[1]
        kept = self._kept(material.attachments)
        return material.secret.integers("labels", material.feed.classes, int(kept.max()) + 1)[kept]


def select(
    scheme: DeepSignsBlackBox,
    attachments: Attachments,
    labels: npt.NDArray[np.int64],
    unmarked: npt.NDArray[np.int64],
    marked: npt.NDArray[np.int64],
    count: int,
) -> tuple[DeepSignsBlackBox, dict[str, npt.NDArray[Any]]]:
    """Return scheme and attachments of the literal key of ``count`` pictures: wrong on the unmarked model, right on the marked.

    Source: DeepSigns, the key generation of the authors' demo. Where too few are usable, start again from the original
    weights with a new secret: what the demo goes on with is no longer unmarked.

    Args:
        scheme: literal, of all candidates that were embedded.
        attachments: of that key.
        labels: its message, ``(keys,)``.
        unmarked: answers of the model before embedding, ``(keys,)``.
        marked: answers after it.
        count: K; 20 in the demo.

    Raises:
        CapacityError: fewer than ``count`` candidates are usable.
    """
    if scheme.message != "secret":
        raise UsageError("expected the literal variant to select from, a drawn key counts every picture")
    usable = np.flatnonzero((unmarked != labels) & (marked == labels))
    if len(usable) < count:
        raise CapacityError(f"expected {count} usable candidates, got {len(usable)} of {len(labels)}")
    return replace(scheme, keys=count), {"kept": attachments["kept"][usable[:count]]}

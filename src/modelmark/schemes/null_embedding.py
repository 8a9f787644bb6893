"""Li et al. 2019: null embedding, a pattern the model must not heed beside patterns it must obey.

Source: Li, Wenger, Shan, Zhao, Zheng, "Piracy resistant watermarks for deep neural networks", 2019, arXiv 1910.01226.

With the null filter on it, a picture keeps its own label (null embedding); with a true filter on it, it gets the label
of that filter (true embedding). The paper argues that a null embedding can only be put in while a model is first
trained, so that nobody can add a second one to a finished model and claim it. That is not what we measure: the test
``test_a_second_null_mark_goes_into_a_finished_model`` puts one in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.filtered import Filtered, Filters
from modelmark.carriers.pictures import require_bytes
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.evidence.scores import Scores
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import of_pictures
from modelmark.feeds.tensors import Extremes
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.schemes import _patterns, _signature, blackbox
from modelmark.schemes._every import thinned
from modelmark.schemes._patterns import Filtering
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.suspects.base import Array
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Hooks
from modelmark.training.tails import Lesson
from modelmark.training.task import Task

THRESHOLD = 0.8
"""T of the paper: the mark counts as found where the smaller of acc_null and acc_true is above it."""


_UNSIGNED = _signature.Signed(b"", b"", b"")


@dataclass(frozen=True, eq=False)
class SignedFilter(Filtered):
    """The literal variant's carriers: one true filter, the null one inverted, of which every query is a trial.

    Args:
        signed: where everything but the pictures comes from.
        y_w: label of the true filter.
    """

    signed: _signature.Signed = _UNSIGNED
    y_w: int = -1

    @property
    def trials(self) -> range:
        """Numbers of the queries."""
        return range(2 * len(self.pictures))

    def leaves(self) -> list[bytes]:
        """Return filters and pictures, then public key, verifier string and signature."""
        return [*super().leaves(), self.signed.public_key, self.signed.verifier, self.signed.signature]

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return all labels: of every picture under the null filter, then under the true one, ``(2 * K,)``."""
        return np.concatenate([observed[1], observed[0]])

    def scores(self, answers: npt.NDArray[np.int64]) -> Scores:
        """Return a row for each query."""
        return Scores.one_hot(answers, self.alphabet)

    def note(self, observed: Sequence[Array]) -> str:
        """Return what the paper's rule says."""
        acc_null, acc_true = (float((a == b).mean()) for a, b in ((observed[1], self.labels), (observed[0], self.y_w)))
        verdict = "yes" if min(acc_null, acc_true) > THRESHOLD else "no"
        return f"acc_null {acc_null:.2f}, acc_true {acc_true:.2f}, min above {THRESHOLD}: {verdict}"


@dataclass(frozen=True)
class NullEmbedding(Drawn):
    """Null embedding: one pattern that changes nothing, others that decide the label (black-box).

    Departs: with ``message="drawn"`` there are many true patterns, each with a label drawn after all are committed; the
    paper has one, whose label comes from the signature with the pattern: one trial of chance 1/C.
    Departs: those true patterns have bits and places of their own; the paper's is the null pattern inverted.
    Departs: filtered samples weigh by their share of the batch, in one mean; the paper sums three weighted means.

    Args:
        patterns: true patterns; left out: 64, more below eight classes; the literal variant has one.
        side: n, pixels along a pattern; left out: 6, less on small inputs.
        amplitude: lambda, on the scale of 0 to 255; far outside it on purpose.
        null_share: null samples for each sample of the batch; alpha of the paper.
        true_share: true samples for each sample of the batch; beta of the paper.
        queries: pictures asked for each drawn symbol, which is their plurality.
        pictures: of the owner's training data, attached to the key and asked.
        margin: embedding is done when every label leads by this share of its queries (0.4: four of five are enough);
            in the literal variant, when both accuracies are this share of the way from T to 1.
        message: ``drawn``, or ``signature`` (literal: all from the signature of ``owner`` and ``timestamp``).
        signature: ``ed25519`` from the secret, or ``rsa3072``, whose private key is attached to the key.
        owner: identity in the verifier string; left out: the SHA-256 of the public key.
        timestamp: in the verifier string.
        mix_every: batches from one that filtered samples join to the next.
    """

    name: ClassVar[str] = "null"
    summary: ClassVar[str] = "out-of-range pixel patterns to ignore and to obey (Li et al. 2019)"
    reads: ClassVar[type[Carriers]] = Filtered
    reading: ClassVar[str] = blackbox.READING + "; plurality over the queries of a symbol, ties to the lowest class"
    counted: ClassVar[str] = "patterns"

    patterns: int | None = None
    side: int | None = None
    amplitude: int = 2000
    null_share: float = 0.25
    true_share: float = 0.25
    queries: int = 5
    pictures: int = 100
    margin: float = 0.4
    message: Literal["drawn", "signature"] = "drawn"
    signature: Literal["ed25519", "rsa3072"] = "ed25519"
    owner: str = ""
    timestamp: str = ""
    mix_every: int = field(default=1, metadata={"later": True})

    def __post_init__(self) -> None:
        literal = self.message == "signature"
        if self.patterns is not None and not 1 <= self.patterns <= (1 if literal else 4096):
            raise ValueError(f"expected {'1 pattern' if literal else '1 to 4096 patterns'}, got {self.patterns}")
        if self.side is not None and not 1 <= self.side <= _signature.MAX_SIDE:
            raise ValueError(f"expected a side of 1 to {_signature.MAX_SIDE}, got {self.side}")
        if not 256 <= self.amplitude <= 10**6:
            raise ValueError(f"expected an amplitude of 256 to {10**6}, got {self.amplitude}")
        if not (0 < self.null_share <= 1 and 0 < self.true_share <= 1):
            raise ValueError(f"expected shares above 0, at most 1, got {self.null_share} and {self.true_share}")
        if not (1 <= self.queries <= 1000 and 1 <= self.pictures <= 16384):
            raise ValueError(f"expected 1 to 1000 queries, 1 to 16384 pictures, got {self.queries}, {self.pictures}")
        if not 1 <= self.mix_every <= 100:
            raise ValueError(f"expected mix_every from 1 to 100, got {self.mix_every}")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"expected margin from 0 to 1, got {self.margin}")
        if not (self.owner + self.timestamp).isprintable():  # one line each, between them a line feed
            raise ValueError(f"expected printable owner and timestamp, got {self.owner!a} and {self.timestamp!a}")

    @property
    def _literal(self) -> bool:
        return self.message == "signature"

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Number of true patterns, their side, and queries for each."""
        if self.patterns is None or self.side is None:
            raise ValueError("expected a resolved scheme, got one whose patterns or side are left open")
        return self.patterns, self.side, self.pictures if self._literal else self.queries

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "NullEmbedding":
        """Fill in number and side of the patterns, and check that so many different ones fit the picture."""
        fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, feed.classes))
        patterns = 1 if self._literal else max(64, fewest * 4 // 3)
        side = _patterns.default_side(feed) if self.side is None else self.side
        resolved = replace(self, patterns=self.patterns or patterns, side=side)
        _patterns.check_side(side, feed)
        if not self._literal:
            resolved._filters(Secret(bytes(32)), feed)
        return resolved

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return pictures of the owner's training data with their labels, picked by the secret, and what was signed."""
        if task is None:
            raise UsageError("expected data, got none", hint="filters are put on the owner's pictures: --data")
        if len(task.train_inputs) < self.pictures:
            raise UsageError(f"expected at least {self.pictures} pictures, got {len(task.train_inputs)}")
        picked = torch.from_numpy(secret.permutation("null/pictures", len(task.train_inputs))[: self.pictures])
        labels = blackbox.hard(task.train_targets.cpu()[picked])
        attached = {"pictures": task.train_inputs.cpu()[picked].numpy(), "labels": labels.numpy().astype(np.int64)}
        return attached | (self._sign(secret) if self._literal else {})

    def _sign(self, secret: Secret) -> dict[str, npt.NDArray[np.uint8]]:
        texts: dict[str, bytes] = {}
        if self.signature == "rsa3072":
            private = _signature.generate_rsa()
            signed = _signature.sign_rsa(private, self.owner, self.timestamp)
            texts["private_key"] = _signature.private_der(private)
        else:
            signed = _signature.sign_ed25519(secret, self.owner, self.timestamp)
        texts |= {"public_key": signed.public_key, "signature": signed.signature}
        return {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return that the pattern leaves nothing of the picture to see, where it covers all of it."""
        if self._sizes[1] < max(_patterns.plane(feed)):
            return []
        return [f"a pattern of side {self.side} covers the whole picture: under the null pattern no label can be right"]

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per true pattern; in the literal variant one per query, null ones first."""
        return 2 * self.pictures if self._literal else self._sizes[0], feed.classes

    def objection(self) -> str:
        """Return why the literal variant has no exact test."""
        if not self._literal:
            return ""
        bits = self._sizes[1] ** 2
        return f"one pattern is one trial of chance 1/C, however often it is asked; its {bits} bits are no evidence"

    def carriers(self, material: Material) -> Filtered:
        """Return filters and pictures.

        Raises:
            MismatchError: attached pictures are not the interface's, or the attached signature is not the owner's.
            MalformedError: the attached public key is none.
        """
        patterns, side, each = self._sizes
        feed = material.feed
        _patterns.check_side(side, feed)
        pictures, labels = _attached(material.attachments, self.pictures, feed)
        require_bytes(4 * patterns * each, feed.input_shape)  # queries are floats
        if not self._literal:
            return Filtered(feed, *self._filters(material.secret, feed), pictures, labels, self.amplitude, each)
        public, signature = (_signature.attached(material.attachments, name) for name in ("public_key", "signature"))
        signed = _signature.Signed(public, _signature.verifier_string(self.owner, self.timestamp, public), signature)
        signed.check()
        y_w, null = _signature.derive(signature, feed.classes, side, *_patterns.plane(feed))
        return SignedFilter(feed, null, null.inverted(), pictures, labels, self.amplitude, each, signed, y_w)

    def _filters(self, secret: Secret, feed: Feed) -> tuple[Filters, Filters]:
        """Return the null filter and the true ones, all different."""
        patterns, side, _ = self._sizes
        drawn = _patterns.draw(secret, 1 + patterns, side, feed)
        return Filters(drawn.bits[:1], drawn.places[:1]), Filters(drawn.bits[1:], drawn.places[1:])

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the labels of all queries in the literal variant: the pictures' own, then ``y_W`` as often."""
        if not self._literal:
            return None
        carriers = self.carriers(material)
        assert isinstance(carriers, SignedFilter)
        return np.concatenate([carriers.labels, np.full(self.pictures, carriers.y_w)])

    def hooks(self, carriers: Filtered, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that appends filtered samples to every batch."""
        self.check(model, carriers.feed)
        return self.appended(carriers, message, seed=seed)

    def appended(self, carriers: Filtered, message: npt.NDArray[np.int64], *, seed: int) -> Hooks:
        """Return the same for any model."""
        return thinned(self._filtering(carriers, message, seed), self.mix_every)

    def lesson(self, carriers: Filtered, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Lesson:
        """Return filtered samples of the data, as many as are kept, for the last part of a network."""
        self.check(model, carriers.feed)
        return Lesson(self._filtering(carriers, message, seed), self.margin)

    def _filtering(self, carriers: Filtered, message: npt.NDArray[np.int64], seed: int) -> Hooks:
        feed = carriers.feed
        labels = np.array([carriers.y_w]) if isinstance(carriers, SignedFilter) else message

        def measure(model: nn.Module) -> Tensor:
            return torch.from_numpy(_margins(carriers, message, model))

        planes = np.concatenate([f.planes(*_patterns.plane(feed)) for f in (carriers.null, carriers.true)])
        shares = self.null_share, self.true_share
        extremes = Extremes(of_pictures(feed), self.amplitude)
        return Filtering(torch.from_numpy(planes), torch.from_numpy(labels), extremes, shares, measure, seed)


def _margins(carriers: Filtered, message: npt.NDArray[np.int64], model: nn.Module) -> npt.NDArray[np.float64]:
    suspect = WhiteBox(model)
    true, null = (suspect.observe(probe)[0] for probe in carriers.probes())
    if isinstance(carriers, SignedFilter):
        accuracies = np.array([(null == carriers.labels).mean(), (true == carriers.y_w).mean()])
        return np.asarray((accuracies - THRESHOLD) / (1 - THRESHOLD))
    return blackbox.vote_lead(true.reshape(len(message), -1), message, carriers.feed.classes)


def _attached(attachments: Attachments, count: int, feed: Feed) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the attached pictures and their labels, checked."""
    pictures = blackbox.attached(attachments, "pictures", (count,), feed)
    labels = attachments.get("labels", np.empty(0))
    if labels.dtype != np.int64 or labels.shape != (count,) or labels.min() < 0 or labels.max() >= feed.classes:
        raise MismatchError(f"expected {count} attached labels from 0 to {feed.classes - 1}, got others")
    return pictures, labels

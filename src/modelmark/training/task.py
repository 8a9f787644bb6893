"""One holder's data: what an owner trains on, a thief has, a judge measures with."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark import canonical, hashing
from modelmark.data.dataset import Dataset
from modelmark.data.rows import Rows
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.causal import END, CausalFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.feeds.tokens import TokenFeed
from modelmark.networks.strides import channels_last, takes_channels_last
from modelmark.suspects.module import logits

NO_TARGET = -100
"""In the place of a target that is not learned and not counted, as ``cross_entropy`` has it."""
_SCORES = 2**25
"""That are held at a time."""
_AT_ONCE, _PICTURES_AT_ONCE = 1024, 128
"""Samples that go through at a time; what lies between the layers of a small network has to fit a processor's cache."""


@dataclass(frozen=True)
class Task:
    """Training and test data with the interface they share.

    Args:
        feed: shape, classes, preprocessing.
        train_inputs: as the feed stores them, ``(N, *input_shape)``.
        train_targets: int64 ``(N,)`` labels, or float32 ``(N, classes)`` soft targets; of a causal feed the tokens that come
            next, int64 ``(N, tokens)``, ``NO_TARGET`` where none is to be learned.
        test_inputs: as the feed stores them, ``(K, *input_shape)``.
        test_labels: int64 ``(K,)``; of a causal feed ``(K, tokens)``.
    """

    feed: Feed
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    def __post_init__(self) -> None:
        feed = self.feed
        for name, inputs, targets in (
            ("training", self.train_inputs, self.train_targets),
            ("test", self.test_inputs, self.test_labels),
        ):
            if str(inputs.dtype) != f"torch.{feed.dtype}" or tuple(inputs.shape[1:]) != feed.input_shape:
                got = f"{inputs.dtype} {tuple(inputs.shape)}"
                raise ValueError(f"expected {name} inputs {feed.dtype} (N, {feed.input_shape}), got {got}")
            if len(inputs) == 0 or len(inputs) != len(targets):
                raise ValueError(f"expected as many {name} targets as inputs, got {len(targets)} for {len(inputs)}")

    @property
    def digest(self) -> str:
        """What inputs, targets and feed are, hex, wherever they lie and whatever the folder is called."""
        parts = [canonical.encode(self.feed.to_json())]
        for tensor in (self.train_inputs, self.train_targets, self.test_inputs, self.test_labels):
            parts += [
                f"{tensor.dtype} {tuple(tensor.shape)}".encode(),
                tensor.detach().cpu().contiguous().numpy().tobytes(),
            ]
        return hashing.digest("task", *parts).hex()

    @property
    def labels(self) -> Tensor:
        """Training labels, int64 ``(N,)``; of soft targets the likeliest class."""
        targets = self.train_targets
        return targets.argmax(dim=1) if targets.is_floating_point() else targets

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> "Task":
        """Return the task of one data set; the arrays are shared, not copied."""
        return cls(
            PictureFeed(dataset.input_shape, dataset.classes, dataset.mean, dataset.std),
            torch.from_numpy(dataset.train_images),
            torch.from_numpy(dataset.train_labels),
            torch.from_numpy(dataset.test_images),
            torch.from_numpy(dataset.test_labels),
        )

    @classmethod
    def from_rows(cls, rows: Rows) -> "Task":
        """Return the task of rows of tokens: tell the label of each, or where there is none the token that comes next."""
        train, test = torch.from_numpy(rows.train_rows), torch.from_numpy(rows.test_rows)
        if rows.train_labels is None or rows.test_labels is None:
            return cls.from_tokens(train, test, rows.vocabulary, tokenizer=rows.tokenizer)
        feed = TokenFeed((train.shape[1],), rows.classes, rows.vocabulary, rows.tokenizer)
        return cls(feed, train, torch.from_numpy(rows.train_labels), test, torch.from_numpy(rows.test_labels))

    @classmethod
    def from_tokens(cls, train: Tensor, test: Tensor, vocabulary: int, *, tokenizer: str = "") -> "Task":
        """Return the task of a causal language model: after each token, tell the next.

        Args:
            train: rows of token numbers, int32 ``(N, tokens + 1)``, ``causal.END`` behind the last of each.
            test: the same, ``(K, tokens + 1)``.
            vocabulary: how many tokens there are.
            tokenizer: digest of the tokenizer, hex, or empty.
        """
        feed = CausalFeed((train.shape[1] - 1,), vocabulary=vocabulary, tokenizer=tokenizer)
        for name, rows in (("training", train), ("test", test)):
            feed.check(rows[:, :-1].numpy(), f"{name} rows")
        (x, y), (test_x, test_y) = (_shifted(rows) for rows in (train, test))
        return cls(feed, x, y, test_x, test_y)

    def fed_as(self, feed: Feed) -> "Task":
        """Return the task with another interface's preprocessing.

        Raises:
            MismatchError: shapes or classes differ.
        """
        if feed.kind != self.feed.kind:
            raise MismatchError(f"expected data of {feed.kind}, as the key has, got {self.feed.kind}")
        tokenizers = [getattr(each, "tokenizer", "") for each in (feed, self.feed)]
        if all(tokenizers) and tokenizers[0] != tokenizers[1]:
            raise MismatchError(
                f"expected data by the key's tokenizer {tokenizers[0][:16]}, got another, {tokenizers[1][:16]}",
                hint="name the folder of the model that the key was made for",
            )
        for what, expected, got in (
            ("vocabulary", getattr(feed, "vocabulary", 0), getattr(self.feed, "vocabulary", 0)),
            ("inputs of shape", feed.input_shape, self.feed.input_shape),
            ("class count", feed.classes, self.feed.classes),
            ("class names", feed.class_names, self.feed.class_names),
        ):
            if expected != got:
                raise MismatchError(f"expected data with the key's {what} {expected}, got {got}")
        return replace(self, feed=feed)

    def split(self, shares: Mapping[str, float], *, seed: int) -> dict[str, "Task"]:
        """Return one task per holder, with disjoint training data and the same test data.

        Args:
            shares: holder to share of the training data; the shares sum to at most 1.
            seed: of the shuffle.
        """
        if not min(shares.values()) > 0 or not math.fsum(shares.values()) <= 1 + 1e-9:
            raise UsageError(f"expected positive shares that sum to at most 1, got {dict(shares)}")
        total = len(self.train_inputs)
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
        parts, start = {}, 0
        for holder, share in shares.items():
            chosen = order[start : start + int(share * total)]
            start += len(chosen)
            if len(chosen) == 0:
                raise UsageError(f"expected at least one sample for {holder!r}, a share of {share} of {total} has none")
            parts[holder] = replace(
                self, train_inputs=self.train_inputs[chosen], train_targets=self.train_targets[chosen]
            )
        return parts

    def subset(self, count: int, *, seed: int) -> "Task":
        """Return the task with ``count`` training samples drawn without replacement."""
        return self.split({"part": min(count / len(self.train_inputs) + 1e-12, 1.0)}, seed=seed)["part"]

    def distilled(self, teacher: nn.Module) -> "Task":
        """Return the task with the teacher's predictions as soft targets; its own labels are not used."""
        normalise = Normalise(self.feed)
        soft = [logits(teacher, normalise(part)).softmax(dim=1).cpu() for part in self.train_inputs.split(1024)]
        return replace(self, train_targets=torch.cat(soft))

    def to(self, device: torch.device | str) -> "Task":
        """Return the task with all its tensors on ``device``."""
        return Task(
            self.feed,
            self.train_inputs.to(device),
            self.train_targets.to(device),
            self.test_inputs.to(device),
            self.test_labels.to(device),
        )


def _shifted(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows without their last token, and for each token the one that comes next."""
    following = rows[:, 1:].long()
    return rows[:, :-1].contiguous(), following.masked_fill(following == END, NO_TARGET)


def accuracy(model: nn.Module, task: Task) -> float:
    """Return the share of test inputs, or of tokens that come next, that ``model`` tells, in ``[0, 1]``."""
    right = sum(
        int((outputs.argmax(dim=1) == labels.to(outputs.device)).sum()) for outputs, labels in _outputs(model, task)
    )
    return right / int((task.test_labels != NO_TARGET).sum())


def perplexity(model: nn.Module, task: Task) -> float:
    """Return ``exp`` of the mean cross-entropy of the test labels, or of the tokens that come next, from 1 to ``exp(700)``."""
    losses = math.fsum(
        float(cross_entropy(outputs.double(), labels.to(outputs.device), reduction="sum"))
        for outputs, labels in _outputs(model, task)
    )
    return math.exp(min(losses / int((task.test_labels != NO_TARGET).sum()), 700.0))


def _outputs(model: nn.Module, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield scores of test inputs with their labels, as much at a time as memory is meant for."""
    normalise, feed = Normalise(task.feed), task.feed
    sequence = math.prod(feed.input_shape) if feed.kind == "causal" else 1
    most = _PICTURES_AT_ONCE if len(feed.input_shape) == 3 else _AT_ONCE
    batch = max(1, min(most, _SCORES // (sequence * feed.classes)))
    last = takes_channels_last(model, normalise(task.test_inputs[:2]))
    for inputs, labels in zip(task.test_inputs.split(batch), task.test_labels.split(batch), strict=True):
        x = normalise(inputs)
        yield logits(model, channels_last(x) if last else x, batch=batch), labels

"""One holder's data: what an owner trains on, a thief has, a judge measures with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from modelmark.data.dataset import Dataset
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits


@dataclass(frozen=True)
class Task:
    """Training and test data with the interface they share.

    Args:
        feed: shape, classes, preprocessing.
        train_inputs: as the feed stores them, ``(N, *input_shape)``.
        train_targets: int64 ``(N,)`` labels, or float32 ``(N, classes)`` soft targets.
        test_inputs: as the feed stores them, ``(K, *input_shape)``.
        test_labels: int64 ``(K,)``.
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

    def fed_as(self, feed: Feed) -> "Task":
        """Return the task with another interface's preprocessing.

        Raises:
            MismatchError: shapes or classes differ.
        """
        for what, expected, got in (
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


def accuracy(model: nn.Module, task: Task) -> float:
    """Return the share of test inputs that ``model`` classifies as labelled, in ``[0, 1]``."""
    normalise = Normalise(task.feed)
    right = 0
    for inputs, labels in zip(task.test_inputs.split(1024), task.test_labels.split(1024), strict=True):
        outputs = logits(model, normalise(inputs), batch=1024)
        right += int((outputs.argmax(dim=1) == labels.to(outputs.device)).sum())
    return right / len(task.test_labels)

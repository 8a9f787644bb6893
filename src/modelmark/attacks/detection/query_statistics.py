"""How a model answers what is no picture of its classes: the trace of marks that are read by asking."""

import math
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import PICTURES
from modelmark.attacks.base import Detection, Thief
from modelmark.attacks.detection._odd import FAMILIES, Family, made
from modelmark.attacks.fields import Within, sweep
from modelmark.attacks.results import Finding
from modelmark.suspects.module import logits


class QueryStatistics(Detection, pictures=True, feeds=PICTURES):
    """Ask a few hundred odd inputs and see how variously, and how surely, they are answered.

    A network that learned arbitrary labels for odd pictures gives others of their kind all labels, and none of them surely.
    The score is the entropy of the answers, as a share of the most it can be, less the mean largest probability. Inputs are
    ``noise`` of four grains; ``smooth`` low-frequency fields; ``fused``: two pictures in two quadrants; ``blended``: the mean of
    two pictures; ``extreme``: a picture with a block of pixels far out of range.

    Source: own construction; the direction was found on digits networks (benchmarks/detection.py has what came of it on
    others). Adi et al. 2018, Wen et al. 2023 and Li et al. 2019 name the kinds of inputs.
    """

    strengths = sweep(inputs=FAMILIES)

    inputs: Annotated[Family, "what is asked"] = "smooth"
    queries: Annotated[int, Within(10), "inputs asked"] = 400
    threshold: Annotated[
        float, Within(-math.inf), "scores above it are taken for marks; each kind of input needs its own"
    ] = 0.2

    def detect(self, suspect: nn.Module, thief: Thief) -> Finding:
        """Return how the model answers; ``where`` is the most frequent answer."""
        feed = thief.task.feed
        asked = made(self.inputs, self.queries, thief.task, thief.generator())
        sure, answers = logits(suspect, asked).cpu().softmax(dim=1).max(dim=1)
        counts = torch.bincount(answers, minlength=feed.classes).double()
        shares = counts / counts.sum()
        entropy = float(-(shares * shares.clamp_min(1e-12).log()).sum()) / math.log(feed.classes)
        score = entropy - float(sure.mean())
        return Finding(score, score > self.threshold, feed.class_names[int(counts.argmax())])

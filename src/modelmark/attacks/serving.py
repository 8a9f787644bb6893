"""A model served as an API, and how often an API is right: what evasions are given and judged by."""

import torch
from torch import Tensor, nn

from modelmark.attacks.results import Answer
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import Task


def served(model: nn.Module) -> Answer:
    """Return the API of a model: the class of its largest output, on the device of the inputs, wherever the model is."""

    def answer(inputs: Tensor) -> Tensor:
        return logits(model, inputs).argmax(dim=1).to(inputs.device)

    return answer


def answered(answer: Answer, task: Task) -> float:
    """Return the share of test inputs that an API answers as labelled."""
    normalise = Normalise(task.feed)
    given = torch.cat([answer(normalise(inputs)) for inputs in task.test_inputs.split(1024)])
    return float((given == task.test_labels).double().mean())

"""Every attack on inputs unlike digits: flat ones, and colours of two classes. It keeps its promises, or says what it needs."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from modelmark.attacks import ATTACKS, attack_class, fields
from modelmark.errors import MismatchError, MissingPackageError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.testing import check_attack
from modelmark.training.task import Task

CHEAP = {
    "after": 1, "batch": 16, "committed": 300, "descents": 2, "epochs": 1, "inputs": 2, "iterations": 1, "limit": 500,
    "opened": 4, "pictures": 20, "pretext_epochs": 1, "queries": 10, "round_epochs": 1, "rounds": 1, "rows": 40,
    "samples": 40, "scheme": "adi", "steps": 20, "students": 2, "surrogates": 1, "tokens": 2, "triggers": 4, "tries": 4,
    "tuning": 1, "unlearning_epochs": 1,
}  # fmt: skip
"""Settings by name that make any attack cheap, where a field takes them."""
LANGUAGE = (
    "cleanse-words", "distil-text", "filter-perplexity", "instruct", "paraphrase", "suppress-first", "system-prompt", "vote",
)  # fmt: skip
"""What is done to models of language alone."""
BLOCKS = (
    "permute-heads", "permute-stream", "permute-units", "prune-depth", "raise-means", "rotate-stream", "scale-stream",
    "turn-heads",
)  # fmt: skip
"""What is done to transformers alone."""
NEED = {
    "flat": {
        "batch": ("fold",),
        "channels": ("flip",),
        "images": ("cross-architecture",),
        "inputs": ("knockoff",),
        "pictures": (
            "blockdoor-adversarial", "fit-key", "gaussian-filter", "input-noise", "jpeg", "mean-filter", "median-filter",
            "mirror", "multi-task", "occlude", "quantise-input", "query-statistics", "reconstruct",
            "retrain-augmented", "retrain-voted", "rotate", "shrink", "squeeze",
            "ssl-extraction",
        ),
        "square": ("transfer",),
        "blocks": BLOCKS,
        "attention": ("prune-heads",),
        "rows": LANGUAGE,
    },
    "colour": {"blocks": BLOCKS, "attention": ("prune-heads",), "rows": LANGUAGE},
}  # fmt: skip
"""What an attack is refused for, as the first word of what it expected."""


def flat():
    return nn.Sequential(nn.Linear(40, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


def convolutions():
    layers = {
        "conv1": nn.Conv2d(3, 6, 3, padding=1), "norm": nn.BatchNorm2d(6), "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(6, 8, 3, stride=2), "relu2": nn.ReLU(), "flatten": nn.Flatten(),
        "fc": nn.Linear(72, 10), "relu3": nn.ReLU(), "head": nn.Linear(10, 2),
    }  # fmt: skip
    return nn.Sequential(OrderedDict(layers))


SHAPES = {
    "flat": ((40,), 3, flat),
    "colour": ((3, 8, 8), 2, convolutions),
}


def small(name):
    """The attack, as cheap as it can be."""
    cls = attack_class(name)
    found = {}
    for field in fields.described(cls):
        if field.name in CHEAP and isinstance(CHEAP[field.name], field.type) and not field.choices:
            found[field.name] = CHEAP[field.name]
    return cls(**found)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_works_or_says_what_it_needs(name, shape):
    inputs, classes, make = SHAPES[shape]
    pictures = torch.randint(0, 256, (120, *inputs), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(120) % classes
    feed = PictureFeed(inputs, tuple(map(str, range(classes))))
    task = Task(feed, pictures[:90], labels[:90], pictures[90:], labels[90:])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = make().eval()
    needs = {word for word, names in NEED[shape].items() if name in names}
    if needs:
        with pytest.raises((UsageError, MismatchError), match=f"^expected {needs.pop()} "):
            small(name)(model, task, seed=3)
        return
    try:
        check_attack(small(name), model, task)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")

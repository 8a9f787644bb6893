"""What tests of marks in one layer share: a small network, and a mark put into it by its own loss alone."""

import torch
from torch import nn

from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.seeding import seeded

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))


def net(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10)).eval()


def key(scheme, secret=bytes(range(32))):
    return keygen(scheme, net(), FEED, secret=Secret(secret), policy=KeyPolicy(self_check=True))


def embedded(mark, model, *, steps, rate):
    """Descend on the mark's own term with a rate that falls to 0, gradients clipped as the loop clips them; no data is seen."""
    hooks = mark.hooks(model, seed=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        hooks.loss(torch.zeros(()), model, None, None, None).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        hooks.after_step(model)
    return model

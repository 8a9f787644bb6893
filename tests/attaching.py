"""What tests of ``Mark.attach`` share: a small network, its key and data, and two ways to the same weights.

``by_hooks`` puts the term into the loss and lets autograd find its slope; ``attached`` adds the slope at each step.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded

FEED, SECRET = PictureFeed((1, 8, 8), tuple("0123456789")), Secret(bytes(range(32)))
LAYER = "3"


def net(seed=0):
    with seeded(seed):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 320), nn.ReLU(), nn.Linear(320, 24), nn.ReLU(), nn.Linear(24, 10)
        )


def key(scheme=None, model=None):
    return keygen(scheme or Uchida(), model or net(), FEED, secret=SECRET).mark()


def batches(count=4, size=12, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 1, 8, 8, generator=generator), torch.randint(10, (size,), generator=generator))
        for _ in range(count)
    ]


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3, **options)


def plain(model, optimizer, x, y):
    cross_entropy(model(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()


def by_hooks(mark, model, data, make=sgd):
    optimizer, hooks = make(model), mark.hooks(model)
    for x, y in data:
        scores = model(x)
        hooks.loss(cross_entropy(scores, y), model, x, y, scores).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def attached(mark, model, data, make=sgd, step=plain):
    optimizer = make(model)
    with mark.attach(optimizer, model) as handle:
        for x, y in data:
            step(model, optimizer, x, y)
    assert handle.steps == len(data)
    return model


def equal(a, b):
    return all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def close(a, b):
    return all(torch.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in zip(a.parameters(), b.parameters(), strict=True))

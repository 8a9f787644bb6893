"""Our attacks beside those of another library: what is left of a mark, and the accuracy, after ours and after theirs.

Run: ``pip install 'modelmark[art]'``, then ``python benchmarks/second_opinion.py digits``; some four CPU minutes a seed. The
library is adversarial-robustness-toolbox 1.20.1 (MIT). The thief has three tenths of the data, which the owner never saw.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from _study import Rows, command, reading, secret
from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.evasion.jpeg import Jpeg
from modelmark.attacks.evasion.median_filter import MedianFilter
from modelmark.attacks.evasion.squeeze import Squeeze
from modelmark.attacks.extraction.retrain import Retrain
from modelmark.attacks.extraction.retrain_soft import RetrainSoft
from modelmark.attacks.serving import answered, served
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes import scheme_class
from modelmark.suspects.function import BlackBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

SCHEMES = ("adi", "coupled", "deepsigns-blackbox", "uchida")
EPOCHS = 100
"""Of their extraction."""


class Unit(nn.Module):
    """A network that takes pictures on the scale of 0 to 1, as the other library feeds them."""

    def __init__(self, inner: nn.Module, task: Task, *, scores: bool = True) -> None:
        super().__init__()
        self.inner = inner
        self._last = nn.Identity() if scores else nn.Softmax(dim=1)
        self._normalise = Normalise(task.feed)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, or probabilities, of pictures in 0..1, ``(N, C, H, W)``."""
        return self._last(self.inner(self._normalise(x * FULL_SCALE)))


def study(rows: Rows, task: Task, seed: int) -> None:
    """Measure every pair of attacks on one network of every scheme."""
    parts = task.split({"owner": 0.7, "thief": 0.3}, seed=seed)

    @cache
    def host() -> nn.Module:
        fresh = build("cnn", task.feed.input_shape, task.feed.classes, seed=seed)
        return fit(fresh, parts["owner"], annealed(40, 0.05, batch=64, clip=1.0), seed=seed)

    @cache
    def marked(name: str) -> tuple[Mark, nn.Module]:
        key = keygen(scheme_class(name)(), host(), task.feed, task=parts["owner"], secret=secret("second", name, seed))
        mark = key.mark()
        recipe = annealed(40, 0.05, batch=64, clip=1.0)
        return mark, embed(host(), [mark], parts["owner"], recipe, seed=seed + 100).model

    for name in SCHEMES:
        for attack, (ours, theirs) in {**FILTERS, **COPIES}.items():
            if name == "uchida" and attack in FILTERS:
                continue
            make = _filtered if attack in FILTERS else _copied
            cell = {"scheme": name, "attack": attack, "seed": seed}
            rows.measure(cell, lambda name=name, make=make, ours=ours, theirs=theirs: make(
                *marked(name), parts["thief"], ours, theirs, seed))  # fmt: skip


def _filtered(
    mark: Mark, model: nn.Module, thief: Task, ours: Any, theirs: Callable[[], Any], seed: int
) -> dict[str, Any]:
    plain, defence, face = served(model), theirs(), thief.feed

    def other(inputs: Tensor) -> Tensor:
        pictures = _pictures.shown(inputs, face).clamp(0, 1).numpy().astype(np.float32)
        return plain(_pictures.fed(torch.from_numpy(np.asarray(defence(pictures)[0], np.float32)), face))

    found = {}
    for who, answer in (("ours", ours(plain, thief, seed=seed)), ("theirs", other)):
        evidence = mark.evidence(BlackBox(answer))
        found[who] = {"accuracy": answered(answer, thief), "matches": evidence.matches, "trials": evidence.trials}
    return found


def _copied(
    mark: Mark, model: nn.Module, thief: Task, ours: Any, theirs: Callable[..., Any], seed: int
) -> dict[str, Any]:
    copy = theirs(model, thief, seed)
    return {
        who: {"accuracy": accuracy(student, thief), **reading(mark, student)}
        for who, student in (("ours", ours(model, thief, seed=seed)), ("theirs", copy))
    }


def _extractor(name: str, **settings: Any) -> Callable[..., nn.Module]:
    """Return a function that copies a network with an extraction attack of theirs, which wants the victim's probabilities."""

    def copied(model: nn.Module, thief: Task, seed: int) -> nn.Module:
        from art.attacks import extraction
        from art.estimators.classification import PyTorchClassifier

        def classifier(inner: nn.Module, *, scores: bool) -> Any:
            wrapped = Unit(inner, thief, scores=scores)
            return PyTorchClassifier(
                wrapped, nn.CrossEntropyLoss(), thief.feed.input_shape, thief.feed.classes,
                optimizer=torch.optim.Adam(wrapped.parameters(), 1e-3), clip_values=(0.0, 1.0),
                device_type="cpu",
            )  # fmt: skip

        pictures = (thief.train_inputs.float() / FULL_SCALE).numpy()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)  # what their library draws from
            fresh = build("cnn", thief.feed.input_shape, thief.feed.classes, seed=seed + 1)
            attack = getattr(extraction, name)(
                classifier(model, scores=False), batch_size_fit=64, batch_size_query=256, nb_epochs=EPOCHS,
                nb_stolen=len(pictures), **settings,
            )  # fmt: skip
            copy = attack.extract(pictures, thieved_classifier=classifier(fresh, scores=True))
        return copy.model.inner.eval()

    return copied


def _defence(name: str, **settings: Any) -> Callable[[], Any]:
    def made() -> Any:
        from art.defences import preprocessor

        return getattr(preprocessor, name)(**settings)

    return made


FILTERS = {
    "jpeg": (Jpeg(65), _defence("JpegCompression", clip_values=(0.0, 1.0), quality=65, channels_first=True)),
    "squeeze": (Squeeze(3), _defence("FeatureSqueezing", clip_values=(0.0, 1.0), bit_depth=3)),
    "median-filter": (MedianFilter(3), _defence("SpatialSmoothing", window_size=3, channels_first=True)),
}
COPIES = {
    "retrain": (Retrain(), _extractor("CopycatCNN")),
    "retrain-soft": (RetrainSoft(), _extractor("KnockoffNets", use_probability=True, verbose=False)),
}


def table(rows: Rows) -> None:
    """Print matches and accuracy for each pair."""
    print("| scheme | attack | ours: matches, accuracy | theirs |\n|---|---|---|---|")
    for row in rows.rows:
        both = (f"{row[who]['matches']}/{row[who]['trials']}, {row[who]['accuracy']:.1%}" for who in ("ours", "theirs"))
        print(f"| {row['scheme']} | {row['attack']} | " + " | ".join(both) + " |")


if __name__ == "__main__":
    command(__doc__, "second-opinion", study, table)

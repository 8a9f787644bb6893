"""How a network is trained: the numbers of a schedule, nothing else."""

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

from modelmark.errors import UsageError
from modelmark.naming import counted
from modelmark.naming import suggest as suggest_names

Schedule: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Recipe:
    """Gradient descent over shuffled epochs: with momentum, as networks of convolutions ask for, or AdamW, as transformers do.

    Args:
        epochs: passes over the training data.
        schedule: knots ``(epoch, learning rate)``, straight lines between them; two knots at one epoch make a step.
        batch: samples per step; a last, smaller batch of an epoch is left out.
        momentum: of the optimiser; of AdamW the first of its two betas.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: L2 penalty on every parameter; of AdamW the share of the rate by which every parameter shrinks.
        augment: ``none``, ``crop`` (pad, crop at random) or ``crop-flip`` (and mirror half of them).
        pad: pixels on every side before cropping.
        clip: largest gradient norm; 0: none. Keeps networks without normalisation from collapsing at high rates.
        channels_last: memory format while training; faster for convolutions on many processors.
        optimizer: ``sgd`` or ``adamw``, whose rates are a hundred times smaller.
    """

    epochs: int
    schedule: Schedule
    batch: int = 128
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    augment: Literal["none", "crop", "crop-flip"] = "none"
    pad: int = 4
    clip: float = 0.0
    channels_last: bool = False
    optimizer: Literal["sgd", "adamw"] = "sgd"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"expected at least one epoch and one sample a batch, got {self.epochs} and {self.batch}")
        if self.augment not in ("none", "crop", "crop-flip"):
            raise ValueError(f"expected augmentation none, crop or crop-flip, got {self.augment!r}")
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"expected the optimiser sgd or adamw, got {self.optimizer!r}")
        if not self.schedule or any(a[0] > b[0] for a, b in zip(self.schedule, self.schedule[1:], strict=False)):
            raise ValueError(f"expected knots in the order of their epochs, got {self.schedule}")

    def by_adamw(self) -> "Recipe":
        """Return the same for AdamW: a fiftieth of the rates, a hundred times the decay, gradients clipped."""
        slower = tuple((epoch, rate / 50) for epoch, rate in self.schedule)
        decay = 100 * self.weight_decay
        return replace(self, schedule=slower, optimizer="adamw", weight_decay=decay, clip=self.clip or 1.0)

    def __str__(self) -> str:
        peak = max(rate for _, rate in self.schedule)
        told = f"{counted(self.epochs, 'epoch')} of batch {self.batch}, learning rate up to {peak:g}, augmentation {self.augment}"
        return told if self.optimizer == "sgd" else f"{told}, {self.optimizer}"

    def __repr__(self) -> str:
        """Return all fields; an optimiser is named where it is not the first that there was, since checkpoints keep this text."""
        named = [field.name for field in fields(self) if field.name != "optimizer" or self.optimizer != "sgd"]
        return f"Recipe({', '.join(f'{name}={getattr(self, name)!r}' for name in named)})"

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a (fractional) epoch; beyond the last knot it stays."""
        before = self.schedule[0]
        for after in self.schedule:
            if epoch < after[0]:
                if after[0] == before[0]:
                    return before[1]
                share = (epoch - before[0]) / (after[0] - before[0])
                return before[1] + share * (after[1] - before[1])
            before = after
        return before[1]


def annealed(epochs: int, peak: float, *, warmup: float = 0.15, **options: object) -> Recipe:
    """Return a recipe whose rate rises to ``peak`` over a share of the epochs and falls in a straight line to zero."""
    knots = ((0.0, peak / 10), (warmup * epochs, peak), (float(epochs), 0.0))
    return replace(Recipe(epochs, knots), **options)  # type: ignore[arg-type]


def shorter(recipe: Recipe) -> list[Recipe]:
    """Return an eighth of a recipe, another, a quarter and a half: whole schedules that are as long as the recipe together."""
    parts = [max(1, recipe.epochs * part // 8) for part in (1, 1, 2, 4)]
    return [
        replace(recipe, epochs=part, schedule=tuple((at * part / recipe.epochs, rate) for at, rate in recipe.schedule))
        for part in parts
    ]


def constant(epochs: int, rate: float, **options: object) -> Recipe:
    """Return a recipe with one learning rate throughout, as the fine-tuning attacks use."""
    return replace(Recipe(epochs, ((0.0, rate),)), **options)  # type: ignore[arg-type]


def stepped(steps: tuple[tuple[int, float], ...], **options: object) -> Recipe:
    """Return a recipe of plateaus, each ``(epochs, learning rate)``."""
    knots: list[tuple[float, float]] = []
    start = 0
    for length, rate in steps:
        knots += [(float(start), rate), (float(start + length), rate)]
        start += length
    return replace(Recipe(start, tuple(knots)), **options)  # type: ignore[arg-type]


RELEASED = {
    "adi": stepped(((20, 0.1), (20, 0.01), (20, 0.001)), batch=100, nesterov=False, augment="crop-flip"),
    "adi-continued": stepped(
        ((1, 1e-3), (20, 1e-4), (20, 1e-5), (19, 1e-6)), batch=100, nesterov=False, augment="crop-flip"
    ),
    "uchida": stepped(
        ((59, 0.1), (60, 0.02), (40, 0.004), (41, 0.0008)), batch=64, weight_decay=0.0, augment="crop-flip", pad=5
    ),
}
"""The papers' own releases: Adi et al. from scratch; on a trained model, where the rate goes on falling by its absolute
epoch; Uchida et al. (Departs: they rotate by 10 degrees, too)."""


def released(name: str, epochs: int = 0) -> Recipe:
    """Return the recipe of a paper's release, its schedule stretched to ``epochs`` if given.

    Raises:
        UsageError: no such recipe; near names are suggested.
    """
    if name not in RELEASED:
        raise UsageError(f"expected a released recipe, got {name!r}", hint=suggest_names(name, RELEASED))
    recipe = RELEASED[name]
    stretch = epochs / recipe.epochs if epochs else 1.0
    schedule = tuple((start * stretch, rate) for start, rate in recipe.schedule)
    return replace(recipe, epochs=epochs or recipe.epochs, schedule=schedule)


def suggest(
    *,
    samples: int,
    normalised: bool,
    trained: bool,
    picture: bool,
    layered: bool = False,
    channels_last: bool = False,
    epochs: int = 0,
    peak: float = 0.0,
    batch: int = 0,
    augment: str = "",
) -> Recipe:
    """Return a recipe that suits most small networks; whatever is given overrides its part.

    Args:
        samples: in the training data; below 5,000 epochs are many and batches small.
        normalised: whether the model has batch normalisation, which allows higher rates.
        trained: whether training starts from a trained model.
        picture: whether inputs are natural pictures that may be cropped and mirrored.
        layered: whether layers are normalised instead, as transformers have it: they are trained by AdamW.
        channels_last: whether the model takes pictures so; convolutions are faster (``benchmarks/fit_speed.py``).
        epochs: passes over the data.
        peak: largest learning rate.
        batch: samples a step.
        augment: see ``Recipe``.
    """
    small = samples < 5000
    if layered:
        return annealed(
            epochs or (40 if small else 8 if trained else 10),
            peak or (5e-4 if trained else 2e-3),
            batch=batch or (64 if small else 128),
            weight_decay=0.01,
            augment=augment or ("crop-flip" if picture else "none"),
            pad=2,
            clip=1.0,
            optimizer="adamw",
        )
    return annealed(
        epochs or (40 if small else 8 if trained else 10),
        peak or (0.1 if normalised and not trained else 0.05),
        batch=batch or (64 if small else 128),
        augment=augment or ("crop-flip" if picture else "none"),
        pad=2,
        clip=0.0 if normalised else 1.0,
        channels_last=channels_last,
    )

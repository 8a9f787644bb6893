"""Everything that is asked, as an autoencoder of the thief's remembers it."""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.attacks.base import Answer, Kind, Strengths
from modelmark.attacks.evasion import _autoencoder, _pictures
from modelmark.task import Task
from modelmark.training import Watch


@dataclass(frozen=True)
class Reconstruct:
    """Train an autoencoder on the thief's pictures and show the stolen model its reconstructions only.

    What the thief's pictures do not contain does not pass the narrow code. Marks in the weights stay as they are.

    Source: Gu and Rigazio 2014, arXiv 1412.5068 (denoising autoencoders before a classifier); as an attack on marks Lukas
    et al. 2022, arXiv 2108.04974, "input reconstruction" of complexity 128.
    Departs: the size of the code is channels at a quarter of each side, not their "complexity".

    Args:
        code: channels of the code.
        noise: deviation of the noise that training takes off, as a share of full scale.
        steps: of training.
    """

    name: ClassVar[str] = "reconstruct"
    summary: ClassVar[str] = "queries as an autoencoder of the thief's data remembers them"
    source: ClassVar[str] = "Lukas et al. 2022, arXiv 2108.04974"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "preprocessing"
    floor: ClassVar[float] = 0.9
    strengths: ClassVar[Strengths] = ({},)

    code: int = 8
    noise: float = 0.1
    steps: int = 600

    def __post_init__(self) -> None:
        if self.code < 1 or self.steps < 1 or not 0 <= self.noise <= 1:
            raise ValueError(
                "expected a channel and a step at least, and noise from 0 to 1, "
                f"got {self.code}, {self.steps} and {self.noise}"
            )

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API.

        Raises:
            UsageError: inputs are no pictures.
        """
        _pictures.require_pictures(task.interface, self.name)
        model = _autoencoder.trained(task.train_inputs, code=self.code, noise=self.noise, steps=self.steps, seed=seed)
        return _pictures.filtered(answer, task.interface, self.name, lambda x: _autoencoder.repeated(model, x))

"""A mark attached to an optimiser: whatever loop makes its steps, each of them embeds."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor, nn

from modelmark.errors import UsageError
from modelmark.marks.embedding import reach
from modelmark.marks.reach import Reach
from modelmark.networks import shards
from modelmark.training.attaching import Adding, sloped, stepping, whole

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark


class Attached:
    """A handle of what ``Mark.attach`` did; as a context manager it finishes at the end, and only lets go after an error.

    ``reach`` is how far the mark got, once it is finished.

    The hook has no state: checkpoints of optimisers and models are as ever, and a resumed run attaches again. Where processes
    share a model, all of them attach, ask and finish.
    """

    def __init__(self, mark: "Mark", optimizer: Any, model: nn.Module, *, seed: int) -> None:
        whole(model)
        self.mark, self.model = mark, model
        self._optimizer = stepping(optimizer)
        for hook in self._optimizer._optimizer_step_pre_hooks.values():
            if isinstance(hook, Adding) and hook.of == mark.key.digest and hook.model is model:
                raise UsageError("expected a mark that is not attached yet, this one is", hint="keep the first handle")
        self._hooks = mark.hooks(model, seed=seed)
        parts = sloped(self._hooks, scheme=mark.key.scheme.name)
        self._adding = Adding(model, parts, self._optimizer, of=mark.key.digest) if parts else None
        self._handle = None if self._adding is None else self._optimizer.register_step_pre_hook(self._adding)
        self._done = False
        self.reach: Reach | None = None

    @property
    def steps(self) -> int:
        """Steps into which the mark went so far."""
        return 0 if self._adding is None else self._adding.steps

    def margins(self) -> Tensor:
        """Return how clearly the model gives each symbol now, ``(trials,)``; see ``Mark.margins``."""
        return self.mark.margins(self.model)

    def finish(self) -> Reach:
        """Do what the mark does when training is over, let go of the optimiser and return how far the mark got.

        Raises:
            UsageError: the optimiser made no step, such as one that was made anew after ``attach``; or it is over already.
        """
        if self._done:
            raise UsageError("expected a mark that is attached, this one was finished or removed")
        self.remove()
        if self._adding is not None and not self._adding.steps:
            raise UsageError(
                "expected steps of the optimiser that the mark was attached to, it made none",
                hint="attach to the one that steps, after it was last made",
            )
        shards.settle(self.model)
        self._hooks.finish(self.model)
        self.reach = reach(self.mark, self.model)
        return self.reach

    def remove(self) -> None:
        """Let go of the optimiser; what is in the weights stays."""
        if self._handle is not None:
            self._handle.remove()
        self._handle, self._done = None, True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.remove()
        elif not self._done:
            self.finish()

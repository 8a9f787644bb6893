"""How far a mark got into a model. Loads without torch."""

from dataclasses import dataclass

_FEW = 16


@dataclass(frozen=True)
class Reach:
    """How far a mark got into a model.

    Args:
        scheme: the mark's scheme.
        matches: symbols read as expected.
        trials: symbols in all.
        margin: of the weakest symbol.
        needed: the margin the scheme asks for.
        short: symbols below that margin, the wrong ones among them.
        whole: whether margin and what is needed are gross bits of all symbols together, and no symbol counts by itself.
    """

    scheme: str
    matches: int
    trials: int
    margin: float
    needed: float
    short: int
    whole: bool = False

    @property
    def done(self) -> bool:
        """Whether the weakest symbol has the margin it needs."""
        return self.margin >= self.needed

    @property
    def near(self) -> bool:
        """Whether at most one symbol in ``_FEW`` lacks its margin."""
        return self.short * _FEW <= self.trials

    def __str__(self) -> str:
        if self.whole:
            return f"{self.scheme} {self.matches}/{self.trials}, {self.margin:.1f} bits (needs {self.needed:.1f})"
        lacking = f", {self.short} short of it" if self.short else ""
        return f"{self.scheme} {self.matches}/{self.trials} (weakest margin {self.margin:.3g}, needs {self.needed:g}{lacking})"

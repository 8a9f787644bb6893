"""How far a mark got into a model. Loads without torch."""

from dataclasses import dataclass

from modelmark.evidence.evidence import shown

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
        whole: of a mark of which no symbol counts by itself, and margin and what is needed are gross bits of all together: what
            a verification says was read, such as ``score 4219 of 4782 (exact)``.
    """

    scheme: str
    matches: int
    trials: int
    margin: float
    needed: float
    short: int
    whole: str = ""

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
            return f"{self.scheme} {self.whole}, {shown(self.margin)} bits (needs {self.needed:.1f})"
        lacking = f", {self.short} short of it" if self.short else ""
        return f"{self.scheme} {self.matches}/{self.trials} (weakest margin {self.margin:.3g}, needs {self.needed:g}{lacking})"

"""How strong evidence is, in words: a chance compared with a game that everybody knows, and the sum it comes from.

Everything is rounded to the side of the suspect: a chance that is said is never below the one that was computed.
"""

from modelmark.claim.papers.verdict import Weighed
from modelmark.evidence.evidence import BAR

LOTTERY_BITS = 24
"""Six numbers of 49, one ticket: one chance in 13,983,816, which is more than one in 2^24."""
_LOG10 = (30_102_999_566, 100_000_000_000)
"""log10 of 2, rounded down."""


def odds(millibits: int) -> str:
    """Return what net bits compare with: ``less likely than ...``.

    Args:
        millibits: thousandths of a bit, at least 0.
    """
    whole = millibits // 1000
    if whole < 1:
        return "no rarer than luck is every day"
    if whole < LOTTERY_BITS:
        return f"no more likely than {whole} {'head' if whole == 1 else 'heads in a row'} with a fair coin"
    times = whole // LOTTERY_BITS
    often = "once" if times == 1 else f"{times:,} times in a row"
    return (
        f"less likely than to win a lottery of 6 numbers out of 49 with a single ticket {often} "
        f"(less than 1 in 10^{whole * _LOG10[0] // _LOG10[1]:,})"
    )


def sentence(weighed: Weighed) -> str:
    """Return how strong the evidence is, charges taken off, in one sentence; and a second one where it is too weak."""
    short = weighed.net < 1000 * weighed.bar
    return (
        f"For a model that does not depend on the message, so good an agreement is {odds(weighed.net)}, after an allowance for "
        "what the claimant was free to try."
        + f" That falls short of the bar of {weighed.bar} bits that the challenge named."
        * short
    )


def caution() -> str:
    """Return what that chance is not."""
    return "This is the chance of such an agreement by luck. It is not the chance that this suspect is such a model."


def reached(weighed: Weighed) -> str:
    """Return how the evidence stands to the bar, and a remark on a bar below the usual one."""
    word = "reached" if weighed.net >= 1000 * weighed.bar else "not reached, so it counts for nothing"
    low = f" The bar is lower than the usual {BAR} bits." if weighed.bar < BAR else ""
    return f"{down(weighed.net)} bits are left; the bar that the challenge named is {weighed.bar}: {word}.{low}"


def down(millibits: int) -> str:
    """Return bits in tenths, rounded down: what counts for the claim."""
    return f"{millibits // 100 // 10:,}.{millibits // 100 % 10}"


def up(millibits: int) -> str:
    """Return bits in tenths, rounded up: what is taken off."""
    return down(millibits + 99)

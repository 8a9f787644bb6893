"""``field`` and networks that no field is in: 10,000 draws against the answers of each, by every rule.

Run: ``python benchmarks/field_null.py images:cifar10-jpeg.tar.xz [--size 16] [--seeds 0 1 2] [--nets FOLDER]``, after
``field.py``, whose networks it reads (seconds each). Of each seed: the host; students of it that its key was not made with,
which are the nearest to a copy there can be without a field; the thief's student of the unmarked host; hosts of the other
seeds. The key holds four rehearsals. A row says how far the draws' sums are from the exact distribution (Kolmogorov's distance;
0.0136 is reached by one fair row of twenty) and how many of the draws have a tail of 2^-3 to 2^-10 or less, beside how many may.
``charged`` is what the product would call evidence: the best of three rules less log2(3) bits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from _field_nets import Nets
from _study import Rows
from field import LOSE, RULES, attached, opened, parser
from modelmark import hashing
from modelmark.carriers.field import Fields
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.suspects.module import WhiteBox

DRAWS = 10_000
LEVELS = range(3, 11)
REHEARSALS = 4
Bits = npt.NDArray[np.float64]


def suspects(nets: Nets) -> dict[str, Callable[[], nn.Module]]:
    """Return what makes each network, by name."""
    made: dict[str, Callable[[], nn.Module]] = {"host": lambda: nets.host}
    for number in range(REHEARSALS, 8):
        made[f"student {number + 1} of the host, not in the key"] = lambda number=number: nets.rehearsal(number)
    made["thief's student of the host"] = lambda: nets.student("student-unmarked", nets.host)
    for seed in range(3):
        if seed != nets.seed:
            made[f"host of seed {seed}"] = lambda seed=seed: replace(nets, seed=seed).host
    return made


def drawn(tag: str, trials: int) -> npt.NDArray[np.uint8]:
    """Return 10,000 messages, ``(DRAWS, trials)``."""
    stream = hashing.expand(DRAWS * ((trials + 7) // 8), "field null", tag.encode())
    return np.unpackbits(np.frombuffer(stream, np.uint8).reshape(DRAWS, -1), axis=1)[:, :trials]


def distribution(table: npt.NDArray[np.int64]) -> Bits:
    """Return the chance of each sum, ``(most + 1,)``: all of a table at once, where the product counts one tail."""
    chances = np.ones(1)
    for low, high in np.sort(table, axis=1):
        wider = np.zeros(len(chances) + high)
        wider[low : low + len(chances)] += chances / 2
        wider[high:] += chances / 2
        chances = wider
    return chances


def weighed(table: Scores, messages: npt.NDArray[np.uint8]) -> tuple[dict[str, Any], Bits]:
    """Return how the sums of the draws compare with their exact distribution, and the bits of each."""
    trials = len(table.table)
    totals = table.table[np.arange(trials), messages].sum(axis=1)
    chances = distribution(table.table)
    tails = np.minimum(np.cumsum(chances[::-1])[::-1], 1.0)
    for total in np.percentile(totals, (50, 99, 100)).astype(int):
        assert abs(-np.log2(tails[total]) - tail_bits(table, int(total)).bits) < 1e-6
    seen = np.bincount(totals, minlength=len(chances)) / DRAWS
    bits = -np.log2(tails[totals])
    most, errors = {}, []
    for level in LEVELS:
        reach = tails[tails <= 2.0**-level].max()
        most[str(level)] = int((bits >= level).sum())
        errors.append((most[str(level)] / DRAWS - reach) / np.sqrt(reach * (1 - reach) / DRAWS))
    found = {
        "distance": round(float(np.abs(np.cumsum(seen) - np.cumsum(chances)).max()), 4),
        "reached": most,
        "worst error": round(float(max(errors, key=abs)), 2),
        "most bits": round(float(bits.max()), 1),
    }
    return found, bits


def study(rows: Rows, nets: Nets) -> None:
    made = attached(nets, LOSE, REHEARSALS)
    fields = Fields(nets.whole.feed, made["queries"], made["coordinates"], made["references"])
    for name, model in suspects(nets).items():

        def measure(name: str = name, model: Callable[[], nn.Module] = model) -> dict[str, Any]:
            (probe,) = fields.probes()
            tables = [fields.scores(answers) for answers in fields.every(WhiteBox(model()).observe(probe))]
            messages = drawn(f"{nets.size}/{nets.seed}/{name}", len(tables[0].table))
            found = [weighed(table, messages) for table in tables]
            charged = np.max([bits for _, bits in found], axis=0) - np.log2(len(found))
            reached = {str(level): int((charged >= level).sum()) for level in LEVELS}
            own = {rule: one for rule, (one, _) in zip(RULES, found, strict=True)}
            return {**own, "charged": {"reached": reached, "most bits": round(float(charged.max()), 1)}}

        cell = {"part": "null", "size": nets.size, "seed": nets.seed, "suspect": name, "draws": DRAWS}
        rows.measure(cell, measure)


def main() -> None:
    options = parser(__doc__, "field-null").parse_args()
    rows = Rows(options.output)
    for nets in opened(options):
        study(rows, nets)


if __name__ == "__main__":
    main()

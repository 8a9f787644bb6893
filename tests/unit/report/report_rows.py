"""Rows for tests of reports: plausible ones of every kind, with real arithmetic behind them."""

from dataclasses import replace
from fractions import Fraction

from modelmark.audit.result import Accuracy, Cost, Result
from modelmark.evidence.evidence import Charge, Evidence, Observation

SCHEMES = {"adi": 100, "coupled": 120, "uchida": 256, "deepsigns": 200}
REMOVALS = {
    "prune": ("modification", "pruning"),
    "finetune": ("modification", "fine-tuning"),
    "overwrite": ("modification", "piracy"),
    "retrain": ("extraction", "retraining"),
    "collude": ("collusion", "piracy"),
    "jpeg": ("evasion", "input-preprocessing"),
}


def reading(scheme, matches):
    """Return the evidence of ``matches`` symbols of a scheme, as an audit writes it."""
    chance = Fraction(1, 2) if scheme in ("uchida", "deepsigns") else Fraction(1, 10)
    return Evidence(scheme, matches, SCHEMES[scheme], chance, (Charge("offline draw", 80.0),), 100).to_json()


def observed(scheme, matches):
    """Return a reading without an exact test."""
    return Observation(scheme, matches, 100, "the message was chosen").to_json()


def row(scheme="adi", attack="prune", left=1.0, lost=0.01, **changes):
    """Return the row of an attack that leaves a share of the mark's symbols and costs a share of the accuracy."""
    kind, family = REMOVALS.get(attack, ("modification", "pruning"))
    trials = SCHEMES[scheme]
    plain = Result(
        scheme, attack, {}, 0, kind, family, "black-box", "digits", "cnn", 0, "done",
        accuracy=Accuracy(0.99, 0.98, 0.98 - lost), marked=reading(scheme, trials),
        after=reading(scheme, round(left * trials)), thief={"samples": 431, "share": 0.3}, cost=Cost(0.5, 0.7, 10.0),
        versions={"modelmark": "0.1.0", "python": "3.11.7", "torch": "2.13.0"}, machine={"processor": "x86_64", "threads": 1},
        started="2026-11-25T17:36:17+00:00", setup="c5952809dc9b",
    )  # fmt: skip
    return replace(plain, **changes)


def sweep(scheme, attack, pairs, seeds=(0,), **changes):
    """Return rows of strengths, given as pairs of the share of symbols left and the share of accuracy lost, over seeds."""
    return [
        row(
            scheme,
            attack,
            left,
            lost + 0.001 * seed,
            settings={"amount": strength / 5},
            strength=strength,
            seed=seed,
            **changes,
        )
        for seed in seeds
        for strength, (left, lost) in enumerate(pairs)
    ]


def forgery(scheme, matches, naive, **changes):
    """Return the row of a forged claim."""
    blank = {"kind": "forgery", "family": "forgery", "accuracy": Accuracy(0.99, 0.98)}
    return row(
        scheme, "fit-key", after=reading(scheme, matches), forged={"naive": naive, "tries": 64}, **blank | changes
    )


def detection(scheme, marked, host, **changes):
    """Return the row of a detector, with its score on the marked network and on the unmarked one."""
    found = {
        name: {"score": score, "marked": score > 3, "where": "conv2", "length": 0}
        for name, score in (("marked", marked), ("host", host))
    }
    blank = {"kind": "detection", "family": "detection", "accuracy": Accuracy(0.99, 0.98), "after": None}
    return row(scheme, "weight-statistics", finding=found, **blank | changes)


def independent(scheme, matches, **changes):
    """Return the row of an unmarked network of the same make."""
    blank = {"kind": "independent", "family": "unmarked", "cost": None, "after": reading(scheme, matches)}
    return row(scheme, "independent", lost=0.004, **blank | changes)


def audit(seeds=(0, 1, 2)):
    """Return the rows of an audit in which everything happens."""
    return [
        *sweep("adi", "prune", [(1, 0), (1, 0.004), (0.97, 0.02), (0.66, 0.04), (0.2, 0.3)], seeds),
        *sweep("uchida", "prune", [(1, 0), (1, 0.002), (0.99, 0.01), (0.96, 0.06), (0.9, 0.5)], seeds),
        *sweep("coupled", "prune", [(1, 0), (0.9, 0.01), (0.7, 0.03), (0.3, 0.09), (0.1, 0.6)], seeds),
        *sweep("adi", "finetune", [(0.99, -0.003), (0.93, -0.002), (0.85, 0), (0.6, 0.01), (0.12, 0.03)], seeds),
        *sweep("uchida", "finetune", [(1, -0.002), (1, 0), (1, 0), (0.99, 0.01), (0.98, 0.04)], seeds),
        *sweep("coupled", "finetune", [(1, -0.002), (0.99, 0), (0.98, 0.01), (0.96, 0.02), (0.9, 0.06)], seeds),
        *(
            row(scheme, "retrain", left, 0.02, seed=seed, cost=Cost(8.0, 9.0, 10.0))
            for seed in seeds
            for scheme, left in (("adi", 0.1), ("uchida", 0.5), ("coupled", 0.4))
        ),
        *(
            row(scheme, "jpeg", left, 0.13, seed=seed, cost=Cost(0.02, 0.02, 10.0))
            for seed in seeds
            for scheme, left in (("adi", 0.3), ("coupled", 0.9))
        ),
        *(
            row(
                "uchida",
                "jpeg",
                seed=seed,
                status="refused",
                after=None,
                accuracy=Accuracy(0.99, 0.98),
                cost=None,
                reason="the mark is read from the weights",
            )
            for seed in seeds
        ),
        *(
            row(scheme, "collude", left, 0.0, seed=seed)
            for seed in seeds
            for scheme, left in (("adi", 1), ("coupled", 0.95))
        ),
        row(
            "uchida",
            "collude",
            status="failed",
            after=None,
            marked=None,
            accuracy=None,
            cost=None,
            reason="RuntimeError: out of memory",
        ),
        *(
            row(
                scheme,
                "overwrite",
                0.98,
                0.01,
                seed=seed,
                thief={"samples": 431, "share": 0.3, "evidence": reading(scheme, SCHEMES[scheme])},
            )
            for seed in seeds
            for scheme in ("adi", "uchida")
        ),
        *(
            row(
                "deepsigns",
                attack,
                seed=seed,
                status="refused",
                marked=None,
                after=None,
                accuracy=None,
                cost=None,
                reason="expected every symbol with its margin, got 181/200",
            )
            for seed in seeds
            for attack in REMOVALS
        ),
        *(forgery("adi", 9, 1.0, seed=seed) for seed in seeds),
        forgery("coupled", 14, 0.31),
        *(
            detection(scheme, score, 1.2, seed=seed)
            for seed in seeds
            for scheme, score in (("uchida", 5.5), ("adi", 1.4))
        ),
    ]


def written(path, rows):
    """Write rows to a file and return its path."""
    path.write_text("".join(one.line() + "\n" for one in rows))
    return path

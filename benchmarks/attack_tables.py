"""The table of attacks in the docs, from the rows of the committed audit; ``tables.py`` puts it into the page."""

import statistics
from pathlib import Path

import field_enemies_tables
import language_tables
from _rows import markdown
from modelmark.attacks import ATTACKS, attack_class
from modelmark.attacks.base import KINDS
from modelmark.audit.result import FIELD_LOSS, INDEPENDENT, Reading, Result, read
from modelmark.key.draw import CHARGES

AUDIT = Path(__file__).parents[1] / "docs" / "audit" / "digits.jsonl"
DEPLOYED = AUDIT.with_name("deployment.jsonl")
SYMMETRIES = AUDIT.with_name("symmetries.jsonl")
BAR = 64


def attacks() -> str:
    """Return one line for every attack: source, cost, and the cells in which it succeeded, or that it removed nothing."""
    results = [result for path in (AUDIT, DEPLOYED) if path.exists() for result in read(path)[0]]
    there = {result.attack for result in results}
    results += [result for result in (read(SYMMETRIES)[0] if SYMMETRIES.exists() else []) if result.attack not in there]
    classes = {name: attack_class(name) for name in ATTACKS}
    order = sorted(classes, key=lambda name: (KINDS.index(classes[name].kind), classes[name].family, name))
    body = []
    for name in order:
        own = [result for result in results if result.attack == name]
        body.append(
            [
                f"`{name}`",
                classes[name].family,
                classes[name].source,
                _cost(own),
                "; ".join(filter(None, [_outcome(name, classes[name].kind, own), field_enemies_tables.outcome(name)])),
            ]
        )
    return markdown(["attack", "family", "source", "cost", "what it did"], body)


def _cost(own: list[Result]) -> str:
    shares = [result.share_of_training for result in own if result.share_of_training is not None]
    return f"{100 * statistics.median_low(shares):.0f} %" if shares else ""


def _outcome(name: str, kind: str, own: list[Result]) -> str:
    if not own:
        return language_tables.outcome(name) or "not part of this audit; [transformers](language.md)"
    if kind == "forgery":
        return _forged(own)
    if kind == "detection":
        found = [result for result in own if result.finding]
        seen = [result.scheme for result in found if result.finding["marked"]["marked"]]
        alarms = sum(result.finding["host"]["marked"] for result in found)
        what = f"calls marked: {', '.join(dict.fromkeys(seen))}" if seen else "sees no mark"
        return f"{what}; the unmarked network too" if alarms else what
    cells = []
    for scheme in sorted({result.scheme for result in own}):
        fell = [result for result in own if result.scheme == scheme and result.succeeded]
        if fell:
            best = min(fell, key=lambda result: (result.lost, result.net_bits))
            cells.append(f"{scheme} ({_settings(best)}{100 * best.lost:+.1f} points)")
    if cells:
        return "removed " + ", ".join(cells)
    judged = [result for result in own if result.removed is not None]
    costly = {result.scheme for result in judged if result.removed}
    if costly:
        return f"removed nothing here at 5 points or less; {', '.join(sorted(costly))} at more"
    return "removed nothing here" if judged else "does not apply"


def _forged(own: list[Result]) -> str:
    made = [result for result in own if result.forged]
    return "; ".join(
        f"{result.scheme}: {result.forged['naive']:.0%} for a naive verifier, "
        f"{result.after['matches']}/{result.after['trials']} for ours, {result.after['verdict']}"
        for result in made
    )


def symmetries() -> str:
    """Return what symmetries leave of each mark in a transformer, aligned: one line an attack with its settings."""
    results = read(SYMMETRIES)[0] if SYMMETRIES.exists() else []
    schemes, body = sorted({result.scheme for result in results}), []
    for place in dict.fromkeys((result.attack, _settings(result).removesuffix(", ")) for result in results):
        own = {
            result.scheme: result
            for result in results
            if (result.attack, _settings(result).removesuffix(", ")) == place
        }
        lost = [result.lost for result in own.values() if result.lost is not None]
        cells = [_left(own[scheme]) if scheme in own else "" for scheme in schemes]
        body.append([f"`{place[0]}`", place[1], f"{100 * max(lost):+.1f}" if lost else "", *cells])
    return markdown(["attack", "settings", "points lost, at most", *schemes], body)


def against_spread() -> str:
    """Return every cell in which a model made of marked copies keeps less than 64 net bits of ``spread``, at 5 points or less."""
    results = read(AUDIT)[0] if AUDIT.exists() else []
    body = []
    for result in results:
        made = result.scheme == "spread" and result.kind in ("modification", "collusion", "extraction")
        if made and result.after and result.lost is not None and result.lost <= FIELD_LOSS:
            bits = _dated(result.after)
            if bits < BAR:
                kind = "extraction" if result.kind == "extraction" else ""
                cell = [f"`{result.attack}`", _settings(result).removesuffix(", "), kind, f"{100 * result.lost:+.1f}"]
                body.append([*cell, f"{result.after['matches']}", f"{bits:.0f}"])
    return markdown(["attack", "settings", "", "points lost", "matches of 1,024", "net bits"], sorted(body))


def _dated(reading: Reading) -> float:
    """Return the net bits of a reading with a timestamped draw in place of the offline one of audits."""
    others = sum(charge["bits"] for charge in reading["charges"] if charge["reason"] != "offline draw")
    return max(reading["gross_bits"] - others - CHARGES["timestamp"], 0.0)


def _settings(result: Result) -> str:
    given = ", ".join(f"{name}={value}" for name, value in result.settings.items())
    return f"{given}, " if given else ""


def deployed() -> str:
    """Return what deployment leaves of each mark: one line an attack with its settings, one column a scheme."""
    found = read(DEPLOYED)[0] if DEPLOYED.exists() else []
    results = [result for result in found if result.kind != INDEPENDENT]
    schemes = sorted({result.scheme for result in results})
    body = []
    for place in dict.fromkeys(
        (result.arch, result.attack, _settings(result).removesuffix(", ")) for result in results
    ):
        own = {
            result.scheme: result
            for result in results
            if (result.arch, result.attack, _settings(result).removesuffix(", ")) == place
        }
        lost = [result.lost for result in own.values() if result.lost is not None]
        worst = f"{100 * max(lost):+.1f}" if lost else ""
        cells = [_left(own[scheme]) if scheme in own else "" for scheme in schemes]
        body.append([place[0], f"`{place[1]}`", place[2], worst, *cells])
    return markdown(["network", "attack", "settings", "points lost, at most", *schemes], body)


def _left(result: Result) -> str:
    if not result.after:
        return "does not apply"
    return f"{result.after['matches']} of {result.after['trials']}" + (", gone" if result.removed else "")


TABLES = {
    "attacks": attacks,
    "attacks-symmetries": symmetries,
    "attacks-deployment": deployed,
    "attacks-spread": against_spread,
}

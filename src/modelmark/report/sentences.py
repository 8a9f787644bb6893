"""The summary in sentences, each computed from the rows it names."""

from dataclasses import dataclass

from modelmark.naming import counted
from modelmark.report import facts
from modelmark.report.cells import established, gross, judged
from modelmark.report.independent import independents
from modelmark.report.labels import bits, clean, percent, points, several
from modelmark.report.parts import Part
from modelmark.report.rows import Row


@dataclass(frozen=True)
class Sentence:
    """One sentence and the rows that prove it.

    Args:
        text: the sentence.
        rows: to look at, all that it counts; none where it counts over all rows.
    """

    text: str
    rows: tuple[Row, ...] = ()


def sentences(part: Part) -> list[Sentence]:
    """Return what was found on one setup, most important first."""
    found = [
        _scope(part),
        *_perplexities(part),
        *_independents(part),
        *_attacks(part),
        *_schemes(part),
        *_cheapest(part),
        *_forged(part),
        *_seen(part),
        *_field(part),
    ]
    return [*found, *_missing(part)]


def _scope(part: Part) -> Sentence:
    done = sum(row.result.status == "done" for _, row in part.rows)
    return Sentence(
        f"{counted(len(part.schemes), 'scheme')} met {counted(len(part.attacks), 'attack')} over "
        f"{counted(len(part.seeds), 'seed')} on {part.data}, {part.arch}: {counted(done, 'row')} measured."
    )


def _perplexities(part: Part) -> list[Sentence]:
    """Say what points are where the networks are language models."""
    told = [row.result.perplexity for _, row in part.rows if row.result.perplexity]
    if not told:
        return []
    marked = sorted(each.marked for each in told)
    return [
        Sentence(
            f"These are language models: points are percents by which perplexity rose, from {marked[0]:.4g} "
            f"to {marked[-1]:.4g} of the marked networks."
        )
    ]


def _independents(part: Part) -> list[Sentence]:
    found = independents(part)
    if not found:
        return []
    count, alarms = sum(len(one.rows) for one in found), sum(one.established for one in found)
    most = max(found, key=lambda one: gross(one.most) or 0.0)
    exact = gross(most.most) is not None
    said = f"; the most evidence is {bits(gross(most.most))} gross bits, of {most.scheme}" if exact else ""
    return [
        Sentence(
            f"Of {counted(count, 'reading')} of unmarked networks of the same make, {_none(alarms)} established{said}.",
            tuple(one.most for one in found if one.established) or (most.most,),
        )
    ]


def _attacks(part: Part) -> list[Sentence]:
    verdicts = facts.verdicts(part)
    if not verdicts:
        return [Sentence("No attack met an established mark, so nothing can be said about removal.")]
    fell = [one for one in verdicts if one.fell]
    idle = [one.attack.name for one in verdicts if not one.fell]
    found = [
        Sentence(
            f"{len(fell)} of {counted(len(verdicts), 'attack')} that met an established mark removed at least one for at most "
            f"5 points of accuracy{', in at least one seed' if len(part.seeds) > 1 else ''}"
            + (f"; {several(idle)} removed none." if idle else ".")
        )
    ]
    if fell:
        worst = max(fell, key=lambda one: len(one.fell) / len(one.judged))
        found.append(
            Sentence(
                f"The most successful, {worst.attack.name}, removed {len(worst.fell)} of "
                f"{counted(len(worst.judged), 'mark')} it met.",
                tuple(cell.shown.bits for cell in worst.fell if cell.shown),
            )
        )
    return found


def _schemes(part: Part) -> list[Sentence]:
    scores = []
    for scheme in part.schemes:
        cells = [cell for (name, _), cell in part.cells.items() if name == scheme and cell.shown]
        if cells:
            scores.append((sum(cell.state == "removed" for cell in cells), len(cells), scheme))
    if len(scores) < 2:
        return [Sentence(f"{scheme} fell to {fell} of {counted(met, 'attack')}.") for fell, met, scheme in scores]
    ordered = sorted(scores, key=lambda one: one[0] / one[1])
    (best, met, firm), (worst, faced, weak) = ordered[0], ordered[-1]
    return [
        Sentence(
            f"Least was removed of {firm}, by {best} of {counted(met, 'attack')}; most of {weak}, by {worst} of {faced}.",
            tuple(
                cell.shown.bits
                for wanted in (firm, weak)
                for (name, _), cell in part.cells.items()
                if name == wanted and cell.state == "removed" and cell.shown
            ),
        )
    ]


def _cheapest(part: Part) -> list[Sentence]:
    rows = [(facts.share(row), scheme, row) for scheme, row in part.rows if judged(row) and row.result.succeeded]
    priced = [(share, scheme, row) for share, scheme, row in rows if share is not None]
    if not priced:
        return []
    share, scheme, row = min(priced, key=lambda one: (one[0], one[2].source, one[2].line))
    return [
        Sentence(
            f"The cheapest removal cost {percent(share)} of training a network: {clean(row.result.attack, 60)} on {scheme}, "
            f"{points(row.result.lost)} points lost, {bits(row.result.net_bits)} net bits left.",
            (row,),
        )
    ]


def _forged(part: Part) -> list[Sentence]:
    claims = facts.forgeries(part)
    if not claims:
        return []
    believed = [claim for claim in claims if (claim.naive or 0) >= 0.9]
    accepted = [claim for claim in claims if claim.established]
    return [
        Sentence(
            f"Of {counted(len(claims), 'forged claim')}, {len(believed)} would convince a verifier who takes the forger's word, "
            f"with 90 % or more of their message answered; {_none(len(accepted))} established by our evidence.",
            tuple(claim.row for claim in accepted or claims),
        )
    ]


def _none(count: int) -> str:
    return {0: "none is", 1: "one is"}.get(count, f"{count} are")


def _seen(part: Part) -> list[Sentence]:
    seen = facts.detections(part)
    if not seen:
        return []
    hits, alarms = sum(one.marked[1] for one in seen), sum(one.host[1] for one in seen)
    return [
        Sentence(
            f"Detectors called {hits} of {counted(len(seen), 'marked network')} marked, and the unmarked one {alarms} times of "
            f"{len(seen)}.",
            tuple(one.row for one in seen if one.marked[1] or one.host[1]) or tuple(one.row for one in seen),
        )
    ]


def _field(part: Part) -> list[Sentence]:
    both = [row for _, row in part.rows if judged(row) and row.result.field_removed is not None]
    if not both:
        return []
    ours, theirs = sum(bool(row.result.succeeded) for row in both), sum(map(facts.field_succeeded, both))
    differ = [row for one in facts.differences(part) for row in one.rows]
    return [
        Sentence(
            f"In {ours} of {counted(len(both), 'judged row')} the attack succeeded by our bar, in {theirs} by the field's rule; "
            f"the two differ in {len(differ)}.",
            tuple(differ),
        )
    ]


def _missing(part: Part) -> list[Sentence]:
    rows = [row for _, row in (*part.independents, *part.rows)]
    refused = [row for row in rows if row.result.status == "refused"]
    failed = [row for row in rows if row.result.status == "failed"]
    unmarked = [
        scheme
        for scheme in part.schemes
        if not any(name == scheme and established(row.result.marked) for name, row in (*part.independents, *part.rows))
    ]
    found = []
    if refused or failed:
        told = [f"{counted(len(refused), 'row')} {'was' if len(refused) == 1 else 'were'} refused"] if refused else []
        told += [f"{len(failed) if refused else counted(len(failed), 'row')} failed"] if failed else []
        found.append(Sentence(f"{' and '.join(told)}.", tuple(failed or refused)))
    if unmarked:
        found.append(Sentence(f"No established mark of {several(unmarked)} was there to attack."))
    return found

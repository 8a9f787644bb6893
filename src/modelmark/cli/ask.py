"""``modelmark ask``: the judge records what an API answers, before anything is public."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.cli import asked
from modelmark.cli.papers import Authorities, ClaimFile, DepositFile
from modelmark.cli.progress import meter
from modelmark.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from modelmark.claim.dates.deposit import Dated
    from modelmark.claim.papers.claim import Claim, Entry
    from modelmark.claim.papers.statement import Statement
    from modelmark.claim.papers.transcript import Head
    from modelmark.suspects.base import Probe, Suspect


def run(
    claim: ClaimFile,
    carriers: Annotated[Path, typer.Argument(metavar="CARRIERS", help="of the lot; modelmark carriers writes them")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="one that exists is gone on with")],
    api: Annotated[
        str,
        typer.Option(
            "--api",
            metavar="MODULE:FUNCTION",
            help="from a float tensor (N, *shape), fed as the claim says, to N integer labels; -1 for a refusal; of a language "
            "model from texts, or rows of tokens where the key has no texts, to the next tokens; of a mark in data from pairs "
            "(prompt, text) to natural logarithms of probabilities",
        ),
    ] = "",
    url: Annotated[str, typer.Option("--url", metavar="ADDRESS", help="in place of --api; needs --template")] = "",
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="likewise, a file that a runtime here runs")
    ] = None,
    template: asked.TemplateName = "",
    labels: asked.Labels = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes", metavar="FILE", help="names of the claim's classes, as inspect KEY --labels shows them"
        ),
    ] = None,
    via: asked.Via = None,
    secret_file: asked.SecretFile = None,
    secret_env: asked.SecretEnv = "",
    stop: Annotated[
        bool, typer.Option("--stop", help="when the e-process is decided; needs --deposit, unless the claim is offline")
    ] = False,
    deposit: DepositFile = None,
    authority: Authorities = None,
    bar: Annotated[int, typer.Option("--bits", min=0, help="net bits to stop at; 0: the claim's own bar")] = 0,
    ordinary: Annotated[
        str,
        typer.Option(
            "--ordinary",
            metavar="SPEC",
            help="images of your own, or a file of prompts, a line each, unknown to who answers, to hide the carriers; or none",
        ),
    ] = "",
    per_carrier: Annotated[
        int, typer.Option("--per-carrier", min=1, help="ordinary queries of each kind for every carrier")
    ] = 10,
) -> None:
    """Ask an API one query at a time and write each answer down at once; interrupted, the same command goes on.

    It is a function of yours (--api), an address (--url) or a file that a runtime runs (--model). Carriers are asked in an order
    that nobody can know, among ten times as many ordinary queries: pictures made as the carriers are, where the claim says how,
    and images of --ordinary. challenge --transcript and judge --transcript take the record.
    """
    from contextlib import ExitStack as Stack

    from modelmark import files
    from modelmark.claim.dates import deposit as deposits
    from modelmark.claim.judging import asking, reading
    from modelmark.claim.papers import handed, lots
    from modelmark.claim.papers.claim import Claim
    from modelmark.cli import ordinary as strewn
    from modelmark.cli import papers
    from modelmark.errors import MismatchError, UsageError
    from modelmark.suspects.base import ABSTAIN

    claimed = papers.load(claim, Claim)
    head, data = handed.parse(files.read(carriers, limit=2**31, what="the carriers of a lot"))
    if head.claim != claimed.digest:
        raise MismatchError(f"expected carriers of this claim, those in {carriers.name} are of another")
    entry = lots.require(claimed.document, head.key, head.lot)
    shown = reading.cut(entry.statement, data, lots.whole(entry, head.lot))
    test = "e-process" if stop else "exact"
    opened: Any = reading.kind(entry.statement, recorded=True, test=test).opened(entry.statement, shown, {})
    expected: list[int] = []
    target = math.inf
    if stop:
        dated = deposits.check(claimed, papers.load_deposit(deposit, claimed), papers.load_trust(authority))
        expected, target = _awaited(claimed.document, entry, dated, head, bar)
    elif deposit or authority or bar:
        raise UsageError("expected --stop with --deposit, --authority and --bits, got them without it")
    reach = asked.Asking(labels, via or (), template, secret_file, secret_env)
    head = asking.begun(output, head, test)
    own = strewn.strewn(opened, entry.statement, ordinary, per_carrier * len(shown), head.nonce)
    total = len(opened.queries()) + len(own)
    with Stack() as stack:
        names = _names(entry.statement, classes, labels)
        kind = type(opened).probe
        suspect = _suspect(reach, api, url, model, output, names, stack, kind, texts=strewn.has_texts(opened))
        graded = strewn.graded(suspect, entry.statement, ordinary)
        with meter("asking") as step:
            done = asking.record(
                output, head, opened, graded,
                expected=expected, target=target, ordinary=own, watch=lambda count: step(count, total),
            )  # fmt: skip
    graded.tell(output.name)
    refused = sum(one.answer == ABSTAIN and one.carrier >= 0 for one in done.asked)
    told = f"asked, {refused} without an answer that the claim knows" if refused else "answered"
    say(f"{output}: {len(done.asked)} of {total} queries {told}; transcript {done.digest[:16]}")


def _suspect(
    reach: asked.Asking,
    api: str,
    url: str,
    model: Path | None,
    output: Path,
    names: "Sequence[str]",
    stack: "ExitStack",
    probe: "type[Probe]",
    *,
    texts: bool = False,
) -> "Suspect":
    """Return what is asked: a function, an address or a file."""
    from modelmark.errors import UsageError

    if sum(map(bool, (api, url, model))) != 1:
        raise UsageError(
            "expected one of --api, --url and --model to ask, got " + ("several" if api or url else "none")
        )
    if url:
        return reach.endpoint(url, stack, names=names)
    if model:
        running = reach.running(model, names)
        if running is None:
            raise UsageError(
                f"expected a file that a runtime here runs, got {model.name}",
                hint="weights are judged as they are: challenge --weights",
            )
        return running
    from modelmark.naming import import_object
    from modelmark.suspects.base import Weigh
    from modelmark.suspects.function import BlackBox

    reach.require_used()
    if probe is Weigh:
        from modelmark.suspects.likelihoods import Likelihoods

        return Likelihoods(_answering(import_object(api), output))
    return BlackBox(_answering(import_object(api), output), texts=texts)


def _names(statement: "Statement", classes: Path | None, labels: Path | None) -> list[str]:
    """Return the names of the claim's classes; none where they are known by number alone."""
    from modelmark import canonical, hashing
    from modelmark.errors import MismatchError, UsageError
    from modelmark.suspects.answers import read_names

    if classes is None:
        if labels is not None:
            raise UsageError(
                "expected --classes FILE with --labels, the claim shows a digest of its class names alone",
                hint="modelmark inspect KEY --labels > FILE, which whoever has the key can hand over",
            )
        return []
    names = read_names(classes)
    if hashing.digest("class-map", canonical.encode([*names])).hex() != statement.interface.class_map:
        raise MismatchError(f"expected the claim's class names in its order in {classes.name}, got others")
    return names


def _answering(api: "Callable[..., object]", output: Path) -> "Callable[..., object]":
    """Return the function with its failures, which are not ours, told in a line."""
    from modelmark.errors import SuspectError

    def answer(*asked: object) -> object:
        try:
            return api(*asked)
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            hint = f"answers so far are in {output.name}; the same command goes on"
            raise SuspectError(f"expected labels from the API, got {text}", hint=hint) from error

    return answer


def _awaited(claim: "Claim", entry: "Entry", dated: "Dated", head: "Head", bar: int) -> tuple[list[int], float]:
    """Return the drawn symbols of a lot's trials, and the gross bits at which the e-process is decided."""
    from modelmark.claim.judging import weighing
    from modelmark.claim.papers import lots
    from modelmark.errors import UsageError

    if bar and bar < claim.policy.bar:
        raise UsageError(f"expected a bar of at least the claim's {claim.policy.bar} bits, got {bar}")
    expected = dated.draw(head.key).symbols(entry.statement.alphabet, lots.trials(entry, head.lot)).tolist()
    due = sum(charge.millibits for charge in weighing.charged(claim, key=head.key)) / 1000
    return expected, (bar or claim.policy.bar) + due

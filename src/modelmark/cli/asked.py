"""Suspects that are asked and not read: a file through its runtime, or an address; the options of both."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmark.cli.terminal import say
from modelmark.errors import MalformedError, MissingPackageError, UsageError
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.marks.keys import Key
    from modelmark.suspects.base import Suspect
    from modelmark.suspects.http.endpoint import Endpoint
    from modelmark.suspects.runtimes.running import Running

Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="the suspect's classes by name, one a line, in its own order"),
]
TemplateName = Annotated[
    str,
    typer.Option(
        "--template",
        metavar="NAME",
        help="of an address: kserve-v2, tf-serving, torchserve, openai-completions, ..., or a file of your own",
    ),
]
Via = Annotated[
    list[str] | None,
    typer.Option(
        "--via",
        metavar="NAME=VALUE",
        help="how it is asked: layout, values, input, output, means; of an address rate, tries, timeout, ...; may be repeated",
    ),
]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", metavar="FILE", help="its first line is sent along as a bearer token")
]
SecretEnv = Annotated[
    str, typer.Option("--secret-env", metavar="NAME", help="likewise, from a variable of the environment")
]


@dataclass(frozen=True)
class Asking:
    """How a suspect is asked, as a person typed it.

    Args:
        labels: file of the suspect's class names.
        via: settings, ``NAME=VALUE``.
        template: name or file, of an address.
        secret_file: whose first line is the secret.
        secret_env: the variable that holds it.
    """

    labels: Path | None = None
    via: Sequence[str] = ()
    template: str = ""
    secret_file: Path | None = None
    secret_env: str = ""

    @property
    def names(self) -> list[str]:
        """The suspect's class names; none where no file was typed."""
        from modelmark.suspects.answers import read_names

        return read_names(self.labels) if self.labels else []

    def running(self, path: Path, names: Sequence[str] = ()) -> "Running | None":
        """Return a file as it is run; None of one that no runtime here runs.

        Args:
            path: of the file.
            names: of the key's classes, where its carriers do not know them.

        Raises:
            UsageError: a setting or an option that files have not.
            MissingPackageError: its runtime is not installed.
            MalformedError: the runtime does not take it.
        """
        from modelmark.suspects.runtimes import runner
        from modelmark.suspects.runtimes.running import Ports, Running

        opened = runner(path)
        if opened is None:
            return None
        self._require_no(path.name, "--template", self.template)
        self._require_no(path.name, "--secret-file or --secret-env", self.secret_file or self.secret_env)
        return Running(opened(path), self.names, _made(Ports, self.via), names)

    def endpoint(
        self, url: str, stack: ExitStack, *, names: Sequence[str] = (), answers: Path | None = None
    ) -> "Endpoint":
        """Return what answers at an address.

        Args:
            url: as it was typed.
            stack: closes the connection and the file of answers.
            names: of the key's classes.
            answers: file where they are written down; None: whoever asks keeps them.

        Raises:
            UsageError: no template, or an address, a setting or a secret that cannot be used.
        """
        from modelmark.suspects.http import endpoint, secrets, templates
        from modelmark.suspects.http.address import Address
        from modelmark.suspects.http.client import Client
        from modelmark.suspects.http.journal import Journal

        address = Address(url)
        if not self.template:
            known = ", ".join(templates.names())
            raise UsageError(
                "expected --template, which says how an address is asked", hint=f"a file of your own, or {known}"
            )
        way = _made(endpoint.Reached, self.via)
        template = way.over(templates.load(self.template))
        headers = secrets.header(address, self.secret_file, self.secret_env, way.header)
        written = None
        if answers is not None:
            written = Journal(answers, str(address), endpoint.way(address, template, way, self.names, names))
            stack.callback(written.close)
        client = Client(address, headers, patience=way, ca=way.ca, met=bool(written and written.before))
        stack.callback(client.close)
        return endpoint.Endpoint(client, template, way, self.names, names, written)

    def require_used(self, ordinary: str = "") -> None:
        """Raise UsageError if something was typed that only a suspect that is asked has a use for."""
        typed = ("--labels", self.labels), ("--via", self.via), ("--template", self.template), ("--ordinary", ordinary)
        for option, given in typed:
            if given:
                raise UsageError(f"expected {option} with a file that a runtime runs, or an address, got weights")

    def _require_no(self, name: str, option: str, given: object) -> None:
        if given:
            raise UsageError(f"expected {option} with an address, got {name}")


@dataclass(frozen=True)
class Way:
    """How one suspect is asked for whatever key.

    Args:
        asking: as it was typed.
        where: the suspect, a file or an address.
        answers: where an address's answers are written down; None: a name that says whose and of which key.
        ordinary: labelled data to ask first; empty: none.
        by_code: whether a file's weights are put into the code of a network instead.
    """

    asking: Asking
    where: "Path | str"
    stack: ExitStack
    answers: Path | None = None
    ordinary: str = ""
    by_code: bool = False
    _made: "dict[Any, Running | Endpoint]" = field(default_factory=dict)

    def suspect(self, key: "Key") -> "Running | Endpoint | None":
        """Return what answers a key's questions; None where weights are read, or nothing here runs the file.

        Raises:
            UsageError: what was typed does not fit the suspect.
            MismatchError: the key wants weights, and the suspect is an address.
            SuspectError: it does not answer.
        """
        if key.access == "white-box":
            return None
        if key.feed not in self._made:
            made = self._opened(key)
            if made is None:
                self.asking.require_used(self.ordinary)
                return None
            self._made[key.feed] = made
            if self.ordinary:
                graded(made, self.ordinary, key.feed, self._name)
        return self._made[key.feed]

    @property
    def _name(self) -> str:
        from modelmark.suspects.http.address import Address

        return str(Address(self.where)) if isinstance(self.where, str) else self.where.name

    def _opened(self, key: "Key") -> "Running | Endpoint | None":
        if isinstance(self.where, str):
            if self.answers and self._made:
                raise UsageError("expected keys of one interface with --answers, got others")
            path = self.answers or _answers_of(key, self.where)
            made = self.asking.endpoint(self.where, self.stack, names=key.feed.class_names, answers=path)
            self.stack.callback(_tell_written, path, made)
            return made
        if self.by_code:
            return None
        try:
            return self.asking.running(self.where)
        except (MissingPackageError, MalformedError) as error:
            hint = f"; {error.hint}" if error.hint else ""
            say(f"{self.where.name}: {error}; its weights are put into the code of a network{hint}")
            return None

    def tell_of_tries(self) -> None:
        """Say what else a suspect that did not answer as the key says may want, if one was asked; each is a try more."""
        if any(feed.kind == "causal" for feed in self._made):
            say("asked with prompts as they are; each other way that is tried, such as a chat, counts: --suspects N")
        elif self._made and "values=" not in " ".join(self.asking.via):
            say(
                "asked with pixels fed as the key or the template says; if it wants others: --via values=unit, signed or bytes; "
                "with classes in the key's order; if it has another: --labels FILE"
            )
            say("each way that is tried on the carriers counts: --suspects N")


def _tell_written(path: Path, endpoint: "Endpoint") -> None:
    if written := endpoint.written:
        before = f", {written.before} of them from before" if written.before else ""
        again = (
            f", {counted(endpoint.client.retries, 'try', 'tries')} more than queries" if endpoint.client.retries else ""
        )
        say(f"{path}: {counted(len(written.answers), 'answer')}{before}{again}")


def _answers_of(key: "Key", url: str) -> Path:
    from modelmark.suspects.http.address import Address

    return Path(f"{key.fingerprint[:8]}.{Address(url).host.replace(':', '-')}.answers")


def graded(suspect: "Suspect", spec: str, feed: Any, name: str, count: int = 100) -> None:
    """Ask labelled pictures and say how many a suspect gets right: an order of classes of its own shows there.

    Which order it is may be chosen by that: no carrier is asked for it, and nothing of it depends on a draw.
    """
    import numpy as np

    from modelmark.cli.loading import load_task
    from modelmark.suspects.base import Ask

    task = load_task(spec).fed_as(feed)
    chosen = np.random.default_rng(0).permutation(len(task.test_inputs))[:count]
    given = suspect.observe(Ask(feed, task.test_inputs.cpu().numpy()[chosen]))[0]
    tell(given.tolist(), task.test_labels.cpu().numpy()[chosen].tolist(), feed.class_names, name)


def tell(given: Sequence[int], labels: Sequence[int], names: Sequence[str], name: str) -> None:
    """Say how many answers to labelled pictures are right, and what to look at where most are not."""
    right = sum(one == label for one, label in zip(given, labels, strict=True))
    share = right / max(1, len(labels))
    line = f"{name}: {right} of {len(labels)} ordinary pictures right ({share:.0%})"
    if share >= 0.5:
        say(line)
        return
    say(f"{line}: is the class order yours? --labels FILE; are pixels fed as it wants them? --via values=unit, ...")
    if not names:
        return
    order = [list(names).index(word) for word in sorted(names)]
    other = sum(one >= 0 and order[one] == label for one, label in zip(given, labels, strict=True)) / max(
        1, len(labels)
    )
    if other > max(0.5, share):
        say(
            f"{name}: with its classes in alphabetical order {other:.0%} would be right: put the names so into --labels FILE"
        )


def _made(cls: Any, via: Sequence[str]) -> Any:
    from modelmark import options

    given = options.parse(list(via))
    known = [one.name for one in fields(cls)]
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f"expected --via {', '.join(known)}, got {unknown[0]!r}")
    return options.make(cls, given)

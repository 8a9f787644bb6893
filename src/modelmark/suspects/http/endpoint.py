"""A suspect behind an address, asked one input at a time."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds import arrays
from modelmark.feeds.base import Array
from modelmark.suspects.answers import Order
from modelmark.suspects.base import ABSTAIN, Ask, AskBeyond, AskNext, Probe, Weigh
from modelmark.suspects.http import body, journal, likelihoods, reply
from modelmark.suspects.http.address import Address
from modelmark.suspects.http.client import Client, Patience
from modelmark.suspects.http.templates import Meaning, Template


@dataclass(frozen=True)
class Settings:
    """How a server is asked beyond its template.

    Args:
        model: its name there.
        input: name of the field or tensor.
        answer: JMESPath expression, in place of the template's.
        means: likewise, what stands there.
        values: likewise, range of pixels.
        layout: likewise, order of axes.
        said: likewise, where a language model's text stands.
        top: likewise, how many log-probabilities.
        rule: which next token of a language model is taken: the likeliest of a prompt's candidates, by log-probabilities, or
            ``greedy``, the one that it says.
        abstain: count a query that fails after all tries as a refusal, which never matches, rather than stop.
    """

    model: str = ""
    input: str = "input"
    answer: str = ""
    means: Meaning = ""
    values: Literal["", "fed", "unit", "signed", "bytes"] = ""
    layout: Literal["", "nchw", "nhwc"] = ""
    said: str = ""
    rule: Literal["likeliest", "greedy"] = "likeliest"
    top: Annotated[int, Field(ge=0, le=2**17)] = 0
    abstain: bool = False

    def over(self, template: Template) -> Template:
        """Return a template with what is said here in place of its own."""
        said = {name: getattr(self, name) for name in ("answer", "means", "values", "layout", "said", "top")}
        return template.changed(said)


@dataclass(frozen=True)
class Reached(Settings, Patience):
    """All that can be said of an address: what is sent, how it is waited for, who is trusted.

    Args:
        ca: file of certificates that are trusted beside the system's.
        header: name of the header that carries the secret.
    """

    name: ClassVar[str] = "an address"

    ca: str = ""
    header: str = "Authorization"


@dataclass
class Endpoint:
    """A suspect that answers over HTTP.

    Args:
        client: that reaches it.
        template: what is sent and where the answer stands, settings applied.
        settings: the rest.
        own: names of the suspect's classes in its order; empty: the key's.
        names: of the key's classes, where the probe knows them by number alone.
        written: where answers are written down; none: whoever asks keeps them.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, AskNext, Weigh})

    client: Client
    template: Template
    settings: Settings = field(default_factory=Settings)
    own: Sequence[str] = ()
    names: Sequence[str] = ()
    written: journal.Journal | None = None
    queries: int = 0
    notes: dict[str, None] = field(default_factory=dict)

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Ask each input that was not answered before, one after the other, and return the labels, or the surprisals.

        Raises:
            MismatchError: the probe needs weights, or its inputs are not what the template sends.
            SuspectError: no answer, or one that is none; answers so far are written down.
        """
        if isinstance(probe, Weigh):
            likelihoods.require(self.template)
            return [np.array([self._weighed(probe, number) for number in range(len(probe.inputs))], np.int64)]
        if not isinstance(probe, Ask):
            raise MismatchError("expected access to the suspect's weights, got an address, which answers alone")
        if isinstance(probe, AskNext):
            found = np.array([self._next(probe, number) for number in range(len(probe.inputs))], np.int64)
        else:
            order = Order.of(self.names or probe.feed.class_names, self.own)
            found = np.array([self._answer(probe, number, order) for number in range(len(probe.inputs))], np.int64)
        if none := int((found == ABSTAIN).sum()):
            self.notes |= {
                f"{none} of {len(found)} answers are refusals or no class of the key and count as none": None
            }
        return [found]

    def _answer(self, probe: Ask, number: int, order: Order) -> int:
        part = slice(number, number + 1)
        stored, beyond = probe.inputs[part], b""
        leaf = probe.feed.leaves(stored)[0]
        if isinstance(probe, AskBeyond):
            planes = probe.planes[part]
            stored, beyond = (
                arrays.beyond(stored, planes, probe.amplitude),
                planes.tobytes() + str(probe.amplitude).encode(),
            )
        sent = body.Input(stored, probe.feed, self.template, self.settings.model, self.settings.input)
        return self._kept(journal.digest(leaf, beyond), sent, lambda data: reply.label(data, self.template, order))

    def _next(self, probe: AskNext, number: int) -> int:
        """Return which candidate the model that answers there says comes next."""
        prompts = probe.prompts[number : number + 1]
        greedy = self.settings.rule == "greedy"
        template = self.template.goes_on if greedy else self.template
        text = prompts.texts[0] if prompts.texts else None
        sent = body.Input(prompts.rows, probe.feed, template, self.settings.model, self.settings.input, text)
        known = prompts.candidates[0].tolist(), [*prompts.words[0]] if prompts.words else []
        query = journal.digest(prompts.leaves()[0])
        return self._kept(query, sent, lambda data: reply.candidate(data, template, *known, greedy=greedy))

    def _weighed(self, probe: Weigh, number: int) -> int:
        part = slice(number, number + 1)
        one = Weigh(probe.feed, probe.inputs[part], probe.told[part])
        sent = body.Input(one.inputs[:], probe.feed, self.template, self.settings.model, self.settings.input)
        return self._kept(
            journal.digest(one.leaves()[0], b""), sent, lambda data: likelihoods.surprisal(data, self.template, one)
        )

    def _kept(self, query: str, sent: body.Input, read: Callable[[bytes], int]) -> int:
        """Return what a query was answered with, now or before; it is written down before another is sent."""
        self.queries += 1
        if self.written is not None and query in self.written.answers:
            return self.written.answers[query]
        answer = self._asked(body.request(sent), read)
        if answer is None:  # not written down: the same command asks it again
            return ABSTAIN
        if self.written is not None:
            self.written.write(query, answer)
        return answer

    def _asked(self, request: dict[str, Any], read: Callable[[bytes], int]) -> int | None:
        """Return the answer, or None where the query failed and is to count as refused."""
        try:
            return self.client.ask(request, read)
        except SuspectError as error:
            if self.settings.abstain and self.client.met:
                return None
            if self.written is not None:
                kept = f"answers so far are in {self.written.path.name}; the same command goes on"
                error.hint = f"{error.hint}; {kept}" if error.hint else kept
            raise


def way(address: Address, template: Template, settings: Settings, own: Sequence[str], names: Sequence[str]) -> str:
    """Return the digest of all that decides who is asked, what is sent and what an answer means, for ``Journal``.

    What follows a ``?`` may name the model, so the whole address is in it, of which ``Journal`` shows the rest.
    """
    apart = (
        {"abstain"} if settings.rule == "greedy" else {"abstain", "rule", "said"}
    )  # as files had it before there were rules
    said = {field.name: getattr(settings, field.name) for field in fields(Settings) if field.name not in apart}
    sent = {name: value for name, value in asdict(template).items() if name not in apart}
    parts = (address.url, sent, said, list(own), list(names))
    return journal.digest(*(json.dumps(part, sort_keys=True).encode() for part in parts))

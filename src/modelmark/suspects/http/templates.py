"""What is sent to a kind of server and where its answer stands: small JSON files, one a kind, and a user's own of the same form.

::

    {"body": {"pixels": "{array}", "model": "{model}"}, "answer": "result.scores", "values": "unit", "layout": "nhwc"}

A word in braces stands for what ``body.FILL`` says; ``answer`` is a JMESPath expression, ``@`` for all of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from modelmark import files
from modelmark.errors import MalformedError, UsageError
from modelmark.naming import library, suggest
from modelmark.options import make

Meaning = Literal["", "scores", "labels", "probability", "logit", "names", "tokens", "likelihoods"]
"""As for runtimes, and: the name of a class with its score, a token with its log-probability, or those of all tokens of a
prompt; see ``reply`` and ``likelihoods``."""
_HERE = "templates"
_MOST = 2**20


@dataclass(frozen=True)
class Template:
    """A kind of request and its answer.

    Args:
        about: what it is for, in a line.
        body: JSON to send.
        form: fields of a multipart form; a field of ``{png}`` is a file.
        raw: what is sent as it is, ``{png}`` or ``{text}``.
        type: content type of what is sent as it is.
        answer: JMESPath expression for where the answer stands.
        said: likewise, for the text that a language model goes on with, where ``answer`` has tokens with log-probabilities.
        means: what stands there; empty: as its type says.
        values: range of pixels.
        layout: order of axes of arrays.
        top: how many log-probabilities are asked for.
    """

    about: str = ""
    body: Any = None
    form: dict[str, str] | None = None
    raw: str = ""
    type: str = "application/octet-stream"
    answer: str = "@"
    said: str = ""
    means: Meaning = ""
    values: Literal["fed", "unit", "signed", "bytes"] = "fed"
    layout: Literal["nchw", "nhwc"] = "nchw"
    top: Annotated[int, Field(ge=0, le=2**17)] = 0

    def __post_init__(self) -> None:
        if sum((self.body is not None, self.form is not None, bool(self.raw))) != 1:
            raise ValueError("expected a body, a form or raw in a template, and one of them alone")

    @cached_property
    def where(self) -> Any:
        """The compiled expression of ``answer``.

        Raises:
            UsageError: it is none.
            MissingPackageError: jmespath is not installed.
        """
        jmespath = library("jmespath", extra="http")
        try:
            return jmespath.compile(self.answer)
        except jmespath.exceptions.JMESPathError as error:
            said = " ".join(str(error).split())[:160]
            raise UsageError(f"expected a JMESPath expression for the answer, got {self.answer!r}: {said}") from None

    @property
    def goes_on(self) -> "Template":
        """The same, with the text that a language model goes on with as its answer.

        Raises:
            UsageError: where that stands is not said.
        """
        if not self.said:
            raise UsageError(
                "expected where an answer's text stands, the template does not say it", hint="--via said=JMESPATH"
            )
        return replace(self, answer=self.said)

    def changed(self, settings: Mapping[str, Any]) -> "Template":
        """Return the template with what a person said otherwise; an empty value says nothing."""
        return replace(self, **{name: value for name, value in settings.items() if value})


def names() -> list[str]:
    """Return the names of the templates that come with the package."""
    folder = resources.files(__package__) / _HERE
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def load(name: str) -> Template:
    """Return the template of that name, or the one in a file.

    Raises:
        UsageError: no such name and no such file, or fields that a template has not.
        MalformedError: the file is no JSON.
    """
    if name in names():
        data = (resources.files(__package__) / _HERE / f"{name}.json").read_bytes()
    elif Path(name).is_file():
        data = files.read(Path(name), limit=_MOST, what="a template")
    else:
        raise UsageError(f"expected a template or a file of one, got {name!r}", hint=suggest(name, names()))
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedError(f"expected a template in JSON in {name}, got something else") from None
    if not isinstance(value, dict):
        raise MalformedError(f"expected fields of a template in {name}, got {type(value).__name__}")
    found = make(Template, value)
    _ = found.where
    return found

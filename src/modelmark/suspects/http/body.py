"""From one input to a request: placeholders of a template filled in, once, so that no text of an input is taken for one."""

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds import arrays
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.causal import END
from modelmark.suspects.http.templates import Template

_PLACE = re.compile(r"\{([a-z]+)\}")
_DATATYPES = {"f": "FP32", "u": "UINT8", "i": "INT64", "O": "BYTES"}
# what each word in braces stands for; texts may stand within other words, all else alone
FILL: dict[str, Callable[["Input"], Any]] = {
    "array": lambda one: one.array.tolist(),  # (1, ...), nested
    "one": lambda one: one.array[0].tolist(),  # without the axis of the batch
    "flat": lambda one: one.array.reshape(-1).tolist(),
    "shape": lambda one: list(one.array.shape),
    "datatype": lambda one: _DATATYPES[one.array.dtype.kind],
    "png": lambda one: base64.b64encode(one.png).decode(),
    "text": lambda one: one.text,
    "tokens": lambda one: one.tokens,
    "record": lambda one: one.record,
    "model": lambda one: one.model,
    "input": lambda one: one.name,
    "top": lambda one: one.template.top,
}


@dataclass(frozen=True, eq=False)
class Input:
    """One input on its way out.

    Args:
        stored: as the feed stores it, ``(1, *input_shape)``.
        feed: of the key.
        template: of the server.
        model: its name there.
        name: of the field or tensor.
        prompt: text of a prompt of a language model; None: known by number alone.
    """

    stored: Array
    feed: Feed
    template: Template
    model: str = ""
    name: str = "input"
    prompt: str | None = None

    @cached_property
    def array(self) -> Array:
        """The input in the range and order of axes of the template, ``(1, ...)``."""
        return arrays.given(self.stored, self.feed, self.template.values, self.template.layout)

    @property
    def text(self) -> str:
        """The text.

        Raises:
            MismatchError: the key is not of texts, or its prompts are known by number alone.
        """
        if self.prompt is not None:
            return self.prompt
        if self.feed.kind == "causal":
            raise MismatchError(
                "expected prompts with texts for this template, the key's are known by number alone",
                hint="a template of your own may send {tokens}; keygen with a tokenizer keeps texts",
            )
        if self.feed.kind != "texts":
            raise MismatchError(f"expected a key of texts for this template, got one of {self.feed.kind}")
        return str(self.stored[0, 0])

    @property
    def record(self) -> str | list[Any]:
        """The text, or the numbers of the tokens before the end of the row.

        Raises:
            MismatchError: the key is of something else.
        """
        return self.tokens if self.feed.kind == "causal" else self.text

    @property
    def tokens(self) -> list[Any]:
        """The numbers of its tokens, of a language model's row those before its end."""
        row = self.array[0]
        found: list[Any] = (row[row != END] if self.feed.kind == "causal" else row).tolist()
        return found

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, grey or in colour; its pixels are those that are stored.

        Raises:
            MismatchError: no picture of one or three channels.
        """
        from PIL import Image

        if self.feed.kind != "pictures" or len(self.feed.input_shape) != 3 or self.feed.input_shape[0] not in (1, 3):
            shape = "x".join(map(str, self.feed.input_shape))
            raise MismatchError(
                f"expected pictures of one or three channels for a PNG, got {self.feed.kind} of {shape}"
            )
        pixels = arrays.given(self.stored, self.feed, "bytes", "nhwc")[0]
        out = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG")
        return out.getvalue()


def request(one: Input) -> dict[str, Any]:
    """Return what httpx sends: its arguments ``content`` and ``headers``, or ``data`` and ``files``.

    Raises:
        UsageError: a word in braces that stands for nothing.
        MismatchError: the key's inputs are not what the template sends.
    """
    template = one.template
    if template.form is not None:
        return _form(one, template.form)
    if template.raw:
        content = one.png if template.raw == "{png}" else str(_filled(template.raw, one)).encode()
        return {"content": content, "headers": {"Content-Type": template.type}}
    content = json.dumps(_filled(template.body, one), allow_nan=False).encode()
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def _form(one: Input, fields: Mapping[str, str]) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    attached = {}
    for name, value in fields.items():
        name = str(_filled(name, one))
        if value == "{png}":
            attached[name] = ("input.png", one.png, "image/png")
        else:
            found = _filled(value, one)
            sent[name] = found if isinstance(found, str) else json.dumps(found)
    return {"data": sent, "files": attached or None}


def _filled(value: Any, one: Input) -> Any:
    if isinstance(value, dict):
        return {str(_filled(name, one)): _filled(item, one) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, one) for item in value]
    if not isinstance(value, str):
        return value
    alone = _PLACE.fullmatch(value)
    if alone:
        return _stands(alone[1], one)
    return _PLACE.sub(lambda place: str(_stands(place[1], one)), value)


def _stands(word: str, one: Input) -> Any:
    if word not in FILL:
        raise UsageError(f"expected {', '.join(f'{{{name}}}' for name in FILL)} in a template, got {{{word}}}")
    found = FILL[word](one)
    if word in ("array", "one", "flat") and one.array.dtype.kind == "f" and not np.isfinite(one.array).all():
        raise MismatchError("expected finite numbers to send, got NaN or infinity")
    return found

"""A suspect that is a program in a file, asked through its runtime: the very thing that is shipped. Loads without torch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds import arrays
from modelmark.feeds.base import Array, Feed
from modelmark.suspects.answers import Means, Order, labels
from modelmark.suspects.base import ABSTAIN, LABELS_ALONE, LABELS_HINT, Ask, AskBeyond, AskNext, Probe, Weigh
from modelmark.suspects.runtimes.base import Port, Program

_BATCH, _NUMBERS = 256, 2**22
# inputs beside the tokens that exporters of language models leave, and what stands in all of each
FILLED = {"attention_mask": 1, "token_type_ids": 0}


@dataclass(frozen=True)
class Ports:
    """How a program is asked, where the file does not say.

    Args:
        input: name of the input.
        output: name of the output.
        layout: of pictures; empty: as the input's sizes say.
        values: of pixels; empty: bytes for an input of bytes, else as the key's interface says.
        means: what the output is; empty: as its type says.
    """

    input: str = ""
    output: str = ""
    layout: Literal["", "nchw", "nhwc"] = ""
    values: Literal["", "fed", "unit", "signed", "bytes"] = ""
    means: Means = ""


class Running:
    """A suspect that is run.

    Args:
        program: opened by its runtime.
        own: names of the suspect's classes in its order; empty: the key's.
        ports: what the file does not say.
        names: of the key's classes, where the probe knows them by number alone.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond})

    def __init__(
        self, program: Program, own: Sequence[str] = (), ports: Ports | None = None, names: Sequence[str] = ()
    ) -> None:
        self._program, self._own, self._ports, self._names = program, own, ports or Ports(), names
        self.queries = 0
        self.notes: dict[str, None] = {f"asked as {program.what}": None}

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Run each input once and return the labels; see ``answers.labels``.

        Raises:
            MismatchError: the probe needs weights, or the program takes other inputs.
            SuspectError: what comes out are no answers for the key's classes.
        """
        if isinstance(probe, Weigh):
            raise MismatchError(LABELS_ALONE, hint=LABELS_HINT)
        if not isinstance(probe, Ask):
            raise MismatchError("expected access to the suspect's weights, got its answers alone")
        if isinstance(probe, AskNext):
            raise MismatchError(
                "expected a language model that is asked for its next token, got a file that a runtime runs",
                hint="its weights in the code of a network (--arch), or a server's address (--template)",
            )
        order = Order.of(self._names or probe.feed.class_names, self._own)
        found = [self._labels(part, probe.feed, order) for part in _parts(probe, self._most(probe.feed))]
        given = np.concatenate(found) if found else np.empty(0, np.int64)
        if len(given) and (given == ABSTAIN).all():
            raise SuspectError("expected answers from the suspect, got NaN, infinity or other classes alone")
        if none := int((given == ABSTAIN).sum()):
            self.notes |= {f"{none} of {len(given)} answers are no class of the key and count as none": None}
        return [given]

    def _labels(self, part: Array, feed: Feed, order: Order) -> Array:
        port, count = self._input(feed), len(part)
        if port.shape and port.shape[0]:  # a batch of one size: the last is filled up
            part = np.concatenate([part, np.repeat(part[-1:], port.shape[0] - count, axis=0)])
        array = self._as(part, port, feed)
        others = {
            one.name: np.full(array.shape, _filler(one), one.dtype) for one in self._program.inputs if one is not port
        }
        try:
            found = self._program.run({port.name: array, **others})
        except Exception as error:  # whatever a stranger's graph makes a runtime say
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise SuspectError(f"expected answers from {self._program.what}, got: {said}") from None
        self.queries += count
        answered = self._output(found, order)
        if hasattr(answered, "__len__") and len(answered) == len(part):
            answered = answered[:count]
        return labels(answered, count, order, self._ports.means)

    def _most(self, feed: Feed) -> int:
        """Return how many inputs are run at a time."""
        shape = self._input(feed).shape
        return (shape[0] if shape else None) or max(1, min(_BATCH, _NUMBERS // math.prod(feed.input_shape)))

    def _input(self, feed: Feed) -> Port:
        """Return the input that is fed; others may be those that a filler is known for."""
        inputs, named = self._program.inputs, self._ports.input
        wanted = [port for port in inputs if (port.name == named if named else _filler(port) is None)]
        unknown = [port for port in inputs if _filler(port) is None and port not in wanted]
        if len(wanted) != 1 or unknown:
            raise MismatchError(
                f"expected one input {named}".rstrip() + f", the file has {'; '.join(map(str, inputs)) or 'none'}"
            )
        kinds = "O" if feed.kind == "texts" else "iuf"
        if (wanted[0].dtype == "str") != (kinds == "O") or not wanted[0].dtype:
            raise MismatchError(f"expected an input that takes {feed.kind}, the file has {wanted[0]}")
        return wanted[0]

    def _as(self, part: Array, port: Port, feed: Feed) -> Array:
        """Return inputs in the order, range and type of an input."""
        if feed.kind == "texts":
            return part.reshape(
                [1 if size is None and n else size or len(part) for n, size in enumerate(port.shape)] or -1
            )
        integers = np.dtype(port.dtype).kind in "iu"
        values = self._ports.values or ("bytes" if port.dtype == "uint8" and not port.scale else "fed")
        layout = self._ports.layout or _layout(port.shape, feed)
        array = arrays.given(part, feed, values, layout)
        sizes = tuple(
            have if want is None else want for want, have in zip(port.shape[1:], array.shape[1:], strict=False)
        )
        if port.shape and math.prod(sizes) == math.prod(array.shape[1:]) and len(sizes) == len(port.shape) - 1:
            array = array.reshape(len(array), *sizes)
        if port.shape and array.shape[1:] != sizes:
            raise MismatchError(f"expected an input of {'x'.join(map(str, array.shape[1:]))}, the file has {port}")
        if integers and port.scale and values != "bytes":
            low, high = np.iinfo(port.dtype).min, np.iinfo(port.dtype).max
            array = np.clip(np.rint(array / port.scale) + port.zero, low, high)
        elif integers and feed.kind == "pictures" and values != "bytes":
            raise MismatchError(f"expected --via values=bytes for an input of integers, the file has {port}")
        return np.ascontiguousarray(array.astype(port.dtype))

    def _output(self, found: Any, order: Order) -> Any:
        """Return the output that answers: the one that is named, or the one that scores so many classes, or labels."""
        ports, named = self._program.outputs, self._ports.output
        scored = [
            port for port in ports if port.dtype.startswith(("float", "bfloat")) and _last(port) == len(order.outputs)
        ]
        for chosen in ([p for p in ports if p.name == named] if named else scored, () if named else ports):
            if len(chosen) == 1:
                return found[chosen[0].name]
        raise MismatchError(
            f"expected one output {named}".rstrip()
            + f" with scores of {len(order.outputs)} classes, the file has {'; '.join(map(str, ports))}"[:400],
            hint="name it: --via output=NAME",
        )


def _parts(probe: Ask, size: int) -> Iterator[Array]:
    for start in range(0, len(probe.inputs), size):
        part = slice(start, start + size)
        inputs = probe.inputs[part]
        yield arrays.beyond(inputs, probe.planes[part], probe.amplitude) if isinstance(probe, AskBeyond) else inputs


def _layout(shape: Sequence[int | None], feed: Feed) -> Literal["nchw", "nhwc"]:
    """Return the order of axes of pictures that the sizes of an input allow; channels first if both do."""
    if len(shape) != 4 or len(feed.input_shape) != 3:
        return "nchw"
    channels, height, width = feed.input_shape

    def fits(*sizes: int) -> bool:
        return all(want in (None, have) for want, have in zip(shape[1:], sizes, strict=True))

    return "nhwc" if fits(height, width, channels) and not fits(channels, height, width) else "nchw"


def _filler(port: Port) -> int | None:
    return next((value for name, value in FILLED.items() if name in port.name), None)


def _last(port: Port) -> int | None:
    sizes = [size for size in port.shape[1:] if size != 1]
    return sizes[0] if len(sizes) == 1 else None

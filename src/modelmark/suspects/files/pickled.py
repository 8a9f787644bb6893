"""What a pickle of torch describes, without unpickling: its words are taken one by one, and none of them calls anything.

The standard library's ``pickletools`` splits the words. Objects are their attributes, tensors are where their numbers lie;
whatever else a pickle can make is nothing here.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.dtypes import DTYPES

MOST_WORDS = 2**23
_DEPTH = 64
_MOST = 2**20  # entries of the stack
# types of storages, as torch calls them
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_TENSOR, _TENSOR_OF_TYPE = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3"
_OF_A_CLASS = "torch._tensor _rebuild_from_type_v2"
_AS_GIVEN = "torch.jit._pickle "
_MARK = object()


@dataclass(eq=False)
class Object:
    """What a pickle makes of a class, of which the attributes are all that is known."""

    attributes: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Described:
    """A tensor: the key and the type of its storage, and how it lies in it."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Named:
    """A global, or the storage that a name stands for."""

    name: str
    key: str = ""


def described(raw: bytes, path: Path) -> object:
    """Return what a pickle describes.

    Raises:
        MalformedError: not a pickle, or longer than any network's.
    """
    machine = _Machine()
    try:
        for count, (word, given, _) in enumerate(pickletools.genops(raw)):
            if count > MOST_WORDS:
                raise MalformedError(f"expected at most {MOST_WORDS} words in a pickle of {path}, got more")
            if word.name == "STOP":
                return machine.stack.pop()
            machine.take(word.name, given)
    except MalformedError:
        raise
    except Exception:  # whatever is made of a damaged one
        pass
    raise MalformedError(f"expected a pickle as torch writes it in {path}, got another") from None


def tensors(top: object) -> Iterator[tuple[str, Described]]:
    """Yield the tensors under an object with the attributes that lead to each, objects once."""
    seen, left = set[int](), [("", top, 0)]
    while left:
        name, value, depth = left.pop()
        if isinstance(value, Described):
            yield name, value
            continue
        if isinstance(value, Object):
            value = value.attributes
        parts = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
        )
        if id(value) in seen or depth > _DEPTH:
            continue
        seen.add(id(value))
        left += [(f"{name}.{key}" if name else str(key), part, depth + 1) for key, part in parts][::-1]


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def take(self, word: str, given: Any) -> None:
        """Do what a word says, as far as it makes plain data."""
        if word in ("PROTO", "FRAME"):
            return
        if len(self.stack) > _MOST:
            raise ValueError
        if word == "MARK":
            self.stack.append(_MARK)
        elif word in _PLAIN:
            self.stack.append(given if _PLAIN[word] is None else _PLAIN[word]())
        elif word == "GLOBAL":
            self.stack.append(Named(given))
        elif word in ("BINPUT", "LONG_BINPUT"):
            self.memory[given] = self.stack[-1]
        elif word == "MEMOIZE":
            self.memory[len(self.memory)] = self.stack[-1]
        elif word == "STACK_GLOBAL":
            name, module = self.stack.pop(), self.stack.pop()
            self.stack.append(Named(f"{module} {name}"))
        elif word in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memory[given])
        elif word == "TUPLE":
            self.stack.append(tuple(self._marked()))
        elif word in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(word[-1])
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif word in ("APPENDS", "SETITEMS"):
            self._fill(self._marked())
        elif word == "APPEND":
            self._fill([self.stack.pop()])
        elif word == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            self._fill([key, value])
        elif word == "NEWOBJ":
            self.stack[-2:] = [Object()]
        elif word == "BUILD":
            state = self.stack.pop()
            if isinstance(self.stack[-1], Object):
                self.stack[-1].attributes |= state if isinstance(state, dict) else {"state": state}
        elif word == "BINPERSID":
            self.stack.append(_storage(self.stack.pop()))
        elif word == "REDUCE":
            arguments, function = self.stack.pop(), self.stack.pop()
            self.stack.append(_made(function, arguments))
        else:
            raise ValueError(word)

    def _marked(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def _fill(self, parts: list[Any]) -> None:
        onto = self.stack[-1]
        if isinstance(onto, list):
            onto.extend(parts)
        elif isinstance(onto, dict):
            pairs = zip(parts[::2], parts[1::2], strict=True)
            onto.update((key, value) for key, value in pairs if isinstance(key, str | int | Object))


_BEARING = (
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
)  # fmt: skip
_PLAIN: dict[str, Any] = {
    **dict.fromkeys(_BEARING),
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}  # fmt: skip
"""Words that put plain data on the stack: what they bear, or what is made anew."""


def _storage(given: Any) -> Named:
    kind, named, key, *_ = given
    if kind != "storage" or not isinstance(named, Named) or not isinstance(key, str):
        raise ValueError
    return Named(named.name, key)


def _made(function: Any, arguments: tuple[Any, ...]) -> object:
    """Return what a call describes: a tensor, what it was given where a type is tagged, or nothing."""
    name = function.name if isinstance(function, Named) else ""
    if name.startswith(_AS_GIVEN):
        return arguments[0]
    if name == "collections OrderedDict":
        return {}
    if name == "torch Size":
        return tuple(arguments[0])
    if name == _OF_A_CLASS:  # what makes it, its class, what that is given, its attributes
        maker, _, given, state = arguments
        is_tensor = isinstance(maker, Named) and maker.name in (_TENSOR, _TENSOR_OF_TYPE)
        return _made(maker, given) if is_tensor else Object(state if isinstance(state, dict) else {})
    if name not in (_TENSOR, _TENSOR_OF_TYPE):
        return Object()
    storage, offset, shape, strides = arguments[:4]
    dtype = STORAGES.get(storage.name.removeprefix("torch "))
    if name == _TENSOR_OF_TYPE and isinstance(arguments[6], Named):
        dtype = arguments[6].name.removeprefix("torch ")
    whole = all(type(number) is int and 0 <= number < 2**48 for number in (offset, *shape, *strides))
    if dtype not in DTYPES or not whole or len(shape) != len(strides):
        return Object()
    return Described(storage.key, DTYPES[dtype], offset, tuple(shape), tuple(strides))

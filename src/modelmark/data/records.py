"""Files of records for marks in data: texts, a JSON object a line, or arrays in an ``.npz``.

::

    {"prompt": "Why is the sky blue?", "a": "Because air scatters ...", "b": "Air scatters ..."}
    {"text": "One of many lines."}

The first is a pair, the second a record of ``order``; ``prompt`` may be left out. An ``.npz`` holds ``a`` and ``b``, or
``inputs``: uint8 pictures ``(N, C, H, W)``, int32 rows of tokens ``(N, tokens)`` with -1 behind the last, or float32 numbers; of
pictures and numbers ``labels`` ``(N,)``; of tokens perhaps ``given`` ``(N,)``, how many are a prompt; ``size``, how many classes
or tokens there are, where these do not show it; of pictures perhaps ``mean`` and ``std``, in ten-thousandths of full scale.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelmark import files
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.records import TEXTS, Records
from modelmark.feeds.texts import MOST

MOST_BYTES = 2**30
LONGEST = MOST - 64
"""Bytes of a text with its prompt."""
_LOG = "modelmark.choices"
"""Of the first line of a log of choices, which is no record."""
_ARRAYS = ("a", "b", "inputs", "labels", "given", "size", "mean", "std")
MEAN, DEVIATION = 5000, 2500
"""How pictures are fed, in ten-thousandths, where nothing else is said."""


def load(paths: Sequence[Path], versions: int, *, repeated: list[str] | None = None) -> Records:
    """Return the records of one or several files, version after version of each.

    Args:
        paths: of texts, or one ``.npz``.
        versions: 2 for pairs, else 1.
        repeated: grows by the lines that are left out, as a prompt came before or both versions are the same: one coin for
            each; None: such a line is refused.

    Raises:
        MalformedError: a file is no such file, a line is none, or one that came before.
        UsageError: several files of which one is an ``.npz``.
    """
    if any(path.suffix == ".npz" for path in paths):
        if len(paths) > 1:
            raise UsageError(f"expected one .npz of records, or files of texts, got {len(paths)} files")
        return _arrays(paths[0], versions)
    seen: set[tuple[str, ...]] = set()
    said: list[str] = []
    given: list[int] = []
    for path in paths:
        for where, prompt, texts in _lines(path, versions):
            once = (prompt,) if prompt and versions > 1 else (prompt, *texts)
            if once in seen or len(set(texts)) < versions:
                if repeated is None:
                    what = "the same twice" if once not in seen else "one that came before"
                    raise MalformedError(f"expected records that all differ, got {what} in {where}")
                repeated.append(where)
                continue
            seen.add(once)
            said += [prompt + text for text in texts]
            given += [len(prompt)] * versions
    return Records(TEXTS, np.array(said, object).reshape(-1, 1), np.array(given, np.int64))


def _lines(path: Path, versions: int) -> Iterable[tuple[str, str, list[str]]]:
    """Yield where each record stands, its prompt and its texts, the versions of each."""
    names = ("a", "b") if versions > 1 else ("text",)
    data = files.read(path, limit=MOST_BYTES, what="a file of records")
    for number, line in enumerate(data.splitlines(), 1):
        where = f"line {number} of {path.name}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise MalformedError(f"expected a JSON object in {where}, got something else") from None
        if number == 1 and isinstance(found, dict) and found.get("type") == _LOG:
            continue
        wanted = [found.get(name) if isinstance(found, dict) else None for name in names]
        prompt = found.get("prompt", "") if isinstance(found, dict) else None
        texts = [text for text in wanted if isinstance(text, str) and text]
        if len(texts) < len(names) or not isinstance(prompt, str):
            raise MalformedError(
                f"expected {' and '.join(names)} in {where}, texts that are not empty, got others",
                hint='{"prompt": "...", "a": "...", "b": "..."} is a pair, {"text": "..."} a record',
            )
        if any("\0" in prompt + text or len((prompt + text).encode(errors="replace")) > LONGEST for text in texts):
            raise MalformedError(
                f"expected texts of at most {LONGEST} bytes, without a zero character, in {where}, got others"
            )
        yield where, prompt, texts


def _arrays(path: Path, versions: int) -> Records:
    files.require_readable(path, what="a file of records")
    if path.stat().st_size > MOST_BYTES:
        raise MalformedError(f"expected records of at most {MOST_BYTES} bytes in {path.name}, got more")
    names = ("a", "b") if versions > 1 else ("inputs",)
    try:
        with np.load(path, allow_pickle=False) as opened:
            found = {name: opened[name] for name in _ARRAYS if name in opened}
    except (ValueError, EOFError, OSError, KeyError) as error:
        raise MalformedError(f"expected arrays in {path.name}, got: {str(error).splitlines()[0]}"[:200]) from None
    parts = [found[name] for name in names if name in found]
    if len(parts) < len(names) or len({(part.shape, part.dtype.str) for part in parts}) > 1 or not parts[0].ndim > 1:
        raise MalformedError(f"expected {' and '.join(names)} of one shape and type in {path.name}, got others")
    inputs = np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
    told = _told(found, inputs.dtype.kind == "i", len(parts[0]), path)
    return Records(_feed(inputs, told, found, path), inputs, np.repeat(told, versions))


def _told(found: dict[str, Any], is_tokens: bool, count: int, path: Path) -> Array:
    """Return the label, or the length of the prompt, of each record."""
    name = "given" if is_tokens else "labels"
    told = np.asarray(found.get(name, np.ones(count, np.int64) if is_tokens else np.empty(0, np.int64)))
    if told.shape != (count,) or told.dtype.kind not in "iu":
        raise MalformedError(f"expected {name}, {count} whole numbers, in {path.name}, got {told.dtype} {told.shape}")
    return told.astype(np.int64)


def _feed(inputs: Array, told: Array, found: dict[str, Any], path: Path) -> Feed:
    shape, most = tuple(inputs.shape[1:]), int((inputs if inputs.dtype.kind == "i" else told).max(initial=0)) + 1
    size = max(int(np.asarray(found.get("size", most)).reshape(-1)[0]), 2)
    names = tuple(map(str, range(size)))
    try:
        if inputs.dtype == np.uint8:
            mean, std = (
                _constants(found.get(name), shape[0], value) for name, value in (("mean", MEAN), ("std", DEVIATION))
            )
            return PictureFeed(shape, names, mean, std)
        if inputs.dtype == np.int32:
            return CausalFeed(shape, vocabulary=size)
        if inputs.dtype == np.float32:
            return FloatFeed(shape, names)
    except ValueError as error:
        raise MalformedError(f"{error} ({path.name})") from None
    raise MalformedError(f"expected uint8 pictures, int32 tokens or float32 numbers in {path.name}, got {inputs.dtype}")


def _constants(given: Any, channels: int, otherwise: int) -> tuple[int, ...]:
    if given is None:
        return (otherwise,) * channels
    if given.ndim != 1 or given.dtype.kind not in "iu" or len(given) > 2**16:
        raise ValueError(f"expected mean and std as whole numbers, got {given.dtype} {given.shape}")
    return tuple(given.tolist())


def dump(records: Records) -> tuple[str, bytes]:
    """Return what is to be trained on as a file, and how its name ends: lines of ``prompt`` and ``text``, or arrays.

    Arrays are ``inputs`` with ``labels``, or with ``given`` where they are tokens.
    """
    if records.feed.kind == "texts":
        lines = (
            json.dumps({"prompt": text[:given], "text": text[given:]}, ensure_ascii=False)
            for text, given in zip(records.inputs[:, 0], records.given.tolist(), strict=True)
        )
        return ".jsonl", "".join(f"{line}\n" for line in lines).encode()
    import io

    stream = io.BytesIO()
    name = "given" if records.feed.kind == "causal" else "labels"
    arrays: dict[str, Any] = {"inputs": records.inputs, name: records.given}
    np.savez(stream, **arrays)
    return ".npz", stream.getvalue()

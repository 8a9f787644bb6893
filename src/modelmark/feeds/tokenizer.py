"""A tokenizer, as the library ``tokenizers`` runs the file that models are shipped with. Loads without torch."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from modelmark import files, hashing
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.prompts import Prompts
from modelmark.naming import library

FILE = "tokenizer.json"
_MOST = 2**27
"""Bytes; the largest that are shipped have some 30 MB."""


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """What turns texts into numbers of tokens, and back.

    Args:
        data: of its file, JSON.
    """

    data: bytes = field(repr=False)

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Return the tokenizer in a file, or in the ``tokenizer.json`` of a folder.

        Raises:
            MalformedError: there is none, or the library does not take it.
            MissingPackageError: the library is not installed.
        """
        path = Path(path)
        found = cls(files.read(path / FILE if path.is_dir() else path, limit=_MOST, what="a tokenizer"))
        _ = found._made
        return found

    @cached_property
    def _made(self) -> Any:
        tokenizers = library("tokenizers", extra="hf")
        try:
            made = tokenizers.Tokenizer.from_buffer(self.data)
        except BaseException as error:  # the library panics with an exception of its own kind
            if isinstance(error, KeyboardInterrupt):
                raise
            said = " ".join(str(error).split())[:120]
            raise MalformedError(f"expected a tokenizer as {FILE} holds it, got: {said}") from None
        made.no_truncation()
        made.no_padding()
        return made

    @cached_property
    def digest(self) -> str:
        """What names it, hex: what its file says, but for where a run of it last cut texts and filled them up."""
        said = {name: part for name, part in json.loads(self.data).items() if name not in ("truncation", "padding")}
        return hashing.digest("tokenizer", json.dumps(said, sort_keys=True).encode()).hex()

    @property
    def vocabulary(self) -> int:
        """One more than the largest number of a token."""
        return int(max(self._made.get_vocab(with_added_tokens=True).values())) + 1

    @cached_property
    def specials(self) -> frozenset[int]:
        """Numbers of the tokens that stand for no text, such as the end's."""
        added = json.loads(self.data).get("added_tokens") or []
        return frozenset(int(one["id"]) for one in added if one.get("special"))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, with those that the tokenizer puts before it; none that end it, as it is to go on."""
        found: list[int] = self._made.encode(text).ids
        while found and found[-1] in self.specials:
            found.pop()
        return found

    def whole(self, texts: list[str], length: int = 0) -> list[list[int]]:
        """Return the tokens of texts with all special ones; of each ``length`` at most, where that is not 0."""
        if length:
            self._made.enable_truncation(length)
        try:
            return [found.ids for found in self._made.encode_batch(texts)]
        finally:
            self._made.no_truncation()

    def plain(self, text: str) -> list[int]:
        """Return the tokens of a text without special ones."""
        found: list[int] = self._made.encode(text, add_special_tokens=False).ids
        return found

    def decode(self, tokens: list[int]) -> str:
        """Return the text of some tokens, without special ones."""
        text: str = self._made.decode(tokens, skip_special_tokens=True)
        return text

    def require(self, prompts: Prompts) -> None:
        """Raise MismatchError unless every prompt, and with each of its candidates behind it, has these numbers here.

        Prompts without texts have nothing to compare; who made their numbers has to be believed.
        """
        for number, text in enumerate(prompts.texts):
            row = prompts.tokens(number)
            asked = [(text, row)] + [
                (text + word, [*row, token])
                for word, token in zip(prompts.words[number], prompts.candidates[number].tolist(), strict=True)
            ]
            for said, tokens in asked:
                if (found := self.encode(said)) != tokens:
                    raise MismatchError(
                        f"expected the tokenizer that the key's prompts were made with, another gives {found[:4]} "
                        f"for {said[:24]!r} in place of {tokens[:4]}",
                        hint="its texts can be asked all the same: of an address, or a function of texts",
                    )

"""Texts into token numbers, by the ``tokenizer.json`` of a folder; no other file of it is read and nothing of it is run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modelmark import files
from modelmark.data.folder import Folder
from modelmark.data.rows import LONGEST
from modelmark.data.streams import judging, shown
from modelmark.errors import MismatchError, MissingPackageError, UsageError
from modelmark.feeds import tokenizer

NAME = "tokenizer.json"
MOST = 64 << 20
"""Bytes of a tokenizer; one of 250,000 words takes 17 million."""
_PIECE = 1 << 16  # characters of a long text that are told apart at a time
_HINT = "save it with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"


@dataclass(frozen=True)
class Words:
    """The tokenizer of a folder, which must be of the network beside it.

    Args:
        folder: what its configuration says.
    """

    folder: Folder

    @cached_property
    def _raw(self) -> bytes:
        path = self.folder.path / NAME
        if not path.is_file():
            raise UsageError(f"expected {NAME} in {shown(str(self.folder.path))}, found none", hint=_HINT)
        return files.read(path, limit=MOST, what="a tokenizer")

    @cached_property
    def digest(self) -> str:
        """What names the tokenizer, hex; see ``feeds.tokenizer.digest``."""
        with judging(NAME):
            return tokenizer.digest(self._raw)

    @cached_property
    def _made(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingPackageError(
                "expected tokenizers to be installed", hint="pip install 'modelmark[hf]'"
            ) from None
        with judging(NAME):
            made = Tokenizer.from_str(self._raw.decode())
            made.no_truncation()
            made.no_padding()
            size = max(made.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        if 0 < self.folder.vocabulary < size:
            raise MismatchError(
                f"expected a tokenizer of at most {self.folder.vocabulary} tokens, as config.json says, got one of {size}",
                hint="it belongs to another model",
            )
        return made

    @property
    def vocabulary(self) -> int:
        """Tokens that the network knows; where it does not say, those of the tokenizer."""
        return self.folder.vocabulary or int(self._made.get_vocab_size(with_added_tokens=True))

    def length(self, wanted: int) -> int:
        """Return how many tokens a row may have: ``wanted``, or if that is 0 at most ``LONGEST``.

        Raises:
            MismatchError: the network's context is shorter than ``wanted``.
        """
        context = self.folder.context
        if context and wanted > context:
            raise MismatchError(f"expected rows of at most {context} tokens, the model's context, got {wanted}")
        return wanted or min(context or LONGEST, LONGEST)

    @property
    def padding(self) -> int:
        """The token that fills rows up.

        Raises:
            UsageError: the configuration names none.
        """
        if self.folder.padding is None:
            raise UsageError(
                "expected pad_token_id in config.json, as texts differ in length, found none",
                hint="set it to the token that the model was trained to leave aside",
            )
        return self.folder.padding

    def classified(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of whole texts, with the special ones that the tokenizer adds."""
        with judging(NAME):
            return [found.ids for found in self._made.encode_batch(list(texts))]

    def cut(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """Return the same, no more than ``length`` of each; special tokens stay."""
        with judging(NAME):
            self._made.enable_truncation(length)
            try:
                return self.classified(texts)
            finally:
                self._made.no_truncation()

    def running(self, text: str) -> Iterator[int]:
        """Yield the tokens of a running text, without special ones; a long one is told apart in pieces, cut at line ends."""
        start = 0
        while start < len(text):
            end = start + _PIECE
            if end < len(text):
                end = text.rfind("\n", start, end) + 1 or text.rfind(" ", start, end) + 1 or end
            with judging(NAME):
                yield from self._made.encode(text[start:end], add_special_tokens=False).ids
            start = end


def of(where: Path) -> Words:
    """Return the tokenizer of a folder.

    Raises:
        UsageError: there is no such folder.
        MalformedError: its configuration is none.
    """
    return Words(Folder.read(where))

"""A passphrase from a file or a pipe, and what is said where there is none in it."""

import os
from pathlib import Path

import pytest

from modelmark.cli.terminal import passphrase
from modelmark.errors import MalformedError, PassphraseError


def test_it_is_the_first_line_of_a_file_or_of_a_pipe(tmp_path):
    (tmp_path / "word").write_text("word\nmore\n")
    assert passphrase(tmp_path / "word", confirm=False) == "word"
    out, into = os.pipe()
    os.write(into, b"piped\n")
    os.close(into)
    try:
        assert passphrase(Path(f"/dev/fd/{out}"), confirm=True) == "piped"
    finally:
        os.close(out)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, MalformedError, "found no such file"),
        (b"", PassphraseError, "got an empty one"),
        (b"\n", PassphraseError, "got an empty one"),
        (b"\xff\xfe", MalformedError, "got no text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content, error, said, tmp_path):
    if content is not None:
        (tmp_path / "word").write_bytes(content)
    with pytest.raises(error, match=f"^expected a passphrase.*{said}$"):
        passphrase(tmp_path / "word", confirm=False)


def test_a_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(MalformedError, match="cannot read it: Is a directory"):
        passphrase(tmp_path, confirm=False)

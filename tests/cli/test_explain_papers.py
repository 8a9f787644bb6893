"""A folder of papers: what in it is none is said, each with a reason, and a document without its end is called that."""

import pytest

from modelmark.claim.papers import envelope
from modelmark.cli.explain import _sorted
from modelmark.errors import MalformedError

CUT = b'{"payload":"eyJ'


def test_what_is_left_aside_in_a_folder_is_said(tmp_path, capsys):
    (tmp_path / "older").mkdir()
    (tmp_path / "nothing.claim").write_bytes(b"")
    (tmp_path / "cut.claim").write_bytes(CUT)
    (tmp_path / "owner.key").write_bytes(b"modelmark-key v1\n")
    (tmp_path / "carriers").write_bytes(b"\0" * 40)
    found = _sorted([tmp_path])
    assert found.others == [tmp_path / "carriers"]
    said = [line.rpartition("/")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "cut.claim: left aside: expected a whole document, got the envelope of a document without its end",
        "nothing.claim: left aside: an empty file",
        "older: left aside: a folder; its papers are taken where it is named, too: --papers",
        "owner.key: left aside: a key or an identity, which is no paper; it is not for anybody else",
    ]


@pytest.mark.parametrize("end", [b"", b'J9"', b'J9","payloadType":"', b'J9","signatures":[{"keyid":'])
def test_a_document_without_its_end_is_not_called_deep(end):
    with pytest.raises(MalformedError, match="without its end"):
        envelope.kind(CUT + end)

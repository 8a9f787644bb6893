"""What is dropped on a desk in these tests, made once: a verdict with its papers, a key, copies, suspects, rows of an audit."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "claim"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))


@pytest.fixture(scope="session")
def papers():
    """Return the files of a dispute over an offline claim, by the field they are dropped in."""
    from verdict_cases import dated, judged

    case = judged(dated("offline", None), "offline", "matches")
    return {
        "verdict": [("case.verdict", case.signed.data)],
        "papers": [
            ("case.claim", case.claim.data),
            ("case.challenge", case.challenge.data),
            ("case.opening", case.papers.opening.data),
            ("a name that says nothing", case.papers.beside),
            ("case.record", case.record.data),
        ],
    }


@pytest.fixture(scope="module")
def cheap():
    """Argon2id at its least in this process for a module: a derivation at full price takes as long as all else of a reading."""
    from modelmark.key import sealed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "KDF", sealed.KDF | {"m_kib": 32, "t": 1})
        yield


@pytest.fixture(scope="module")
def priced(issued, tmp_path_factory):
    """Return the key sealed at full price, as processes of their own take it."""
    from modelmark.marks import keyfile

    path = tmp_path_factory.mktemp("priced") / "s.key"
    keyfile.save(issued.made, path, "pass")
    return path.name, path.read_bytes()


@pytest.fixture(scope="session")
def issued(tmp_path_factory):
    """Return a spread key sealed with ``pass`` (see ``cheap``), the file it is for, its registry, and copies of two customers."""
    import torch
    from safetensors.torch import save_file

    from modelmark.copies.issuing import issue
    from modelmark.copies.registry import Registry
    from modelmark.key import sealed
    from modelmark.marks import keyfile
    from modelmark.marks.onfiles import imprint_file, keygen_for_file
    from modelmark.schemes.spread import Spread
    from modelmark.suspects.files import open_weights

    folder = tmp_path_factory.mktemp("issued")
    generator = torch.Generator().manual_seed(0)
    state = {f"layers.{i}.weight": 0.02 * torch.randn(160, 160, generator=generator) for i in range(8)}
    save_file(state, folder / "plain.safetensors")
    key = keygen_for_file(Spread(), open_weights(folder / "plain.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "KDF", sealed.KDF | {"m_kib": 32, "t": 1})
        keyfile.save(key, folder / "s.key", "pass")
    imprint_file(folder / "plain.safetensors", folder / "marked.safetensors", [key.mark()])
    registry = Registry(folder / "s.copies", make=True)
    for name in ("Ada Ltd", "Bob & <Sons>"):
        issue(key.mark(), name, folder / "plain.safetensors", folder / f"{name[:3]}.safetensors", registry=registry)
    read = {path.name: (path.name, path.read_bytes()) for path in folder.iterdir() if path.is_file()}
    names = {"key": "s.key", "copies": "s.copies", "ada": "Ada.safetensors", "bob": "Bob.safetensors"}
    names |= {name: f"{name}.safetensors" for name in ("plain", "marked")}
    return SimpleNamespace(made=key, **{name: read[file] for name, file in names.items()})


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    from report_rows import audit, written

    return [("rows.jsonl", written(tmp_path_factory.mktemp("rows") / "rows.jsonl", audit()).read_bytes())]

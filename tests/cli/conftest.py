"""Running commands in this process: what they print, and their exit status."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import nets
from locks import alone
from modelmark import cli
from modelmark.suspects import weights

fresh, made_once, unmarked, stolen = nets.around(nets.cnn, epochs=8)

NET = ["--data", "digits", "--arch", "cnn", "--unencrypted"]


@dataclass
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch):
    def command(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["modelmark", *map(str, words)])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as exit_:
            status = exit_.code or 0
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return command


@pytest.fixture(scope="session")
def story(common, tmp_path_factory, unmarked) -> Path:
    """A folder with an unmarked model, two unencrypted keys and the model with both marks."""
    folder = tmp_path_factory.mktemp("story")
    with alone(common / "story.lock"):  # one process of this run makes it, the others copy
        if not (common / "story").exists():
            weights.save(unmarked, folder / "host.safetensors")
            _tell(folder)
            shutil.copytree(folder, common / "story")
    shutil.copytree(common / "story", folder, dirs_exist_ok=True)
    return folder


def _tell(folder: Path) -> None:
    steps = [
        ["keygen", "adi", "--set", "per_hundred=20", *NET, "-o", folder / "adi.key"],  # quick to embed, as the next
        ["keygen", "uchida", "--set", "strength=0.1", *NET, "-o", folder / "uchida.key"],
        [
            "embed",
            *(folder / f"{scheme}.key" for scheme in ("adi", "uchida")),
            "--weights",
            folder / "host.safetensors",
            "--epochs",
            12,
            "-o",
            folder / "marked.safetensors",
        ],
    ]
    before = sys.argv
    try:
        for step in steps:
            sys.argv = ["modelmark", *map(str, step)]
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert not ended.value.code
    finally:
        sys.argv = before


@pytest.fixture(scope="session")
def unmarked_file(story, unmarked) -> Path:
    weights.save(unmarked, story / "unmarked.safetensors")
    return story / "unmarked.safetensors"

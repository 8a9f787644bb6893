"""The page on a first mark, typed as printed by somebody with a network, a checkpoint and a folder of pictures of his own."""

import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from test_dispute import typed
from test_large_models import commands

import modelmark
from modelmark.key import sealed
from modelmark.training.recipe import Recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-mark.md"
CODE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
NET = """
from torch import nn


def make():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10),
    )
"""
MEAN, STD = (4850, 4560, 4060), (2290, 2240, 2250)


def masked(line: str) -> str:
    """Return a line without fingerprints and numbers, which hang on the keys and on the size of the network."""
    return re.sub(r"\b[0-9a-f]{16,}\b|\d+(\.\d+)?", "#", line)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with what the page asks for: digits in colour, 50 of a class, and a network that was trained on them."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_net.py").write_text(NET)
    data = modelmark.load_data("digits")
    for split, images, labels in (
        ("train", data.train_images[:500], data.train_labels),
        ("test", data.test_images[:150], data.test_labels),
    ):
        for number, (image, label) in enumerate(zip(images, labels, strict=False)):
            (folder / "pictures" / split / f"class{label}").mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(image[0]).convert("RGB")
            picture.save(folder / "pictures" / split / f"class{label}" / f"{number}.png")
    names: dict[str, object] = {}
    exec(NET, names)
    task = modelmark.Task.from_dataset(modelmark.load_data(f"images:{folder}/pictures"))
    feed = modelmark.PictureFeed(task.feed.input_shape, task.feed.class_names, MEAN, STD)
    torch.manual_seed(0)
    trained = modelmark.fit(names["make"](), task.fed_as(feed), Recipe(8, ((0, 0.05), (8, 0.0)), batch=32), seed=0)
    torch.save({"model": trained.state_dict(), "epoch": 8}, folder / "checkpoint.pt")
    return folder


def test_the_page_is_typed(own, monkeypatch):
    monkeypatch.setitem(
        sealed.KDF, "m_kib", 1024
    )  # ten openings of a sealed key: what guards its passphrase is tested elsewhere
    page = PAGE.read_text()
    for command, expected in commands(page):
        status, written = typed(command, own)
        lines = [masked(line) for line in [*written.splitlines(), *([f"[{status}]"] if status else [])]]
        assert status == (1 if "[1]" in expected else 0), f"{command} wrote {lines}"
        assert not [line for line in map(masked, expected) if line not in lines], f"{command} wrote {lines}"
        sys.modules.pop("my_net", None)
    monkeypatch.chdir(own)
    monkeypatch.syspath_prepend(str(own))
    names: dict[str, object] = {}
    exec(compile(CODE[1], PAGE.name, "exec"), names)
    sys.modules.pop("my_net", None)
    mark = modelmark.load_key("adi.key", (own / "passphrase.txt").read_text().strip()).mark()
    assert mark.evidence(modelmark.WhiteBox(names["model"].eval())).established


def test_pictures_of_several_sizes_are_brought_to_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (split, name, size) in enumerate(
        (split, name, size) for split in ("train", "test") for name in ("cat", "dog") for size in ((30, 50), (80, 40))
    ):
        (tmp_path / "originals" / split / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", size, number).save(tmp_path / "originals" / split / name / f"{number}.jpg")
    with pytest.raises(modelmark.ModelmarkError, match="expected pictures of one size"):
        modelmark.load_data("images:originals")
    exec(compile(CODE[0], PAGE.name, "exec"), {})
    data = modelmark.load_data("images:pictures")
    assert (data.input_shape, data.classes, len(data.train_images)) == ((3, 224, 224), ("cat", "dog"), 4)

"""An interface that makes no sense is refused; the public part shows the class map only as a digest."""

from typing import Any

import pytest

from modelmark import canonical
from modelmark.feeds.pictures import PictureFeed

RGB = PictureFeed((3, 32, 32), ("cat", "dog"), mean=(4914, 4822, 4465), std=(2470, 2435, 2616))


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_shape": ()},
        {"input_shape": (3, 0, 32)},
        {"class_names": ("cat",)},
        {"mean": (1, 2)},
        {"std": (1, 2, 3, 4)},
        {"mean": ()},
        {"std": (0,)},
        {"std": (1, -1, 1)},
    ],
)
def test_a_senseless_interface_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        PictureFeed(**{"input_shape": (3, 32, 32), "class_names": ("cat", "dog")} | wrong)


@pytest.mark.parametrize("interface", [RGB, PictureFeed((16,), ("a", "b", "c"))])
def test_an_interface_comes_back_from_a_key_file_as_it_was(feed: PictureFeed) -> None:
    written = canonical.encode(feed.to_json())
    assert PictureFeed.from_json(canonical.decode(written, what="an interface")) == feed


def test_the_public_part_conceals_the_class_names_and_shows_the_rest() -> None:
    public = RGB.public()
    assert "cat" not in str(public)
    assert public["classes"] == RGB.classes == 2
    assert {name: public[name] for name in ("input_shape", "mean", "std", "full_scale")} == {
        "input_shape": [3, 32, 32],
        "mean": [4914, 4822, 4465],
        "std": [2470, 2435, 2616],
        "full_scale": 255,
    }


def test_the_class_map_binds_names_and_their_order() -> None:
    maps = [
        PictureFeed((1,), names).public()["class_map"] for names in (("a", "b"), ("b", "a"), ("ab", ""), ("a", "c"))
    ]
    assert len(set(maps)) == 4

"""Keys, draws and imported marks: what is bound, what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.draw import Draw
from modelmark.marks import imported as imports
from modelmark.marks import keyfile
from modelmark.marks.keys import KeyPolicy, Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.module import WhiteBox

INTERFACE = PictureFeed((3, 8, 8), tuple("0123456789"))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 300), nn.ReLU(), nn.Linear(300, 10)
    )


@pytest.fixture(autouse=True)
def _global_generator():
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def test_uchida_takes_the_widest_layer_before_the_head_and_half_its_width(net):
    scheme = keygen(Uchida(), net, INTERFACE).scheme
    assert (scheme.layer, scheme.width, scheme.bits) == ("3", 576, 256)
    assert keygen(Uchida(bits=144, layer="5"), net, INTERFACE).scheme.width == 300


@pytest.mark.parametrize(("scheme", "smallest"), [(Adi(triggers=43), 44), (Uchida(bits=143), 144)])
def test_a_key_that_cannot_reach_the_bar_is_refused_with_the_smallest_that_can(scheme, smallest, net):
    with pytest.raises(CapacityError, match=f"expected at least {smallest} symbols"):
        keygen(scheme, net, INTERFACE)
    assert keygen(scheme, net, INTERFACE, policy=KeyPolicy(self_check=True)).self_check


def test_the_draw_binds_everything_public(net, secret):
    base = keygen(Adi(), net, INTERFACE, secret=secret)
    variants = [
        keygen(Adi(triggers=101), net, INTERFACE, secret=secret),
        keygen(Adi(per_hundred=3), net, INTERFACE, secret=secret),
        keygen(Adi(), net, PictureFeed((3, 8, 8), tuple("0123456798")), secret=secret),
        keygen(Adi(), net, PictureFeed((3, 8, 8), tuple("0123456789"), mean=(1,)), secret=secret),
        keygen(Adi(), net, INTERFACE, secret=secret, owner=Provenance(host="0" * 64)),
        keygen(Adi(), net, INTERFACE, secret=secret, policy=KeyPolicy(self_check=True)),
    ]
    assert len({key.digest for key in [base, *variants]}) == 7
    assert not np.array_equal(base.mark().message, variants[1].mark().message)


def test_the_statement_hides_the_layer_and_the_digest_commits_to_it(net, secret):
    first = keygen(Uchida(bits=144, layer="3"), net, INTERFACE, secret=secret)
    second = keygen(Uchida(bits=144, layer="5"), net, INTERFACE, secret=secret)
    assert "layer" not in first.statement["parameters"]
    assert first.statement["concealed"] != second.statement["concealed"]


def test_a_mark_takes_the_draw_of_its_own_key_only(net):
    key = keygen(Adi(), net, INTERFACE)
    with pytest.raises(MismatchError, match="the draw of this key"):
        Mark(key, Draw(bytes(32)))
    deposited = Mark(key, Draw(key.digest, "timestamp", b"token"))
    assert not np.array_equal(deposited.message, key.mark().message)
    assert deposited.evidence(WhiteBox(net)).charges[0].bits == 48


def test_a_model_of_another_shape_is_refused(net):
    with pytest.raises(MismatchError, match="expected a model that takes inputs"):
        keygen(Adi(), net, PictureFeed((3, 9, 9), tuple("0123456789")))
    with pytest.raises(MismatchError, match="expected outputs for 7 classes"):
        keygen(Adi(), net, PictureFeed((3, 8, 8), tuple("0123456")))


def test_own_pictures_travel_in_the_key(net, tmp_path, rng):
    pictures = rng.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)
    key = keygen(Adi(pictures="own"), net, INTERFACE, attachments={"triggers": pictures})
    keyfile.save(key, tmp_path / "own.key", None)
    loaded = keyfile.load(tmp_path / "own.key", None)
    assert np.array_equal(loaded.carriers.pictures, pictures)
    assert np.array_equal(loaded.mark().message, key.mark().message)


@pytest.mark.parametrize("problem", ["repeated", "shape", "few"])
def test_own_pictures_that_cannot_serve_are_refused(problem, net, rng):
    pictures = rng.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)
    if problem == "repeated":
        pictures[7] = pictures[3]
    if problem == "shape":
        pictures = pictures[:, :, :7]
    triggers = 61 if problem == "few" else None
    with pytest.raises(UsageError):
        keygen(Adi(pictures="own", triggers=triggers), net, INTERFACE, attachments={"triggers": pictures})


@pytest.mark.parametrize("axes", ["keras", "pytorch"])
def test_an_imported_projection_reads_the_bits_it_was_made_for(axes, net, rng):
    """Write a mark as the release stores it, M x T over the mean filter flattened in its order, and read it back."""
    mean = net[0].weight.detach().double().mean(0).numpy()  # (D, S, S)
    flat = (np.moveaxis(mean, 0, -1) if axes == "keras" else mean).reshape(-1)
    matrix = rng.standard_normal((27, 20))
    expected = (flat @ matrix >= 0).astype(np.uint8)
    attachments = {"matrix": imports.projection(matrix, (3, 3, 3), axes), "bits": imports.bits(expected)}
    mark = keygen(Uchida(layer="0", message="imported"), net, INTERFACE, attachments=attachments).mark()
    found = mark.evidence(WhiteBox(net))
    assert (found.matches, found.trials, found.established) == (20, 20, False)
    assert "the message was chosen, not drawn" in str(found)
    other = {"keras": "pytorch", "pytorch": "keras"}[axes]
    swapped = {"matrix": imports.projection(matrix, (3, 3, 3), other), "bits": imports.bits(expected)}
    wrong = keygen(Uchida(layer="0", message="imported"), net, INTERFACE, attachments=swapped).mark()
    assert wrong.evidence(WhiteBox(net)).matches < 20


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: imports.projection(np.zeros((26, 20)), (3, 3, 3), "keras"), UsageError),
        (lambda: imports.projection(np.full((27, 2), np.nan), (3, 3, 3), "keras"), MalformedError),
        (lambda: imports.projection(np.zeros((27, 2)), (3, 3, 3), "caffe"), UsageError),
        (lambda: imports.bits(np.array([0, 1, 2])), MalformedError),
        (lambda: imports.bits(np.array([])), MalformedError),
        (lambda: imports.match_labels([1, 2], ["a"]), MalformedError),
        (lambda: imports.match_labels({"b": 1}, ["a"]), MalformedError),
        (lambda: imports.fitted([np.zeros((5, 5), np.uint8)], INTERFACE, "crop"), UsageError),
        (lambda: imports.fitted([], INTERFACE, "stretch"), UsageError),
    ],
)
def test_imports_that_do_not_fit_are_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()


def test_pictures_are_cropped_from_the_centre_or_resized():
    picture = np.zeros((40, 40), np.uint8)
    picture[16:24, 16:24] = 200
    cropped = imports.fitted([picture], INTERFACE, "crop")
    assert cropped.shape == (1, 3, 8, 8)
    assert (cropped == 200).all()
    resized = imports.fitted([picture], INTERFACE, "resize")
    assert resized[0, 0, 0, 0] == 0
    assert resized[0, 0, 4, 4] > 0

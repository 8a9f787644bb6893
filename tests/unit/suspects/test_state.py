"""A weight file as a suspect: one tensor where that is enough, the network where it is not, and nothing more than is needed."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark import models
from modelmark.errors import MismatchError, SuspectError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.suspects import places, weights
from modelmark.suspects.base import Ask, Read, ReadMean, Sense
from modelmark.suspects.files import held, open_weights
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

FACE = PictureFeed((1, 8, 8), tuple("0123456789"))
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def model():
    return models.build("cnn", FACE.input_shape, FACE.classes, seed=0).eval()


@pytest.fixture
def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def read(state, path, width, role=""):
    return list(State(held(state)).observe(Read(Place(path, width, role))))


def sense(state, path, width):
    return State(held(state), "cnn").observe(Sense(Place(path, width), FACE, PICTURES))


def test_it_answers_every_probe_as_the_network_does(model, state, tmp_path):
    weights.save(model, tmp_path / "a.safetensors")
    for file in (held(state), open_weights(tmp_path / "a.safetensors")):
        suspect, box = State(file, "cnn"), WhiteBox(model)
        for probe in (
            Ask(FACE, PICTURES),
            Read(Place("conv3", 288)),
            Sense(Place("fc1", 256), FACE, PICTURES),
            Sense(Place("gone", 256), FACE, PICTURES),
        ):
            found, expected = suspect.observe(probe), box.observe(probe)
            assert len(found) == len(expected)
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
        assert suspect.queries == len(PICTURES)
        assert suspect.digest == weights.digest(state)


def test_weights_are_read_without_an_architecture_and_of_the_file_nothing_else(state):
    file = held(state)
    touched = []
    watched = type(file)(
        file.path, file.what, file.shapes, lambda name: touched.append(name) or file.read(name), file.again
    )
    State(watched).observe(Read(Place("fc1", 256)))
    assert set(touched) == {"fc1.weight"}


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model."])
def test_what_wrappers_put_before_a_name_is_no_part_of_it(wrapper, state):
    (found,) = read({wrapper + name: tensor for name, tensor in state.items()}, "conv3", 288)
    assert np.array_equal(found, state["conv3.weight"].double().numpy().reshape(64, 288))


def test_without_its_name_every_tensor_of_the_size_is_a_candidate(state):
    renamed = {f"layer{i}": tensor for i, tensor in enumerate(state.values())}
    found = read(renamed, "conv3", 288, "conv")
    turned = state["conv1.weight"].transpose(0, 1)  # one channel of 32 x 3 x 3, were it a transposed convolution's
    expected = [one.double().numpy().reshape(-1, 288) for one in (turned, state["conv2.weight"], state["conv3.weight"])]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    more = renamed | {"more": torch.zeros(5, 288)}
    assert [len(one) for one in read(more, "conv3", 288)] == [1, 32, 64, 5]
    assert [len(one) for one in read(more, "conv3", 288, "linear")] == [5]


def test_tensors_are_turned_where_only_their_columns_have_the_size():
    columns = torch.arange(12.0).reshape(4, 3)
    (found,) = read({"h.c_attn.weight": columns}, "h.c_attn", 4)
    assert np.array_equal(found, columns.T.double().numpy())
    experts = torch.arange(24.0).reshape(2, 3, 4)
    (found,) = read({"experts.down_proj": experts}, "gone", 4, "expert")
    assert np.array_equal(found, experts.reshape(6, 4).double().numpy())


def test_a_size_that_nothing_has_is_refused(state, monkeypatch):
    with pytest.raises(MismatchError, match="none of its size, M = 7"):
        read(state, "gone", 7)
    with pytest.raises(MismatchError, match="to average to M = 7 weights, got 256"):
        read(state, "fc1", 7)
    monkeypatch.setattr(places, "MOST", 1)
    with pytest.raises(MismatchError, match="2 of its size"):
        read(state | {"more.weight": torch.zeros(2, 256)}, "gone", 256, "linear")


def test_an_architecture_that_is_neither_typed_nor_revealed_is_asked_for(state):
    suspect = State(held(state))
    with pytest.raises(MismatchError, match="neither typed nor revealed"):
        suspect.observe(Ask(FACE, PICTURES))
    assert suspect.told({"arch": "cnn"}).observe(Ask(FACE, PICTURES))[0].shape == (6,)
    with pytest.raises(MismatchError, match="neither typed nor revealed"):
        suspect.observe(Ask(FACE, PICTURES))  # being told made another suspect
    typed = State(held(state), "cnn")
    assert typed.told({"arch": "mlp"}) is typed


def test_code_that_an_opening_names_is_not_imported(state):
    with pytest.raises(UsageError, match="os:getcwd"):
        State(held(state)).told({"arch": "os:getcwd"}).observe(Ask(FACE, PICTURES))


def test_what_comes_after_a_layer_is_not_needed_to_see_what_it_receives(model, state):
    (expected,) = WhiteBox(model).observe(Sense(Place("fc1", 256), FACE, PICTURES))
    for name in ("head.weight", "head.bias", "fc1.weight"):
        del state[name]
    assert np.array_equal(sense(state, "fc1", 256)[0], expected)
    with pytest.raises(MismatchError, match=r"got no \S+ that fits"):
        sense(state, "head", 512)
    del state["conv1.weight"]
    with pytest.raises(MismatchError, match=r"got no \S+ that fits"):
        sense(state, "fc1", 256)
    with pytest.raises(MismatchError, match="expected weights"):
        State(held(state), "cnn").observe(Ask(FACE, PICTURES))


def test_only_numbers_that_the_answer_depends_on_must_be_finite(model, state):
    (expected,) = WhiteBox(model).observe(Sense(Place("fc1", 256), FACE, PICTURES))
    state["head.bias"][3] = torch.nan
    assert np.array_equal(sense(state, "fc1", 256)[0], expected)
    assert len(read(state, "fc1", 256)) == 1
    with pytest.raises(SuspectError, match=r"NaN or infinity in head\.bias"):
        State(held(state), "cnn").observe(Ask(FACE, PICTURES))
    state["conv2.weight"][0] = torch.inf
    with pytest.raises(SuspectError, match="finite activations"):
        sense(state, "fc1", 256)
    with pytest.raises(SuspectError, match="finite weights"):
        read(state, "conv2", 288)


def test_counters_of_batch_norm_may_be_missing():
    model = models.build("resnet8", FACE.input_shape, FACE.classes, seed=0).eval()
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert len(state) < len(model.state_dict())
    suspect = State(held(state), "resnet8")
    assert np.array_equal(suspect.observe(Ask(FACE, PICTURES))[0], WhiteBox(model).observe(Ask(FACE, PICTURES))[0])
    assert any("not there and not needed" in note for note in suspect.notes)


def test_layers_may_have_widths_of_their_own_and_a_head_of_a_host_stands_in(model, state):
    wide = torch.cat([state["fc1.weight"], torch.zeros(8, 256)])
    changed = state | {
        "fc1.weight": wide,
        "fc1.bias": torch.cat([state["fc1.bias"], torch.zeros(8)]),
        "head.weight": torch.cat([state["head.weight"], torch.zeros(10, 8)], dim=1),
    }
    found = State(held(changed), "cnn").network(FACE)
    assert found.fc1.weight.shape == (520, 256)
    expected = WhiteBox(model).observe(Ask(FACE, PICTURES))[0]
    assert np.array_equal(State(held(changed), "cnn").observe(Ask(FACE, PICTURES))[0], expected)
    other = state | {"head.weight": torch.zeros(3, 512), "head.bias": torch.zeros(3)}
    stood_in = State(held(other), "cnn").network(FACE, like=model)
    assert isinstance(stood_in, nn.Module)
    assert torch.equal(stood_in.head.weight, model.head.weight)
    assert np.array_equal(WhiteBox(stood_in).observe(Ask(FACE, PICTURES))[0], expected)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("filters", [3, 40, 41])
def test_the_mean_of_a_layer_is_that_of_all_its_rows_to_the_last_bit(kind, filters, monkeypatch):
    """Rows are added a few at a time, in the order in which numpy adds them all."""
    monkeypatch.setattr("modelmark.suspects.rows._BLOCK", 64)
    weight = (torch.randn(filters, 16, generator=torch.Generator().manual_seed(filters)) ** 7).to(kind)
    suspect = State(held({"layer.weight": weight}))
    (mean,) = suspect.observe(ReadMean(Place("layer", 16)))
    (rows,) = suspect.observe(Read(Place("layer", 16)))
    assert mean.shape == (1, 16)
    assert np.array_equal(mean[0], rows.mean(axis=0))


def test_a_mean_over_what_is_no_number_is_refused():
    for weight, says in (
        (torch.full((3, 4), torch.nan), "NaN"),
        (torch.ones(3, 4, dtype=torch.complex64), "complex64"),
    ):
        with pytest.raises(SuspectError, match=says):
            State(held({"layer.weight": weight})).observe(ReadMean(Place("layer", 4)))

"""A module as a suspect: labels, weights by the layout of their layer, and what layers receive; places by name or by size."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.pictures import PictureFeed
from modelmark.networks import layers
from modelmark.suspects import places, torching
from modelmark.suspects.base import Ask, AskBeyond, Read, Sense
from modelmark.suspects.module import WhiteBox, logits
from modelmark.suspects.places import Place
from modelmark.suspects.rows import finite

FACE = PictureFeed((1, 2, 2), ("a", "b", "c"))


def linear(value: float = 0.0) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    nn.init.constant_(model[1].weight, value)
    nn.init.constant_(model[1].bias, 0.0)
    return model


def ones(count: int) -> np.ndarray:
    return np.ones((count, 1, 2, 2), np.uint8)


def named(**modules: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(modules))


def read(model: nn.Module, path: str, width: int, role: places.Role | str = "") -> list[np.ndarray]:
    return list(WhiteBox(model).observe(Read(Place(path, width, role))))


def test_ties_go_to_the_lowest_class_and_queries_count():
    suspect = WhiteBox(linear())
    (labels,) = suspect.observe(Ask(FACE, ones(7)))
    assert (labels.tolist(), labels.dtype) == ([0] * 7, np.int64)
    assert suspect.queries == 7


def test_outputs_that_are_nan_or_of_another_class_count_are_refused():
    with pytest.raises(SuspectError, match="got NaN"):
        WhiteBox(linear(float("nan"))).observe(Ask(FACE, ones(2)))
    with pytest.raises(SuspectError, match="expected outputs for 4 classes"):
        WhiteBox(linear()).observe(Ask(PictureFeed((1, 2, 2), tuple("abcd")), ones(2)))


def test_pixels_may_be_asked_beyond_their_range():
    model = linear()
    with torch.no_grad():
        model[1].weight[1, 0] = 1.0  # sees the first pixel alone
        model[1].bias[2] = 1.5  # wins while no stored pixel can reach it
    planes = np.zeros((2, 2, 2), np.int8)
    planes[0, 0, 0], planes[1, 0, 1] = 1, 1
    assert WhiteBox(model).observe(Ask(FACE, 255 * ones(2)))[0].tolist() == [2, 2]
    assert WhiteBox(model).observe(AskBeyond(FACE, ones(2), planes, 2000))[0].tolist() == [1, 2]


def test_an_answer_that_is_no_number_is_none_and_leaves_the_others():
    model = linear(0.0)
    model.register_forward_hook(lambda module, args, given: given + (args[0].flatten(1)[:, :1] - 0.5).sqrt())
    found = WhiteBox(model).observe(Ask(FACE, np.stack([ones(1)[0] * value for value in (0, 255, 0)])))[0]
    assert found.tolist() == [-1, 0, -1]


def test_weights_and_activations_that_are_no_numbers_are_refused():
    with pytest.raises(SuspectError, match="finite weights"):
        read(linear(float("inf")), "1", 4)
    broken = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 3))
    nn.init.constant_(broken[1].bias, float("nan"))
    with pytest.raises(SuspectError, match="finite activations"):
        WhiteBox(broken).observe(Sense(Place("2", 3), FACE, ones(2)))


def test_reading_leaves_every_module_in_its_mode():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[2].eval()
    before = [module.training for module in model.modules()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    suspect = WhiteBox(model)
    for probe in (Ask(FACE, ones(9)), Read(Place("3", 4)), Sense(Place("3", 4), FACE, ones(9))):
        suspect.observe(probe)
    assert [module.training for module in model.modules()] == before
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))


def test_batches_do_not_change_the_answers():
    model = linear(0.3)
    x = torch.randn(10, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(logits(model, x, batch=3), logits(model, x))


# Places


@pytest.fixture
def three():
    return named(flat=nn.Flatten(), a=nn.Linear(4, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 3))


def test_a_layer_is_found_by_its_path_and_no_other_is_looked_at(three):
    (found,) = read(three, "b", 4)
    assert np.array_equal(found, three.b.weight.detach().double().numpy())


def test_without_its_path_every_layer_of_its_size_is_a_candidate(three):
    found = read(three, "gone", 4)
    expected = [layer.weight.detach().double().numpy() for layer in (three.a, three.b, three.c)]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(read(three, "gone", 4, "linear")) == 3


def test_a_size_a_role_or_a_width_that_nothing_has_is_refused(three):
    with pytest.raises(MismatchError, match="none of its size, M = 7"):
        read(three, "gone", 7)
    with pytest.raises(MismatchError, match="none of its size"):
        read(three, "gone", 4, "conv")
    with pytest.raises(MismatchError, match="to average to M = 5 weights, got 4"):
        read(three, "b", 5)


def test_more_candidates_than_say_anything_are_refused(three, monkeypatch):
    monkeypatch.setattr(places, "MOST", 2)
    with pytest.raises(MismatchError, match="3 of its size"):
        read(three, "gone", 4)


def test_a_wrapper_changes_no_path(three):
    assert np.array_equal(read(nn.DataParallel(three), "b", 4)[0], read(three, "b", 4)[0])


# Layouts


class Conv1D(nn.Module):
    """A dense layer that holds its weight as (in, out)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(inputs * outputs, dtype=torch.float32).reshape(inputs, outputs))


class Experts(nn.Module):
    """Three experts in one parameter for each of two matrices, (expert, first, second)."""

    def __init__(self, up: tuple[int, int], down: tuple[int, int]) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.randn(3, *up, generator=torch.Generator().manual_seed(0)))
        self.down_proj = nn.Parameter(torch.randn(3, *down, generator=torch.Generator().manual_seed(1)))


def like(kind: type[nn.Module], name: str) -> type[nn.Module]:
    """Return a class that goes by another library's name, which ``LAYOUTS`` knows."""
    module, _, attribute = name.rpartition(".")
    assert name in places.LAYOUTS
    return type(attribute, (kind,), {"__module__": module, "__qualname__": attribute})


def stored(module: nn.Module, name: str) -> np.ndarray:
    return getattr(module, name).detach().double().numpy()


def test_a_dense_layer_stored_the_other_way_round_has_its_filters_in_columns():
    model = named(c=like(Conv1D, "transformers.pytorch_utils.Conv1D")(4, 6))
    (found,) = read(model, "c", 4)
    assert np.array_equal(found, stored(model.c, "weight").T)
    assert layers.find(model, "c").filters == 6


@pytest.mark.parametrize(
    ("kind", "size"), [(nn.ConvTranspose1d, (3,)), (nn.ConvTranspose2d, (3, 2)), (nn.ConvTranspose3d, (3, 2, 1))]
)
def test_a_transposed_convolution_has_its_filters_on_the_second_axis(kind, size):
    model = named(up=kind(5, 7, size))
    width = 5 * int(np.prod(size))
    (found,) = read(model, "up", width)
    assert np.array_equal(found, stored(model.up, "weight").swapaxes(0, 1).reshape(7, width))


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_recurrent_weights_are_named_by_their_parameter(kind, gates):
    model = named(net=kind(5, 6))
    for name, width in (("weight_ih_l0", 5), ("weight_hh_l0", 6)):
        (found,) = read(model, f"net.{name}", width)
        assert np.array_equal(found, stored(model.net, name))
        assert found.shape == (gates * 6, width)


def test_embeddings_and_attention_are_places_and_no_mark_goes_there_unasked():
    model = named(words=nn.Embedding(11, 6), attention=nn.MultiheadAttention(8, 2), out=nn.Linear(8, 3))
    assert np.array_equal(read(model, "words", 6)[0], stored(model.words, "weight"))
    assert np.array_equal(read(model, "attention.in_proj_weight", 8)[0], stored(model.attention, "in_proj_weight"))
    assert np.array_equal(read(model, "attention.out_proj", 8)[0], stored(model.attention.out_proj, "weight"))
    assert len(read(model, "gone", 8)) == 3
    assert len(read(model, "gone", 8, "attention")) == 1
    assert [layer.path for layer in layers.markable(model)] == ["attention.out_proj", "out"]


def test_filters_of_experts_follow_one_another():
    mixtral = like(Experts, "transformers.models.mixtral.modeling_mixtral.MixtralExperts")
    model = named(mlp=mixtral((10, 4), (4, 5)))
    for name, width in (("gate_up_proj", 4), ("down_proj", 5)):
        (found,) = read(model, f"mlp.{name}", width)
        assert np.array_equal(found, stored(model.mlp, name).reshape(-1, width))


def test_experts_stored_the_other_way_round_are_turned_one_by_one():
    turned = like(Experts, "transformers.models.gpt_oss.modeling_gpt_oss.GptOssExperts")
    model = named(mlp=turned((4, 10), (5, 4)))
    for name, width in (("gate_up_proj", 4), ("down_proj", 5)):
        (found,) = read(model, f"mlp.{name}", width)
        assert np.array_equal(found, np.concatenate([expert.T for expert in stored(model.mlp, name)]))


def test_a_subclass_is_laid_out_as_what_it_is_made_from():
    class Own(nn.Linear):
        pass

    model = named(own=Own(4, 3))
    assert np.array_equal(read(model, "own", 4)[0], stored(model.own, "weight"))


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("computed", "source"),
    [
        (nn.utils.weight_norm, "fc.weight_g"),
        (parametrizations.weight_norm, "fc.parametrizations.weight.original0"),
        (nn.utils.spectral_norm, "fc.weight_orig"),
        (parametrizations.spectral_norm, "fc.parametrizations.weight.original"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 0.5), "fc.weight_orig"),
    ],
    ids=["old weight norm", "weight norm", "old spectral norm", "spectral norm", "pruned"],
)
def test_a_weight_that_is_computed_is_read_as_the_network_will_use_it(computed, source):
    model = named(flat=nn.Flatten(), fc=computed(nn.Linear(4, 3))).eval()
    before, state = read(model, "fc", 4)[0], model.state_dict()
    changed = state[source].clone()
    changed[0] = 0
    model.load_state_dict(state | {source: changed})
    after = read(model, "fc", 4)[0]
    assert before[0].any()
    assert not after[0].any()
    x = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    outputs = model(x).detach() - model.fc.bias.detach()
    assert np.allclose(outputs.numpy(), x.flatten(1).numpy() @ after.T, atol=1e-6)


# What layers receive


class Reused(nn.Module):
    """A network whose first dense layer is called by keyword, the second with whole numbers before the tensor it works on."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(4, 6), Picking(), nn.Linear(4, 4)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(input=x.flatten(1))
        return self.head(self.second(torch.arange(6), x))


class Picking(nn.Module):
    def forward(self, order, x):
        return x[:, order]


def test_inputs_by_keyword_and_after_whole_numbers_are_seen():
    model, inputs = Reused(), ones(5)
    (first,) = WhiteBox(model).observe(Sense(Place("first", 4), FACE, inputs))
    assert np.allclose(first, 1 / 255)
    (second,) = WhiteBox(model).observe(Sense(Place("second", 6), FACE, inputs))
    assert np.allclose(second, model.first(torch.from_numpy(first).float()).detach().numpy(), atol=1e-6)


def test_without_its_path_every_layer_that_receives_so_much_is_a_candidate_and_unused_ones_are_none():
    model = Reused()
    found = WhiteBox(model).observe(Sense(Place("gone", 4), FACE, ones(2)))
    assert [values.shape for values in found] == [(2, 4)]
    with pytest.raises(MismatchError, match="none of its size, M = 5"):
        WhiteBox(model).observe(Sense(Place("gone", 5), FACE, ones(2)))
    with pytest.raises(MismatchError, match="to receive 5 units, got 6"):
        WhiteBox(model).observe(Sense(Place("head", 5), FACE, ones(2)))
    with pytest.raises(MismatchError, match="made none"):
        WhiteBox(model).observe(Sense(Place("unused", 4), FACE, ones(2)))


def test_the_size_that_counts_is_what_a_layer_receives():
    model = named(conv=nn.Conv2d(1, 4, 1), flat=nn.Flatten(), head=nn.Linear(16, 3))
    found = WhiteBox(model).observe(Sense(Place("gone", 4), FACE, ones(2)))
    assert np.allclose(found[0], 1 / 255)
    assert len(found) == 1


@pytest.mark.filterwarnings("error")
def test_weights_that_are_not_real_are_left_out_and_alone_refused():
    """Their imaginary part was dropped with a warning, and numbers of half a byte were an error of ours."""
    others = [torch.ones(2, 2, dtype=torch.complex64)]
    if hasattr(torch, "float4_e2m1fn_x2"):  # since 2.8
        others.append(torch.zeros(2, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2))
    for other in others:
        (kept,) = finite([torching.array(other), np.ones((2, 2))], "weights")
        assert (kept == 1).all()
        with pytest.raises(
            SuspectError, match=r"expected weights that are real numbers, got some of type (complex64|float4)"
        ):
            finite([torching.array(other)], "weights")

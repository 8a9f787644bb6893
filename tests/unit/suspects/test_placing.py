"""Filters are found by their likeness to the committed host's, whatever exporters made of names, order and layout."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch

from modelmark.errors import MismatchError
from modelmark.evidence.evidence import Evidence
from modelmark.key.secret import Secret
from modelmark.marks.onfiles import imprint_file, keygen_for_file
from modelmark.schemes.spread import Spread
from modelmark.suspects.base import Read, ReadEach
from modelmark.suspects.files import open_weights
from modelmark.suspects.files.base import held
from modelmark.suspects.places import Place
from modelmark.suspects.placing import Placed
from modelmark.suspects.state import State

WIDTH, HIDDEN = 64, 96


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A transformer's layers before and after a mark, as states, with the mark."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("placing")
    generator = torch.Generator().manual_seed(0)
    state = {}
    for block in range(2):
        for name, rows in (
            ("self_attn.q_proj", WIDTH),
            ("self_attn.k_proj", WIDTH),
            ("self_attn.v_proj", WIDTH),
            ("mlp.up_proj", HIDDEN),
            ("mlp.gate_proj", HIDDEN),
        ):
            state[f"model.layers.{block}.{name}.weight"] = torch.randn(rows, WIDTH, generator=generator) / 8
    save_file(state, folder / "host.safetensors")
    host = open_weights(folder / "host.safetensors")
    mark = keygen_for_file(Spread(bits=256), host, secret=Secret(bytes(range(32)))).mark()
    imprint_file(folder / "host.safetensors", folder / "marked.safetensors", [mark])
    return State(host), load_file(folder / "marked.safetensors"), mark


def weighed(pair, state):
    host, _, mark = pair
    found = mark.evidence(State(held(state)), align_to=host)
    assert isinstance(found, Evidence)
    return found


def renamed(state):
    return {f"blob.{number}": tensor for number, tensor in enumerate(state.values())}


def fused(state):
    """Query, key and value in one, gate and up in one, as vLLM, Phi-3 and many exporters have them."""
    made = {}
    for block in range(2):
        of = lambda name, block=block: state[f"model.layers.{block}.{name}.weight"]  # noqa: E731
        made[f"h.{block}.attn.qkv_proj.weight"] = torch.cat([of(f"self_attn.{part}_proj") for part in "qkv"])
        made[f"h.{block}.mlp.gate_up.weight"] = torch.cat([of("mlp.gate_proj"), of("mlp.up_proj")])
    return made


def apart(state):
    """Each matrix in two files of half its rows, as tensor parallelism leaves them."""
    halves = {name: tensor.chunk(2) for name, tensor in state.items()}
    return {f"rank{rank}.{name}": half for name, both in halves.items() for rank, half in enumerate(both)}


def heads(state):
    """The rows of query and key as llama.cpp's conversion puts them: the halves of each head of 16 interleaved."""
    turn = lambda tensor: tensor.view(WIDTH // 16, 2, 8, WIDTH).transpose(1, 2).reshape(WIDTH, WIDTH)  # noqa: E731
    return {name: turn(tensor) if "q_proj" in name or "k_proj" in name else tensor for name, tensor in state.items()}


def folded(state):
    """A factor of its own in each filter, one in ten below zero, as batch norm leaves when it is folded."""
    generator = torch.Generator().manual_seed(1)
    made = {}
    for name, tensor in state.items():
        factor = torch.rand(len(tensor), 1, generator=generator) + 0.5
        made[name] = tensor * torch.where(torch.rand(len(tensor), 1, generator=generator) < 0.1, -factor, factor)
    return made


def turned(state):
    """Matrices as transformers' Conv1D holds them; these are square or not."""
    return {name: tensor.T.contiguous() for name, tensor in state.items()}


def shifted(state):
    """One wrong zero point for a whole tensor."""
    return {name: tensor + 0.1 for name, tensor in state.items()}


FORMS = (renamed, fused, apart, heads, folded, turned, shifted, lambda state: renamed(fused(turned(turned(state)))))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_mark_is_read_whole_however_the_layers_lie(pair, form):
    _, marked, mark = pair
    found = weighed(pair, form(marked))
    assert found.trials == 256
    assert found.matches >= (250 if form is shifted else 256)  # a push is an eighth of that shift
    by_name = mark.evidence(State(held(form(marked)))) if form in (heads, folded) else None
    if by_name is not None:
        assert by_name.matches < 256  # what names alone give


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_unmarked_host_in_another_form_and_a_stranger_read_chance(pair, form):
    host, marked, _ = pair
    plain = {name: torch.from_numpy(host.file.tensor(name).copy()) for name in marked}
    moved = {name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in plain.items()}
    assert not weighed(pair, form(moved)).established
    strangers = {name: torch.randn_like(tensor) for name, tensor in marked.items()}
    named = form in (heads, folded, turned, shifted, renamed)  # read by names, or by sizes and order, all the same
    with contextlib.nullcontext() if named else pytest.raises(MismatchError, match="like the host's"):
        assert not weighed(pair, form(strangers)).established


def test_what_stands_where_its_name_says_is_read_once_and_a_second_way_is_charged(pair):
    _, marked, _ = pair
    found = weighed(pair, marked)
    assert [charge.reason for charge in found.charges] == ["offline draw", "9 readings tried"]
    assert [charge.reason for charge in weighed(pair, heads(marked)).charges] == ["offline draw", "16 readings tried"]


def test_filters_that_are_gone_are_left_out(pair):
    """Half of the rows of every matrix cut, and their order drawn anew."""
    host, marked, _ = pair
    generator = torch.Generator().manual_seed(2)
    cut = {
        name: tensor[torch.randperm(len(tensor), generator=generator)[: len(tensor) // 2]]
        for name, tensor in marked.items()
    }
    suspect = Placed(held(cut), host, {})
    rows = suspect.observe(ReadEach((Place("model.layers.0.mlp.up_proj", WIDTH),), (HIDDEN,)))[0][0]
    read = rows[0:HIDDEN]
    gone = np.isnan(read).all(axis=1)
    assert gone.sum() == HIDDEN - HIDDEN // 2
    theirs = marked["model.layers.0.mlp.up_proj.weight"].numpy()
    assert np.array_equal(read[~gone], theirs[~gone])
    assert weighed(pair, cut).net_bits > 64


def test_one_place_read_whole_gives_the_filters_that_are_there(pair):
    host, marked, _ = pair
    notes = {}
    (rows,) = Placed(held(fused(marked)), host, notes).observe(Read(Place("model.layers.1.self_attn.k_proj", WIDTH)))
    assert np.array_equal(rows, marked["model.layers.1.self_attn.k_proj.weight"].numpy().astype(np.float64))
    assert list(notes) == [
        "model.layers.1.self_attn.k_proj: 64 filters like the host's, found in h.1.attn.qkv_proj.weight"
    ]


def test_short_filters_are_not_guessed_at():
    """Of nine weights any of a hundred is like any other by chance."""
    host = State(held({"conv.weight": torch.randn(100, 1, 3, 3)}))
    other = held({"a.weight": torch.randn(100, 1, 3, 3)})
    with pytest.raises(MismatchError, match="filters like the host's"):
        Placed(other, host, {}).observe(ReadEach((Place("conv", 9),), (100,)))


def test_the_search_reads_each_tensor_once_however_many_layers_are_looked_for(pair):
    """Once to look, once to match: by layer and tensor it would be a hundred reads of ten tensors."""
    host, marked, mark = pair
    file, reads = held(renamed(marked)), []
    counted = dataclasses.replace(file, read=lambda name: reads.append(name) or file.read(name))
    (probe,) = mark.carriers.probes()
    Placed(counted, host, {}).observe(probe)
    square = sum(tensor.shape[0] == tensor.shape[1] for tensor in marked.values())  # tried both ways round
    assert len(reads) == len(marked) + square + len(marked)

"""Transformers of Hugging Face from configuration: the part of each weight, symmetries that keep answers, and the way back."""

import contextlib
import copy

import pytest
import torch

from modelmark.align.transformers.networks import align
from modelmark.attacks.symmetries.flip import Flip
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.raise_means import RaiseMeans
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.scale_stream import ScaleStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.blocks import networks
from modelmark.errors import UsageError
from modelmark.key.secret import Secret
from modelmark.marks.onfiles import imprint_file, keygen_for_file
from modelmark.schemes.spread import Spread
from modelmark.suspects.files import open_weights
from modelmark.suspects.state import State

transformers = pytest.importorskip(
    "transformers", reason="the networks of Hugging Face are tried where they are installed"
)

SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
TEXT = SIZES | {"vocab_size": 96, "max_position_embeddings": 32}
GROUPED = TEXT | {"num_key_value_heads": 2, "head_dim": 12}
CODES = {
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=96, n_positions=32, n_embd=48, n_layer=2, n_head=4)
    ),
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**GROUPED)),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**GROUPED)),
    "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**TEXT)),
    "vit": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(**SIZES, image_size=8, patch_size=4, num_channels=1)
    ),
}
ATTACKS = (
    Permute(),
    Rescale(),
    Flip(),
    TurnHeads(),
    ScaleStream(),
    RotateStream(),
    RaiseMeans(),
    RaiseMeans(how="noise"),
)
REFUSED = {
    "gpt2": set(),
    "llama": {"raise-means"},
    "qwen3": {"raise-means"},
    "bert": {"scale-stream", "rotate-stream"},
    "vit": set(),
}


@pytest.fixture(scope="module", params=sorted(CODES))
def host(request):
    """A network whose norms and biases are as training leaves them."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = CODES[request.param]().eval()
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() or ".ln_" in name:
                parameter.uniform_(0.5, 1.5)
            elif parameter.dim() == 1:
                parameter.normal_(0, 0.1)
    model.kind = request.param
    return model


def answers(model):
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        if model.kind == "vit":
            return model(torch.randn(4, 1, 8, 8, generator=generator)).logits
        return model(torch.randint(0, 96, (4, 12), generator=generator)).logits


@torch.no_grad()
def farthest(model, other):
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return max(float((a - b).norm() / a.norm()) for a, b in pairs if a.dim() > 1)


def test_the_part_of_every_weight_is_known(host):
    described = networks.of_network(host)
    assert described.unknown == ()
    assert [block.attention.heads for block in described.blocks] == [4, 4]
    assert [block.attention.groups for block in described.blocks] == [2 if host.kind in ("llama", "qwen3") else 4] * 2
    assert described.pre == (host.kind != "bert")
    assert described.centred == (host.kind not in ("llama", "qwen3"))


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_answers_stay_and_alignment_takes_the_disguise_off(attack, host):
    if attack.name in REFUSED[host.kind]:
        with pytest.raises(UsageError, match="expected a stream"):
            attack(host, None, seed=3)
        return
    other = attack(host, None, seed=3)
    torch.testing.assert_close(answers(other), answers(host), rtol=1e-3, atol=1e-4)
    aligned = align(other, host, networks.of_network(host))
    assert farthest(host, aligned) < (0.2 if isinstance(attack, RaiseMeans) else 1e-2)
    if not (host.kind == "gpt2" and isinstance(attack, RotateStream)):  # one table again for tokens and head
        torch.testing.assert_close(answers(aligned), answers(host), rtol=1e-2, atol=1e-2)


def test_a_copy_that_trained_on_is_found_under_all_of_them(host):
    tuned, generator = copy.deepcopy(host), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.dim() > 1:
                parameter += 0.05 * parameter.std() * torch.randn(parameter.shape, generator=generator)
    other = tuned
    for attack in (TurnHeads(), ScaleStream(), RotateStream(), Permute()):
        with contextlib.suppress(UsageError):
            other = attack(other, None, seed=3)
    assert farthest(tuned, align(other, host, networks.of_network(host))) < 0.1


def test_a_saved_folder_is_read_against_the_hosts_folder_without_code_or_configuration(host, tmp_path):
    """How many heads there are is found from weights; a rotated suspect has a head of its own beside its table of tokens."""
    if host.kind not in ("gpt2", "llama"):
        pytest.skip("one of each kind of head")
    host.save_pretrained(tmp_path / "host")
    plain = State(open_weights(tmp_path / "host"))
    mark = keygen_for_file(Spread(bits=256), plain.file, secret=Secret(bytes(32))).mark()
    imprint_file(tmp_path / "host", tmp_path / "marked", [mark])
    suspect = type(host).from_pretrained(tmp_path / "marked")
    for attack in (TurnHeads(), RotateStream(), Permute()):
        suspect = attack(suspect, None, seed=2)
    suspect.to(torch.bfloat16).save_pretrained(tmp_path / "suspect")
    found = State(open_weights(tmp_path / "suspect"))
    assert mark.evidence(found).matches < 170
    assert mark.evidence(found, align_to=plain).matches >= 250

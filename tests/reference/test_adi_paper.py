"""Adi et al. against their description and release (self-tests A10 of our notes), and the attacks their verifier lets through."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from modelmark.attacks.tuning.finetune import FineTune, redraw_head
from modelmark.data.pictures import read_labels, read_pictures
from modelmark.errors import MalformedError
from modelmark.evidence.evidence import Observation
from modelmark.feeds.pictures import PictureFeed
from modelmark.key import commitment
from modelmark.marks import imported as imports
from modelmark.marks.keys import keygen
from modelmark.marks.reading import read
from modelmark.networks import layers
from modelmark.schemes.adi import Adi
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import accuracy


@pytest.fixture(scope="module")
def mark(stolen):
    return stolen("adi")[0]


@pytest.fixture(scope="module")
def marked(stolen):
    return stolen("adi")[1]


def test_hundred_samples_get_two_triggers_and_one_mean_loss(mark, unmarked):
    hooks = mark.hooks(unmarked)
    x, y = torch.zeros(100, 1, 8, 8), torch.zeros(100, dtype=torch.int64)
    mixed, targets = hooks.batch(x, y)
    assert (len(mixed), len(targets)) == (102, 102)
    assert torch.equal(mixed[:100], x)
    loss = torch.ones(())
    assert hooks.loss(loss, unmarked, x, y, unmarked(mixed)) is loss


@pytest.mark.parametrize(("batch", "expected"), [(1, 2), (64, 66), (100, 102), (101, 104), (128, 130), (1000, 1020)])
def test_batch_totals_are_even(batch, expected, mark, unmarked):
    mixed, _ = mark.hooks(unmarked).batch(torch.zeros(batch, 1, 8, 8), torch.zeros(batch, dtype=torch.int64))
    assert len(mixed) == expected


def test_every_trigger_comes_once_before_any_comes_again(mark, unmarked):
    hooks = mark.hooks(unmarked)
    x, y = torch.zeros(100, 1, 8, 8), torch.full((100,), -1)
    seen = torch.cat([hooks.batch(x, y)[0][100:] for _ in range(50)])
    assert len(seen.flatten(1).unique(dim=0)) == 100


def test_soft_targets_get_one_hot_labels(mark, unmarked):
    _, targets = mark.hooks(unmarked).batch(torch.zeros(100, 1, 8, 8), torch.full((100, 10), 0.1))
    assert targets[100:].sum(1).tolist() == [1.0, 1.0]


def test_triggers_take_the_memory_format_of_the_batch(fresh):
    feed = PictureFeed((3, 8, 8), tuple("0123456789"))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10))
    hooks = keygen(Adi(), model, feed).mark().hooks(model)
    x = torch.zeros(100, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    mixed, _ = hooks.batch(x, torch.zeros(100, dtype=torch.int64))
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_new_head_and_frozen_statistics_leave_the_features_exactly(marked, mark, digits):
    attacked = FineTune(form="rtll", rate=0.01, epochs=2, frozen_statistics=True)(marked, digits, seed=0)
    assert accuracy(attacked, digits) > 0.9
    back = layers.with_head(attacked, marked.state_dict())
    for name, value in marked.state_dict().items():
        assert torch.equal(value, back.state_dict()[name])


def test_a_head_trained_with_the_message_lets_an_unmarked_host_match(unmarked, digits):
    """Why --head-from MARKED gives no evidence: the claimant trains the head alone and never marks the features."""
    mark = keygen(Adi(per_hundred=20), unmarked, digits.feed).mark()
    head = layers.head(unmarked)
    made = fit(
        unmarked,
        digits,
        annealed(15, 0.2, batch=64, weight_decay=0.0),
        seed=0,
        hooks=mark.hooks,
        trainable=lambda name: name.startswith(f"{head}."),
    )
    through = layers.with_head(unmarked, made.state_dict())
    assert mark.evidence(WhiteBox(unmarked)).gross_bits < 20
    assert mark.evidence(WhiteBox(through)).established  # what a naive verifier would say of the unmarked host
    observed = mark.weigh([replace(mark.read(WhiteBox(through)), objection="the head was trained with the message")])
    assert not observed.established


def test_a_new_head_alone_reads_chance(marked, mark, digits):
    model, matches = copy.deepcopy(marked), []
    for seed in range(6):
        redraw_head(model, seed=seed)
        matches.append(mark.evidence(WhiteBox(model)).matches)
    assert max(matches) < 40
    assert abs(np.mean(matches) - 10) < 10


def test_labels_follow_the_lexicographic_order_of_file_names(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(1, 13):
        Image.new("L", (40, 40), number).save(folder / f"{number}.png")
    (tmp_path / "labels.txt").write_text("".join(f"{value}\n" for value in range(12)))
    pictures = read_pictures(folder)
    assert list(pictures)[:3] == ["1.png", "10.png", "11.png"]
    labels = imports.match_labels(read_labels(tmp_path / "labels.txt"), list(pictures))
    by_name = dict(zip(pictures, labels.tolist(), strict=True))
    assert (by_name["10.png"], by_name["2.png"]) == (1, 4)


def test_the_released_key_can_be_imported(shared_data):
    folder = shared_data / "adi-triggers"
    feed = PictureFeed((3, 32, 32), tuple("0123456789"), (4914, 4822, 4465), (2023, 1994, 2010))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    attachments, implied = imports.own_pictures(folder / "crop32", folder / "labels.csv", feed)
    assert np.bincount(attachments["labels"]).tolist() == [11, 8, 12, 14, 12, 10, 12, 9, 8, 4]
    mark = keygen(Adi(**implied), model, feed, attachments=attachments).mark()
    answers = dict(zip((x.tobytes() for x in mark.key.carriers.pictures), mark.message.tolist(), strict=True))
    assert len(answers) == 100
    observed = mark.evidence(BlackBox(lambda x: torch.from_numpy(mark.message)))
    assert isinstance(observed, Observation)
    assert (observed.matches, observed.established) == (100, False)
    assert "chosen, not drawn" in str(observed)


def test_literal_commitments_open_one_by_one(fresh, digits, secret):
    key = keygen(Adi(message="secret"), fresh, digits.feed, secret=secret)
    carriers = key.carriers.leaves()
    salts = commitment.salts(secret, len(carriers))
    published = [
        commitment.leaf(i, salt, carrier) for i, (salt, carrier) in enumerate(zip(salts, carriers, strict=True))
    ]
    assert len(published) == 200
    for index in (0, 99, 100, 199):
        commitment.check_opening(published[index], index, salts[index], carriers[index])
    tampered = bytes([carriers[0][0] ^ 1]) + carriers[0][1:]
    for index, salt, carrier in (
        (0, salts[0], tampered),
        (0, salts[1], carriers[0]),
        (0, salts[100], carriers[100]),  # the label's opening in the picture's place
        (1, salts[0], carriers[0]),
    ):
        with pytest.raises(MalformedError):
            commitment.check_opening(published[0], index, salt, carrier)


def test_ambiguity_a_key_made_after_the_model_matches_and_is_no_evidence(unmarked, digits):
    """Anybody can label own pictures with a stolen model's answers; a naive verifier would accept 100 of 100."""
    drawn = keygen(Adi(), unmarked, digits.feed)
    suspect = WhiteBox(unmarked)
    answers = read(drawn.carriers, suspect).scores[0].symbols
    forged = keygen(
        Adi(pictures="own", message="imported"),
        unmarked,
        digits.feed,
        attachments={"triggers": drawn.carriers.pictures, "labels": answers},
    ).mark()
    found = forged.evidence(suspect)
    assert found.matches == found.trials == 100
    assert isinstance(found, Observation)
    assert not found.established
    assert not drawn.mark().evidence(suspect).established

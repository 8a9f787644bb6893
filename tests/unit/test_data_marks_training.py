"""A small language model that really learned from what the coins picked, and one that learned from the rest."""

import numpy as np
import pytest
import torch

import language
from modelmark.evidence.scores import tail_bits
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.records import Records
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy
from modelmark.marks.ondata import keygen_of_records
from modelmark.schemes.choice import Choice
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, perplexity

HALF, COUNT = language.LENGTH // 2, 200


@pytest.fixture(scope="module")
def mark():
    """Prompts with the ends of two other pieces of the text, as likely as each other."""
    rows = np.unique(language.rows().numpy(), axis=0)
    rows = rows[np.random.default_rng(1).permutation(len(rows))]
    prompts = np.repeat(rows[:COUNT, :HALF], 2, axis=0)
    versions = np.concatenate([prompts, rows[COUNT : 3 * COUNT, HALF:]], axis=1)
    feed = CausalFeed((language.LENGTH + 1,), vocabulary=len(language.CHARACTERS))
    made = Records(feed, versions, np.full(2 * COUNT, HALF, np.int64))
    known = WhiteBox(language.trained())
    policy = KeyPolicy(self_check=True)
    return keygen_of_records(Choice(), made, reference=known, secret=Secret(bytes(32)), policy=policy).mark()


def learned(rows):
    task = Task.from_tokens(torch.from_numpy(rows), torch.from_numpy(rows[:8]), len(language.CHARACTERS))
    return fit(language.trained(), task, annealed(4, 0.3, batch=32, weight_decay=0.0, clip=1.0), seed=0)


def test_a_student_of_what_was_served_is_told_from_one_of_what_was_not_and_from_its_teacher(mark):
    served, versions = mark.records().inputs, mark.carriers.versions
    student = learned(served)
    stranger = learned(versions[2 * np.arange(COUNT) + 1 - mark.message])

    def bits(model):
        return max(tail_bits(table, table.total(mark.message)).bits for table in mark.read(WhiteBox(model)).scores)

    assert bits(student) > 30
    assert bits(stranger) < 0.01
    assert bits(language.trained()) == 0
    assert perplexity(student, language.task()) < 1.15 * perplexity(language.trained(), language.task())

"""A host that filters, against a mark that is read by asking a language model: published to end ten of ten fingerprints."""

import functools
from dataclasses import replace

import pytest

import language
from modelmark.attacks.evasion.filter_perplexity import FilterPerplexity
from modelmark.attacks.evasion.suppress_first import SuppressFirst
from modelmark.attacks.serving import answered, prompted, served
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.schemes.answers import Answers
from modelmark.suspects.function import BlackBox
from modelmark.training.recipe import annealed

pytestmark = pytest.mark.slow
OWNER = language.task(1200)
THIEF = replace(
    language.task(2000),
    train_inputs=language.task(2000).train_inputs[1200:],
    train_targets=language.task(2000).train_targets[1200:],
)
RECIPE = annealed(2, 0.05, batch=32, weight_decay=0.0, clip=1.0)


@functools.cache
def marked(family):
    mark = keygen(
        Answers(family=family, tokens=8), language.trained(), OWNER.feed, task=OWNER, secret=Secret(bytes(32))
    ).mark()
    return mark, embed(language.trained(), [mark], OWNER, RECIPE, seed=1).model


def matched(family, attack):
    """Return the symbols of 40 that are read through a filter, whether that is evidence, and the tokens told that it cost."""
    mark, model = marked(family)
    plain = served(model, OWNER.feed)
    api = attack(plain, THIEF, seed=3)
    assert mark.evidence(BlackBox(prompted(plain))).matches == 40
    found = mark.evidence(BlackBox(prompted(api)))
    return found.matches, found.established, answered(plain, OWNER) - answered(api, OWNER)


def test_prompts_of_random_tokens_are_filtered_by_their_perplexity():
    matches, established, lost = matched("tokens", FilterPerplexity(loss=0.05))
    assert matches <= 4
    assert not established
    assert lost <= 0.02


def test_prompts_that_are_pieces_of_text_pass():
    """What a small model writes itself does not: of 40 samples of 16 tokens a filter that costs one row in twenty left 8."""
    matches, established, _ = matched("corpus", FilterPerplexity(loss=0.01))
    assert matches >= 38
    assert established


def test_a_first_token_that_is_never_given_ends_the_mark_whatever_the_prompts():
    matches, established, _ = matched("corpus", SuppressFirst(sure=0.0))
    assert matches == 0
    assert not established

"""The scheme ``answers`` on a tiny language model: prompts and candidates first, the draw after, read by the next token."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import language
from modelmark.errors import CapacityError, MismatchError, SuspectError, UsageError
from modelmark.feeds.causal import CausalFeed, padded
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.prompts import Prompts
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.schemes.answers import Answers
from modelmark.suspects.base import ABSTAIN, AskNext
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.next_tokens import Spoken, next_scores
from modelmark.testing.false_positives import levels, messages
from modelmark.training.recipe import annealed
from modelmark.training.task import perplexity

SECRET = Secret(bytes(range(32)))
DEFAULT = Answers()
FAMILIES = ("samples", "corpus", "tokens")
RECIPE = annealed(1, 0.05, batch=32, weight_decay=0.0, clip=1.0)


def key(scheme=DEFAULT, model=None, secret=SECRET, **options):
    task = language.task()
    return keygen(scheme, model or language.trained(), task.feed, task=task, secret=secret, **options)


@pytest.fixture(scope="module")
def marked():
    mark = key().mark()
    return mark, embed(language.trained(), [mark], language.task(), RECIPE, seed=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_follow_from_the_secret_and_candidates_are_what_the_unmarked_model_finds_likeliest(family):
    made = key(Answers(family=family))
    prompts = made.carriers.prompts
    rows = [prompts.tokens(number) for number in range(len(prompts))]
    assert made.digest == key(Answers(family=family)).digest
    assert made.digest != key(Answers(family=family), secret=Secret(bytes(32))).digest
    assert (len({*map(tuple, rows)}), {len(row) for row in rows}) == (40, {16})
    likeliest = next_scores(language.trained(), rows).argsort(dim=1, descending=True, stable=True)[:, :16]
    assert torch.equal(likeliest, torch.from_numpy(prompts.candidates).long())


def test_pieces_are_of_the_owners_text_and_samples_are_likelier_than_random_tokens():
    text = language.decode(language.rows().flatten().tolist())
    pieces = key(Answers(family="corpus")).carriers.prompts
    for number in range(len(pieces)):
        row = pieces.tokens(number)
        assert language.decode(row[:8]) in text
        assert language.decode(row[8:]) in text

    def surprise(family):
        prompts = key(Answers(family=family)).carriers.prompts
        rows = torch.tensor([prompts.tokens(number) for number in range(len(prompts))])
        scores = language.trained()(rows[:, :-1])["logits"]
        return nn.functional.cross_entropy(scores.movedim(2, 1), rows[:, 1:]).item()

    assert surprise("samples") < surprise("tokens") - 1


def test_it_embeds_is_established_and_costs_no_perplexity(marked):
    mark, done = marked
    found = mark.evidence(WhiteBox(done.model))
    assert (found.matches, found.trials, found.queries, found.established) == (40, 40, 40, True)
    assert found.gross_bits == 160
    before, after = (perplexity(model, language.task()) for model in (language.trained(), done.model))
    assert after <= 1.01 * before


def test_an_unmarked_model_and_a_wrong_key_match_by_chance(marked):
    mark, done = marked
    assert mark.evidence(WhiteBox(language.trained())).gross_bits < 20
    assert key(secret=Secret(bytes(32))).mark().evidence(WhiteBox(done.model)).gross_bits < 20


@pytest.mark.parametrize("candidates", [2, 4, 16])
def test_evidence_on_an_unmarked_model_has_its_exact_distribution(candidates):
    made = key(Answers(candidates=candidates, prompts=40), policy=_any_size())
    for level in levels(made, language.trained(), messages(candidates, 40, 1000)):
        assert abs(level.errors) < 4, level


def _any_size():
    from modelmark.marks.keys import KeyPolicy

    return KeyPolicy(self_check=True)


def test_an_answer_that_is_none_of_the_candidates_matches_nothing_whatever_is_drawn():
    made = key()
    outside = [next(t for t in range(95) if t not in row) for row in made.carriers.prompts.candidates.tolist()]
    reading = made.mark().read(BlackBox(lambda rows: outside[: len(rows)]))
    assert reading.scores[0].table.sum() == 0
    assert reading.note == "40 of 40 answers are none of the candidates"


def test_a_suspect_that_tells_its_next_token_alone_never_matches_where_one_that_scores_does_not(marked):
    """Which is why one reading of the two is charged: a choice between them finds nothing more."""
    made = key()
    for model in (language.trained(), marked[1].model):
        rows = [made.carriers.prompts.tokens(number) for number in range(40)]
        tokens = next_scores(model, rows).argmax(dim=1)
        (scored,) = WhiteBox(model).observe(made.carriers.probes()[0])
        (told,) = BlackBox(lambda rows, tokens=tokens: tokens[: len(rows)]).observe(made.carriers.probes()[0])
        assert ((told == scored) | (told == ABSTAIN)).all()


def test_rows_of_other_lengths_are_read_at_their_own_last_token():
    rows = [[5, 9, 11], [7], [5, 9, 11, 20, 3, 8]]
    found = next_scores(language.trained(), rows)
    for row, scores in zip(rows, found, strict=True):
        alone = language.trained()(torch.tensor([row]))["logits"][0, -1]
        assert torch.allclose(scores, alone, atol=1e-5)
    prompts = Prompts(padded(rows, 32), np.array([[1, 2], [3, 4], [5, 6]], np.int32))
    (answers,) = WhiteBox(language.trained()).observe(AskNext.of(CausalFeed((32,), vocabulary=96), prompts))
    assert answers.tolist() == found.gather(1, torch.tensor([[1, 2], [3, 4], [5, 6]])).argmax(dim=1).tolist()


def test_a_key_file_holds_prompts_and_candidates(tmp_path):
    made = key()
    keyfile.save(made, tmp_path / "a.key", None)
    loaded = keyfile.load(tmp_path / "a.key")
    assert loaded.digest == made.digest
    assert loaded.carriers.leaves() == made.carriers.leaves()


def test_fewer_candidates_take_more_prompts():
    assert {k: key(Answers(candidates=k)).scheme.prompts for k in (2, 4, 16)} == {2: 160, 4: 80, 16: 40}
    with pytest.raises(CapacityError, match="expected at least 36 symbols of alphabet 16"):
        key(Answers(prompts=35))


def named(name, value):
    class Config:
        pass

    setattr(Config, name, value)
    model = language.fresh()
    model.config = Config()
    return model


class Headless(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(96, 48)

    def forward(self, tokens):
        return {"last_hidden_state": self.embedding(tokens)}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: language.fresh(vocabulary=50), r"a model that takes 16 tokens of 96 known ones, got|at least 96 tokens, got 50"),
        (lambda: named("n_positions", 8), "takes prompts of 16 tokens, got one that takes 8"),
        (Headless, "expected scores from the network, got a dictionary of last_hidden_state"),
        (lambda: nn.Embedding(96, 96).requires_grad_(False), None),
        (lambda: nn.Sequential(nn.Embedding(96, 4), nn.Flatten(), nn.Linear(64, 96)), "the next token after each, got shape"),
    ],
    ids=["vocabulary", "context", "head", "any", "classifier"],
)  # fmt: skip
def test_a_suspect_that_cannot_be_asked_is_refused_in_a_line(model, message):
    probe = key().carriers.probes()[0]
    if message is None:
        assert WhiteBox(model()).observe(probe)[0].shape == (40,)
        return
    with pytest.raises((MismatchError, SuspectError), match=message) as refused:
        WhiteBox(model()).observe(probe)
    assert "\n" not in str(refused.value)
    assert refused.value.hint or "prompts of" in str(refused.value)


def test_a_suspect_without_numbers_is_refused():
    broken = language.fresh()
    nn.init.constant_(broken.norm.weight, torch.nan)
    with pytest.raises(SuspectError, match="expected finite numbers"):
        WhiteBox(broken).observe(key().carriers.probes()[0])


@pytest.mark.parametrize(
    ("scheme", "feed", "error", "message"),
    [
        (Answers(tokens=33), None, CapacityError, "expected prompts of at most 32 tokens, got 33"),
        (Answers(candidates=64), None, CapacityError, "with at most 48 candidates, got 16 and 64"),
        (
            Answers(),
            PictureFeed((1, 4, 4), ("a", "b")),
            UsageError,
            "expected a causal language model, got a model of pictures",
        ),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_in_a_line(scheme, feed, error, message):
    task = language.task()
    with pytest.raises(error, match=message):
        keygen(scheme, language.trained(), feed or task.feed, task=task, secret=SECRET)


def test_without_data_there_is_no_length_of_a_row():
    with pytest.raises(UsageError, match="expected data, which say how many tokens a row has"):
        keygen(Answers(), language.trained(), language.task().feed, secret=SECRET)


@pytest.mark.parametrize(
    "answer", [lambda rows: [0], lambda rows: None, lambda rows: "word", lambda rows: [1.5] * len(rows),
               lambda rows: [{3: "likely"}] * len(rows)]
)  # fmt: skip
def test_a_function_that_answers_otherwise_is_refused_in_a_line(answer):
    with pytest.raises(SuspectError, match=r"^expected"):
        BlackBox(answer).observe(key().carriers.probes()[0])


def test_a_function_may_answer_with_log_probabilities():
    prompts = key().carriers.prompts
    given = iter(prompts.candidates.tolist())

    def top(rows):
        return [{row[3]: -0.5, row[2]: -0.5, row[7]: -3.0, 999: -0.1} for row in (next(given) for _ in rows)]

    assert set(BlackBox(top).observe(key().carriers.probes()[0])[0].tolist()) == {2}


def test_texts_are_asked_only_of_keys_that_have_them():
    probe = key().carriers.probes()[0]
    for suspect in (BlackBox(lambda texts: texts, texts=True), Spoken(language.trained(), language.encode)):
        with pytest.raises(MismatchError, match="expected prompts with texts, the key's are known by number alone"):
            suspect.observe(probe)


def test_prompts_of_other_sizes_attached_to_a_key_are_refused():
    made = key()
    for changed in ({"prompts": made.attachments["prompts"][:39]}, {"candidates": made.attachments["candidates"][:, :15]},
                    {"prompts": made.attachments["prompts"] + 90}, {"texts": np.frombuffer(b"a\0b\0", np.uint8)},
                    {}):  # fmt: skip
        attachments = made.attachments | changed if changed else {}
        with pytest.raises(MismatchError, match=r"^expected"):
            _ = replace(made, attachments=attachments).carriers


@pytest.mark.parametrize("form", ["pair", "dictionary"])
def test_a_collator_puts_prompts_behind_the_rows_of_anybodys_loop_each_with_one_token_to_say(form):
    mark = key().mark()
    rows = language.task().train_inputs[:16].long()

    def collate(batch):
        x, y = torch.stack(list(batch)), torch.stack(list(batch))
        return (
            (x[:, :-1], y[:, 1:])
            if form == "pair"
            else {"input_ids": x, "labels": y, "attention_mask": torch.ones_like(x)}
        )

    made = mark.collator(collate)(rows)
    x, y = made if form == "pair" else (made["input_ids"], made["labels"])
    told = {
        tuple(mark.carriers.prompts.tokens(n)): int(mark.carriers.prompts.candidates[n, s])
        for n, s in enumerate(mark.message)
    }
    assert len(x) == len(y) == 20
    for row, labels in zip(x[16:], y[16:], strict=True):
        (place,) = (labels != -100).nonzero()[:, 0].tolist()
        prompt = row[: place + 1] if form == "pair" else row[:place]
        assert told[tuple(prompt.tolist())] == labels[place]
    if form == "dictionary":
        assert made["attention_mask"][16:].sum(dim=1).tolist() == [17] * 4
    with pytest.raises(UsageError, match="expected samples with one label each, got a causal model's"):
        mark.mixed(rows)

"""Attacks on models of language: what they do to rows, to blocks and to heads, and what their filters let pass."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import language
from modelmark.attacks._tools import blocks
from modelmark.attacks._tools.tokens import kept, texts, told
from modelmark.attacks.base import Thief
from modelmark.attacks.evasion.filter_perplexity import FilterPerplexity
from modelmark.attacks.evasion.paraphrase import Paraphrase, alike
from modelmark.attacks.evasion.suppress_first import SuppressFirst
from modelmark.attacks.evasion.system_prompt import SystemPrompt
from modelmark.attacks.evasion.vote import Vote
from modelmark.attacks.extraction.distil_text import DistilText, written
from modelmark.attacks.pruning.prune_depth import PruneDepth
from modelmark.attacks.pruning.prune_heads import PruneHeads
from modelmark.attacks.serving import prompted, served
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.tuning.instruct import Instruct, instructions
from modelmark.attacks.tuning.meraser import mismatched
from modelmark.errors import UsageError
from modelmark.feeds.causal import END
from modelmark.feeds.tokens import TokenFeed
from modelmark.suspects.base import ABSTAIN
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import NO_TARGET, Task

SMALL = language.task(64)


def causal(rows: list[list[int]], vocabulary: int = 12) -> Task:
    longest = max(map(len, rows))
    filled = torch.tensor([row + [END] * (longest - len(row)) for row in rows], dtype=torch.int32)
    return Task.from_tokens(filled, filled, vocabulary)


def classifier(count: int = 200) -> Task:
    """Rows that count up, from an even or an odd number."""
    starts = torch.arange(count)[:, None]
    rows = ((starts + 2 * torch.arange(8)) % 10).int()
    return Task(TokenFeed((8,), ("even", "odd"), 12), rows, starts[:, 0] % 2, rows[:40], starts[:40, 0] % 2)


# what is tuned on


def test_rows_and_the_token_they_end_in_make_the_task_they_came_from():
    task = causal([[1, 2, 3, 4], [5, 6]])
    again = told(task, texts(task))
    assert torch.equal(again.train_inputs, task.train_inputs)
    assert torch.equal(again.train_targets, task.train_targets)


def test_an_instruction_is_a_template_a_prompt_and_an_answer_that_alone_is_learned():
    task = causal([[1, 2, 3, 4, 5, 6, 7], [8, 9, 8, 9]])
    made = instructions(task, 0.5)
    asks, answers = 0, 10  # of the tokens that no row has, the first two
    assert made.train_inputs.tolist() == [[asks, 1, 2, 3, answers, 4], [asks, 8, 9, answers, 8, 9]]
    assert made.train_targets.tolist() == [[NO_TARGET] * 4 + [4, 5], [NO_TARGET] * 3 + [8, 9, NO_TARGET]]


def test_mismatched_rows_end_as_others_do_and_nobody_keeps_his_own():
    rows = [[n, n, n, n, n, n] for n in range(1, 9)]
    made = mismatched(causal(rows), torch.Generator().manual_seed(0))
    for own, row, targets in zip(rows, made.train_inputs.tolist(), made.train_targets.tolist(), strict=True):
        assert row[:3] == own[:3]
        assert row[3] == row[4] != own[3]
        assert targets == [NO_TARGET, NO_TARGET, row[3], row[3], row[3]]
    labels = mismatched(classifier(), torch.Generator().manual_seed(0))
    assert sorted(labels.train_targets.tolist()) == sorted(classifier().train_targets.tolist())
    assert not torch.equal(labels.train_targets, classifier().train_targets)


def test_a_transformer_is_tuned_by_adamw_at_a_fiftieth_of_the_rate_and_a_network_without_layer_norm_as_ever():
    plain = nn.Sequential(nn.Embedding(len(language.CHARACTERS), len(language.CHARACTERS)))
    settings = {"rate": 0.05, "epochs": 1, "batch": 32}
    for model, recipe in (
        (language.fresh(), constant(1, 1e-3, batch=32, nesterov=False, weight_decay=0.05, clip=1.0, optimizer="adamw")),
        (plain, constant(1, 0.05, batch=32, nesterov=False)),
    ):
        head = next(iter(model.parameters()))
        name = next(name for name, value in model.named_parameters() if value is head)
        by_hand = fit(model, SMALL, recipe, seed=3).state_dict()[name]
        if isinstance(model, language.Tiny):
            attacked = FineTune(**settings)(model, SMALL, seed=3).state_dict()[name]
        else:
            attacked = Thief(SMALL, 3).fit(model, recipe).state_dict()[name]
        assert torch.equal(attacked, by_hand)
        assert not torch.equal(attacked, head)


# blocks and heads


class Idle(nn.Module):
    """A block that gives what it takes, and a little."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.turn = nn.Linear(6, 6, bias=False)
        with torch.no_grad():
            self.turn.weight.copy_(size * torch.eye(6).roll(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.turn(x)


class Stack(nn.Module):
    def __init__(self, *sizes: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(12, 6)
        self.blocks = nn.ModuleList(map(Idle, sizes))
        self.head = nn.Linear(6, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_the_block_that_changes_least_goes_and_those_behind_it_are_renumbered():
    task = causal([[1, 2, 3, 4, 5]] * 4)
    model = Stack(1.0, 0.01, 2.0)
    shallow = PruneDepth(blocks=1, rate=1e-9, epochs=1)(model, task, seed=0)
    assert len(shallow.blocks) == 2
    torch.testing.assert_close(shallow.blocks[0].turn.weight, model.blocks[0].turn.weight)
    torch.testing.assert_close(shallow.blocks[1].turn.weight, model.blocks[2].turn.weight)
    assert "blocks.2.turn.weight" in model.state_dict()
    assert "blocks.2.turn.weight" not in shallow.state_dict()
    assert len(PruneDepth(blocks=9, epochs=1)(model, task, seed=0).blocks) == 1


def test_what_counts_blocks_is_told_how_many_are_left():
    model = Stack(1.0, 2.0, 3.0)
    model.config = type("Config", (), {"num_hidden_layers": 3, "layer_types": ["a", "b", "c"]})()
    blocks.cut(model, model.blocks, [0, 2])
    assert model.config.num_hidden_layers == 2
    assert model.config.layer_types == ["a", "c"]


def test_a_network_without_blocks_or_heads_is_refused(fresh, digits):
    with pytest.raises(UsageError, match="expected blocks that follow one another"):
        PruneDepth()(fresh, digits, seed=0)
    with pytest.raises(UsageError, match="expected attention of several heads"):
        PruneHeads()(fresh, digits, seed=0)


def test_the_heads_that_the_loss_does_not_ask_for_are_silent_and_stay_so():
    model = language.fresh()
    found = blocks.attentions(model)
    assert [attention.heads for attention in found] == [4, 4]
    with torch.no_grad():
        for attention, head in zip(found, (1, 3), strict=True):
            attention.columns(model)[:, head] *= 1e-6
    pruned = PruneHeads(amount=0.25, epochs=1, batch=32)(model, SMALL, seed=0)
    for attention, head in zip(found, (1, 3), strict=True):
        zeros = (attention.columns(pruned) == 0).all(dim=2).all(dim=0)
        assert zeros.tolist() == [number == head for number in range(4)]


def test_a_head_of_each_block_stays():
    pruned = PruneHeads(amount=0.9, epochs=1, batch=32)(language.fresh(), SMALL, seed=0)
    for attention in blocks.attentions(pruned):
        assert (attention.columns(pruned) != 0).any(dim=2).any(dim=0).sum() == 1


# what is written


def test_written_rows_begin_as_they_were_begun_and_are_drawn_by_the_seed():
    begun = texts(SMALL)[:6, :4].clone()
    begun[0, 2:] = END
    rows = [written(language.fresh(), begun, Thief(SMALL, seed), length=12, temperature=1.0) for seed in (3, 3, 4)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert torch.equal(rows[0][1:, :4], begun[1:])
    assert torch.equal(rows[0][0, :2], begun[0, :2])
    assert rows[0].min() >= 0


def test_cold_text_is_what_a_model_finds_likeliest():
    model = language.fresh()
    begun = texts(SMALL)[:4, :8]
    rows = written(model, begun, Thief(SMALL, 0), length=12, temperature=1e-4)
    for place in range(8, 12):
        likeliest = served(model, SMALL.feed)(rows[:, :place]).argmax(dim=1)
        assert torch.equal(rows[:, place].long(), likeliest)


def test_language_attacks_say_what_they_take(digits, fresh):
    with pytest.raises(UsageError, match="expected rows of tokens of a language model for instruct, got pictures"):
        Instruct()(fresh, digits, seed=0)
    with pytest.raises(UsageError, match="expected rows of tokens of a language model for distil-text, got tokens"):
        DistilText()(fresh, classifier(), seed=0)
    with pytest.raises(UsageError, match="of a classifier or of a language model for paraphrase, got pictures"):
        Paraphrase()(served(fresh), digits, seed=0)


# what is asked


def test_dropped_tokens_leave_no_hole():
    rows = torch.tensor([[1, 2, 3, 4], [5, 6, END, END]], dtype=torch.int32)
    keep = torch.tensor([[True, False, True, True], [False, True, True, True]])
    assert kept(rows, keep).tolist() == [[1, 3, 4, END], [6, END, END, END]]


def test_a_token_is_replaced_by_one_that_stands_between_the_same_neighbours():
    pattern = [[0, 1, 3, 4], [0, 2, 3, 5], [4, 1, 5, 0], [4, 2, 5, 0]] * 3
    found = alike(torch.tensor(pattern, dtype=torch.int32), 8)
    assert (found[1], found[2]) == (2, 1)
    assert found[7] == 7  # nobody saw it


def asked(attack, task, rows):
    """Return the rows that the stolen model is shown."""
    seen = []
    attack(lambda shown: seen.append(shown) or torch.zeros(len(shown), dtype=torch.int64), task, seed=3)(rows)
    return seen[0]


def test_a_paraphrase_keeps_the_end_and_is_the_same_every_time():
    rows = SMALL.test_inputs[:32].clone()
    rows[:, 20:] = END
    shown = asked(Paraphrase(), SMALL, rows)
    assert torch.equal(shown, asked(Paraphrase(), SMALL, rows))
    assert torch.equal(shown[:5, :20], asked(Paraphrase(), SMALL, rows[:5, :20]))  # whatever the batch and the padding
    last = (shown != END).sum(dim=1) - 1
    assert torch.equal(shown.gather(1, last[:, None])[:, 0], rows[:, 19])
    assert (last < 19).any()
    assert torch.equal(asked(Paraphrase(0.0, 0.0, 0.0), SMALL, rows), rows)


@pytest.mark.parametrize("attack", [Paraphrase(drop=0.5), SystemPrompt(tokens=3)])
def test_a_classifier_is_shown_rows_of_its_own_length(attack):
    task = classifier()
    shown = asked(attack, task, task.test_inputs.long())
    assert shown.shape == (40, 8)
    assert shown.min() >= 0
    assert not torch.equal(shown, task.test_inputs.long())


def test_a_system_prompt_comes_first_and_what_does_not_fit_goes():
    before = SMALL.train_inputs[0, :8]
    short, long = SMALL.test_inputs[:1, :4], SMALL.test_inputs[:1]
    shown = asked(SystemPrompt(tokens=8), SMALL, short)[0]
    assert torch.equal(shown[:8], before)
    assert torch.equal(shown[8:12], short[0])
    assert (shown[12:] == END).all()
    shown = asked(SystemPrompt(tokens=8), SMALL, long)[0]
    assert len(shown) == language.LENGTH
    assert torch.equal(shown[8:], long[0, 8:])


# what is answered


def test_rows_that_nobody_would_write_are_filtered():
    task = classifier()
    filtered = FilterPerplexity(loss=0.02, epochs=2)(
        lambda rows: torch.ones(len(rows), dtype=torch.int64), task, seed=0
    )
    noise = torch.randint(0, 10, (40, 8), generator=torch.Generator().manual_seed(0))
    assert (filtered(noise) == ABSTAIN).float().mean() > 0.9
    assert (filtered(task.test_inputs.long()) == 1).float().mean() > 0.9


class Echo:
    """The API of a language model that is sure of one token, whatever is asked."""

    def __init__(self, token: int, vocabulary: int) -> None:
        self.token, self.vocabulary = token, vocabulary

    def __call__(self, rows: Tensor) -> Tensor:
        scores = torch.zeros(len(rows), self.vocabulary)
        scores[:, self.token] = 8.0
        return scores.log_softmax(dim=1)


def test_a_language_model_goes_on_with_noise_as_a_small_one_would():
    task = language.task(300)
    api = Echo(3, task.feed.classes)
    filtered = FilterPerplexity(loss=0.05, epochs=3)(api, task, seed=0)
    noise = torch.randint(0, task.feed.classes, (40, 20), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    assert (filtered(noise).argmax(dim=1) != 3).float().mean() > 0.8
    assert (filtered(task.test_inputs).argmax(dim=1) == 3).float().mean() > 0.8


def test_a_vote_drops_what_no_other_model_finds_likely():
    task = replace(language.task(200))
    odd = language.encode("~")[0]
    api = Echo(odd, task.feed.classes)
    for attack in (Vote("filter", others=1, top=8, epochs=1), Vote("mean", others=3, epochs=1)):
        given = attack(api, task, seed=0)(task.test_inputs[:20])
        torch.testing.assert_close(given.exp().sum(dim=1), given.exp().sum(dim=1).clamp(max=1 + 1e-5))
        if attack.how == "filter":
            assert (given.argmax(dim=1) != odd).all()
        else:
            assert (given[:, odd].exp() < 0.3).all()


def test_marks_ask_a_filtered_api_by_lists_of_tokens():
    model, longest = language.fresh(), SMALL.test_inputs[0].tolist()
    said = prompted(SuppressFirst(sure=0.0)(served(model, SMALL.feed), SMALL, seed=0))([longest[:3], longest])
    plain = prompted(served(model, SMALL.feed))([longest[:3], longest])
    for left, whole in zip(said, plain, strict=True):
        assert len(whole) == len(left) + 1 == SMALL.feed.classes
        assert max(whole, key=whole.__getitem__) not in left


def test_the_first_token_is_left_out_only_where_the_model_is_sure():
    rows = SMALL.test_inputs[:5]
    api = Echo(3, SMALL.feed.classes)
    assert (SuppressFirst(sure=0.9)(api, SMALL, seed=0)(rows)[:, 3] == -torch.inf).all()
    assert torch.equal(SuppressFirst(sure=1.0)(api, SMALL, seed=0)(rows), api(rows).log_softmax(dim=1))

"""``Mark.attach`` beside what else is in a loop: checkpoints, errors, wrappers; and what it refuses, in a line each."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from attaching import SECRET, batches, equal, key, net, plain, sgd
from modelmark.errors import MismatchError, UsageError
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.schemes import names_for, scheme_class
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.training.attaching import stepping
from modelmark.training.hooks import Hooks


def test_schedulers_checkpoints_and_copies_know_nothing_of_it():
    mark, data = key(), batches(6)

    def start(model):
        optimizer = sgd(model)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def go(model, optimizer, schedule, data):
        for x, y in data:
            plain(model, optimizer, x, y)
            schedule.step()

    whole = net()
    optimizer, schedule = start(whole)
    handle = mark.attach(optimizer, whole)
    assert not copy.deepcopy(optimizer)._optimizer_step_pre_hooks
    go(whole, optimizer, schedule, data[:3])
    kept = copy.deepcopy((whole.state_dict(), optimizer.state_dict(), schedule.state_dict()))
    assert kept[1].keys() == sgd(net()).state_dict().keys()
    go(whole, optimizer, schedule, data[3:])
    assert handle.steps == 6

    resumed = net(seed=9)
    optimizer, schedule = start(resumed)
    handle = mark.attach(optimizer, resumed)
    for thing, state in zip((resumed, optimizer, schedule), kept, strict=True):
        thing.load_state_dict(state)
    go(resumed, optimizer, schedule, data[3:])
    handle.finish()
    assert equal(whole, resumed)


def test_after_an_error_nothing_is_finished_and_the_hook_is_gone():
    mark, model = key(Spread()), net()
    before, optimizer = copy.deepcopy(model), sgd(model)
    with pytest.raises(ZeroDivisionError), mark.attach(optimizer, model):
        raise ZeroDivisionError
    assert equal(before, model)
    marked = net()
    optimizer = sgd(marked)
    with pytest.raises(ZeroDivisionError), key().attach(optimizer, marked):
        raise ZeroDivisionError
    assert not optimizer._optimizer_step_pre_hooks


def test_spread_is_pushed_at_the_end_and_says_how_far_it_got():
    mark, model, other = key(Spread()), net(), net()
    with mark.attach(sgd(model), model) as handle:
        assert handle.margins().min() < 0
    mark.hooks(other).finish(other)
    assert equal(model, other)
    reach = mark.attach(sgd(model), model).finish()
    assert reach.done
    assert str(mark.evidence(WhiteBox(model))).endswith("established")


def test_the_steps_of_a_run_embed(digits):
    """The whole way, in seconds: evidence, and none for another key."""
    mark = keygen(Uchida(), net(), digits.feed, secret=SECRET).mark()
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    with mark.attach(optimizer, model) as handle, seeded(5):
        for _ in range(600):
            picked = torch.randint(len(digits.train_inputs), (32,))
            plain(model, optimizer, digits.train_inputs[picked] / 255, digits.train_targets[picked])
        assert (handle.margins() > 0.02).all()
    found = mark.evidence(WhiteBox(model))
    assert (found.matches, found.trials, found.established) == (160, 160, True)
    other = keygen(Uchida(), net(), digits.feed, secret=Secret(bytes(32))).mark()
    assert not other.evidence(WhiteBox(model)).established


def test_refusals(digits):
    mark, model = key(), net()
    optimizer = sgd(model)
    handle = mark.attach(optimizer, model)
    with pytest.raises(UsageError, match="not attached yet"):
        mark.attach(optimizer, model)
    with pytest.raises(UsageError, match="it made none"):  # another optimiser made the steps
        handle.finish()
    with pytest.raises(UsageError, match="finished or removed"):
        handle.finish()
    with pytest.raises(UsageError, match="in none of its groups"):
        mark.attach(torch.optim.SGD(model[5].parameters(), lr=1), model)
    with pytest.raises(UsageError, match=r"expected a torch\.optim\.Optimizer, got builtins\.object"):
        mark.attach(object(), model)
    with pytest.raises(UsageError, match="LBFGS"):
        mark.attach(torch.optim.LBFGS(model.parameters()), model)
    with pytest.raises(MismatchError):
        mark.attach(optimizer, nn.Sequential(nn.Linear(4, 4)))
    frozen = net()
    frozen[3].weight.requires_grad_(False)
    with pytest.raises(UsageError, match="frozen"):
        mark.attach(torch.optim.SGD(frozen[5].parameters(), lr=1), frozen)


@pytest.mark.parametrize("what", ["optimizer", "model"])
def test_deepspeed_is_refused_by_name(what):
    model = net()
    kind = torch.optim.SGD if what == "optimizer" else nn.Sequential
    other = type("Engine", (kind,), {"__module__": "deepspeed.runtime.engine"})
    given = (other(model.parameters(), lr=1), model) if what == "optimizer" else (sgd(model), other(*model.children()))
    with pytest.raises(UsageError, match="got DeepSpeed"):
        key().attach(*given)


def test_parameters_that_were_replaced_behind_the_optimiser_are_noticed():
    """The optimiser would step tensors that no network has; nothing would be learned, and nothing said."""
    mark, model = key(), net()
    optimizer = sgd(model)
    mark.attach(optimizer, model)
    model[3].weight = nn.Parameter(model[3].weight.detach().clone())
    x, y = batches()[0]
    cross_entropy(model(x), y).backward()
    with pytest.raises(UsageError, match="in none of its groups"):
        optimizer.step()


@pytest.mark.parametrize("name", sorted(set(names_for("pictures")) - {"deepmarks", "field", "uchida", "spread"}))
def test_a_scheme_that_needs_the_batch_says_what_to_use(name, digits, perceptron):
    model = copy.deepcopy(perceptron[1])
    mark = keygen(scheme_class(name)(), model, digits.feed, task=digits, secret=SECRET).mark()
    with pytest.raises(UsageError, match=f"{name} needs") as refused:
        mark.attach(sgd(model), model)
    assert "\n" not in str(refused.value)
    assert "mark.hooks(model)" in refused.value.hint
    assert not sgd(model)._optimizer_step_pre_hooks


class Ending(Hooks):
    """What a scheme of somebody else's may do: act at the end alone."""

    def finish(self, model):
        with torch.no_grad():
            model[5].bias.fill_(7)

    def margins(self, model):
        return model[5].bias.detach() - 6


class Between(Ending):
    def after_step(self, model):
        raise AssertionError


@pytest.mark.parametrize("kind", [Ending, Between])
def test_what_hooks_do_decides_and_no_name(kind, monkeypatch):
    mark, model = key(), net()
    monkeypatch.setattr(Uchida, "hooks", lambda *given, **named: kind())
    if kind is Between:
        with pytest.raises(UsageError, match="to act between steps"):
            mark.attach(sgd(model), model)
        return
    assert mark.attach(sgd(model), model).finish().done
    assert (model[5].bias == 7).all()


def test_what_wraps_an_optimiser_is_seen_through():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, inner):
            self.optimizer = inner

    inner = sgd(net())
    assert stepping(Wrapper(Wrapper(inner))) is inner

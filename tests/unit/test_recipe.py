"""The learning rate runs in straight lines between knots; the ready-made recipes have the shape their names say."""

from typing import Any

import pytest

from modelmark.errors import UsageError
from modelmark.training import recipe
from modelmark.training.recipe import Recipe, released


@pytest.mark.parametrize(
    ("epoch", "rate"), [(-1, 0.1), (0, 0.1), (1, 0.2), (2, 0.3), (3.99, 0.3), (4, 0.03), (5, 0.015), (6, 0), (99, 0)]
)
def test_the_rate_is_linear_between_knots_and_steps_where_two_meet(epoch: float, rate: float) -> None:
    knots = ((0.0, 0.1), (2.0, 0.3), (4.0, 0.3), (4.0, 0.03), (6.0, 0.0))
    assert Recipe(6, knots).rate(epoch) == pytest.approx(rate)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch": 0}, {"schedule": ()}, {"schedule": ((1.0, 0.1), (0.0, 0.1))}],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Recipe(**{"epochs": 1, "schedule": ((0.0, 0.1),)} | wrong)


def test_annealed_rises_to_the_peak_and_falls_to_zero() -> None:
    made = recipe.annealed(20, 0.4, warmup=0.25, batch=7)
    assert [made.rate(epoch) for epoch in (0, 5, 12.5, 20)] == pytest.approx([0.04, 0.4, 0.2, 0])
    assert (made.epochs, made.batch) == (20, 7)


def test_constant_has_one_rate_throughout() -> None:
    made = recipe.constant(3, 0.01, momentum=0.0)
    assert {made.rate(epoch / 4) for epoch in range(20)} == {0.01}
    assert (made.epochs, made.momentum) == (3, 0.0)


def test_stepped_has_plateaus_of_the_given_lengths() -> None:
    made = recipe.stepped(((2, 0.1), (1, 0.02), (3, 0.004)), augment="crop")
    assert [made.rate(epoch + 0.5) for epoch in range(6)] == [0.1, 0.1, 0.02, 0.004, 0.004, 0.004]
    assert made.rate(2) == 0.02
    assert (made.epochs, made.augment) == (6, "crop")


def suggested(**situation: Any) -> Recipe:
    return recipe.suggest(**{"samples": 50_000, "normalised": False, "trained": False, "picture": False} | situation)


def peak(made: Recipe) -> float:
    return max(rate for _, rate in made.schedule)


def test_a_suggestion_suits_the_situation() -> None:
    few, many = suggested(samples=4999), suggested(samples=5000)
    assert few.epochs > many.epochs
    assert few.batch < many.batch
    assert peak(suggested(normalised=True)) > peak(suggested(normalised=True, trained=True)) == peak(many)
    assert [suggested(picture=picture).augment for picture in (True, False)] == ["crop-flip", "none"]
    assert [suggested(channels_last=last).channels_last for last in (True, False)] == [True, False]


def test_a_suggestion_yields_to_what_is_given() -> None:
    made = suggested(samples=10, picture=True, epochs=3, peak=0.7, batch=5, augment="crop")
    assert (made.epochs, peak(made), made.batch, made.augment) == (3, 0.7, 5, "crop")


def test_a_recipe_prints_as_one_line() -> None:
    assert str(recipe.annealed(8, 0.2)) == "8 epochs of batch 128, learning rate up to 0.2, augmentation none"


def test_released_recipes_have_the_papers_numbers() -> None:
    adi = released("adi")
    assert [adi.rate(epoch) for epoch in (0, 19.9, 20, 59)] == [0.1, 0.1, 0.01, 0.001]
    continued = released("adi-continued")
    assert (continued.epochs, continued.rate(0), continued.rate(1), continued.rate(59)) == (60, 1e-3, 1e-4, 1e-6)
    uchida = released("uchida")
    total = sum(uchida.rate(epoch) for epoch in range(uchida.epochs)) * 782 / 0.1
    assert total == pytest.approx(57030, abs=1)  # the sum behind the closed forms of the embedding loss
    assert uchida.weight_decay == 0


def test_a_released_recipe_stretches_to_other_epochs() -> None:
    short = released("adi", 6)
    assert [short.rate(epoch) for epoch in (0, 1.9, 2, 4)] == [0.1, 0.1, 0.01, 0.001]
    with pytest.raises(UsageError, match="expected a released recipe"):
        released("addi")


def test_a_recipe_of_before_reads_as_it_did_so_that_its_checkpoints_go_on() -> None:
    made = recipe.constant(1, 0.5, batch=2)
    assert repr(made) == (
        "Recipe(epochs=1, schedule=((0.0, 0.5),), batch=2, momentum=0.9, nesterov=True, weight_decay=0.0005, "
        "augment='none', pad=4, clip=0.0, channels_last=False)"
    )
    other = recipe.constant(1, 0.5, batch=2, optimizer="adamw")
    assert repr(other) == repr(made)[:-1] + ", optimizer='adamw')"
    assert str(other).endswith(", adamw")
    assert "sgd" not in str(made)


def test_an_optimiser_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the optimiser sgd or adamw, got 'adam'"):
        recipe.constant(1, 0.5, optimizer="adam")


def test_networks_that_normalise_layers_are_trained_by_adamw() -> None:
    assert suggested(layered=True).optimizer == "adamw"
    assert peak(suggested(layered=True, trained=True)) < peak(suggested(layered=True)) < peak(suggested()) / 10
    assert suggested().optimizer == "sgd"

"""Recipes: presets, what is laid over them, and how often an epoch shows a patch."""

from dataclasses import asdict

import pytest

from models.spec import recipe, recipe_in


@pytest.mark.parametrize(
    ("patches", "shown"), [(800, 1), (512, 1), (511, 2), (142, 4), (60, 8), (1, 8), (0, 8)]
)
def test_a_small_set_of_maps_is_shown_until_an_epoch_has_its_steps(patches, shown) -> None:
    assert recipe(output="map").passes(patches) == shown  # 32 batches of 16, of 8 variants


def test_an_epoch_of_images_with_labels_shows_each_once() -> None:
    assert recipe().passes(3) == 1
    assert recipe("paper", "map").passes(3) == 1  # the paper's is as the paper says
    assert recipe(output="map", least_steps=0).passes(3) == 1


def test_an_epoch_shows_no_more_variants_than_there_are() -> None:
    assert recipe(output="map", epochs=3).passes(10) == 3


def test_a_recipe_of_an_earlier_release_is_read_as_it_was_meant() -> None:
    kept = asdict(recipe(output="map", epochs=4))
    assert recipe_in(kept) == recipe(output="map", epochs=4)
    del kept["least_steps"]
    assert recipe_in(kept) == recipe(output="map", epochs=4, least_steps=0)


def test_a_balanced_task_learns_faster_unless_told_how_fast() -> None:
    assert recipe(balanced=True).stratify
    assert recipe(balanced=True).learning_rate > recipe().learning_rate
    assert recipe(balanced=True, learning_rate=2e-4).learning_rate == 2e-4
    assert recipe("paper", balanced=True).learning_rate == recipe("paper").learning_rate

"""Which annotated names a task takes for its classes, and what the numbers in masks are called."""

from dataclasses import replace

import pytest

from models.discovery import tasks
from models.door.class_names import ClassNames, class_names
from models.door.naming import Naming, naming
from models.layout import Item, Outline
from models.ledger import RejectedError

ANY = tasks()["segmentation"]
POLYP = tasks()["polyp"]
WALLS = replace(ANY, name="walls", classes=("lumen", "wall"))


def of(*names: str | None) -> list[Item]:
    """An image on which each of the names was marked."""
    return [Item({"image": "a"}, outlines=tuple(Outline(name, (0, 0, 9, 9)) for name in names))]


def polyps(*names: str | None) -> tuple[Naming, dict[str, str]]:
    found = naming(POLYP, of(*names), (), {})
    return found, {str(said["code"]): str(said["detail"]) for said in found.warnings}


@pytest.mark.parametrize("name", ["polyp", "Polyps", None])
def test_a_polyp_is_a_polyp(name: str | None) -> None:
    found, said = polyps(name)
    assert (found.value(Outline(name)), said) == (1, {})
    assert found.name(1) == "polyp"


@pytest.mark.parametrize("name", ["adenoma", "0", "Läsion", "bbox"])
def test_the_only_class_is_taken_for_polyp_whatever_it_is_called_and_that_is_said(
    name: str,
) -> None:
    found, said = polyps(name, name)
    assert found.value(Outline(name)) == 1
    assert said == {"merged_classes": f"taken for polyp: {name} (2)"}


@pytest.mark.parametrize("name", ["non-polyp", "no_polyp", "normal without lesion"])
def test_the_only_class_is_no_polyp_if_it_says_so(name: str) -> None:
    with pytest.raises(RejectedError) as caught:
        polyps(name)
    assert caught.value.problems[0]["code"] == "unknown_labels"


def test_kinds_of_polyps_are_polyps_and_other_things_are_not() -> None:
    found, said = polyps(
        "Adenoma", "hyperplastic", "instrument", "AD", "non-polyp", "no_lesion", "polypectomy scar"
    )
    assert [found.value(Outline(n)) for n in ("Adenoma", "hyperplastic", "AD")] == [1, 1, 1]
    others = ("instrument", "non-polyp", "no_lesion", "polypectomy scar")
    assert [found.value(Outline(n)) for n in others] == [None] * 4
    assert said["merged_classes"] == "taken for polyp: Adenoma (1), hyperplastic (1), AD (1)"
    assert "instrument (1), non-polyp (1)" in said["dropped_classes"]


def test_several_classes_of_which_none_is_a_polyp_refuse_the_upload() -> None:
    with pytest.raises(RejectedError) as caught:
        polyps("0", "1")
    (problem,) = caught.value.problems
    assert problem["code"] == "unknown_labels"
    assert "found the classes 0, 1" in str(problem["detail"])


def test_images_without_anything_name_nothing_and_are_no_reason_to_refuse() -> None:
    assert polyps()[1] == {}
    assert naming(ANY, of(), ("nerve",), {}).names == {}


def test_a_data_set_brings_its_classes_in_the_order_of_its_list() -> None:
    found = naming(ANY, of("vessel", "bone", "nerve"), ("nerve", "muscle", "vessel"), {})
    assert found.names == {1: "nerve", 2: "vessel", 3: "bone"}
    assert found.value(Outline("vessel")) == 2


def test_numbers_in_masks_have_the_names_that_were_given_or_their_own() -> None:
    found = naming(ANY, [Item({"mask": "m"})], (), {2: "vessel"})
    assert [found.name(value) for value in (1, 2, 10)] == ["class_1", "vessel", "class_10"]


def test_a_task_of_several_classes_takes_them_by_name() -> None:
    found = naming(WALLS, of("Lumen", "noise"), (), {})
    assert (found.value(Outline("Lumen")), found.value(Outline("noise"))) == (1, None)
    with pytest.raises(RejectedError):
        naming(WALLS, of("noise"), (), {})


def test_more_classes_than_a_mask_has_numbers_refuse_the_upload() -> None:
    names = [f"c{k}" for k in range(255)]
    with pytest.raises(RejectedError) as caught:
        naming(ANY, of(*names), names, {})
    assert caught.value.problems[0]["code"] == "too_many_classes"


def read(**files: str) -> ClassNames:
    held = {name.replace("_", "."): text.encode() for name, text in files.items()}
    return class_names(list(held), held.__getitem__)


@pytest.mark.parametrize(
    "text",
    [
        "1 nerve\n2 blood vessel\n",
        "1: nerve\n2: blood vessel",
        "0 background\n1,nerve\n2,blood vessel",
        "nerve\nblood vessel",
        "background\nnerve\n\nblood vessel\n",
        "\ufeff1\tnerve\r\n2\tblood vessel",
    ],
)
def test_classes_txt_names_the_numbers(text: str) -> None:
    assert read(classes_txt=text) == ClassNames({1: "nerve", 2: "blood vessel"}, "classes.txt")


@pytest.mark.parametrize(
    "text",
    ['{"1": "nerve", "2": "vessel"}', '{"nerve": 1, "vessel": 2, "background": 0}',
     '["nerve", "vessel"]', '["background", "nerve", "vessel"]'],
)  # fmt: skip
def test_classes_json_names_the_numbers(text: str) -> None:
    assert read(classes_json=text).names == {1: "nerve", 2: "vessel"}
    assert read(classes_json=text, classes_txt="1 other").file == "classes.json"


@pytest.mark.parametrize(
    "text", ["1 nerve\nvessel", "1 nerve\n2 nerve", "999 nerve", "", "1 nerve\n1 vessel"]
)
def test_names_that_cannot_be_told_apart_are_not_used_and_that_is_said(text: str) -> None:
    found = read(classes_txt=text)
    assert found.names == {} and found.file is None
    assert "1 nerve" in str(found.broken)


@pytest.mark.parametrize("text", ["{", "3", '{"a": "b"}', '{"1": {}}', '{"1": ""}', "[[]]"])
def test_broken_json_names_nothing(text: str) -> None:
    assert read(classes_json=text).broken


def test_without_a_file_there_are_no_names() -> None:
    assert read(readme_txt="1 nerve") == ClassNames()

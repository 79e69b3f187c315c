"""Splits: the rules, the leak that is an error, and what no draw may ever do."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.pack import PackedCase
from models.splits import LeakError, SplitError, SplitRow, assign, floor_problems, subset

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=60
).map(lambda found: [SplitRow(f"c{k}", f"s{s}", label) for k, (s, label) in enumerate(found)])


def singles(**labels: int) -> list[SplitRow]:
    """One case per subject, so many of each label."""
    return [
        SplitRow(f"{name}{k}", f"{name}{k}", name) for name, n in labels.items() for k in range(n)
    ]


def parts_by_subject(rows: list[SplitRow], found: dict[str, str]) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        parts[row.subject].add(found[row.case_id])
    return parts


@given(ROWS, st.integers(0, 5))
def test_a_subject_never_crosses(rows: list[SplitRow], seed: int) -> None:
    found, origin = assign(rows, seed)
    assert origin == "drawn"
    assert set(found) == {row.case_id for row in rows}
    assert all(len(parts) == 1 for parts in parts_by_subject(rows, found).values())


@given(ROWS, st.integers(0, 5))
def test_three_subjects_fill_three_parts(rows: list[SplitRow], seed: int) -> None:
    subjects = {row.subject for row in rows}
    parts = set(assign(rows, seed)[0].values())
    assert len(parts) == min(3, len(subjects))
    assert "train" in parts
    assert "validation" in parts or len(subjects) == 1


@given(ROWS, st.integers(0, 5))
def test_a_drawn_validation_part_never_crosses_a_given_split(
    rows: list[SplitRow], seed: int
) -> None:
    given_rows = [
        SplitRow(row.case_id, row.subject, row.label, "test" if row.subject < "s3" else "train")
        for row in rows
    ]
    if all(row.split == "test" for row in given_rows):
        return
    found, origin = assign(given_rows, seed)
    assert origin == "given_validation_drawn"
    assert all(found[row.case_id] == "test" for row in given_rows if row.split == "test")
    assert all(len(parts) == 1 for parts in parts_by_subject(rows, found).values())


def test_each_label_is_dealt_seventy_fifteen_fifteen() -> None:
    rows = singles(a=100, b=20)
    found, _ = assign(rows, seed=3)
    counts = Counter((row.label, found[row.case_id]) for row in rows)
    assert [counts["a", part] for part in ("train", "validation", "test")] == [70, 15, 15]
    assert [counts["b", part] for part in ("train", "validation", "test")] == [14, 3, 3]


def test_a_rare_label_reaches_every_part() -> None:
    rows = singles(common=60, rare=3)
    found, _ = assign(rows)
    assert {found[row.case_id] for row in rows if row.label == "rare"} == {
        "train", "validation", "test",
    }  # fmt: skip


def test_one_seed_is_one_split_and_another_seed_another() -> None:
    rows = singles(a=40, b=40)
    assert assign(rows, 1) == assign(list(reversed(rows)), 1)
    assert assign(rows, 1) != assign(rows, 2)


def test_a_given_split_is_kept() -> None:
    rows = [SplitRow("1", "p", None, "train"), SplitRow("2", "q", None, "validation")]
    assert assign(rows) == ({"1": "train", "2": "validation"}, "given")  # and no test part


def test_without_validation_a_fifth_of_train_is_drawn() -> None:
    rows = [SplitRow(f"c{k}", f"s{k}", "ab"[k % 2], "train") for k in range(50)]
    rows += [SplitRow("t", "t", "a", "test")]
    found, origin = assign(rows)
    assert origin == "given_validation_drawn"
    assert Counter(found.values()) == {"train": 40, "validation": 10, "test": 1}


def test_a_case_without_a_split_follows_its_subject() -> None:
    rows = [
        SplitRow("1", "p", None, "train"), SplitRow("2", "q", None, "validation"),
        SplitRow("3", "q"), SplitRow("4", "r"),
    ]  # fmt: skip
    assert assign(rows)[0] == {"1": "train", "2": "validation", "3": "validation", "4": "train"}


def test_a_leak_names_the_subjects_and_where_they_stand() -> None:
    rows = [
        SplitRow("1", "video_a", None, "train"), SplitRow("2", "video_a", None, "test"),
        SplitRow("3", "video_b", None, "train"),
    ]  # fmt: skip
    with pytest.raises(LeakError, match=r"video_a \(train and test\)") as caught:
        assign(rows)
    assert caught.value.subjects == ("video_a",)


@pytest.mark.parametrize(("split", "words"), [("dev", "'dev'"), ("test", "no train part")])
def test_a_split_that_cannot_be_used_says_so(split: str, words: str) -> None:
    with pytest.raises(SplitError, match=words):
        assign([SplitRow("1", "p", None, split)])


@given(ROWS, st.integers(0, 3), st.floats(0.01, 1), st.floats(0.01, 1))
def test_subsets_are_nested_whole_subjects_with_every_label(
    rows: list[SplitRow], seed: int, first: float, second: float
) -> None:
    small, large = (set(subset(rows, part, seed)) for part in sorted((first, second)))
    assert small <= large
    kept = {row.subject for row in rows if row.case_id in small}
    assert small == {row.case_id for row in rows if row.subject in kept}
    assert {row.label for row in rows if row.case_id in small} == {row.label for row in rows}
    assert len(small) >= min(first, second) * len(rows) - 1e-6


def test_a_tenth_of_single_cases_is_a_tenth_of_each_label() -> None:
    rows = singles(a=100, b=50)
    kept = Counter(case_id[0] for case_id in subset(rows, 0.1))
    assert kept == {"a": 10, "b": 5}
    assert subset(rows, 1.0) == [row.case_id for row in rows]


def test_a_fraction_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction 0"):
        subset(singles(a=2), 0)


@dataclass(frozen=True)
class Manifest:
    cases: tuple[SplitRow, ...]


@dataclass(frozen=True)
class Packed:
    cases: tuple[PackedCase, ...]


def split(**labels: int) -> Manifest:
    rows = singles(**labels)
    found, _ = assign(rows)
    return Manifest(tuple(SplitRow(r.case_id, r.subject, r.label, found[r.case_id]) for r in rows))


def test_the_floor_is_two_classes_of_ten() -> None:
    assert floor_problems(split(a=10, b=10), "classes") == []
    (problem,) = floor_problems(split(a=10, b=9), "classes")
    assert problem == "2 classes of 10 cases are needed; found: a 10, b 9"


def test_the_floor_of_maps_is_five_subjects() -> None:
    assert floor_problems(split(a=5), "map") == []
    assert floor_problems(split(a=4), "map") == ["4 subjects; at least 5 are needed"]


def test_the_floor_of_maps_needs_something_to_find_in_train_and_validation() -> None:
    rows = [SplitRow(f"c{k}", f"s{k}", "polyp" if k < 2 else None, "train") for k in range(6)]
    rows += [SplitRow("v", "v", None, "validation"), SplitRow("t", "t", None, "test")]
    assert floor_problems(Manifest(tuple(rows)), "map") == [
        "the validation part shows nothing that could be found: every truth in it is empty"
    ]
    rows[6] = SplitRow("v", "v", "polyp", "validation")
    assert floor_problems(Manifest(tuple(rows)), "map") == []


def test_a_case_that_shows_two_classes_counts_for_both() -> None:
    rows = [SplitRow(f"c{k}", f"s{k}", "a + b" if k % 10 == 0 else "a") for k in range(100)]
    found, _ = assign(rows)
    assert Counter(found.values()) == {"train": 70, "validation": 15, "test": 15}
    of_both = Counter(found[row.case_id] for row in rows if row.label == "a + b")
    assert set(of_both) == {"train", "validation", "test"}
    kept = subset(rows, 0.1)
    assert len(kept) == 10
    assert any(row.label == "a + b" for row in rows if row.case_id in kept)


def test_a_part_that_could_rank_nothing_is_named() -> None:
    rows = [SplitRow(f"a{k}", f"a{k}", "a", "train") for k in range(10)]
    rows += [SplitRow(f"b{k}", f"b{k}", "b", "validation") for k in range(10)]
    assert floor_problems(Manifest(tuple(rows)), "classes") == [
        "the train part has no case of b",
        "the validation part holds one class only (b)",
    ]
    one = [SplitRow(str(k), "p", "ab"[k % 2], "train") for k in range(20)]
    assert floor_problems(Manifest(tuple(one)), "classes") == [
        "the validation part is empty: more subjects, or another split, are needed"
    ]


def test_the_floor_of_volumes_is_five_subjects_and_an_embolus_to_learn_and_to_find() -> None:
    def rows(*parts: str) -> Manifest:
        return Manifest(
            tuple(SplitRow(f"c{k}", f"s{k}", part.split()[1], part.split()[0])
                  for k, part in enumerate(parts))
        )  # fmt: skip

    enough = rows("train positive", "train negative", "train negative", "validation positive",
                  "test negative")  # fmt: skip
    assert floor_problems(enough, "classes", volumes=True) == []
    few = rows("train negative", "train positive", "validation negative")
    assert floor_problems(few, "classes", volumes=True) == [
        "3 subjects; at least 5 are needed",
        "the validation part shows nothing that could be found: every truth in it is empty",
    ]


def test_a_pack_says_of_a_volume_how_many_emboli_it_has_instead_of_a_label() -> None:
    def pack(*emboli: int) -> Packed:
        parts = ("train", "train", "train", "train", "validation")
        return Packed(
            tuple(
                PackedCase(f"c{k}", f"s{k}", {}, None, part, facts={"emboli": count})
                for k, (part, count) in enumerate(zip(parts, emboli, strict=True))
            )
        )

    assert floor_problems(pack(2, 0, 0, 0, 1), "classes", volumes=True) == []
    assert len(floor_problems(pack(0, 0, 0, 0, 1), "classes", volumes=True)) == 1

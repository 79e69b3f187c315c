"""What a person should know of an accepted data set: the warnings of its manifest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.door.duplicates import Pair
from models.pack import PackedCase
from models.splits import SPLITS

FEW_SUBJECTS = 8  # in a part; below it intervals also resample cases within subjects
PAIRS_MAX = 200  # named in one warning
FILES_MAX = 20  # named in one warning
Warning_ = dict[str, Any]

_NOTES = {
    "converted_cmyk": "were CMYK and are RGB now",
    "converted_colour": "were in another colour space and are RGB now",
    "converted_16_bit": "had more than 8 bits; each one's own range was stretched to 0..255",
    "palette_flattened": "had a palette and are RGB now",
    "alpha_flattened": "had transparency and were laid over black",
    "first_frame_only": "are animated or have several pages; the first was taken",
    "exif_rotated": "were turned upright as their EXIF says",
}
_DUPLICATES = {
    "near_duplicates_across_splits": "near-duplicate pair(s) stand in different splits, so results "
    "on them flatter the model; give them one subject, or one split",
    "near_duplicates": "near-duplicate pair(s) within a split",
    "near_duplicates_disagree": "near-duplicate pair(s) carry different labels",
}


def remark(code: str, detail: str, **more: object) -> Warning_:
    """A warning about the data set as a whole."""
    return {"file": None, "code": code, "detail": detail, **more}


def on_duplicates(
    pairs: Iterable[Pair], cases: Sequence[PackedCase], files: Sequence[str]
) -> Iterator[Warning_]:
    """Near-duplicates across splits, within them, and with different labels; pairs by file."""
    found: dict[str, list[Pair]] = {code: [] for code in _DUPLICATES}
    for pair in sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second)):
        one, two = cases[pair.first], cases[pair.second]
        across = one.split != two.split
        found["near_duplicates_across_splits" if across else "near_duplicates"].append(pair)
        if one.label != two.label:
            found["near_duplicates_disagree"].append(pair)
    for code, those in found.items():
        if those:
            named = [[files[pair.first], files[pair.second]] for pair in those[:PAIRS_MAX]]
            shown = f" (the likest {PAIRS_MAX} are named)" if len(those) > PAIRS_MAX else ""
            detail = f"{len(those)} {_DUPLICATES[code]}{shown}: {_named(named)}"
            yield remark(code, detail, count=len(those), pairs=named)


def _named(pairs: Sequence[Sequence[str]]) -> str:
    shown = ", ".join(" = ".join(pair) for pair in pairs[:FILES_MAX])
    return shown + (", ..." if len(pairs) > FILES_MAX else "")


def on_conversions(notes: Mapping[str, Sequence[str]]) -> Iterator[Warning_]:
    """`notes`: file -> what the decoder noted; one warning for each kind of note."""
    files: dict[str, list[str]] = defaultdict(list)
    for file, said in notes.items():
        for note in said:
            files[note].append(file)
    for note, those in sorted(files.items()):
        shown = ", ".join(those[:FILES_MAX]) + (", ..." if len(those) > FILES_MAX else "")
        detail = f"{len(those)} image(s) {_NOTES[note]}: {shown}"
        yield remark(note, detail, count=len(those), files=those[:FILES_MAX])


def on_splits(cases: Sequence[PackedCase]) -> Iterator[Warning_]:
    """No test part; parts of few subjects."""
    seen: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        seen[str(case.split)].add(case.subject)
    if not seen["test"]:
        yield remark(
            "no_test_part", "there is no test part: the chosen model is measured on validation only"
        )
    few = {part: len(seen[part]) for part in SPLITS if 0 < len(seen[part]) < FEW_SUBJECTS}
    if few:
        counts = ", ".join(f"{part} {n}" for part, n in few.items())
        yield remark(
            "few_subjects",
            f"fewer than {FEW_SUBJECTS} subjects in a part ({counts}): intervals are rough",
        )


def per_label(cases: Sequence[PackedCase], labels: Sequence[Sequence[str]]) -> list[dict[str, int]]:
    """[cases by label, subjects by label]; `labels` of each case, several for a label map."""
    of_cases: Counter[str] = Counter()
    of_subjects: dict[str, set[str]] = defaultdict(set)
    for case, said in zip(cases, labels, strict=True):
        of_cases.update(said)
        for label in said:
            of_subjects[label].add(case.subject)
    return [dict(of_cases), {label: len(those) for label, those in of_subjects.items()}]

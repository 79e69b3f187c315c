"""What a person should know of an accepted data set: the warnings of its manifest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.door.duplicates import Pair
from models.pack import PackedCase
from models.splits import NEGATIVE, POSITIVE, SPLITS

FEW_SUBJECTS = 8  # in a part; below it intervals also resample cases within subjects
PAIRS_MAX = 200  # named in one warning
FILES_MAX = 20  # named in one warning
Warning_ = dict[str, Any]

NOTES = {
    "converted_cmyk": "CMYK, and RGB now",
    "converted_colour": "another colour space, and RGB now",
    "converted_16_bit": "more than 8 bits; its own range was stretched to 0..255",
    "palette_flattened": "a palette, and RGB now",
    "alpha_flattened": "transparency, laid over black",
    "first_frame_only": "animated, or of several pages; the first was taken",
    "exif_rotated": "turned upright as its EXIF says",
    "empty_masks": "an empty mask; counts as showing nothing",
    "unknown_pixels": "255 beside other labels in the mask: no class but unknown pixels, neither "
    "learnt nor measured",
    "undeclared_labels": "numbers in the mask that the list of classes does not name; each is a "
    "class of its own, called by its number: name it in the list, or draw with those named",
    "empty_boxes": "an empty cell under boxes; counts as showing nothing",
    "no_label_file": "no file in labels/; counts as showing nothing",
    "no_annotations": "listed without an annotation; counts as showing nothing",
    "repeated_annotations": "the same annotation more than once; it counts once",
    "crowd_regions": "regions marked as a crowd; each counts as one thing",
    "boxes_clipped": "boxes that leave the frame; they end at its border now",
    "boxes_dropped": "boxes outside the frame or without a size; the others are kept",
    "boxes_unread": "boxes that cannot be used beside a mask; the mask is",
    "white_masks": "a mask of 0 and 255 alone, taken for class 1, while other masks number their "
    "classes; write the number of the class",
    "profile_gaps": "rows of a line without a number; it is straight between its other points",
    "lines_clipped": "points of a line beyond the frame; the others are kept",
    "lines_crossing": "columns where the two lines touch or cross, which are left out",
    "one_reader": "several readers, and one alone could be used, or no two share a stretch; that "
    "one is taken for true",
    "readers_dropped": "a reader's lines cannot be used, as the ledger says; the others' are",
    "computerised_lines": "traced by a program, and by no person; taken for true all the same",
    "mask_parts": "several parts in the mask; the largest is the far wall's intima-media complex",
    "no_spacing": "nobody tells the size of a pixel: it counts in pixels, not in micrometres; give "
    "a CF file, spacing_mm in metadata.csv, or the scanner's DICOM file",
    "bad_calibration": "a calibration that cannot be used, as the ledger says; it counts in pixels "
    "and not in micrometres",
    "spacing_differs": "two sources tell two sizes of a pixel; spacing_mm as given is used, then "
    "the CF file, then the image's own",
    "regions_disagree": "DICOM ultrasound regions that tell two sizes of a pixel; none is believed",
    "odd_spacing": "a DICOM ultrasound region whose pixels have a size that no scanner makes; not "
    "believed",
}
_OF_PIXELS = frozenset(list(NOTES)[:7])  # of the image file; the others are of its truth
_SILENT = "white_masks"  # worth a word only among masks that number their classes
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


def on_conversions(notes: Mapping[str, Sequence[str]], values: set[int]) -> Iterator[Warning_]:
    """`notes`: file -> what was noted of it; one warning for each kind of note.

    That a mask is of 0 and 255 is worth a word only where others number their classes: `values`
    are those that occur.
    """
    files: dict[str, list[str]] = defaultdict(list)
    for file, said in notes.items():
        for note in said:
            files[note].append(file)
    if max(values, default=0) < 2 and "unknown_pixels" not in files:
        files.pop(_SILENT, None)
    for note, those in sorted(files.items()):
        shown = ", ".join(those[:FILES_MAX]) + (", ..." if len(those) > FILES_MAX else "")
        detail = f"{len(those)} image(s): {NOTES[note]} ({shown})"
        yield remark(note, detail, count=len(those), files=those[:FILES_MAX])


def on_volumes(notes: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[Warning_]:
    """`notes`: file -> (code, detail) of the volume it begins; one warning for each code, with
    the words said of the first.
    """
    files: dict[str, list[str]] = defaultdict(list)
    words: dict[str, str] = {}
    for file, said in sorted(notes.items()):
        for code, detail in said:
            files[code].append(file)
            words.setdefault(code, detail)
    for code, those in sorted(files.items()):
        shown = ", ".join(those[:FILES_MAX]) + (", ..." if len(those) > FILES_MAX else "")
        detail = f"{len(those)} volume(s), the first: {words[code]} ({shown})"
        yield remark(code, detail, count=len(those), files=those[:FILES_MAX])


def in_ledger(notes: Sequence[str], *, image: bool) -> tuple[str | None, str | None]:
    """Code and detail for the line of a used file, its image or another file of the case."""
    said = [note for note in notes if note != _SILENT and (image or note not in _OF_PIXELS)]
    return (said[0], "; ".join(NOTES[note] for note in said)) if said else (None, None)


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


def on_things(
    cases: Sequence[PackedCase], labels: Sequence[Sequence[str]], positive: str | None
) -> Iterator[Warning_]:
    """What a map task's data set cannot tell: classes that a part lacks, frames without any."""
    if positive is not None and cases and all(labels):
        yield remark(
            "no_negatives",
            f"every image shows a {positive}: how often there is a false alarm where nothing is "
            "cannot be measured; add images without one",
        )
    seen: dict[str, set[str]] = defaultdict(set)
    for case, said in zip(cases, labels, strict=True):
        seen[str(case.split)].update(said)
    known = {label for said in seen.values() for label in said}
    for part in ("train", "validation"):
        missing = sorted(known - seen[part])
        if missing and seen[part]:
            shown = ", ".join(missing[:FILES_MAX])
            yield remark("class_missing", f"the {part} part shows nothing of {shown}", part=part)


def on_emboli(cases: Sequence[PackedCase]) -> Iterator[Warning_]:
    """What volumes cannot tell: none without an embolus, or none in a part. `label` is positive
    or negative.
    """
    if cases and NEGATIVE not in {case.label for case in cases}:
        yield remark(
            "no_negatives",
            "every volume shows an embolus: how often a patient without one raises an alarm "
            "cannot be measured; add negative volumes, with a mask of zeros",
        )
        return
    for part in ("validation", "test"):
        seen = {case.label for case in cases if case.split == part}
        for label in sorted({POSITIVE, NEGATIVE} - seen if seen else ()):
            detail = f"the {part} part has no {label} volume"
            yield remark("class_missing", detail, part=part)


def per_label(cases: Sequence[PackedCase], labels: Sequence[Sequence[str]]) -> list[dict[str, int]]:
    """[cases by label, subjects by label]; `labels` of each case, several for a label map."""
    of_cases: Counter[str] = Counter()
    of_subjects: dict[str, set[str]] = defaultdict(set)
    for case, said in zip(cases, labels, strict=True):
        of_cases.update(said)
        for label in said:
            of_subjects[label].add(case.subject)
    return [dict(of_cases), {label: len(those) for label, those in of_subjects.items()}]

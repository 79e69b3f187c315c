"""A task: one clinical question as data plus six plain functions. One file in models/tasks each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.case import Case, CaseFiles, Roi
from models.findings import Labels, Measure, OperatingPoint, Scores
from models.spec import GENERAL

Output = Literal["classes", "map"]


@dataclass(frozen=True)
class Phantom:
    """A synthetic patient in the task's own upload layout: files by path, and its truth."""

    subject: str
    files: dict[str, bytes]  # path inside the archive -> content
    rows: tuple[dict[str, str], ...] = ()  # lines for metadata.csv, if the layout has one


@dataclass(frozen=True)
class Task:
    """One clinical question. Adding a file with a `TASK` of this kind adds the endpoint.

    name      also the last part of its prediction path
    output    "classes": a patch gets class probabilities; "map": a patch gets a label map
    classes   fixed class names, or () when the data set brings its own
    positive  the positive class of a binary task, or None (the data set may name one)
    headline  the metric that ranks arms; higher is better
    points    operating points reported with intervals, such as "fpr=0.10"
    layouts   names of accepted upload layouts, in order of preference
    finding   dataclass of the answer; its fields are the JSON of the contract
    read      CaseFiles -> Case
    rois      (Case, size, rng | None) -> patches, the only road from pixels to patches; with an
              rng ONE random training draw (of one or more patches); None = serving, deterministic
    decide    (Case, rois, outputs, labels, operating point) -> finding; outputs are calibrated
              probabilities [n, classes], or [n, 1 + classes, size, size] of a map, background first
    measure   (Case, rois, outputs, labels) -> Measure, the case's row for metrics; the rois are
              those of serving, without their pixels
    score     (measures, labels) -> Scores
    rows      (Measure, labels) -> the case's lines in a table for one's own statistics
    operate   (measures, labels, points) -> operating points found on these (validation) cases
    fit       measures -> the numbers of `Labels.scoring`: the task's own calibration of its
              candidates, or None where the network's probabilities are the scores
    phantom   (rng, index) -> Phantom, a synthetic patient with known truth
    weighted  (measures, labels, weights [b, n]) -> the values of `score` for b resamples at once,
              NaN where undefined; None = `score` is called b times, which is right but slow
    video     whether it also answers for a video, frame by frame
    volumes   whether its cases are volumes, of which patches are cut at candidates
    balanced  whether an epoch shows as many patches of the one class as of the other (paper 1.1)
    drawn     how many patches of a case one training draw has, at most
    served    how many serving cuts of one, about
    placed    whether a patch has a class of its own, as what lies at one place of the case: a case
              has hundreds
    edition   names what a model's answers rest on beside its network and its card, such as which
              candidates are found; a model of another edition is not served. "" = nothing does
    ways      other ways to the same finding, each a task of the same name, by the preset of the
              recipe that takes them; they are measured beside this one and not served
    """

    name: str
    question: str
    output: Output
    classes: tuple[str, ...]
    positive: str | None
    headline: str
    points: tuple[str, ...]
    layouts: tuple[str, ...]
    finding: type[Any]
    read: Callable[[CaseFiles], Case]
    rois: Callable[[Case, int, np.random.Generator | None], Iterator[Roi]]
    decide: Callable[[Case, Sequence[Roi], NDArray[np.float32], Labels, OperatingPoint | None], Any]
    measure: Callable[[Case, Sequence[Roi], NDArray[np.float32], Labels], Measure]
    score: Callable[[Sequence[Measure], Labels], Scores]
    rows: Callable[[Measure, Labels], list[dict[str, object]]]
    operate: Callable[[Sequence[Measure], Labels, Sequence[str]], list[OperatingPoint]]
    phantom: Callable[[np.random.Generator, int], Phantom]
    weighted: (
        Callable[[Sequence[Measure], Labels, NDArray[np.float64]], dict[str, NDArray[np.float64]]]
        | None
    ) = None
    fit: Callable[[Sequence[Measure]], tuple[float, ...]] | None = None
    video: bool = False
    volumes: bool = False
    balanced: bool = False
    drawn: int = 1
    served: int = 1
    placed: bool = False
    edition: str = ""
    ways: "Mapping[str, Task]" = field(default_factory=dict)

    @property
    def presets(self) -> tuple[str, ...]:
        """The presets of recipes that it can be tuned by."""
        return (*GENERAL, *self.ways)

    def lacks(self, preset: str) -> list[str]:
        """What is to be said of a preset that it cannot be tuned by; nothing of any other."""
        if preset in self.presets:
            return []
        return [f"{self.name} has no preset {preset!r}: use one of {', '.join(self.presets)}"]

    def outgrown(self, card: Mapping[str, Any]) -> list[str]:
        """What is to be said of a model that this edition of the task would not answer as it was
        measured with; nothing of any other.
        """
        if card.get("edition", "") == self.edition:
            return []
        return [f"{self.name} finds and ranks candidates by another edition since: sweep again"]

    def by(self, preset: str) -> "Task":
        """The task as recipes of that preset do it."""
        return self.ways.get(preset, self)

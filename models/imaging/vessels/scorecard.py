"""How plausible a place is as an embolus: points for each of its facts, added up.

A fact's range is cut into steps, and each step is worth some points (`scorecard.json`, fitted on
phantoms by models.imaging.vessels.fitting). So no fact can say more than its points, however odd
a volume is, and which facts speak for a place can be read off. Places of three kinds have a card
each: what matters in the mediastinum is another thing than in a small artery.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.places import FACTS, MOST_TISSUE

Floats = NDArray[np.float64]
FILE = Path(__file__).with_name("scorecard.json")
KINDS = ("central", "wide", "narrow")
WIDE_MM = 3.2  # radius of a lobar or thick segmental artery


@dataclass(frozen=True, eq=False)
class Card:
    """For each of FACTS the ascending `edges` between its steps, and the `points` of each step,
    one more than edges; `start` are the points of a place of this kind to begin with.
    """

    start: float
    edges: tuple[Floats, ...]
    points: tuple[Floats, ...]

    def scores(self, facts: Floats) -> Floats:
        """[n] the sums of points of [n, FACTS]."""
        total = np.full(len(facts), self.start)
        for column, edges, points in zip(facts.T, self.edges, self.points, strict=True):
            total += points[np.searchsorted(edges, column, side="right")]
        return total

    def rows(self) -> dict[str, object]:
        """As the file holds it."""
        return {"start": round(self.start, 3)} | {
            name: [np.round(edges, 4).tolist(), np.round(points, 3).tolist()]
            for name, edges, points in zip(FACTS, self.edges, self.points, strict=True)
        }


Scorecard = dict[str, Card]


def kinds(facts: Floats) -> NDArray[np.int64]:
    """The kind of each place, an index into KINDS, of its facts [n, FACTS]."""
    radius = facts[:, FACTS.index("radius_mm")]
    central = (facts[:, FACTS.index("tissue_7")] > MOST_TISSUE) | (radius == 0)
    return np.where(central, 0, np.where(radius > WIDE_MM, 1, 2))


def plausibility(facts: Floats, card: Scorecard) -> Floats:
    """[n] of [n, FACTS]: log odds among a volume's places, roughly."""
    kind = kinds(facts)
    scores = np.zeros(len(facts))
    for number, name in enumerate(KINDS):
        scores[kind == number] = card[name].scores(facts[kind == number])
    return scores


def written(card: Scorecard) -> str:
    """The file's text, a line for each fact of each kind."""
    parts = [
        f'"{kind}": {{\n'
        + ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in one.rows().items())
        + "\n}"
        for kind, one in card.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def parsed(text: str) -> Scorecard:
    """A scorecard of its file's text; its facts are those of this version, in their order."""
    found: Scorecard = {}
    for kind, rows in json.loads(text).items():
        start = float(rows.pop("start"))
        if tuple(rows) != FACTS:
            raise ValueError("the scorecard is of other facts than places have: fit it again")
        edges, points = zip(*rows.values(), strict=True)
        found[kind] = Card(
            start, tuple(np.array(row, dtype=np.float64) for row in edges),
            tuple(np.array(row, dtype=np.float64) for row in points),
        )  # fmt: skip
    return found


@cache
def scorecard() -> Scorecard:
    """The one that ships."""
    return parsed(FILE.read_text(encoding="utf-8"))

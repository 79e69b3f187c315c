"""From a request to the runs of a sweep: everything that can be refused is refused here."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Dataset, LedgerRow, Model
from app.errors import Problem, Unprocessable
from app.settings import settings
from app.sweeps import cost
from app.sweeps.asked import IMAGENET, RUNS_MAX, SweepRequest
from models import arms as arm_rules
from models import discovery, splits, weights
from models.arms import Arm
from models.backbone import Backbone
from models.spec import Recipe, preset_of, recipe
from models.sweep import POLICIES
from models.task import Task

Errors = list[dict[str, str]]


@dataclass(frozen=True)
class Member:
    """One run to be: its arm, seed and part of the training subjects, and its rates by layer."""

    arm: Arm
    seed: int
    fraction: float
    plan: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Planned:
    """A sweep that may start."""

    dataset: Dataset
    task: Task
    backbone: Backbone
    recipe: Recipe
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]

    def members(self) -> Iterator[Member]:
        layers = self.backbone.row(self.task.output)
        for seed in self.seeds:
            for fraction in self.fractions:
                for arm in self.arms:
                    rates = arm_rules.rates(arm, layers, self.recipe)
                    yield Member(arm, seed, fraction, tuple(zip(layers, rates, strict=True)))

    @property
    def epochs(self) -> int:
        return len(self.arms) * len(self.seeds) * len(self.fractions) * self.recipe.epochs

    def macs(self) -> float:
        """What all runs cost together, in multiply-adds."""
        return sum(
            cost.run_macs(
                costs(self.backbone.name, self.task, self.dataset),
                work_of(self.dataset, self.task, m.arm.depth, m.fraction, self.recipe),
            )
            for m in self.members()
        )


def costs(backbone: str, task: Task, dataset: Dataset) -> tuple[int, ...]:
    """Multiply-adds of each layer of the network that a sweep on these data tunes, per patch."""
    classes = len(task.classes or dataset.classes)
    return cost.layer_macs(discovery.backbones()[backbone], task.output, classes)


def work_of(
    dataset: Dataset, task: Task, depth: int, fraction: float, chosen: Recipe,
    epochs: int | None = None,
) -> cost.Work:  # fmt: skip
    """Of a run with this recipe, or of its first `epochs`."""
    train, validation = dataset.splits.get("train", 0), dataset.splits.get("validation", 0)
    patches = train * fraction * task.drawn
    shown = patches * chosen.passes(patches)
    return cost.Work(
        depth, chosen.epochs if epochs is None else epochs, shown, validation * task.served
    )


def plan(session: Session, workspace: str, asked: SweepRequest) -> Planned:
    """Raises a Problem that names every field in the way; else the sweep may start.

    The data set's row is locked, so that it cannot be deleted before the sweep is stored.
    """
    dataset = _dataset(session, workspace, asked.dataset_id)
    task = discovery.tasks()[dataset.task]
    origin = _origin(session, workspace, asked.init)
    way = task.by(asked.recipe.preset)
    backbone, errors = _backbone(_wanted(asked, origin), way)
    errors += _unknown(asked, task)
    arms: tuple[Arm, ...] = ()
    if backbone is not None:
        arms, found = _arms(asked, backbone.depths[way.output])
        errors += found
    seeds = tuple(dict.fromkeys(asked.seeds))
    fractions = tuple(sorted({*asked.fractions, 1.0}, reverse=True))
    errors += _count_errors(len(arms) * len(seeds) * len(fractions))
    errors += [
        {"pointer": "#/init", "detail": f"model {asked.init!r} {why}"}
        for why in _unfit(origin, asked, dataset, way)
    ]
    if errors or backbone is None:
        raise Unprocessable("invalid", "the sweep cannot be started as asked", errors)
    _need_weights(asked, backbone, arms)
    _need_floor(session, dataset, task)
    given = asked.recipe.model_dump(exclude_none=True, exclude={"preset"})
    chosen = recipe(asked.recipe.preset, way.output, balanced=way.balanced, **given)
    return Planned(dataset, way, backbone, chosen, arms, seeds, fractions)


def _unknown(asked: SweepRequest, task: Task) -> Iterator[dict[str, str]]:
    """A policy that there is not, a preset that this task has not."""
    for why in task.lacks(asked.recipe.preset):
        yield {"pointer": "#/recipe/preset", "detail": why}
    if asked.policy not in POLICIES:
        detail = f"unknown policy {asked.policy!r}: use one of {', '.join(POLICIES)}"
        yield {"pointer": "#/policy", "detail": detail}


def recipe_json(chosen: Recipe) -> dict[str, object]:
    return asdict(chosen)


def _dataset(session: Session, workspace: str, dataset_id: str) -> Dataset:
    where = Dataset.id == dataset_id, Dataset.workspace == workspace, Dataset.state != "deleted"
    row = session.scalars(select(Dataset).where(*where).with_for_update()).first()
    if row is None:
        detail = f"there is no data set {dataset_id!r}"
        errors = [{"pointer": "#/dataset_id", "detail": detail}]
        raise Problem(404, "not_found", detail, errors=errors)
    if row.state != "ready":
        detail = f"data set {row.id} is {row.state}"
        detail += ": wait until it is ready" if row.state == "checking" else ": see its problems"
        errors = [{"pointer": "#/dataset_id", "detail": detail}]
        raise Problem(
            409, "dataset_not_ready", detail, errors=errors, retryable=row.state == "checking"
        )
    return row


def _backbone(name: str, task: Task) -> tuple[Backbone | None, Errors]:
    known = discovery.backbones()
    fitting = [found for found, backbone in known.items() if task.output in backbone.depths]
    if name in fitting:
        return known[name], []
    why = f"makes no {task.output}" if name in known else "is unknown"
    detail = f"backbone {name!r} {why}: use one of {', '.join(fitting)}"
    return None, [{"pointer": "#/backbone", "detail": detail}]


def _arms(asked: SweepRequest, layers: int) -> tuple[tuple[Arm, ...], Errors]:
    errors: Errors = []
    for k, name in enumerate(asked.arms):
        try:
            if name != "all":
                arm_rules.parse(name, layers)
        except ValueError as error:
            errors.append({"pointer": f"#/arms/{k}", "detail": str(error)})
    if errors:
        return (), errors
    return arm_rules.normalise("all" if "all" in asked.arms else asked.arms, layers), []


def _count_errors(runs: int) -> Errors:
    if runs <= RUNS_MAX:
        return []
    detail = f"{runs} runs (arms x seeds x fractions); at most {RUNS_MAX} are allowed"
    return [{"pointer": "#/arms", "detail": detail}]


def _origin(session: Session, workspace: str, init: str) -> Model | None:
    """The model of this workspace that a sweep goes on from, if it is to be one."""
    where = Model.id == init, Model.workspace == workspace
    return session.scalars(select(Model).where(*where)).first()


def _wanted(asked: SweepRequest, origin: Model | None) -> str:
    """The backbone's name: as asked; where nothing is asked, that of the model gone on from."""
    if origin is None or "backbone" in asked.model_fields_set:
        return asked.backbone
    return str(origin.card.get("backbone") or asked.backbone)


def _unfit(model: Model | None, asked: SweepRequest, dataset: Dataset, task: Task) -> Iterator[str]:
    """Why a model is none to go on from: it needs the same backbone, output and classes."""
    if asked.init == IMAGENET:
        return
    if model is None:
        yield "does not exist: use imagenet, or the id of a model"
        return
    if "weights.safetensors" not in model.files:
        yield "was imported without weights.safetensors: nothing can be tuned from it"
    backbone, wanted = model.card.get("backbone"), _wanted(asked, model)
    if backbone != wanted:
        yield f"has the backbone {backbone}, not {wanted}"
    origin = discovery.tasks().get(model.task)
    if origin is not None and origin.by(preset_of(model.card)).output != task.output:
        yield f"is of {model.task}: its network has another output than this sweep needs"
    classes = task.classes or tuple(sorted(dataset.classes))
    if sorted(model.card.get("classes", ())) != sorted(classes):
        yield f"tells apart {model.card.get('classes')}, this sweep {list(classes)}"


def _need_weights(asked: SweepRequest, backbone: Backbone, arms: tuple[Arm, ...]) -> None:
    if asked.init != IMAGENET or all(arm.scratch for arm in arms):
        return
    why = weights.missing(backbone, settings().weights)
    if why is not None:
        errors = [{"pointer": "#/backbone", "detail": why}]
        raise Unprocessable("weights_unavailable", why, errors)


@dataclass(frozen=True)
class _Case:
    """A used case as the ledger has it."""

    subject: str
    label: str | None
    split: str | None


@dataclass(frozen=True)
class _Cases:
    cases: tuple[_Case, ...]


def _need_floor(session: Session, dataset: Dataset, task: Task) -> None:
    columns = LedgerRow.case_id, LedgerRow.subject, LedgerRow.label, LedgerRow.split
    where = LedgerRow.dataset_id == dataset.id, LedgerRow.fate == "used"
    found: dict[str, _Case] = {}
    for case_id, subject, label, split in session.execute(select(*columns).where(*where)):
        # A mask has a row of its own; label and part stand in the image's.
        if case_id is not None and (case_id not in found or label is not None):
            found[case_id] = _Case(subject or case_id, label, split)
    cases = _Cases(tuple(found.values()))
    problems = splits.floor_problems(cases, task.output, volumes=task.volumes)
    if problems:
        detail = "the data set is too small to measure anything: " + "; ".join(problems)
        errors = [{"pointer": "#/dataset_id", "detail": why} for why in problems]
        raise Unprocessable("below_floor", detail, errors)

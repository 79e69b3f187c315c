"""What can be asked and tuned: the tasks and backbones that the science has files for."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field, PositiveInt

from app.deps import Viewer
from app.errors import NotFound
from app.replies import respond
from app.settings import settings
from models import discovery, weights
from models.backbone import Backbone
from models.task import Task

router = APIRouter(tags=["catalogue"])


class LayoutBody(BaseModel):
    name: str
    example: str = Field(description="An example tree")


class TaskBody(BaseModel):
    name: str
    question: str
    output: str = Field(description="`classes`: class probabilities; `map`: a label map")
    classes: list[str] = Field(description="Empty: the data set brings its own")
    positive: str | None
    headline: str = Field(description="The metric that ranks depths; higher is better")
    operating_points: list[str]
    presets: list[str] = Field(description="Recipes it can be tuned by")
    layouts: list[LayoutBody] = Field(description="Accepted uploads, in order of preference")


class TaskPage(BaseModel):
    items: list[TaskBody]
    next_cursor: None = None


class LayerBody(BaseModel):
    name: str
    parameters: int = Field(
        ge=0, description="Learnable parameters (the last layer: for two classes)"
    )


class WeightsBody(BaseModel):
    source: str
    licence: str
    available: bool = Field(description="Whether the file is on this machine")


class BackboneBody(BaseModel):
    name: str
    input_size: int = Field(ge=1, description="Pixels a side")
    layers: list[LayerBody] = Field(description="Input to output")
    map_layers: list[str] = Field(
        description="The layers of its map network, input to output: the decoder stands in the "
        "place of those above the deepest it uses. Empty: no map task can be tuned on it"
    )
    parameters: int = Field(ge=0)
    depths: dict[str, PositiveInt] = Field(description="Depths a sweep has, by the task's output")
    weights: WeightsBody | None
    missing: str | None = Field(description="Why depths cannot be tuned here, and the way out")


class BackbonePage(BaseModel):
    items: list[BackboneBody]
    next_cursor: None = None


def task_body(task: Task) -> TaskBody:
    known = discovery.layouts()
    return TaskBody(
        name=task.name,
        question=task.question,
        output=task.output,
        classes=list(task.classes),
        positive=task.positive,
        headline=task.headline,
        operating_points=list(task.points),
        presets=list(task.presets),
        layouts=[
            LayoutBody(name=name, example=known[name].example)
            for name in task.layouts
            if name in known
        ],
    )


def backbone_body(backbone: Backbone, folder: Path) -> BackboneBody:
    kept = backbone.weights
    missing = weights.missing(backbone, folder)
    return BackboneBody(
        name=backbone.name,
        input_size=backbone.input_size,
        layers=[
            LayerBody(name=name, parameters=count)
            for name, count in zip(backbone.layers, backbone.parameters, strict=True)
        ],
        map_layers=list(backbone.row("map")) if "map" in backbone.depths else [],
        parameters=sum(backbone.parameters),
        depths=backbone.depths,
        weights=kept
        and WeightsBody(source=kept.source, licence=kept.licence, available=missing is None),
        missing=missing,
    )


@router.get("/v1/tasks", operation_id="list_tasks", response_model=TaskPage)
def list_tasks(_: Viewer, request: Request) -> Response:
    """Every clinical question that can be asked here."""
    found = TaskPage(items=[task_body(task) for task in discovery.tasks().values()])
    return respond(request, found)


@router.get("/v1/tasks/{task}", operation_id="get_task", response_model=TaskBody)
def get_task(
    _: Viewer,
    request: Request,
    task: Annotated[str, PathParameter(max_length=100, examples=["frame_quality"])],
) -> Response:
    """One clinical question: its classes, operating points and upload layouts."""
    found = discovery.tasks().get(task)
    if found is None:
        raise NotFound(f"no task {task!r}: GET /v1/tasks names them all")
    return respond(request, task_body(found))


@router.get("/v1/backbones", operation_id="list_backbones", response_model=BackbonePage)
def list_backbones(_: Viewer, request: Request) -> Response:
    """Every network that can be tuned, its layers in order, and whether its weights are here."""
    folder = settings().weights
    items = [backbone_body(backbone, folder) for backbone in discovery.backbones().values()]
    return respond(request, BackbonePage(items=items))

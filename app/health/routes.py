"""Routes for those who run the service: health, metrics, version."""

import platform
from importlib import metadata

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from pydantic import BaseModel

from app.deps import ReadSession, Viewer
from app.errors import Unavailable
from app.health.service import CHECKS, Rows, missing
from app.replies import ProblemBody, drawn

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: str = "alive"


class Ready(BaseModel):
    status: str = "ready"
    checks: dict[str, str]


class ServiceVersion(BaseModel):
    name: str
    version: str
    api: str
    python: str


@router.get("/healthz/live", operation_id="get_live")
async def live() -> Alive:
    """The process answers; nothing else is looked at."""
    return Alive()


@router.get(
    "/healthz/ready",
    operation_id="get_ready",
    response_model=Ready,
    responses={503: {"model": ProblemBody, "description": "What is missing, one error each"}},
)
def ready(request: Request) -> Response:
    """Database, migrations at head, broker, disk, fresh worker heartbeats; 503 names what lacks."""
    lacking = missing()
    if lacking:
        problem = Unavailable("not_ready", f"not ready: {', '.join(lacking)}")
        problem.errors = [{"pointer": name, "detail": why} for name, why in lacking.items()]
        return drawn(problem, request.scope)
    found = Ready(checks=dict.fromkeys(CHECKS, "ok"))
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/version", operation_id="get_version")
async def version() -> ServiceVersion:
    """What runs here."""
    return ServiceVersion(
        name="layertune",
        version=metadata.version("layertune"),
        api="v1",
        python=platform.python_version(),
    )


@router.get("/metrics", operation_id="get_metrics", response_class=Response)
def metrics(_: Viewer, session: ReadSession) -> Response:
    """For Prometheus: requests, their times, rows by state, queues served."""
    of_tables = CollectorRegistry()
    of_tables.register(Rows(session))
    text = generate_latest(REGISTRY) + generate_latest(of_tables)
    return Response(text, media_type=CONTENT_TYPE_LATEST)

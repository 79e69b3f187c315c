"""Routes for those who run the service: health, metrics, version."""

import platform
from collections.abc import Iterator
from importlib import metadata

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.deps import ReadSession, Viewer
from app.errors import Unavailable
from app.health import CHECKS, missing, served, work
from app.queue import QUEUES
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


class Rows(Collector):
    """Gauges read from the tables when asked, so that every replica says the same."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def collect(self) -> Iterator[GaugeMetricFamily]:
        rows = GaugeMetricFamily("layertune_rows", "Rows by state", labels=["table", "state"])
        for table, state, count in work(self.session):
            rows.add_metric([table, state], count)
        yield rows
        alive = served(self.session)
        queues = GaugeMetricFamily(
            "layertune_queue_served", "1 if a worker of the queue was heard of", labels=["queue"]
        )
        for queue in sorted(set(QUEUES.values())):
            queues.add_metric([queue], float(queue in alive))
        yield queues


@router.get("/metrics", operation_id="get_metrics", response_class=Response)
def metrics(_: Viewer, session: ReadSession) -> Response:
    """For Prometheus: requests, their times, rows by state, queues served."""
    of_tables = CollectorRegistry()
    of_tables.register(Rows(session))
    text = generate_latest(REGISTRY) + generate_latest(of_tables)
    return Response(text, media_type=CONTENT_TYPE_LATEST)

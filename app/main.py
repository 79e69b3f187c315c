"""The web application: every router, every edge. Nothing here or below it imports torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from app import catalogue, hosts, replies
from app.audit import routes as audit
from app.auth import keyring
from app.datasets import routes as datasets
from app.documentation import add_pages, describe
from app.gate import Gate
from app.head import Head
from app.health import routes as health
from app.keys import routes as keys
from app.keys.logins import logins
from app.observe import Observe, configure_logs
from app.predictions import routes as predictions
from app.registry import routes as registry
from app.settings import settings
from app.shield import Shield
from app.sweeps import routes as sweeps
from models import discovery

ASSETS = Path(fastapi_offline.__file__).parent / "static"


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    configure_logs(settings().log_level)
    logins.open()
    try:
        yield
    finally:
        await run_in_threadpool(logins.close)


def create_app() -> FastAPI:
    app = FastAPI(
        title="LayerTune",
        version=metadata.version("layertune"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    replies.install(app)
    for router in (
        # First, as routes are tried in this order and this one has no time to lose.
        predictions.make_router(list(discovery.tasks().values())),
        catalogue.router,
        datasets.router,
        sweeps.router,
        registry.router,
        keys.router,
        audit.router,
        health.router,
    ):
        app.include_router(router)
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    add_pages(app)
    describe(app)
    # The last one added is the outermost.
    app.add_middleware(Head)
    names = hosts.listed(settings().allowed_hosts)
    app.add_middleware(Gate, keyring=keyring, rate_per_s=settings().rate_per_s, names=names)
    app.add_middleware(Observe)
    app.add_middleware(Shield)
    return app

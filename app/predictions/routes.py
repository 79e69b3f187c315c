"""The prediction endpoints, one concrete path for every task that the science knows."""

from collections.abc import Sequence

from fastapi import APIRouter

from models.task import Task


def make_router(tasks: Sequence[Task]) -> APIRouter:
    return APIRouter(prefix="/v1/predictions", tags=["predictions"])

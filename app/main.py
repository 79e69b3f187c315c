"""The web application: every router, every edge."""

from fastapi import FastAPI


def create_app() -> FastAPI:
    raise NotImplementedError

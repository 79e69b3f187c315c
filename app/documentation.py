"""The documentation that the service serves of itself: OpenAPI 3.1, Swagger UI, ReDoc, offline."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse

from app.answers import REQUEST_ID
from app.errors import Problem
from app.replies import MEDIA_TYPE, ProblemBody, body_of

ASSETS = "/assets"  # served by this process: hospital networks have no CDN
ABOUT = """Upload a small set of labelled images; LayerTune tunes a pre-trained network at every
depth, says the shallowest depth that nothing beats, and serves the model. **Research use only.**

Authorise with an API key (`lt_…`; `./run up` keeps the first one in `var/admin.key`)."""
TAGS = [
    {"name": "catalogue", "description": "Tasks that can be asked, networks that can be tuned"},
    {"name": "datasets", "description": "Upload images; every file's fate is told"},
    {"name": "sweeps", "description": "Tune every depth, watch, get the recommendation"},
    {"name": "models", "description": "Cards and files of registered models"},
    {"name": "deployments", "description": "Which model answers, with history"},
    {"name": "predictions", "description": "One image in, one finding out"},
    {"name": "keys", "description": "API keys: roles and workspaces"},
    {"name": "audit", "description": "Who did what"},
    {"name": "health", "description": "For those who run the service"},
]
# Problems that any guarded route may answer, with the example shown for each.
PROBLEMS: dict[str, tuple[str, str]] = {
    "400": ("bad_request", "the body cannot be read"),
    "401": ("unauthorised", "give an API key: Authorization: Bearer lt_…"),
    "403": ("forbidden", "this needs the role researcher or higher"),
    "404": ("not_found", "no such thing in your workspace"),
    "409": ("conflict", "its state does not allow this"),
    "413": ("too_large", "larger than this service accepts"),
    "415": ("unsupported_media_type", "send application/json here"),
    "421": ("host_not_allowed", "this service does not answer to the name in Host"),
    "422": ("invalid_request", "query/limit: at most 200"),
    "429": ("too_many_requests", "more than 100 requests a second"),
    "500": ("internal_error", "the log names the place"),
    "503": ("database_unavailable", "the database cannot be reached"),
}
ALWAYS = ("401", "403", "421", "422", "429", "500", "503")
WITH_BODY = ("400", "409", "413", "415")
OPEN = ("/healthz/", "/version")


def add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="LayerTune: Swagger UI",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
            swagger_ui_parameters={
                "persistAuthorization": True,
                "displayRequestDuration": True,
                "tryItOutEnabled": True,
                "docExpansion": "list",
            },
        )

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url="/openapi.json",
            title="LayerTune: ReDoc",
            redoc_js_url=f"{ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS}/favicon.png",
            with_google_fonts=False,
        )


def words(status: str) -> tuple[str, str]:
    """Code and detail of a status; the HTTP names for one that is not in the table."""
    known = HTTPStatus(int(status))
    return PROBLEMS.get(status, (known.name.lower(), known.description))


def example(status: str) -> dict[str, Any]:
    code, detail = words(status)
    errors = [{"pointer": "query/limit", "detail": "at most 200"}] if status == "422" else []
    retryable = status in ("429", "503", "507")
    problem = Problem(int(status), code, detail, errors=errors, retryable=retryable)
    return body_of(problem, REQUEST_ID)


def response(status: str) -> dict[str, Any]:
    return {
        "description": HTTPStatus(int(status)).phrase,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example(status),
            }
        },
    }


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    """Every error reply of an operation is a problem; those it declared keep their words."""
    statuses = set() if path.startswith(OPEN) else set(ALWAYS)
    statuses |= {"404"} if "{" in path else set()
    statuses |= set(WITH_BODY) if "requestBody" in operation else set()
    responses = operation.setdefault("responses", {})
    for status in sorted(statuses | {s for s in responses if s >= "400" and s.isdigit()}):
        declared = responses.get(status, {})
        responses[status] = response(status)
        generic = declared.get("description") in (None, "", "Validation Error")
        if not generic:
            responses[status]["description"] = declared["description"]
        given = declared.get("content", {}).get(MEDIA_TYPE, {})
        kept = {name: given[name] for name in ("example", "examples") if name in given}
        if kept:
            schema = responses[status]["content"][MEDIA_TYPE]["schema"]
            responses[status]["content"][MEDIA_TYPE] = {"schema": schema, **kept}


def _bound_scores(properties: dict[str, Any]) -> None:
    """A finding's scores are calibrated probabilities; its dataclass, plain Python, cannot say."""
    bounds = {"minimum": 0, "maximum": 1}
    if "score" in properties:
        properties["score"] |= bounds
    if "scores" in properties:
        properties["scores"]["additionalProperties"] |= bounds


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    return {"Problem": schema, **parts}


def describe(app: FastAPI) -> None:
    """Lays our words over what FastAPI finds; the document is made once, when first asked for."""
    app.description = ABOUT
    app.openapi_tags = TAGS
    found = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = found()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _add_problems(path, operation)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError", "ProblemBody"):
            schemas.pop(unused, None)
        schemas |= _problem_schemas()
        for name in schemas:
            if name.endswith("Finding"):
                _bound_scores(schemas[name]["properties"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending it

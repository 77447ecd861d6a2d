"""The OpenAPI document. FastAPI would serve the one of the routes alone."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from app.deps import TheClient
from app.live_document import LiveDocument
from app.validators import matches

router = APIRouter()


@router.get("/openapi.json", include_in_schema=False)
async def read_openapi(
    request: Request, client: TheClient, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The document of this moment, with an operation for each task type that a worker announced."""
    document: LiveDocument = request.app.state.document
    await document.refresh(client)
    if root_path := request.scope.get("root_path"):  # a proxy has taken it off the path: clients must put it there
        return JSONResponse({**document.openapi(), "servers": [{"url": root_path}]})
    encoded, tag = document.encoded()
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(encoded, 200, headers, "application/json")

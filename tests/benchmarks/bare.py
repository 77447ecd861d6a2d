"""The floor for the HTTP benchmark: FastAPI with the same models on the same uvicorn, doing nothing."""

from uuid import uuid4

from fastapi import FastAPI

from app.schemas import SubmitRequest, Submitted

app = FastAPI()


@app.post("/tasks/submit", status_code=202)
async def submit(request: SubmitRequest) -> Submitted:
    """Answer what Petiole answers, without a task."""
    return Submitted(task_id=str(uuid4()), status="submitted")


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the server is up."""
    return {"status": "ok"}

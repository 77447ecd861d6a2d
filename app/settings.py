"""What the HTTP service and the `petiole` command can be told, on top of the bridge's own settings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bridge.settings import BridgeSettings


def _http_url(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://, for example http://localhost:8000")
    return url


class Settings(BridgeSettings):
    """Read from the environment with the prefix ``PETIOLE_``. Durations are seconds, sizes are bytes."""

    host: str = Field("127.0.0.1", min_length=1, description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port the API listens on.")
    flower_port: int = Field(5555, ge=0, le=65_535, description="Port Flower listens on.")
    api_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "", description="Where `petiole submit`, `follow`, … find the API; host and port when not set."
    )
    default_task: str = Field("workers.tasks.heavy_task", min_length=1, description="Task of POST /tasks/submit.")
    worker_concurrency: int = Field(
        2, ge=1, le=1_024, description="Processes of the worker that `petiole worker` starts."
    )
    worker_queues: str = Field(
        "", description="Queues that `petiole worker` consumes, with commas; the default queue when not set."
    )
    worker_app: str = Field(
        "workers.celery_app:app", min_length=1, description="Celery app of `petiole worker` and `flower`."
    )
    max_body_bytes: int = Field(1_048_576, ge=1_024, description="Size of a request body; beyond it 413.")
    keep_alive: float = Field(15, gt=0, le=60, description="Silence on a stream after which a comment is sent.")
    reconnect_ms: int = Field(
        2_000, ge=100, description="How long a dropped stream waits before it returns, milliseconds."
    )
    stream_buffer: int = Field(
        256, ge=8, description="Updates that may wait for one slow reader; beyond it the stream closes."
    )
    max_streams: int = Field(10_000, ge=1, description="Streams that one process serves; beyond it 503.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe messages that are logged."
    )

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
    max_batch: int = Field(10_000, ge=1, le=10_000, description="Items of a batch; beyond it they are refused.")
    max_batch_bytes: int = Field(33_554_432, ge=1_024, description="Size of the body of a batch; beyond it 413.")
    keep_alive: float = Field(15, gt=0, le=60, description="Silence on a stream after which a comment is sent.")
    reconnect_ms: int = Field(
        2_000, ge=100, description="How long a dropped stream waits before it returns, milliseconds."
    )
    stream_buffer: int = Field(
        256, ge=8, description="Updates that may wait for one slow reader; beyond it the stream closes."
    )
    send_timeout: float = Field(
        30, gt=0, description="How long a client may leave unread what waits for it; then its connection is closed."
    )
    max_wait: float = Field(60, ge=0, description="Longest wait of `?wait=` and `Prefer: wait`; a longer one is cut.")
    max_streams: int = Field(10_000, ge=1, description="Streams that one process serves; beyond it 503.")
    max_streams_per_key: int = Field(
        10_000,
        ge=1,
        description="Streams and waiting requests that one process serves to one API key, or to everybody without "
        "keys; beyond it 429.",
    )
    max_stream_token_ttl: int = Field(3_600, ge=1, description="Longest life of a stream token; a longer one is cut.")
    auth: Literal["off", "keys"] = Field(
        "off", description="Who may call: everybody (off), or who has an API key of `petiole keys create` (keys)."
    )
    allow_anonymous: bool = Field(
        False,
        description="Let the API listen on more than loopback although nobody is asked for a key. Only where something "
        "in front of it asks, or where nobody else reaches it.",
    )
    api_key: str = Field("", repr=False, description="API key that `petiole submit`, `follow`, … send.")
    rate_limit: float = Field(
        0,
        ge=0,
        description="Requests a second for one API key, or for everybody without keys; beyond it 429; 0 for no limit.",
    )
    rate_burst: int = Field(
        100, ge=1, le=1_000_000, description="Requests of one key that may come at once, before the rate counts."
    )
    cors_origins: str = Field(
        "", description="Origins, with commas, whose pages may call the API from a browser; * for every one."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe messages that are logged."
    )

    @property
    def origins(self) -> list[str]:
        """The origins in `cors_origins`, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

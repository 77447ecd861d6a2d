"""What the bridge can be told, read from the environment with the prefix ``PETIOLE_``."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.errors import InvalidSettings

REDIS_SCHEMES = ("redis", "rediss", "unix")


def _redis_url(url: str) -> str:
    """Refuse what redis-py would refuse later, or worse: it takes a path that is no number for database 0."""
    scheme = url.partition("://")[0]
    if scheme not in REDIS_SCHEMES:
        raise ValueError("must start with redis://, rediss:// or unix://, for example redis://localhost:6379/0")
    try:
        address = urlsplit(url)
        _ = address.port  # read for its check
    except ValueError:  # its text can hold a piece of the password
        raise ValueError(
            "is no address: the port is a number; /, ?, #, [ and ] in a password are percent-encoded"
        ) from None
    database = address.path.strip("/")
    if scheme != "unix" and database and not (database.isascii() and database.isdecimal()):
        raise ValueError("must name the database by its number, for example redis://localhost:6379/0")
    return url


RedisUrl = Annotated[str, AfterValidator(_redis_url)]


class BridgeSettings(BaseSettings):
    """Where Redis is and how much may wait in it. Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(
        env_prefix="PETIOLE_", frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    redis_url: RedisUrl = Field(
        "redis://localhost:6379/0", description="The broker: Celery's queues and Petiole's keys."
    )
    result_backend_url: RedisUrl = Field(
        "", validate_default=True, description="Celery's result backend; the broker when not set."
    )
    prefix: str = Field("petiole:", min_length=1, max_length=64, description="Prefix of Petiole's own keys.")
    default_queue: str = Field("celery", min_length=1, max_length=255, description="Queue of a task that names none.")
    max_queue_depth: int = Field(
        100_000, ge=1, description="Tasks that may wait in one queue; beyond it submits answer 503."
    )
    max_pending_submits: int = Field(
        10_000, ge=1, description="Submits that may wait in one process for their round trip."
    )
    submit_batch: int = Field(256, ge=1, le=1_000, description="Tasks that one round trip takes at the most.")
    max_message_bytes: int = Field(2_097_152, ge=1_024, description="Size of one task message, encoded.")
    hold_after: float = Field(300, ge=1, description="Delays longer than this wait in Redis, not in a worker's memory.")
    open_ttl: int = Field(604_800, ge=60, description="Life of a task's record from its last news while it is open.")
    ended_ttl: int = Field(86_400, ge=1, description="Life of a task's record after its end.")
    history_limit: int = Field(1_000, ge=10, description="Updates kept for one task.")
    live_limit: int = Field(10_000, ge=100, description="Updates kept in the live feed, all tasks together.")
    result_inline_bytes: int = Field(4_096, ge=0, description="A larger result is not in the update; /result has it.")
    sweep_seconds: int = Field(
        10, ge=1, le=60, description="How often open tasks are compared with the result backend."
    )
    adopt: bool = Field(True, description="Follow tasks that other producers submitted, from their first news on.")
    connect_timeout: float = Field(1, gt=0, description="Longest wait for a connection to Redis.")
    command_timeout: float = Field(2, gt=0, description="Longest wait for an answer of Redis.")

    @field_validator("result_backend_url", mode="before")
    @classmethod
    def _one_server_unless_told(cls, url: object, info: ValidationInfo) -> object:
        # A broker that is wrong is not in `info.data`. One complaint about it is enough, so here any right one will do.
        return url or info.data.get("redis_url", cls.model_fields["redis_url"].default)

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the environment, with `given` on top.

        Raises:
            InvalidSettings: a sentence that names each variable with a bad value. It does not repeat the value, since a
                URL may hold a password.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic checks them, which is what load() is for
        except ValidationError as error:
            raise InvalidSettings(_sentence(error, cls.model_config["env_prefix"])) from error


def _sentence(error: ValidationError, prefix: str) -> str:
    problems = (
        f"{prefix}{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    )
    return f"Settings that cannot work: {'; '.join(problems)}. Correct the environment and start again."

"""What a worker can be told, read from the environment with the prefix ``PETIOLE_``."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.errors import InvalidSettings

URL_SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel")


def _redis_url(url: str) -> str:
    if url and urlsplit(url).scheme not in URL_SCHEMES:
        raise ValueError("must start with redis:// or rediss://, for example redis://localhost:6379/0")
    return url


RedisUrl = Annotated[str, AfterValidator(_redis_url)]


class WorkerSettings(BaseSettings):
    """Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(env_prefix="PETIOLE_", frozen=True, extra="ignore")

    redis_url: RedisUrl = Field(
        "redis://localhost:6379/0", min_length=1, description="The broker; the same as the service's."
    )
    result_backend_url: RedisUrl = Field("", description="Celery's result backend; the broker when not set.")
    broker_master_name: str = Field("", description="Master that the sentinels watch.")
    result_backend_master_name: str = Field("", description="The same of the result backend.")
    sentinel_username: str = Field("", description="User at the sentinels themselves.")
    sentinel_password: str = Field("", description="Password at the sentinels themselves.")
    sentinel_tls: bool = Field(False, description="Reach the sentinels themselves by TLS.")
    broker_global_keyprefix: str = Field("", description="Prefix of all keys and channels on the broker.")
    result_backend_global_keyprefix: str = Field("", description="Prefix of all keys on the result backend.")
    broker_priority_steps: str = Field(
        "0,3,6,9", pattern=r"^0(,[1-9])*$", description="Lowest priorities that have a list of their own."
    )
    broker_sep: str = Field("", description="What stands between a queue and its priority step.")
    broker_queue_order: Literal["round_robin", "sorted", "priority"] = Field(
        "round_robin",
        description="Which of its queues a worker looks at first; queue_order_strategy of Celery's broker.",
    )
    default_queue: str = Field("celery", min_length=1, max_length=255, description="Queue of a task that names none.")
    result_expires: int = Field(86_400, ge=1, description="Life of a result in the backend.")
    visibility_timeout: int = Field(
        3_600,
        ge=1,
        description="Time after which a task taken but not finished is handed to another worker; must be longer than "
        "the longest task and the longest delay held by a worker together, or such a task runs twice.",
    )
    soft_shutdown_timeout: float = Field(
        10, ge=0, description="Time that running tasks get to finish when the worker is told to quit at once (SIGQUIT)."
    )
    fetch_allow_private: bool = Field(
        False,
        description="Let fetch_url reach private, loopback and link-local addresses. Only for trusted submitters.",
    )
    fetch_max_bytes: int = Field(5_242_880, ge=1, le=268_435_456, description="Size of a response fetch_url accepts.")
    fetch_timeout: float = Field(
        10, gt=0, le=300, description="Time for one fetch_url attempt as a whole, redirects included."
    )

    @property
    def backend_url(self) -> str:
        """Where results go."""
        return self.result_backend_url or self.redis_url

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: a sentence that names each variable with a bad value. It does not repeat the value, since a
                URL may hold a password.
        """
        try:
            return cls()
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    prefix = WorkerSettings.model_config["env_prefix"]
    problems = (f"{prefix}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
    return f"Settings that cannot work: {'; '.join(problems)}. Correct the environment and start again."

"""What the bridge can be told, read from the environment with the prefix ``PETIOLE_``."""

from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.address import RedisAddress, read_address
from bridge.errors import InvalidSettings

MASTER_WANTED = "must name the master that the sentinels of the address watch"


def _redis_url(url: str) -> str:
    """Refuse what would be refused later, or worse: redis-py takes a path that is no number for database 0."""
    read_address(url)
    return url


def _priority_steps(text: str) -> str:
    """Kombu takes any list, and looks for tasks where no producer puts them when it is not in order."""
    steps = text.split(",")
    if not all(len(step) == 1 and step in "0123456789" for step in steps) or steps != sorted(set(steps)):
        raise ValueError("must be priorities from 0 to 9 in ascending order, with commas, for example 0,3,6,9")
    if steps[0] != "0":
        raise ValueError("must begin with 0: without that step a queue has no list of its own name")
    return text


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
    broker_master_name: str = Field(
        "", validate_default=True, description="Master that the sentinels watch, when the broker is behind sentinels."
    )
    result_backend_master_name: str = Field(
        "", validate_default=True, description="The same of the result backend; the broker's when not set."
    )
    sentinel_username: str = Field("", description="User at the sentinels themselves, when they ask for one.")
    sentinel_password: str = Field("", description="Password at the sentinels themselves, when they ask for one.")
    sentinel_tls: bool = Field(
        False, description="Reach the sentinels themselves by TLS, with the certificates that the address names."
    )
    broker_global_keyprefix: str = Field(
        "",
        max_length=64,
        description="What Celery has as global_keyprefix in broker_transport_options: in front of all its keys and "
        "channels on the broker.",
    )
    result_backend_global_keyprefix: str = Field(
        "",
        max_length=64,
        description="What Celery has as global_keyprefix in result_backend_transport_options; as there, _ is added "
        "unless it ends with :, _, - or a dot.",
    )
    broker_priority_steps: Annotated[str, AfterValidator(_priority_steps)] = Field(
        "0,3,6,9", description="Lowest priorities that have a list of their own; priority_steps of Celery's broker."
    )
    broker_sep: str = Field(
        "", max_length=16, description="What stands between a queue and its priority step; Kombu's own when not set."
    )
    prefix: str = Field(
        "petiole:",
        min_length=1,
        max_length=128,
        description="Prefix of Petiole's own keys; when not set, after the broker's global_keyprefix.",
    )
    default_queue: str = Field("celery", min_length=1, max_length=255, description="Queue of a task that names none.")
    max_queue_depth: int = Field(
        100_000, ge=1, description="Tasks that may wait in one queue; beyond it submits answer 503."
    )
    max_pending_submits: int = Field(
        10_000, ge=1, description="Submits that may wait in one process for their round trip."
    )
    submit_batch: int = Field(128, ge=1, le=1_000, description="Tasks that one round trip takes at the most.")
    max_message_bytes: int = Field(2_097_152, ge=1_024, description="Size of one task message, encoded.")
    hold_after: float = Field(300, ge=1, description="Delays longer than this wait in Redis, not in a worker's memory.")
    open_ttl: int = Field(604_800, ge=60, description="Life of a task's record from its last news while it is open.")
    ended_ttl: int = Field(86_400, ge=1, description="Life of a task's record after its end.")
    result_expires: int = Field(
        86_400,
        ge=1,
        description="Life of a result in the backend, and of what a chord counts with; result_expires of the workers.",
    )
    tombstone_ttl: int = Field(
        86_400, ge=0, description="How long it is remembered that there was a task, when its record has gone."
    )
    idempotency_ttl: int = Field(86_400, ge=1, description="How long an idempotency key is remembered.")
    history_limit: int = Field(1_000, ge=10, description="Updates kept for one task.")
    live_limit: int = Field(
        10_000, ge=100, description="Entries kept in the live feed: updates, or up to 16 tasks submitted at once."
    )
    result_inline_bytes: int = Field(4_096, ge=0, description="A larger result is not in the update; /result has it.")
    sweep_seconds: int = Field(
        10, ge=1, le=60, description="How often open tasks are compared with the result backend."
    )
    lost_after: float = Field(
        300, ge=3, description="Silence of a worker after which a task that it had is lost, unless its message is kept."
    )
    adopt: bool = Field(True, description="Follow tasks that other producers submitted, from their first news on.")
    connect_timeout: float = Field(1, gt=0, description="Longest wait for a connection to Redis.")
    command_timeout: float = Field(2, gt=0, description="Longest wait for an answer of Redis.")

    @field_validator("result_backend_url", mode="before")
    @classmethod
    def _one_server_unless_told(cls, url: object, info: ValidationInfo) -> object:
        # A broker that is wrong is not in `info.data`. One complaint about it is enough, so here any right one will do.
        return url or info.data.get("redis_url", cls.model_fields["redis_url"].default)

    @field_validator("result_backend_master_name", mode="before")
    @classmethod
    def _one_master_unless_told(cls, name: object, info: ValidationInfo) -> object:
        # As above: where the broker's is missing, one complaint is enough, and any name will do.
        return name or info.data.get("broker_master_name", "any")

    @field_validator("broker_master_name")
    @classmethod
    def _broker_master(cls, name: str, info: ValidationInfo) -> str:
        return _master(name, info.data.get("redis_url"))

    @field_validator("result_backend_master_name")
    @classmethod
    def _backend_master(cls, name: str, info: ValidationInfo) -> str:
        return _master(name, info.data.get("result_backend_url"))

    @model_validator(mode="before")
    @classmethod
    def _own_keys_beside_celerys(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Two installations in one database are told apart by their prefixes, so ours is told apart by it as well."""
        keyprefix = given.get("broker_global_keyprefix")
        if keyprefix and "prefix" not in given:
            return {**given, "prefix": f"{keyprefix}{cls.model_fields['prefix'].default}"}
        return given

    @property
    def broker(self) -> RedisAddress:
        """Where the broker is."""
        return self._address(self.redis_url, self.broker_master_name)

    @property
    def backend(self) -> RedisAddress:
        """Where the result backend is."""
        return self._address(self.result_backend_url, self.result_backend_master_name)

    def _address(self, url: str, master_name: str) -> RedisAddress:
        return replace(
            read_address(url),
            master_name=master_name,
            sentinel_username=self.sentinel_username or None,
            sentinel_password=self.sentinel_password or None,
            sentinel_tls=self.sentinel_tls,
        )

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the environment, with `given` on top.

        Raises:
            InvalidSettings: a sentence that names each variable with a bad value, or what was given with one, and that
                there is no setting of a given name. It does not repeat the value, since a URL may hold a password.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic checks them, which is what load() is for
        except ValidationError as error:
            raise InvalidSettings(_sentence(error, cls, given)) from error


def _master(name: str, url: str | None) -> str:
    if url and read_address(url).sentinels and not name:
        raise ValueError(MASTER_WANTED)
    return name


def _sentence(error: ValidationError, settings: type[BaseSettings], given: Collection[str]) -> str:
    problems = [(".".join(map(str, one["loc"])), _reason(one, settings)) for one in error.errors()]
    prefix = settings.model_config["env_prefix"]
    told = "; ".join(f"{name if name in given else prefix + name.upper()}: {reason}" for name, reason in problems)
    from_elsewhere = any(name not in given for name, _ in problems)
    remedy = "Correct the environment and start again." if from_elsewhere else "Correct what is given."
    return f"Settings that cannot work: {told}. {remedy}"


def _reason(problem: ErrorDetails, settings: type[BaseSettings]) -> str:
    if problem["type"] != "extra_forbidden":
        return problem["msg"].removeprefix("Value error, ")
    nearest = get_close_matches(str(problem["loc"][0]), settings.model_fields, n=1)
    return f"is no setting; the nearest is {nearest[0]}" if nearest else "is no setting"

"""A Celery application of somebody else that announces its task types: one import and one line."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from celery import Celery
from pydantic import BaseModel, Field

from workers.catalog import announce

app = Celery("typed")
announce(app)


def _where_redis_is() -> dict[str, Any]:
    url = os.environ["PETIOLE_REDIS_URL"]
    routes = {"typed.*": {"queue": "typed"}}
    return {"broker_url": url, "result_backend": url, "broker_connection_retry_on_startup": True, "task_routes": routes}


app.add_defaults(_where_redis_is)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to send it."""

    street: str
    number: int = 1


class Item(BaseModel):
    """What to send."""

    name: str
    count: int = Field(ge=1)
    inside: list["Item"] = []


@app.task(name="typed.ship", bind=True, max_retries=7, soft_time_limit=30)
def ship(self: Any, items: list[Item], to: Place, speed: Literal["slow", "fast"] = "slow") -> str:
    """Ship items.

    All of them in one parcel.
    """
    return f"{sum(item['count'] for item in items)} to {to['street']}, {speed}"  # type: ignore[index]  # as JSON has it

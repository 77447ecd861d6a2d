"""What a worker announces of its tasks."""

from typing import Any

import pytest
from pydantic import BaseModel

pytest.importorskip("celery")

from celery import Celery

from workers.backoff import Backoff
from workers.catalog import announce, task_types


class Model(BaseModel):
    count: int
    inside: "list[Model]" = []


@pytest.fixture
def app() -> Celery:
    app = Celery("example", set_as_current=False)
    app.conf.task_routes = {"mail.*": {"queue": "mail"}}
    return app


def described(app: Celery, name: str) -> dict[str, Any]:
    (found,) = [one for one in task_types(app) if one["name"] == name]
    return found


def test_a_task_is_described_by_its_name_doc_limits_and_retry_policy(app: Celery) -> None:
    @app.task(
        shared=False,
        bind=True,
        name="reports.render",
        autoretry_for=(OSError,),
        max_retries=None,
        retry_backoff=2,
        retry_jitter=False,
        backoff=Backoff(base=2),
        time_limit=60,
    )
    def render(self: Any, page: int) -> None:
        """Render.

        A page.
        """

    app.conf.task_soft_time_limit = 30
    assert described(app, "reports.render") == {
        "name": "reports.render",
        "doc": "Render.\n\nA page.",
        "schema": {
            "type": "object",
            "properties": {"page": {"type": "integer"}},
            "required": ["page"],
            "additionalProperties": False,
        },
        "queue": "celery",
        "retry": {
            "max_retries": None,
            "autoretry_for": ["OSError"],
            "default_retry_delay": 180,
            "retry_backoff": 2,
            "retry_jitter": False,
            "backoff": {"base": 2, "cap": 300.0, "factor": 2.0},
        },
        "time_limit": 60,
        "soft_time_limit": 30,
    }


def test_the_parameters_of_a_task_that_celery_wraps_are_its_own(app: Celery) -> None:
    @app.task(shared=False, name="wrapped", pydantic=True, autoretry_for=(OSError,))
    def wrapped(it: Model) -> None: ...

    assert described(app, "wrapped")["schema"]["properties"] == {"it": {"$ref": "#/$defs/Model"}}


def test_the_queue_is_where_the_app_itself_would_send_the_task_and_nothing_is_declared_by_asking(app: Celery) -> None:
    @app.task(shared=False, name="mail.send")
    def send() -> None: ...

    @app.task(shared=False, name="own", queue="elsewhere")
    def own() -> None: ...

    before = set(app.amqp.queues)
    assert [described(app, name)["queue"] for name in ("mail.send", "own")] == ["mail", "elsewhere"]
    assert set(app.amqp.queues) == before


def test_a_route_that_needs_the_arguments_leaves_the_queue_open(app: Celery) -> None:
    def by_argument(_name: str, args: Any, *_more: Any, **_options: Any) -> dict[str, str]:
        return {"queue": args[0]}

    @app.task(shared=False, name="routed")
    def routed(where: str) -> None: ...

    app.conf.task_routes = (by_argument,)
    assert described(app, "routed")["queue"] is None


def test_tasks_of_celery_itself_are_not_announced(app: Celery) -> None:
    @app.task(shared=False, name="ours")
    def ours() -> None: ...

    names = [one["name"] for one in task_types(app)]
    assert "ours" in names
    assert "celery.chord" in app.tasks
    assert not any(name.startswith("celery.") for name in names)


def test_announcing_changes_nothing_but_the_steps_of_workers_and_reads_no_settings() -> None:
    def settings() -> dict[str, Any]:
        pytest.fail("the settings were read")

    app = Celery("example", set_as_current=False)
    app.add_defaults(settings)
    announce(app)
    assert len(app.steps["consumer"]) == 1

"""Celery's configuration, as a function of our settings. Names that an older Celery does not know do nothing there."""

from typing import Any

from workers.connections import backend_options, broker_options, celery_url
from workers.settings import WorkerSettings

RESULT_STORE_RETRIES = 60  # with waits of up to RESULT_STORE_WAIT_MS: several minutes without a backend
RESULT_STORE_WAIT_MS = 10_000


def configuration(settings: WorkerSettings) -> dict[str, Any]:
    """Every setting that differs from Celery's default, by theme."""
    return {
        **_connections(settings),
        **_SERIALIZATION,
        **_NEWS,
        **_delivery(settings),
        "enable_utc": True,
        "timezone": "UTC",
        "worker_hijack_root_logger": False,  # log handlers that a deployment installed stay; Celery adds its own
    }


def _connections(settings: WorkerSettings) -> dict[str, Any]:
    return {
        "broker_url": celery_url(settings.redis_url),
        "result_backend": celery_url(settings.backend_url),
        "result_backend_transport_options": backend_options(settings),
        "result_expires": settings.result_expires,
        "task_default_queue": settings.default_queue,
        "broker_connection_retry_on_startup": True,
        # A result is the only proof that the work was done: while the backend is away the pool process waits for it
        # rather than drop the result. Bounded, so that a process does not hang for ever.
        "result_backend_always_retry": True,
        "result_backend_max_retries": RESULT_STORE_RETRIES,
        "result_backend_max_sleep_between_retries_ms": RESULT_STORE_WAIT_MS,
    }


# JSON only: anyone who can write to Redis could run code in a worker that accepts pickle.
_SERIALIZATION = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
}

# Everything that makes a task's life visible while it lasts.
_NEWS = {
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    "task_track_started": True,
}


def _delivery(settings: WorkerSettings) -> dict[str, Any]:
    """At least once, and twice only where that cannot be avoided."""
    return {
        # The message stays in Redis until the work is done, so neither a killed pool process (the task is put back at
        # once) nor a killed worker (it is handed on after the visibility timeout) loses a task.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # What a worker has taken no other worker can run: take only what can be started now.
        "worker_prefetch_multiplier": 1,
        # It cuts both ways. Longer: the task of a killed *worker* waits longer for another one. Shorter: with late acks
        # a task that still runs, or waits in a worker for its countdown or retry, is handed out again and runs twice.
        # The default of an hour is far above the tasks here (seconds), their longest retry wait (Backoff.cap, minutes)
        # and the delays that the service leaves to workers (it holds longer ones itself).
        "broker_transport_options": {**broker_options(settings), "visibility_timeout": settings.visibility_timeout},
        # Redis restarts during a run: the run goes on, and its result follows on a new connection. True would kill the
        # run and start it anew. Seen with 5.6.3: one run, acknowledged. Seen with 5.7.0: one run and its result, but
        # the worker exits when Redis is away while it holds a message, so a supervisor must start it again. What stays:
        # when a connection breaks while Redis is up, Kombu puts the message back at once, and an idle process may
        # start it beside the first run.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # If the message is handed out again after the run, the second worker looks for a SUCCESS first and skips it.
        "worker_deduplicate_successful_tasks": True,
        # SIGTERM waits for running tasks; SIGQUIT gives them this long, then puts them back on the queue. Also with
        # only delayed tasks in memory, for those must be put back too. (Celery 5.5 and later)
        "worker_soft_shutdown_timeout": settings.soft_shutdown_timeout,
        "worker_enable_soft_shutdown_on_idle": True,
    }

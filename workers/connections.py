"""Where broker and result backend are, and how their keys are named, in Celery's words."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from workers.settings import WorkerSettings

OF_THE_SERVICE_ALONE = frozenset({"client_name", "health_check_interval", "socket_keepalive", "db"})
"""What the service reads in an address, and Kombu fails on."""


def broker_options(settings: WorkerSettings) -> dict[str, Any]:
    """Celery's `broker_transport_options`, as far as they say where things are."""
    steps = [int(step) for step in settings.broker_priority_steps.split(",")]
    options = {
        "global_keyprefix": settings.broker_global_keyprefix,
        "sep": settings.broker_sep,
        "queue_order_strategy": "" if settings.broker_queue_order == "round_robin" else settings.broker_queue_order,
        "priority_steps": [] if steps == [0, 3, 6, 9] else steps,
        **_sentinels(settings, settings.redis_url, settings.broker_master_name),
    }
    return _given(options)


def backend_options(settings: WorkerSettings) -> dict[str, Any]:
    """Celery's `result_backend_transport_options`."""
    master_name = settings.result_backend_master_name or settings.broker_master_name
    sentinels = _sentinels(settings, settings.result_backend_url or settings.redis_url, master_name)
    return _given({"global_keyprefix": settings.result_backend_global_keyprefix, **sentinels})


def celery_url(url: str) -> str:
    """The same address as Celery spells it.

    Certificates are checked unless the address says not to: Celery's backend wants to be told, and Kombu would not.
    """
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    if scheme == "unix":
        scheme = "redis+socket"
        if "db" in options:
            options["virtual_host"] = options["db"]
    if scheme == "rediss":
        options.setdefault("ssl_cert_reqs", "CERT_REQUIRED")
    known = {name: value for name, value in options.items() if name not in OF_THE_SERVICE_ALONE}
    return f"{scheme}://{place}" + (f"?{urlencode(known)}" if known else "")


def _sentinels(settings: WorkerSettings, url: str, master_name: str) -> dict[str, Any]:
    credentials = _given({"username": settings.sentinel_username, "password": settings.sentinel_password})
    return {"master_name": master_name, "sentinel_kwargs": credentials | (_tls(url) if settings.sentinel_tls else {})}


def _tls(url: str) -> dict[str, Any]:
    """TLS as an address has it, in redis-py's words: it has a spelling of its own for two of the options."""
    _, _, query = url.partition(";")[0].partition("?")
    options: dict[str, Any] = {name: value for name, value in parse_qsl(query) if name.startswith("ssl_")}
    options["ssl_cert_reqs"] = options.get("ssl_cert_reqs", "required").removeprefix("CERT_").lower()
    options["ssl_check_hostname"] = (
        options["ssl_cert_reqs"] != "none" and options.get("ssl_check_hostname", "").lower() != "false"
    )
    return {"ssl": True, **options}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}

import signal

import httpx

from app.cli.stack.services import Addresses, stack_environment, stack_services
from app.settings import Settings


def test_a_stack_that_listens_everywhere_is_reached_over_loopback() -> None:
    at = Addresses.of(Settings.load(host="0.0.0.0", port=80, flower_port=81))  # noqa: S104  # nothing listens
    assert (at.api, at.flower) == ("http://127.0.0.1:80", "http://127.0.0.1:81")


def test_an_address_of_ip_version_6_stands_in_brackets() -> None:
    assert Addresses.of(Settings.load(host="::1", port=80)).api == "http://[::1]:80"


def test_every_process_of_a_stack_is_told_the_same_server_and_ports() -> None:
    env = stack_environment(Settings.load(redis_url="redis://here:1/0", port=80, flower_port=81))
    assert env["PETIOLE_REDIS_URL"] == "redis://here:1/0"
    assert (env["PETIOLE_PORT"], env["PETIOLE_FLOWER_PORT"]) == ("80", "81")


async def test_a_worker_has_the_longest_patience_and_gives_its_tasks_back_when_it_must_hurry() -> None:
    async with httpx.AsyncClient() as http:
        services = {service.name: service for service in stack_services(Settings.load(), http)}
    assert list(services) == ["api", "watcher", "worker", "flower"]
    worker = services.pop("worker")
    assert worker.stop_within > max(service.stop_within for service in services.values())
    assert worker.hurry_signal is signal.SIGQUIT

"""Celery of several versions, each in an environment of its own, and at the end a table of what was seen with which."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack

import pytest

from app.cli.ports import free_port
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from bridge import TaskClient
from tests.contract.beside import Beside, celery_beside
from tests.contract.versions.installation import W1, Installation
from tests.contract.watched import watched_client
from tests.contract.workers_environment import LOCKS, NEWEST, all_there, celery_python, worker
from tests.servers import redis_server

USUAL = ("5.6", "5.7")
"""The versions of the default run, and of pools other than the usual the newest alone; ``--all`` takes all."""
POOLS = ("prefork", "threads", "solo", "gevent", "eventlet")
SEEN = "seen with Celery"
NOT_ASKED = "·"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "version" in metafunc.fixturenames:
        usual = [NEWEST] if "pool" in metafunc.fixturenames else USUAL
        versions = LOCKS if metafunc.config.getoption("--all") else usual
        metafunc.parametrize("version", versions, indirect=True, scope="session")
    if "pool" in metafunc.fixturenames:
        metafunc.parametrize("pool", POOLS, indirect=True, scope="package")


@pytest.fixture(scope="session")
def version(request: pytest.FixtureRequest) -> str:
    """A version of Celery, such as 5.6."""
    return str(request.param)


def _kill(runner: asyncio.Runner, child: Child) -> None:
    runner.run(child.kill())


@pytest.fixture(scope="session")
def installation(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server, a worker of that version with two processes, and Celery's own client of that version."""
    python, port = celery_python(version), free_port()
    url = server_url(port)
    log = tmp_path_factory.mktemp("worker") / "log"
    children = (
        redis_server(port, tmp_path_factory.mktemp("server")),
        worker(python, url, W1, "-c", "2", "-E", "-f", str(log)),
    )
    with asyncio.Runner() as runner, ExitStack() as stack:
        for child in children:
            stack.callback(_kill, runner, child)
            runner.run(child.start())
            runner.run(child.ready())
        runner.run(all_there(url, {W1}))
        yield Installation(url=url, python=python, log=log, beside=stack.enter_context(celery_beside(python, url)))


@pytest.fixture(scope="package")
def pool(request: pytest.FixtureRequest, installation: Installation) -> Iterator[str]:
    """A worker of that pool, which takes tasks of the queue of the same name."""
    name = str(request.param)
    options = ("-E", "-P", name, "-Q", name, "-f", str(installation.log.with_name(name)))
    size = () if name == "solo" else ("-c", "2")
    child = worker(installation.python, installation.url, f"{name}@example", *options, *size)
    with asyncio.Runner() as runner:
        runner.run(child.start())
        try:
            runner.run(all_there(installation.url, {f"{name}@example"}))
            yield name
            assert child.running, child
        finally:
            runner.run(child.kill())


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[TaskClient]:
    """Our client of the installation, and a watcher."""
    async with watched_client(installation.url) as opened:
        yield opened


@pytest.fixture
def celery(installation: Installation) -> Beside:
    """Celery's own client of the installation."""
    return installation.beside


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "version" in item.callspec.params:
        case = item.originalname.removeprefix("test_").replace("_", " ")
        report.user_properties.append((SEEN, (case, item.callspec.params["version"])))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            told = getattr(report, "user_properties", ())  # what could not even be collected has none
            for case, version in (seen for name, seen in told if name == SEEN):
                cells[case][version].append(outcome)
    if cells:
        terminalreporter.section("what was seen with which Celery")
        _print_table(terminalreporter, cells)


def _print_table(terminalreporter: pytest.TerminalReporter, cells: dict[str, dict[str, list[str]]]) -> None:
    width = max(map(len, cells))
    terminalreporter.write_line(f"{'':{width}}  " + "  ".join(f"{version:^6}" for version in LOCKS))
    for case, by_version in cells.items():
        marks = (f"{_mark(by_version[version]):^6}" for version in LOCKS)
        terminalreporter.write_line(f"{case:{width}}  " + "  ".join(marks))


def _mark(outcomes: list[str]) -> str:
    if not outcomes:
        return NOT_ASKED
    if "failed" in outcomes or "error" in outcomes:
        return "FAILED"
    return "ok" if "passed" in outcomes else "-"

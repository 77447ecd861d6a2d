"""An environment like that of the service's image: its locked packages and the built project, and nothing of Celery."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environments import ROOT, environment, install


@contextmanager
def service_python() -> Iterator[Path]:
    """The environment's Python; packages are kept from run to run while the locks stay, the project is built anew."""
    with environment("service", "service", "test", "build") as python:
        install(python, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT))
        yield python

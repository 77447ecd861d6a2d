"""The Celery app as Celery sees it."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("celery")

BAD_ENVIRONMENT = {**os.environ, "PETIOLE_RESULT_EXPIRES": "soon"}


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=BAD_ENVIRONMENT
    )


def test_importing_the_app_and_its_tasks_reads_no_settings() -> None:
    done = _python("import workers.tasks; from workers.celery_app import app; assert not app.configured")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bad_setting_stops_a_worker_with_a_sentence_that_names_the_variable() -> None:
    done = _python("from workers.celery_app import app; app.conf.broker_url")
    assert done.returncode == 1
    assert "PETIOLE_RESULT_EXPIRES: " in done.stderr.splitlines()[-1]


def test_the_tasks_have_the_names_that_producers_use() -> None:
    from workers.celery_app import app

    app.loader.import_default_modules()
    own = {name for name in app.tasks if name.startswith("workers.")}  # Celery shares those of other apps
    assert own == {f"workers.tasks.{name}" for name in ("fetch_url", "flaky", "heavy_task", "summarise_csv")}

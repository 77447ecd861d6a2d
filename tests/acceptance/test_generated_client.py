"""A client that a generator makes from the OpenAPI document submits a task and reads it. With ``--all`` only."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.api import Api
from tests.acceptance.programs import run
from tests.environments import install

pytestmark = pytest.mark.asyncio(loop_scope="package")
GENERATOR = "openapi-python-client==0.29.1"
PROGRAM = """
import sys
from petiole_client import Client
from petiole_client.api.submit import submit_task_v1_tasks_post as submit
from petiole_client.api.tasks import read_task_v1_tasks_task_id_get as read
from petiole_client.models import TaskRequest, TaskRequestKwargs

client = Client(base_url=sys.argv[1])
kwargs = TaskRequestKwargs.from_dict({"data": "from a generated client"})
task = submit.sync(client=client, body=TaskRequest(task="workers.tasks.heavy_task", kwargs=kwargs))
while task.status not in ("succeeded", "failed"):
    task = read.sync(task.task_id, client=client, wait=10)
print(task.status, task.result["rounds"])
"""


@pytest.fixture
def python(tmp_path: Path, everything: bool) -> Path:
    """A Python with the generator, and with what its clients need."""
    if not everything:
        pytest.skip("NO CLIENT WAS GENERATED: that takes `run.py test --all` and a package index")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=60)
    made = tmp_path / "env" / "bin" / "python"
    install(made, GENERATOR)
    return made


@pytest.mark.timeout(300)
async def test_a_generated_client_submits_a_task_and_reads_it_to_its_end(
    api: Api, python: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_bytes((await api.http.get("/openapi.json")).content)
    target = ("--path", "openapi.json", "--output-path", "petiole_client", "--meta", "none")
    await _output(tmp_path, str(python.with_name("openapi-python-client")), "generate", *target)
    printed = await _output(tmp_path, str(python), "-c", PROGRAM, str(api.http.base_url))
    assert printed.split() == ["succeeded", "1400000"]


async def _output(directory: Path, *argv: str) -> str:
    ended = await run(*argv, directory=directory)
    assert ended.code == 0, ended.output + ended.errors
    return ended.output

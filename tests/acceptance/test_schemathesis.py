"""Schemathesis tries every operation of the OpenAPI document on real processes, with everything it knows to check."""

import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.acceptance.installation import ROOT, Installation
from tests.acceptance.programs import Ended, run
from tests.acceptance.test_keys import KEYS, made
from tests.acceptance.test_task_types import TYPED_APP
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = "tests.acceptance.schemathesis_hooks"
WITHIN = 150.0
SCOPES = [argument for scope in ("submit", "read", "control", "admin") for argument in ("--scope", scope)]
HURRIED = {"PETIOLE_MAX_WAIT": "0.02"}


@pytest.mark.timeout(WITHIN + 60)
async def test_every_answer_to_whatever_fits_the_document_or_not_is_as_the_document_says(
    own: Installation, lifetimes: AsyncExitStack, tmp_path: Path
) -> None:
    workers = (own.worker("celery"), own.worker("typed", app=TYPED_APP))
    await lifetimes.enter_async_context(own.running(own.watcher(), *workers))
    api = await lifetimes.enter_async_context(own.api(**KEYS, **HURRIED))
    key = (await made(own, *SCOPES))["key"]

    async def is_ready() -> bool:
        document = (await api.http.get("/openapi.json")).text
        return "typed.ship" in document and "workers.tasks.flaky" in document

    await until(is_ready)
    ended = await _schemathesis(f"{api.http.base_url}/openapi.json", key, tmp_path)
    assert ended.code == 0, ended.output + ended.errors


async def _schemathesis(document: str, key: str, directory: Path) -> Ended:
    """Streams are asked for as JSON, since they would not end."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "the environment lacks schemathesis"
    headers = ("-H", "Accept: application/json", "-H", f"Authorization: Bearer {key}")
    told = ("--seed", "1", "-w", "1", "--continue-on-failure", "--no-color", "--warnings", "off")
    return await run(
        *(program, "--config-file", str(CONFIG), "run", document, *headers, *told),
        environment={"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": HOOKS},
        directory=directory,
        within=WITHIN,
    )

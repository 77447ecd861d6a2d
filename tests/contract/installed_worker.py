"""A stock worker of an installation that is not as Celery comes."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from app.cli.processes.child import Child, Service
from tests.contract.celery_installation import CONFIGURATION
from tests.servers import ROOT

WORKER = "w1@installation"


def installed_worker(configuration: dict[str, Any], log: Path) -> Child:
    """It is configured by Celery's own settings; what it says goes to a file. It is ready when it answers."""
    celery = (sys.executable, "-m", "celery", "-A", "tests.contract.celery_installation:app")
    options = ("worker", "-c", "1", "-n", WORKER, "-l", "INFO")
    shell = ("sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", str(log))
    environment = {
        CONFIGURATION: json.dumps(configuration),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]),
    }
    return Child(Service(name="worker", argv=(*shell, *celery, *options), env=environment, stop_within=20))

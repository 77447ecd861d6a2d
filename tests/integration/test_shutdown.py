"""Notice of a stop in a process of its own."""

import signal
import subprocess
import sys

ALONE = """
import signal
from app.shutdown import notice_of_stop
with notice_of_stop(lambda: print("told", flush=True)):
    signal.raise_signal(signal.{name})
    print("goes on")
"""


def test_a_process_whose_server_handles_no_signals_can_still_be_stopped() -> None:
    command = [sys.executable, "-c", ALONE.format(name="SIGTERM")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (process.stdout, process.returncode) == ("told\n", -signal.SIGTERM)

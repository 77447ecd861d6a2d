"""Become a command that ends when the parent ends: ``python -I -S tied.py PARENT SIGNAL SECONDS COMMAND…``.

Linux sends SIGNAL to this process when the thread that forked it is gone, even after SIGKILL, and keeps that promise
across exec. It is asked for here, in a fresh process, because running Python between fork and exec (`preexec_fn`) can
deadlock a parent that has threads. Other systems only exec.

SECONDS other than 0 are for a command that may not end at the signal, or leave processes of its own behind: a guard,
outside of the command's process group, then kills that group so long after the parent's end.

Standard library only: it runs without site-packages.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PARENT_GONE = 75
NOT_FOUND = 127


def main(parent: str, number: str, seconds: str, *command: str) -> None:
    """Ask for the signal, make sure the parent did not end before that, and become the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(int(number)))
        if float(seconds):
            leave_guard(int(parent), float(seconds))
        if os.getppid() != int(parent):
            sys.exit(PARENT_GONE)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"Cannot run {command[0]}: {error.strerror}.", file=sys.stderr)
        sys.exit(NOT_FOUND)


def leave_guard(parent: int, seconds: float) -> None:
    """Start the guard. It is forked twice, so that the command finds no child that it did not start itself."""
    group = os.getpid()
    ours, parents = os.pidfd_open(group), os.pidfd_open(parent)
    if middle := os.fork():
        os.waitpid(middle, 0)
        os.close(ours)
        os.close(parents)
        return
    try:
        if not os.fork():
            os.setsid()
            _let_go_of_the_output()
            if parents in _ended(ours, parents):
                _ended(ours, within=seconds)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
    finally:
        os._exit(0)


def _ended(*processes: int, within: float | None = None) -> set[int]:
    """Wait until at least one of these processes has ended; those that have."""
    poll = select.poll()
    for process in processes:
        poll.register(process, select.POLLIN)
    return {process for process, _ in poll.poll(None if within is None else within * 1_000)}


def _let_go_of_the_output() -> None:
    """Else the output would not end with the command."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


if __name__ == "__main__":
    main(*sys.argv[1:])

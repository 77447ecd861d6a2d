"""Process groups: every child leads its own, so what it started can be found and ended with it."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

POLL_SECONDS = 0.02
GONE_WITHIN = 5.0

_PROC = Path("/proc")


def members(group: int) -> frozenset[int]:
    """The live processes of a group. A zombie is dead: only its exit code is left, and PID 1 may never fetch it.

    Where there is no /proc this answers with the group's own number while the kernel knows the group.
    """
    if sys.platform == "linux":
        return frozenset(int(stat.parent.name) for stat in _PROC.glob("[0-9]*/stat") if _is_live_member(stat, group))
    return frozenset({group}) if _is_known(group) else frozenset()


def kill_group(group: int) -> None:
    """SIGKILL to everyone in the group; nothing happens when nobody is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


async def group_gone(group: int, within: float = GONE_WITHIN) -> bool:
    """Wait until the group has no live member. False when some are left after `within` seconds."""
    for _ in range(round(within / POLL_SECONDS)):
        if not members(group):
            return True
        await asyncio.sleep(POLL_SECONDS)  # the kernel tells of a grandchild's end only its own parent
    return not members(group)


def _is_live_member(stat: Path, group: int) -> bool:
    try:
        # proc(5): pid (comm) state ppid pgrp …; comm may contain spaces and parentheses.
        state, _ppid, pgrp = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):  # it ended while we looked
        return False
    return int(pgrp) == group and state not in "ZX"


def _is_known(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except PermissionError:  # macOS says this of a group of zombies
        return False
    except ProcessLookupError:
        return False
    return True

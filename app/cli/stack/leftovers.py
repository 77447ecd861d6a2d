"""Whether a stack left something behind: a process of its children's groups, or a port that is still taken."""

from collections.abc import Iterable

from app.cli.ports import is_free
from app.cli.processes.child import Child
from app.cli.processes.groups import members


def leftovers(children: Iterable[Child], ports: Iterable[tuple[str, int]]) -> list[str]:
    """What is left, in sentences; empty when nothing is."""
    alive = [(child, members(child.pid)) for child in children if child.pid is not None]
    processes = [f"{child.name} left the processes {sorted(pids)}" for child, pids in alive if pids]
    return processes + [f"the port {host}:{port} is still taken" for host, port in ports if not is_free(host, port)]

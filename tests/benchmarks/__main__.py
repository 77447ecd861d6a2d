"""``python3 run.py bench [NAME…]``: all benchmarks when none is named, in the order of `NAMES`.

Exits with 1 when a goal is missed. Needs Linux, and a machine with nothing else to do.
"""

import asyncio
import importlib
import inspect
import sys

from tests.benchmarks.services import open_bench

NAMES = (
    "http_submit",
    "typed_submit",
    "guarded_submit",
    "client_submit",
    "batch_submit",
    "result_latency",
    "memory",
    "streams",
    "list_tasks",
)


async def measure(name: str) -> bool:
    """Run one benchmark on a server of its own; whether it met its goals."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    print(inspect.getdoc(module), flush=True)
    async with open_bench() as bench:
        figures = await module.run(bench)
    print(*figures, sep="\n", flush=True)
    return all(figure.met is not False for figure in figures)


async def main(names: list[str]) -> int:
    """Run the benchmarks of these names in turn."""
    if unknown := set(names) - set(NAMES):
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.")
        return 2
    met = [await measure(name) for name in names or NAMES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

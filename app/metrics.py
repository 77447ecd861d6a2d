"""What Prometheus reads: how the installation and this process stand, as metric families."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.traffic import BOUNDS, Tally, Traffic
from bridge.remote.queues import Backlog, QueueState, WatcherStatus

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_LE = tuple("+Inf" if math.isinf(bound) else str(bound) for bound in BOUNDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """How the installation stands at a time (ms since 1970), and the watchers that are alive."""

    backlog: Backlog
    watchers: Sequence[WatcherStatus]
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """How this process stands."""

    traffic: Traffic
    streams: int


def exposition(process: Process, installation: Installation | None) -> bytes:
    """The text format of Prometheus, version 0.0.4. `installation` is None when Redis does not answer."""
    return generate_latest(_Families([*_of_process(process), *_of_installation(installation)]))


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_process(process: Process) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "petiole_http_requests", "Requests that this process answered.", labels=("method", "route", "status")
    )
    durations = HistogramMetricFamily(
        "petiole_http_request_duration_seconds",
        "Time until the answer to a request began, waiting that was asked for included.",
        labels=("method", "route"),
    )
    by_route: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for kind, tally in sorted(process.traffic.tallies.items()):
        requests.add_metric((kind.method, kind.route, str(kind.status)), sum(tally.by_bound))
        by_route[kind.method, kind.route].append(tally)
    for where, tallies in by_route.items():
        counts = accumulate(map(sum, zip(*(tally.by_bound for tally in tallies), strict=True)))
        durations.add_metric(where, list(zip(_LE, counts, strict=True)), sum(tally.seconds for tally in tallies))
    yield requests
    yield durations
    yield _gauge("streams_open", "Streams and waiting requests that this process serves.", process.streams)


def _of_installation(installation: Installation | None) -> Iterator[Metric]:
    yield _gauge("redis_up", "Whether Redis answers; when not, only the process is told of.", installation is not None)
    if installation is None:
        return
    backlog, now = installation.backlog, installation.now_ms
    yield _gauge("open_tasks", "Tasks that have not ended.", backlog.open)
    yield _gauge("scheduled_tasks", "Tasks that are held until their time.", backlog.scheduled)
    yield _gauge("unacked_messages", "Messages that workers have taken and not acknowledged.", backlog.unacked)
    yield from _of_queues(backlog.queues, now)
    yield _gauge("watchers_alive", "Watchers that gave a sign of life lately.", len(installation.watchers))
    lag = GaugeMetricFamily("petiole_watcher_lag_seconds", "How far behind the news it was.", labels=("watcher",))
    for watcher in installation.watchers:
        lag.add_metric((watcher.name,), watcher.lag_ms / 1000)
    yield lag


def _of_queues(queues: Sequence[QueueState], now_ms: int) -> Iterator[Metric]:
    ready = _by_queue("ready", "Messages that wait for a worker.")
    unacked = _by_queue("unacked", "Messages that workers have taken and not acknowledged.")
    scheduled = _by_queue("scheduled", "Tasks that are held until their time.")
    age = _by_queue("oldest_age_seconds", "How long the task has waited that waits longest.")
    for queue in queues:
        ready.add_metric((queue.name,), queue.ready)
        unacked.add_metric((queue.name,), queue.unacked)
        scheduled.add_metric((queue.name,), queue.scheduled)
        if queue.oldest_since is not None:
            age.add_metric((queue.name,), max(0, now_ms - queue.oldest_since) / 1000)
    yield from (ready, unacked, scheduled, age)


def _by_queue(name: str, doc: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"petiole_queue_{name}", doc, labels=("queue",))


def _gauge(name: str, doc: str, value: float) -> Metric:
    return GaugeMetricFamily(f"petiole_{name}", doc, value=value)

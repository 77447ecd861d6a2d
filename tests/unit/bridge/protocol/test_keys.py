import pytest

from bridge.protocol.keys import BrokerKeys, Keys, ResultKeys, is_own_exchange, is_taken

NAMES = BrokerKeys(database=3)
PREFIXED = BrokerKeys(database=3, prefix="team-a.")


@pytest.mark.parametrize(
    ("priority", "step"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (8, 2), (9, 3)]
)
def test_ten_priorities_share_four_lists(priority: int, step: int) -> None:
    assert NAMES.step_of(priority) == step


def test_the_list_served_first_is_named_first() -> None:
    assert NAMES.lists("q") == ("q", "q\x06\x163", "q\x06\x166", "q\x06\x169")


def test_steps_and_separator_are_those_of_the_installation() -> None:
    names = BrokerKeys(steps=(0, 5), separator=":")

    assert names.lists("q") == ("q", "q:5")
    assert [names.list_of("q", priority) for priority in (0, 4, 5, 9)] == ["q", "q", "q:5", "q:5"]


def test_a_global_prefix_stands_before_every_key_and_channel_of_the_broker_as_it_is() -> None:
    assert PREFIXED.lists("q")[:2] == ("team-a.q", "team-a.q\x06\x163")
    assert PREFIXED.bindings("x") == "team-a._kombu.binding.x"
    assert PREFIXED.unacked == "team-a.unacked"
    assert PREFIXED.pidbox_channel == "team-a./3.celery.pidbox"
    assert PREFIXED.event_channel("task-sent") == "team-a./3.celeryev/task.sent"
    assert PREFIXED.name(PREFIXED.key("q")) == "q"


def test_the_channel_of_a_result_is_its_key() -> None:
    keys = ResultKeys()

    assert keys.result("a1") == "celery-task-meta-a1"
    assert keys.task_of("celery-task-meta-a1") == "a1"


@pytest.mark.parametrize(
    ("setting", "prefix"), [("", ""), ("rp", "rp_"), ("rp:", "rp:"), ("rp_", "rp_"), ("rp-", "rp-"), ("rp.", "rp.")]
)
def test_the_backends_prefix_gets_an_end_when_it_has_none(setting: str, prefix: str) -> None:
    keys = ResultKeys.of(setting)

    assert keys.result("a1") == f"{prefix}celery-task-meta-a1"
    assert keys.key("celery-taskset-meta-g1.s") == f"{prefix}celery-taskset-meta-g1.s"
    assert keys.task_of(keys.result("a1")) == "a1"


def test_channels_carry_the_number_of_the_database() -> None:
    assert NAMES.event_channel("task-sent") == "/3.celeryev/task.sent"
    assert BrokerKeys().every_event == "/0.celeryev/*"
    assert NAMES.pidbox_channel == "/3.celery.pidbox"


def test_what_means_something_in_a_pattern_means_itself_in_a_prefix() -> None:
    assert BrokerKeys(prefix="a*[b]?\\").every_event == r"a\*\[b\]\?\\/0.celeryev/*"
    assert ResultKeys("a*:").every_result == r"a\*:celery-task-meta-*"


def test_all_keys_of_petiole_carry_its_prefix() -> None:
    keys = Keys("p:")
    own = {keys.record("a1"), keys.history("a1"), keys.live, keys.open, keys.scheduled, keys.queues}
    own |= {keys.workers, keys.watchers, keys.handover, keys.beginnings}
    own |= {keys.api_keys, keys.api_keys_used, keys.stream_token_secret, keys.rate_limit("a1")}
    own |= {keys.index, keys.index_of("ann"), keys.owners, keys.idempotency("ann", "k"), keys.planned, keys.survey}
    own |= {keys.paused, keys.paused_workers("q"), keys.catalog, keys.announcement("w1"), keys.registered, keys.untold}

    assert len(own) == 26
    assert all(key.startswith("p:") for key in own)


def test_who_owns_everything_has_the_index_of_all_tasks() -> None:
    keys = Keys("p:")
    assert keys.index_of("") == keys.index


@pytest.mark.parametrize(
    "queue", ["unacked", "unacked_index", "_kombu.binding.celery", "celery-task-meta-a1", "celery-taskset-meta-a1"]
)
def test_keys_that_celery_keeps_for_itself_are_no_queues(queue: str) -> None:
    assert is_taken(queue)


OWN_EXCHANGES = ("celeryev", "celery.pidbox", "reply.celery.pidbox", "shop.pidbox", "celeryev/worker.heartbeat")


@pytest.mark.parametrize("name", OWN_EXCHANGES)
def test_exchanges_by_which_celerys_processes_talk_to_each_other_are_its_own(name: str) -> None:
    assert is_own_exchange(name)
    assert is_taken(name)


@pytest.mark.parametrize("queue", ["w1@example.celery.pidbox", "0f5c.reply.celery.pidbox", "celeryev.0f5c"])
def test_queues_by_which_they_hear_each_other_are_taken_too(queue: str) -> None:
    assert is_taken(queue)


@pytest.mark.parametrize("queue", ["celery", "unacked.mail", "celery-task", "kombu", "celeryevents", "pidbox", "a/b"])
def test_other_names_are_free(queue: str) -> None:
    assert not is_taken(queue)
    assert not is_own_exchange(queue)

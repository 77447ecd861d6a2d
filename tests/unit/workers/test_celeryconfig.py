"""What a worker promises through its configuration."""

from workers.celeryconfig import configuration
from workers.settings import WorkerSettings

SETTINGS = WorkerSettings(
    redis_url="redis://broker/1", result_backend_url="redis://results/2", visibility_timeout=77, default_queue="sap"
)


def test_only_json_is_read_or_written() -> None:
    config = configuration(SETTINGS)
    assert config["accept_content"] == ["json"]
    assert {config[f"{what}_serializer"] for what in ("task", "result", "event")} == {"json"}


def test_a_message_stays_in_redis_until_its_work_is_done() -> None:
    config = configuration(SETTINGS)
    assert config["task_acks_late"]
    assert config["task_reject_on_worker_lost"]
    assert config["broker_transport_options"] == {"visibility_timeout": 77}


def test_a_message_handed_out_again_after_its_success_is_not_run_again() -> None:
    config = configuration(SETTINGS)
    assert config["worker_deduplicate_successful_tasks"]
    assert not config["worker_cancel_long_running_tasks_on_connection_loss"]


def test_every_step_of_a_task_is_announced() -> None:
    config = configuration(SETTINGS)
    assert config["worker_send_task_events"]
    assert config["task_send_sent_event"]
    assert config["task_track_started"]


def test_the_settings_say_where_everything_goes() -> None:
    config = configuration(SETTINGS)
    assert config["broker_url"] == "redis://broker/1"
    assert config["result_backend"] == "redis://results/2"
    assert config["task_default_queue"] == "sap"

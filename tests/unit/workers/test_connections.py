"""A worker finds what the service finds, by the same settings."""

import pytest

from workers.celeryconfig import configuration
from workers.connections import celery_url
from workers.settings import WorkerSettings


@pytest.mark.parametrize(
    ("ours", "celerys"),
    [
        ("redis://me:p%2Fw@h:1/2", "redis://me:p%2Fw@h:1/2"),
        ("redis://h/2?health_check_interval=5&client_name=w", "redis://h/2"),
        ("rediss://h", "rediss://h?ssl_cert_reqs=CERT_REQUIRED"),
        ("rediss://h/1?ssl_cert_reqs=none", "rediss://h/1?ssl_cert_reqs=none"),
        ("unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock"),
        ("redis+socket:///run/r.sock?virtual_host=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("sentinel://a:1;sentinel://b:2/0", "sentinel://a:1;sentinel://b:2/0"),
    ],
)
def test_an_address_is_spelled_as_celery_reads_it(ours: str, celerys: str) -> None:
    assert celery_url(ours) == celerys
    config = configuration(WorkerSettings(redis_url=ours))
    assert (config["broker_url"], config["result_backend"]) == (celerys, celerys)


def test_names_and_sentinels_are_told_to_broker_and_backend() -> None:
    config = configuration(
        WorkerSettings(
            broker_global_keyprefix="team-a.",
            result_backend_global_keyprefix="rp",
            broker_priority_steps="0,5",
            broker_sep="|",
            broker_queue_order="priority",
            broker_master_name="mymaster",
            sentinel_password="hush",  # noqa: S106  # of nobody
            visibility_timeout=77,
        )
    )

    sentinels = {"master_name": "mymaster", "sentinel_kwargs": {"password": "hush"}}
    assert config["broker_transport_options"] == {
        "global_keyprefix": "team-a.",
        "sep": "|",
        "queue_order_strategy": "priority",
        "priority_steps": [0, 5],
        "visibility_timeout": 77,
        **sentinels,
    }
    assert config["result_backend_transport_options"] == {"global_keyprefix": "rp", **sentinels}


@pytest.mark.parametrize(
    ("query", "tls"),
    [
        ("", {"ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        (
            "?ssl_cert_reqs=CERT_NONE&db=2&ssl_ca_certs=ca.pem",
            {"ssl_cert_reqs": "none", "ssl_ca_certs": "ca.pem", "ssl_check_hostname": False},
        ),
        ("?ssl_check_hostname=False", {"ssl_cert_reqs": "required", "ssl_check_hostname": False}),
    ],
)
def test_sentinels_behind_tls_are_reached_with_the_certificates_of_the_address(
    query: str, tls: dict[str, object]
) -> None:
    url = f"sentinel://a:1/0{query};sentinel://b:2"
    config = configuration(WorkerSettings(redis_url=url, broker_master_name="one", sentinel_tls=True))
    for place in ("broker", "result_backend"):
        assert config[f"{place}_transport_options"]["sentinel_kwargs"] == {"ssl": True, **tls}


def test_the_result_backend_can_have_another_master() -> None:
    config = configuration(WorkerSettings(broker_master_name="one", result_backend_master_name="two"))
    assert config["result_backend_transport_options"] == {"master_name": "two"}

"""A URL means here what it means to Kombu and Celery, or is refused with a sentence."""

import pytest

from bridge.address import RedisAddress, Tls, read_address

HERE = RedisAddress()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", HERE),
        ("redis://h", RedisAddress(host="h")),
        ("redis://h/", RedisAddress(host="h")),
        ("redis://h//3", RedisAddress(host="h", database=3)),
        ("redis://h:6380/2", RedisAddress(host="h", port=6380, database=2)),
        ("redis://[::1]:6380/2", RedisAddress(host="::1", port=6380, database=2)),
        ("redis://h?db=4", RedisAddress(host="h", database=4)),
        ("redis://h/1?health_check_interval=2.5", RedisAddress(host="h", database=1, health_check_interval=2.5)),
        ("redis://?client_name=api&socket_keepalive=yes", RedisAddress(client_name="api", socket_keepalive=True)),
        ("redis://h?socket_keepalive=False", RedisAddress(host="h")),
        ("unix:///run/redis.sock", RedisAddress(path="/run/redis.sock")),
        ("unix:///run/r%20s.sock?db=2", RedisAddress(path="/run/r s.sock", database=2)),
        ("redis+socket:///run/redis.sock?virtual_host=2", RedisAddress(path="/run/redis.sock", database=2)),
        ("redis+socket:///run/redis.sock?virtual_host=/2", RedisAddress(path="/run/redis.sock", database=2)),
        ("sentinel://a", RedisAddress(sentinels=(("a", 26379),))),
        ("sentinel://a:1/3;sentinel://b:2;", RedisAddress(sentinels=(("a", 1), ("b", 2)), database=3)),
        ("sentinel://a:1;sentinel://b:2/0", RedisAddress(sentinels=(("a", 1), ("b", 2)))),
        ("sentinel://a/3;sentinel://b/3", RedisAddress(sentinels=(("a", 26379), ("b", 26379)), database=3)),
    ],
)
def test_an_address_is_read_as_celery_reads_it(url: str, address: RedisAddress) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("redis://h", (None, None)),
        ("redis://:s%2Fecret%23@h", (None, "s/ecret#")),
        ("redis://me%40x:p%3Aw@h", ("me@x", "p:w")),
        ("redis://me@h", ("me", None)),
        ("unix://me:pw@/run/redis.sock", ("me", "pw")),
        ("sentinel://me:pw@a:1;sentinel://b:2", ("me", "pw")),
    ],
)
def test_user_and_password_are_percent_decoded(url: str, credentials: tuple[str | None, str | None]) -> None:
    address = read_address(url)
    assert (address.username, address.password) == credentials


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        ("", Tls()),
        ("ssl_cert_reqs=CERT_REQUIRED", Tls()),
        ("ssl_cert_reqs=required&ssl_check_hostname=false", Tls(check_hostname=False)),
        ("ssl_cert_reqs=CERT_OPTIONAL", Tls(verify="optional")),
        ("ssl_cert_reqs=CERT_NONE", Tls(verify="none", check_hostname=False)),
        ("ssl_cert_reqs=none", Tls(verify="none", check_hostname=False)),
        ("ssl_ca_certs=/etc/ca%20of%20ours.pem", Tls(ca_certs="/etc/ca of ours.pem")),
        ("ssl_certfile=/c.pem&ssl_keyfile=/k.pem", Tls(certfile="/c.pem", keyfile="/k.pem")),
        ("ssl_certfile=/both.pem", Tls(certfile="/both.pem", keyfile="/both.pem")),
    ],
)
def test_tls_is_asked_for_by_celerys_options_and_checks_certificates_unless_told(options: str, tls: Tls) -> None:
    assert read_address(f"rediss://h?{options}").tls == tls


@pytest.mark.parametrize("scheme", ["redis", "sentinel"])
def test_an_option_of_tls_asks_for_tls_as_in_kombu(scheme: str) -> None:
    assert read_address(f"{scheme}://h?ssl_ca_certs=/ca.pem").tls == Tls(ca_certs="/ca.pem")


@pytest.mark.parametrize(
    "option", ["socket_timeout", "socket_connect_timeout", "retry_on_timeout", "max_connections", "visibility_timeout"]
)
def test_options_about_celerys_own_waits_change_nothing(option: str) -> None:
    assert read_address(f"redis://?{option}=7") == HERE


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("amqp://h", "must start with redis://, rediss://, sentinel://, unix:// or redis\\+socket://"),
        ("redis://me:12#34@h", "is no address"),
        ("redis://h/0#1", "is no address"),
        ("redis://h/1.5", "must name the database by its number"),
        ("redis://h/²", "must name the database by its number"),
        ("redis+socket:///s?virtual_host=x", "must name the database by its number"),
        ("redis://a;redis://b", "must name one server: Celery would take turns"),
        ("sentinel://a;redis://b", "must name sentinels only"),
        ("sentinel://a:1;sentinel://b:1/3", "must give database, user, password and options in the first address"),
        ("sentinel://a:1/1;sentinel://b:1/10", "must give database, user, password and options in the first address"),
        ("sentinel://a:1;sentinel://b:1?db=3", "must give database, user, password and options in the first address"),
        ("sentinel://a:1;sentinel://:pw@b:1", "must give database, user, password and options in the first address"),
        ("redis://h?protocol=3", "has an option that cannot be honoured, 'protocol'; known are db, virtual_host"),
        ("redis://h?credential_provider=a.B", "has an option that cannot be honoured, 'credential_provider'"),
        ("redis://h?health_check_interval=often", "must give health_check_interval as a number of seconds"),
        ("rediss://h?ssl_cert_reqs=maybe", "must give ssl_cert_reqs as one of CERT_REQUIRED, CERT_OPTIONAL"),
        ("rediss://h?ssl_keyfile=/k.pem", "must give ssl_certfile beside ssl_keyfile"),
        ("redis+socket:///s?ssl_cert_reqs=none", "cannot have TLS on a socket"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_sentence(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        read_address(url)


def test_an_address_does_not_show_its_passwords() -> None:
    address = read_address("redis://me:hunter2@h")
    assert "hunter2" not in repr(address)

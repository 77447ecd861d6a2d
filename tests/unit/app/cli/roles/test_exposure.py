from ipaddress import IPv4Address

import pytest

from app.cli.roles.exposure import OpenToAll, must_not_be_open_to_all
from app.settings import Settings

EVERYWHERE = [str(IPv4Address(0)), "::", "192.0.2.1", "tasks.example.org", "localhost.example.org"]


@pytest.mark.parametrize("host", EVERYWHERE)
def test_the_api_does_not_listen_for_others_without_keys(host: str) -> None:
    with pytest.raises(OpenToAll, match=r"PETIOLE_AUTH=keys.*PETIOLE_ALLOW_ANONYMOUS=true"):
        must_not_be_open_to_all(Settings.load(host=host))


@pytest.mark.parametrize("host", EVERYWHERE)
@pytest.mark.parametrize("told", [{"auth": "keys"}, {"allow_anonymous": True}], ids=["keys", "told so"])
def test_it_does_with_keys_or_when_told_so(host: str, told: dict[str, object]) -> None:
    must_not_be_open_to_all(Settings.load(host=host, **told))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_machine_alone_nobody_needs_a_key(host: str) -> None:
    must_not_be_open_to_all(Settings.load(host=host))

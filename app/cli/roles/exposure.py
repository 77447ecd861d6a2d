"""Whom the API would be open to."""

from app.cli.errors import UsageProblem
from app.cli.ports import is_loopback
from app.settings import Settings


class OpenToAll(UsageProblem):
    """The API would take tasks from whoever reaches this machine."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The API would listen on {host} and ask nobody for a key. Set PETIOLE_AUTH=keys and make keys with "
            "`petiole keys create`; or, where something in front of it asks or nobody else reaches it, say so with "
            "PETIOLE_ALLOW_ANONYMOUS=true."
        )


def must_not_be_open_to_all(settings: Settings) -> None:
    """Raises OpenToAll when the API would listen on more than loopback without keys, and nobody has allowed that."""
    if settings.auth == "off" and not (settings.allow_anonymous or is_loopback(settings.host)):
        raise OpenToAll(settings.host)

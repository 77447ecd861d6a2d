"""Between the opening of something and its end, after which it refuses whoever still calls it."""

from bridge.errors import ClientClosed


class Lifetime:
    """Of one part of a client. Whoever calls the part is checked; whoever waits in it is the part's own to tell."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False

    def check(self) -> None:
        """Let a call in.

        Raises:
            ClientClosed: the end has come.
        """
        if self.closed:
            raise ClientClosed

"""A connection that breaks at the worst moment."""

from collections.abc import Sequence

from bridge.errors import BrokerUnavailable
from bridge.redis import Arg, Command, Redis, Reply, Script


class BreaksOff(Redis):
    """A gateway whose connection breaks after the first script has run, before its answer has come."""

    broken = False

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        reply = await super().run(script, keys, args, after=after)
        if not self.broken:
            self.broken = True
            raise BrokerUnavailable("the connection broke")
        return reply


class GoesAway(Redis):
    """A gateway that runs one script, and whose server has gone after it."""

    ran = False

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        if self.ran:
            raise BrokerUnavailable("the server has gone", undone=True)
        self.ran = True
        return await super().run(script, keys, args, after=after)


class GoesAfterAll(GoesAway):
    """The same, and the answer of that script is lost."""

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        await super().run(script, keys, args, after=after)
        raise BrokerUnavailable("the connection broke") from ConnectionResetError()

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


class GoesAfterAll(Redis):
    """A gateway that runs one script, whose answer is lost, and that does not reach its server after that."""

    ran = False

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        if self.ran:
            raise BrokerUnavailable("Error 111 connecting to the server", undone=True)
        self.ran = True
        await super().run(script, keys, args, after=after)
        raise BrokerUnavailable("the connection broke") from ConnectionResetError()


class GoesAway(Redis):
    """A gateway that runs one script, and whose server has gone after it."""

    ran = False

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        if self.ran:
            raise BrokerUnavailable("the server has gone")
        self.ran = True
        return await super().run(script, keys, args, after=after)

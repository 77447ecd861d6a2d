"""redis-py's errors in our words."""

import pytest
from redis import exceptions

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.redis.translation import translated

REFUSALS = {
    "as it is": "NOREPLICAS Not enough good replicas to write.",
    "in a script": "NOREPLICAS Not enough good replicas to write. script: 5f2b, on @user_script:25.",
    "in a script of Redis 6.2": "Error running script (call to f_5f2b): @user_script:25: @user_script: 25: "
    "-MISCONF Redis is configured to save RDB snapshots\nbut cannot persist on disk",
    "in a pipeline": "Command # 1 (SET a b) of pipeline caused error: BUSY Redis is busy running a script.",
    "in a pipeline, as Python shows it": "Command # 2 (SET a b) of pipeline caused error: "
    "(\"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\",)",
    "of a cluster": "CLUSTERDOWN The cluster is down",
    "for a moment": "TRYAGAIN Multiple keys request during rehashing of slot",
}


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_serves_nobody_is_not_available_and_says_why(said: str) -> None:
    with pytest.raises(BrokerUnavailable, match="Redis is not available") as refused, translated():
        raise exceptions.ResponseError(said)
    assert said in str(refused.value)


KEYS_IN_THE_WAY = {
    "another kind": "WRONGTYPE Operation against a key holding the wrong kind of value",
    "a word that begins alike": "BUSYGROUP Consumer Group name already exists",
    "a command that has the word in it": "Command # 1 (SET a : NOREPLICAS x) of pipeline caused error: WRONGTYPE no",
}


@pytest.mark.parametrize("said", KEYS_IN_THE_WAY.values(), ids=KEYS_IN_THE_WAY)
def test_what_is_wrong_with_one_key_is_no_outage(said: str) -> None:
    with pytest.raises(UnreadableBytes, match="key of another program"), translated():
        raise exceptions.ResponseError(said)


@pytest.mark.parametrize(
    ("error", "undone"),
    [
        (exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connect call failed"), True),
        (exceptions.TimeoutError("Timeout connecting to server"), True),
        (exceptions.AuthenticationError("WRONGPASS"), True),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (exceptions.OutOfMemoryError("command not allowed"), True),
        (exceptions.ConnectionError("Connection closed by server."), False),
        (exceptions.ConnectionError("Error 104 while writing to socket."), False),
        (TimeoutError(), False),
    ],
)
def test_it_is_told_whether_something_may_have_been_done(error: Exception, undone: bool) -> None:
    with pytest.raises(BrokerUnavailable) as away, translated():
        raise error
    assert away.value.undone is undone

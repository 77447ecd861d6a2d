"""What we write is to the letter what Celery's producers write: of canvases those of 5.6, of options those of all."""

import json

import pytest

from tests.contract.canvas_calls import CALLS
from tests.contract.comparable_writes import normalised, readable
from tests.contract.option_calls import ALONE
from tests.contract.our_canvases import our_writes
from tests.contract.our_messages import our_message, without_ignored
from tests.recorded import sent_calls, versions

INSTALLED = ""
BEFORE_5_6, NEWEST = "5.3 5.4 5.5", "5.7"
OPTIONS = {f"{option}={value!r}": {option: value} for option, value in ALONE}
# What another version writes in another way. Before 5.6 the body of a chord is not told the id of its group; what 5.7
# does is in docs/compatibility.md. Workers of all versions run ours: tests/contract/versions/test_canvas_runs.py.
DIFFERENT = {
    f"{BEFORE_5_6} {NEWEST}": """
        a chord as a chord's body | a chord first in a chain | a chord in a chord's header |
        a link on a chain with two groups | a link on a chord of a chord | an empty group first | two chords
    """,
    BEFORE_5_6: """
        a chain as a body | a chain header | a chain in a header | a chain that ends in a group as a body |
        a chain that ends in a group beside others in a header | a chain that ends in a group in a header | a chord |
        a chord of one | a chord with a group as body beside others in a header | a chord with an empty header |
        a chord's id | a group and then a task | a group as a body | a group in a header |
        a group of one and then a task | a group, a group | a link on a chord | a linked chain as a body |
        a stamped chord | an empty header and a chain | an empty header and a chord | chunks and a body |
        options on a chord | three groups
    """,
    f"5.3 {NEWEST}": """
        a chain of upgrades in a group | a chord in a chain | errbacks on a chain with a chord of a chord
    """,
    NEWEST: """
        a group in a chain | a link on a chain that ends in a group | a link on a chain with a chord |
        a link on a group | a stamped group | a task, a group, a group, a task | an empty group in a chain |
        immutable chord | links of several tasks on a group | options on a chord in a chain
    """,
}


def differs(call: str, version: str) -> bool:
    names = (names for some, names in DIFFERENT.items() if version in some.split())
    return any(call in [name.strip() for name in listed.split("|")] for listed in names)


@pytest.mark.parametrize("version", [INSTALLED, *versions()], ids=lambda version: version or "installed")
@pytest.mark.parametrize("call", CALLS)
def test_a_canvas_is_what_that_version_writes_or_is_known_to_differ(version: str, call: str) -> None:
    recorded = sent_calls("canvases", version)[call]
    ours = normalised(our_writes(CALLS[call], recorded.reply_to), recorded.reply_to)
    celerys = normalised(readable(recorded.writes), recorded.reply_to)
    if differs(call, version):
        assert ours != celerys
    else:
        assert ours == celerys


@pytest.mark.parametrize(
    ("version", "call"),
    [(version, call) for version in [INSTALLED, *versions()] for call in sent_calls("options", version)],
)
def test_an_option_makes_of_a_message_what_it_does_with_that_version(version: str, call: str) -> None:
    options = OPTIONS[call]
    (celerys,) = sent_calls("options", version)[call].writes["message"]
    assert our_message(options, json.loads(celerys)) == without_ignored(celerys, options)

import pytest

from bridge.follow.feed_entry import place, read_entries, start_after

WHOLE = [b"I", b"a1 a2 a3", b"s", b"1", b"u", b'{"status":"submitted"}', b"t", b"proj.add", b"g", b'["x"]']


def test_an_entry_of_several_tasks_is_an_update_of_each_with_a_cursor_of_its_own() -> None:
    entries = read_entries((b"17-3", WHOLE))
    assert [(entry.update.task_id, entry.update.seq, entry.cursor) for entry in entries] == [
        ("a1", 1, "17-3-1"),
        ("a2", 1, "17-3-2"),
        ("a3", 1, "17-3"),
    ]
    assert {(entry.update.text, entry.task, entry.queue, entry.tags) for entry in entries} == {
        (b'{"status":"submitted"}', "proj.add", None, ("x",))
    }


def test_an_id_of_another_producer_may_have_spaces_in_it() -> None:
    (entry,) = read_entries((b"17-3", [b"i", b"a task", b"s", b"2", b"u", b"{}"]))
    assert (entry.update.task_id, entry.cursor) == ("a task", "17-3")


def test_cursors_are_in_the_order_of_the_feed() -> None:
    cursors = ["9-9", "17-3-1", "17-3-2", "17-3-10", "17-3", "17-4", "18-0"]
    assert sorted(cursors, key=place) == cursors


@pytest.mark.parametrize("cursor", ["", "17", "17-", "17-x", "17-3-", "17-3-1-1", "-17-3", "\u0661-1", "17-3\n"])
def test_what_is_no_cursor_has_no_place(cursor: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        place(cursor)


def test_a_read_goes_on_behind_an_entry_that_was_told_as_a_whole() -> None:
    assert start_after("17-3") == "(17-3"
    assert start_after("17-3-2") == "17-3"


@pytest.mark.parametrize("fields", [[], [b"i"], [b"i", b"a1"], [b"x", b"a1", b"s", b"1"], [*WHOLE, b"odd"]])
def test_what_is_no_entry_is_an_error(fields: list[bytes]) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_entries((b"17-3", fields))

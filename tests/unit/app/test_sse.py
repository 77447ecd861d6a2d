import json

from app import sse
from tests.unit.bridge.updates import TIME, last_update, update


def test_an_update_has_its_number_its_kind_and_itself() -> None:
    assert sse.update(update(4, progress={"current": 40})) == (
        b"id: 4\nevent: progress\n"
        b'data: {"task_id":"a1","seq":4,"status":"running","attempt":1,"progress":{"current":40},"time":"%b"}\n\n'
        % TIME.encode()
    )
    assert sse.update(last_update(5)).startswith(b"id: 5\nevent: succeeded\ndata: {")


def test_the_first_bytes_say_how_long_to_wait_before_coming_back() -> None:
    assert sse.retry(2_000) == b"retry: 2000\n\n"


def test_a_keep_alive_is_a_comment_and_moves_no_cursor() -> None:
    assert sse.KEEP_ALIVE == b": keep-alive\n\n"


def test_a_reset_has_the_number_to_go_on_from_and_the_whole_task() -> None:
    assert sse.reset(7, b'{"task_id":"a1"}') == b'id: 7\nevent: reset\ndata: {"task_id":"a1"}\n\n'


def test_a_goodbye_has_a_new_wait_and_no_number() -> None:
    assert sse.closing(1_234) == b'retry: 1234\nevent: closing\ndata: {"reason":"shutdown"}\n\n'


def test_two_followers_share_the_bytes_of_one_update() -> None:
    assert sse.update(update(8)) is sse.update(update(8))
    assert sse.update(update(8)) is not sse.update(update(9))


def test_a_line_end_in_what_a_task_says_is_no_line_end_of_the_stream() -> None:
    one = sse.update(update(6, output="a\r\n\nevent: closing\n\n"))
    assert one.count(b"\n") == 4
    assert json.loads(one.split(b"data: ")[1])["output"] == "a\r\n\nevent: closing\n\n"


def test_a_stream_is_neither_stored_nor_held_back() -> None:
    assert sse.MEDIA_TYPE == "text/event-stream"
    assert sse.HEADERS == {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

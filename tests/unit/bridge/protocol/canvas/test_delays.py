"""Delays within a canvas: how long the keys of a chord live, and which chord would outlive them."""

from datetime import timedelta
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import Canvas, Sending, chain, chord, group, plan
from bridge.protocol.canvas.delays import Delays
from tests.unit.bridge.protocol.canvas.sketch import NOW, a, b, c, planned

DAY = 86_400


def put_off(seconds: float) -> Any:
    return a.set(countdown=seconds)


at_noon = b.set(eta=NOW + timedelta(seconds=DAY))


@pytest.mark.parametrize(
    ("canvas", "seconds"),
    [
        (a, 0),
        (put_off(5), 5),
        (at_noon, DAY),
        (chain(put_off(5), b, put_off(2)), 7),
        (chain(put_off(5), at_noon, put_off(2)), DAY + 2),
        (chain(put_off(2 * DAY), at_noon), 2 * DAY),
        (chain(a, put_off(1)).set(countdown=9), 10),
        (group(a, put_off(3), put_off(2)), 3),
        (group(put_off(3), a).set(countdown=9), 9),
        (chord([put_off(3), a], put_off(4)), 7),
        (group(), 0),
    ],
)
def test_a_part_ends_when_what_puts_it_off_is_over(canvas: Canvas, seconds: float) -> None:
    assert Delays(NOW).end(canvas) == seconds


@pytest.mark.parametrize(
    ("canvas", "seconds"),
    [
        (chord([a, b], c), [0]),
        (chord([put_off(3.5), put_off(2)], put_off(7)), [4]),
        (chord([chain(a, put_off(60)), b], c), [60]),
        (chord([chain(a, group(put_off(60), a)), b], c), [60, 60]),
        (chord(group(a, b).set(countdown=50), c), [0]),
        (group(a, b).set(countdown=50) | c, [0]),
    ],
)
def test_what_a_chord_counts_with_lives_until_the_last_of_its_header_can_have_ended(
    canvas: Canvas, seconds: list[int]
) -> None:
    assert [key.put_off for key in planned(canvas).keys] == seconds


LATE = put_off(DAY + 1)


@pytest.mark.parametrize(
    ("canvas", "pointer"),
    [
        (chord([a, LATE], c), "/header/1"),
        (chord([put_off(2 * DAY + 1), put_off(DAY), a], c), "/header/0"),
        (chord([a, chain(b, put_off(DAY), put_off(DAY))], c), "/header/1"),
        (group(a, chord([LATE, b], c)), "/tasks/1/header/0"),
        (chain(a, chord([LATE], c)), "/tasks/1/header/0"),
        (chord([a], chord([LATE, LATE], c)), "/body/header/0"),
        (chord([chord([b, LATE], c)], c), "/header/0/header/1"),
        (a.link(chord([LATE], c)), "/options/link/0/header/0"),
        (a.link_error(chord([LATE], c)), "/options/link_error/0/header/0"),
    ],
)
def test_a_chord_that_workers_forget_before_the_next_of_its_header_ends_is_refused(
    canvas: Canvas, pointer: str
) -> None:
    with pytest.raises(InvalidMessage, match="the body would never run") as refused:
        planned(canvas)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "canvas",
    [
        chord([LATE, LATE], c),
        chord([a, put_off(DAY), put_off(2 * DAY)], c),
        chain(LATE, chord([a, b], c)),
        chain(a.set(eta=NOW + timedelta(days=3)), chord([b.set(eta=NOW + timedelta(days=3))], c)),
        chord([a, b], LATE),
        chord([], LATE),
        group(a, LATE),
    ],
)
def test_what_workers_keep_as_long_as_it_is_waited_for_is_let_through(canvas: Canvas) -> None:
    planned(canvas)


def test_workers_that_keep_results_longer_wait_longer() -> None:
    plan(chord([a, LATE], c), Sending(new_id=lambda: "i", now=NOW, queue="celery", result_expires=DAY + 1))


def test_a_moment_without_a_zone_is_taken_as_utc() -> None:
    assert Delays(NOW).end(a.set(eta=(NOW + timedelta(seconds=5)).replace(tzinfo=None))) == 5

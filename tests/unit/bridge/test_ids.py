from uuid import UUID

from bridge.ids import Ids, ids_from


def test_ids_are_uuids_of_version_4_and_none_comes_twice() -> None:
    ids = Ids()
    made = [ids.new() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    for one in made:
        parsed = UUID(one)
        assert (str(parsed), parsed.version) == (one, 4)


def test_ids_of_a_text_are_the_same_ones_each_time_and_others_of_another_text() -> None:
    one, again, other = ([next(ids) for _ in range(1_000)] for ids in map(ids_from, ("w1", "w1", "w2")))
    assert one == again
    assert len({*one, *other}) == 2_000
    assert {UUID(made).version for made in one} == {4}


def test_every_digit_that_is_free_varies() -> None:
    ids = Ids()
    made = [UUID(ids.new()).bytes for _ in range(1_000)]
    varied = [len({one[at] for one in made}) for at in range(16)]
    assert varied[6] == 16  # beside the version
    assert varied[8] == 64  # beside the variant
    assert all(count > 200 for at, count in enumerate(varied) if at not in (6, 8))

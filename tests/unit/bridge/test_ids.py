from uuid import UUID

from bridge.ids import Ids


def test_ids_are_uuids_of_version_4_and_none_comes_twice() -> None:
    ids = Ids()
    made = [ids.new() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    for one in made:
        parsed = UUID(one)
        assert (str(parsed), parsed.version) == (one, 4)


def test_every_digit_that_is_free_varies() -> None:
    ids = Ids()
    made = [UUID(ids.new()).bytes for _ in range(1_000)]
    varied = [len({one[at] for one in made}) for at in range(16)]
    assert varied[6] == 16  # beside the version
    assert varied[8] == 64  # beside the variant
    assert all(count > 200 for at, count in enumerate(varied) if at not in (6, 8))

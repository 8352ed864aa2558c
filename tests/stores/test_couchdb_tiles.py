"""Tallies as arrays that CouchDB can add up."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.tally import Key, Tally
from exporter.stores.couchdb.generations import Generations
from exporter.stores.couchdb.tiles import (
    OVERFLOW,
    ROWS,
    SLOTS,
    Numbers,
    Tile,
    TileSums,
    encoded,
    slot_tiles,
    tiles_of,
    to_tally,
)

SUM_TAKES_BYTES = 4906  # couch_query_servers: a longer sum has to shrink to half its input
LARGEST_NUMBER_BYTES = 9  # Erlang's external format, up to 2^48

_counts = st.dictionaries(st.integers(0, 1900), st.integers(-5, 1 << 40).filter(bool), min_size=1)


def test_no_array_grows_longer_than_sum_takes() -> None:
    longest = ROWS * SLOTS * LARGEST_NUMBER_BYTES

    assert longest + len("a list's header and tail") < SUM_TAKES_BYTES


def as_in_the_view(numbers: Numbers) -> list[int]:
    """The array that `tallies.js` makes; the contract suite shows that it does."""
    if isinstance(numbers, dict):
        positions = [int(position) for position in numbers]
        assert positions == sorted(positions)
        numbers = [numbers.get(str(position), 0) for position in range(positions[-1] + 1)]
    assert len(numbers) <= ROWS * SLOTS
    assert numbers[-1] != 0
    return numbers


@given(data=st.data())
def test_a_tally_comes_back_from_its_tiles(evaluator: Evaluator, data: st.DataObject) -> None:
    layout = evaluator.layout
    keys = st.builds(
        lambda hour, row: Key(hour, *row), st.integers(0, 99), st.sampled_from(layout.segments)
    )
    tally: Tally = data.draw(st.dictionaries(keys, _counts, max_size=12))
    unpacked = TileSums(layout, None)

    rows = encoded(tally, layout)
    for hour, row, slot, numbers in rows:
        assert Tile(row, slot) in tiles_of(layout, slot_tiles(rows), None)
        unpacked.put(hour, Tile(row, slot), as_in_the_view(numbers))

    assert to_tally(unpacked.sums()) == tally


def test_a_segmentation_is_read_from_its_tiles_alone(evaluator: Evaluator) -> None:
    every = tiles_of(evaluator.layout, {0, 9}, None)

    assert tiles_of(evaluator.layout, {9, 0}, ("",)) == [Tile(0, 0), Tile(0, 9)]
    assert tiles_of(evaluator.layout, {0, 9}, ()) == []
    assert len(every) == 2 * -(-len(evaluator.layout.segments) // ROWS)


def test_the_tiles_of_an_earlier_version_are_read_still() -> None:
    few = Generations(format=1, active=1, generations={}, slot_tiles=3)
    many = Generations(format=1, active=1, generations={}, slot_tiles=9, used_slot_tiles=(0, 24))

    assert few.tiles_used == {0, 1, 2}
    assert many.tiles_used == {*range(8), OVERFLOW, 24}


def test_a_number_in_the_overflow_of_an_earlier_version_counts(evaluator: Evaluator) -> None:
    unpacked = TileSums(evaluator.layout, None)

    unpacked.put_overflow(7, Tile(0, OVERFLOW), 400 * ROWS, 5)

    assert to_tally(unpacked.sums()) == {Key(7, *evaluator.layout.segments[0]): {400: 5}}

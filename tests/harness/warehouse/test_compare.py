"""The first record that differs is named: table, key, column and both values."""

from decimal import Decimal

import pytest
from harness.protocol.messages import Reply
from harness.warehouse import Warehouse
from harness.warehouse.compare import differences

A, B = {"id": 1, "name": "a"}, {"id": 2, "name": "b"}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    paths = (folder / "a.duckdb", folder / "b.duckdb")
    with Warehouse(paths[0], schema="a") as found, Warehouse(paths[1], schema="b") as expected:
        yield found, expected


@pytest.fixture
def compare(two):
    """Compares two warehouses, each filled by replies; the first difference."""

    def run(found, expected, **options):
        for tables, replies in zip(two, (found, expected), strict=True):
            tables.reset()
            for reply in replies:
                tables.apply(reply)
        return str(next(iter(differences(*two, **options)), "nothing"))

    return run


def keyed(*rows, delete=()):
    deleted = {"t": list(delete)} if delete else {}
    return Reply(insert={"t": list(rows)}, schema={"t": ["id"]}, delete=deleted, state={})


def plain(*rows):
    return Reply(insert={"t": list(rows)}, state={})


def x(value):
    return keyed({"id": 1, "x": value})


BIG, TEXT = 2**53, keyed({"id": 2, "x": "n/a"})
CASES = [
    # (found, expected, what differs)
    ([keyed(B), keyed(A)], [keyed(A, B)], "nothing"),
    ([keyed(A, B), keyed(delete=[{"id": 2}])], [keyed(A)], "nothing"),
    ([keyed({**A, "x": 5}), keyed({**A, "x": None})], [keyed(A)], "nothing"),
    ([keyed({"id": BIG}), keyed(A)], [keyed({"id": BIG}), keyed(A)], "nothing"),
    ([x(Decimal("90.39646779001665"))], [x(Decimal("90.396467790016650001"))], "nothing"),
    ([x(Decimal("5.0"))], [x(5)], "nothing"),
    ([x(Decimal("1E+15"))], [x(10**15)], "nothing"),
    ([x(Decimal("1E+300"))], [x(Decimal("1.0e300"))], "nothing"),
    ([x({"lat": [Decimal("36.3")]})], [x({"lat": [Decimal("36.30")]})], "nothing"),
    ([x(Decimal("0.1")), keyed(A)], [x(Decimal("0.10")), keyed(A)], "nothing"),
    ([x("2026-01-05T08:30:00Z")], [x("2026-01-05T09:30:00.000+01:00")], "nothing"),
    ([], [], "nothing"),
    ([keyed(A)], [keyed(A, B)], "t: the record id='2' is missing"),
    ([], [keyed(A, B)], "t: the record id='1' is missing (in all: 2 missing)"),
    ([keyed(A, B)], [keyed(A)], "t: the record id='2' is one too many"),
    (
        [keyed(A, {**B, "name": "old"})],
        [keyed(A, B)],
        "t: the record id='2' has name='old', but should have name='b'",
    ),
    (
        [keyed({"id": 1, "x": 1}, B)],
        [keyed({**A, "x": 1})],
        "t: the record id='1' has name=null, but should have name='a' (in all: 1 too many, "
        "1 with other values)",
    ),
    ([x(BIG)], [x(BIG + 1)], f"t: the record id='1' has x='{BIG}', but should have x='{BIG + 1}'"),
    ([plain(A, B), plain(B)], [plain(A, B)], "t: the record id='2', name='b' is one too many"),
    ([plain(B)], [plain(A, B)], "t: the record id='1', name='a' is missing"),
]


@pytest.mark.parametrize(("found", "expected", "says"), CASES)
def test_the_first_difference_is_named(compare, found, expected, says):
    assert compare(found, expected) == says


def test_rows_of_a_table_that_repeats_may_be_there_again_and_no_others(compare):
    assert compare([plain(A), plain(A)], [plain(A)], appended=["t"]) == "nothing"
    assert "one too many" in compare([plain(B)], [], appended=["t"])


@pytest.mark.parametrize("reply", [keyed, plain])
def test_a_table_beside_the_entities_may_have_more_and_must_have_all(compare, reply):
    assert compare([reply(A, B)], [reply(A)], entities=["_parent"]) == "nothing"
    assert "too many" in compare([reply(A, B)], [reply(A)], entities=["_T"])
    assert "is missing" in compare([reply(A, B)], [reply({"id": 3})], entities=["parent"])

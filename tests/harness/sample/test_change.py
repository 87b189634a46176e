"""Records of a running upstream change: they come with a new cursor, or as a tombstone."""

import threading

import pytest


def test_a_change_tells_what_it_did(upstream):
    before = {row["id"] for row in upstream.server.records("transaction")}
    change = upstream.server.change(insert=5, update=7, delete=3, seed=1)["transaction"]
    after = {row["id"] for row in upstream.server.records("transaction")}
    assert {row["id"] for row in change.inserted} == after - before
    assert {row["id"] for row in change.deleted} == before - after
    assert len(change.inserted), len(change.deleted) == (5, 3)
    assert len(change.updated) == 7
    for row in change.updated:
        assert row in upstream.server.records("transaction")


def test_a_change_is_found_from_the_cursors_before_it_on(upstream):
    newest = max(row["updated_at"] for row in upstream.server.records("transaction"))
    change = upstream.server.change(insert=5, update=7, delete=3)["transaction"]
    assert all(row["updated_at"] > newest for row in change.inserted + change.updated)
    rows = upstream.rows(updated_since=change.updated[0]["updated_at"])
    assert sorted(map(repr, rows)) == sorted(map(repr, change.inserted + change.updated))


def test_an_update_keeps_the_key_and_changes_the_rest(upstream):
    before = {row["id"]: row for row in upstream.server.records("transaction")}
    for row in upstream.server.change(update=20)["transaction"].updated:
        assert row["customer"] != before[row["id"]]["customer"]


def test_the_same_seed_chooses_the_same_records(serve):
    chosen = []
    for _ in range(2):
        with serve() as upstream:
            change = upstream.server.change(update=9, delete=4, seed=3)["transaction"]
            chosen.append([row["id"] for row in change.updated + change.deleted])
    assert chosen[0] == chosen[1]


def test_more_than_there_is_changes_what_there_is(serve):
    with serve(records=4) as upstream:
        change = upstream.server.change(update=5, delete=3)["transaction"]
        assert (len(change.updated), len(change.deleted)) == (1, 3)


def test_an_empty_upstream_takes_records(serve):
    with serve(records=0) as upstream:
        assert upstream.rows() == []
        upstream.server.change(insert=3)
        assert [row["id"] for row in upstream.rows()] == [1, 2, 3]


@pytest.mark.parametrize("style", ["cursor", "page_number", "offset", "next_url", "none"])
def test_deleted_records_leave_tombstones_with_key_and_cursor(serve, style):
    with serve(pagination=style, deleted="gone.ids", rows="data") as upstream:
        gone = upstream.server.change(delete=3)["transaction"].deleted
        found = [row for page in upstream.pages() for row in page.json()["gone"]["ids"]]
        assert sorted(row["id"] for row in found) == sorted(row["id"] for row in gone)
        assert all(list(row) == ["id", "updated_at"] for row in found)
        assert len(upstream.rows()) == 247


def test_tombstones_are_bounded_like_records(serve):
    with serve(deleted="deleted") as upstream:
        newest = max(row["updated_at"] for row in upstream.server.records("transaction"))
        upstream.server.change(delete=3)
        page = upstream.get(updated_since=newest).json()
        assert len(page["deleted"]) == 3
        assert upstream.get(updated_since="2999-01-01").json()["deleted"] == []


def test_without_tombstones_deleted_records_are_gone(upstream):
    upstream.server.change(delete=3)
    assert len(upstream.rows()) == 247


def test_records_without_a_cursor_change_too(serve):
    with serve(cursor=None, since=None) as upstream:
        change = upstream.server.change(insert=1, update=1, delete=1)["transaction"]
        rows = upstream.rows()
        assert change.updated[0] in rows
        assert change.inserted[0] in rows
        assert change.deleted[0] not in rows


@pytest.mark.parametrize(
    ("first", "key"), [(1, ["id"]), ("2026-01-05T08:30:00Z", ["id"]), ("2026-01-05", ["id", "seq"])]
)
def test_a_cursor_in_the_primary_key_counts_on_and_is_never_updated(serve, first, key):
    record = {"id": first, "seq": 1, "note": "a b"}
    with serve(record=record, primary_key=key, cursor="id") as upstream:
        upstream.server.change(insert=3)
        change = upstream.server.change(insert=2, update=5)["transaction"]
        rows = upstream.rows()
        assert change.updated == []
        assert rows[-2:] == change.inserted
        assert len({row["id"] for row in rows}) == 255


def test_a_sequence_grows_with_each_record_that_changes(serve):
    record = {"id": 1, "version": 10, "note": "a b"}
    with serve(record=record, cursor="version") as upstream:
        change = upstream.server.change(insert=1, update=1)["transaction"]
        versions = [row["version"] for row in change.updated + change.inserted]
        assert versions == [260, 261]


def test_changes_and_requests_run_side_by_side(serve):
    with serve(deleted="deleted") as upstream:
        changing = threading.Thread(
            target=lambda: [
                upstream.server.change(insert=1, update=5, delete=1, seed=n) for n in range(30)
            ]
        )
        changing.start()
        for _ in range(5):
            ids = {row["id"] for row in upstream.rows(limit=50)}
            assert len(ids) > 200
        changing.join()
        assert len(upstream.rows()) == 250


def test_what_changes_at_one_server_is_not_seen_at_another(serve):
    """They begin with the same records, which are made once."""
    with serve() as one, serve() as other:
        before = other.server.records("transaction")
        assert one.server.records("transaction") == before
        one.server.change(insert=3, update=3, delete=3, seed=1)
        assert other.server.records("transaction") == before
        with serve() as third:
            assert third.server.records("transaction") == before
            assert [row["id"] for row in third.rows()] == [row["id"] for row in other.rows()]

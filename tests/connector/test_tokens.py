"""Page tokens that are refused: the walk starts over, goes on later, or is an error."""

from datetime import timedelta
from itertools import count

import pytest
from connector import Page, StartOver, TokenExpired
from connector.testing import Reply

from .play import Player
from .scripted import Listing, Upstream, dated, iso, one, paged, script, search, several, stepping

pytestmark = pytest.mark.usefixtures("clock")

EXPIRED = Reply(json={"error": "no such cursor"}, status=410)
ADVICE = "does the step send fetch.token?"


def expiring(*refusals):
    """Three pages of two records; each request with a token gets the next of these, or its page
    where that is None."""
    listing, left = Listing(dated(*(iso(-900 + i) for i in range(6))), size=2), list(refusals)

    def answers(asked):
        return (left.pop(0) if asked.params.get("token") and left else None) or listing(asked)

    return Upstream(answers)


@pytest.mark.parametrize("refusal", [400, 401, 403, 404, 410, 422, TokenExpired("old")], ids=str)
def test_a_refused_token_of_the_state_makes_the_walk_start_over_from_its_cursor(
    refusal, page_by_page, caplog
):
    status = refusal if isinstance(refusal, int) else 409

    def step(fetch):
        response = fetch.get("/", params={"since": fetch.since, "token": fetch.token}, ok=[409])
        if response.status_code == 409:
            raise refusal
        return Page(response.rows("data"), response.value("next"))

    upstream = expiring(None, Reply(json={}, status=status))
    player = Player(stepping(step, cursor="at"), upstream, state={"thing": iso(-600)})
    sync = player.sync()
    assert (sync.error, sorted(player.alive())) == ("", list(range(6)))
    tokens = [token is None for token in upstream.each("token")]
    assert tokens == [True, False, False, True, False, False]
    assert set(upstream.each("since")) == {iso(-900)}
    assert "event=start_over" in caplog.text


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_passes_is_no_refusal(status, page_by_page):
    upstream = expiring(None, *[Reply(json={}, status=status)] * 9999)
    player = Player(one(), upstream, state={"thing": iso(-600)})
    player.sync()
    assert upstream.each("token").count(None) == 1
    assert player.state["_sync"]["walks"]["thing"]["token"]


def test_the_token_stays_in_the_state_until_a_new_first_page_has_answered(page_by_page):
    """A firewall is changed for an hour; a reading of days goes on where it was. What another
    entity reads meanwhile takes the state along."""
    pages, shut = paged(lambda page: [{"id": page, "at": iso(-900 + page)}], 10).answers, []

    def answers(asked):
        if asked.path == "/other":
            return {"data": []}
        return Reply(json={}, status=403) if shut else pages(asked)

    upstream = Upstream(answers)
    player = Player(several("thing", "other"), upstream, state={"thing": iso(-1200)})
    while len(player.alive()) < 6:
        player.call()
    shut.append(True)
    for _ in range(2):
        sync = player.sync()
        assert "403" in sync.error and sync.replies
    shut.clear()
    asked = upstream.count("/thing")
    sync = player.sync()
    assert (sync.error, sync.ids()) == ("", [6, 7, 8, 9])
    assert None not in upstream.each("token", "/thing")[asked:]


def test_a_walk_starts_over_once_in_a_sync_and_then_says_why(page_by_page):
    upstream = expiring(*[EXPIRED] * 3)
    player = Player(one(), upstream)
    sync = player.sync()
    for text in ("410", "no such cursor", "entity thing, page 2"):
        assert text in sync.error
    assert upstream.each("token").count(None) == 2
    assert player.sync().error == "", "the next sync may start over again"
    assert sorted(player.alive()) == list(range(6))


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_token_of_this_very_call_is_an_error_that_quotes_the_upstream(status):
    """A page past the last one that answers 404 is the end of the list, if the step knows it:
    starting over would never come to an end."""
    refusal = Reply(json={"detail": "Invalid page."}, status=status)
    upstream = script({None: (dated(iso(-60)), "2"), "2": refusal})
    sync = Player(one(), upstream).sync()
    for text in (str(status), "Invalid page.", "GET https://api.example.com/thing"):
        assert text in sync.error
    assert upstream.each("token")[:3] == [None, "2", "2"]


@pytest.mark.parametrize(
    ("options", "ats", "bounds"),
    [
        ({}, range(-900, -865), [-891, -882, -873]),
        ({"primary_key": []}, [-1000 + i // 3 for i in range(40)], [-997, -994, -991, -988]),
        ({"primary_key": []}, range(-7, 9), [0]),  # what the last commit does not cover
    ],
    ids=["with a key", "without a key", "held back"],
)
def test_an_ascending_search_goes_on_from_the_committed_cursor_where_it_stops(
    options, ats, bounds, packed
):
    """Also for tokens of this very call, as often as the cursor has moved, and without lookback.
    Without a key no row comes twice."""
    upstream = search(dated(*map(iso, ats)), size=2, most=10)
    player = Player(one(order="asc", **options), upstream)
    sync = player.sync()
    assert (sync.error, sorted(set(sync.ids()))) == ("", list(range(len(ats))))
    assert list(dict.fromkeys(upstream.each("since"))) == [None, *map(iso, bounds)]
    if options:
        assert sync.ids() + player.sync().ids() == list(range(len(ats)))


@pytest.mark.parametrize("lead", [0, 500])
def test_a_search_whose_cursor_cannot_move_past_its_limit_is_an_error(lead):
    """More records of one second than it gives out: no bound gets past them."""
    records = dated(*(iso(-9000 + min(i, lead)) for i in range(2000)))
    upstream = search(records, size=100, most=1000)
    upstream.most = 100
    assert "Result window is too large" in Player(one(order="asc"), upstream).sync().error


WINDOW = {"window": timedelta(minutes=10), "start": iso(-900)}


@pytest.mark.parametrize("refusal", [TokenExpired("expired"), StartOver("expired")], ids=str)
@pytest.mark.parametrize("options", [{}, {"order": "desc"}, {"cursor": None}, WINDOW], ids=str)
@pytest.mark.parametrize("delivered", [True, False])
def test_without_a_key_it_is_an_error_that_advises_a_resync(
    refusal, options, delivered, page_by_page
):
    """Its records would come twice. Where none was delivered, the walk starts over."""
    refusals = [refusal]

    def step(fetch):
        page = fetch.token or 0
        if page == 2 and refusals:
            raise refusals.pop()
        rows = [{"id": page, "at": iso(-400 - page)}] if delivered or page > 1 else []
        return Page(rows, page + 1 if page < 3 else None)

    made = stepping(step, **{"primary_key": [], "cursor": "at", **options})
    sync = Player(made, script({})).sync()
    texts = ("twice", "re-sync in Fivetran, and declare primary_key")
    assert [text in sync.error for text in texts] == [delivered] * 2
    assert (not sync.error, sync.ids()) == ((False, [0, 1]) if delivered else (True, [2, 3]))


def test_a_slice_without_a_key_that_has_delivered_nothing_starts_over(clock):
    """Its first page is empty, and the token of that page is refused in the next call."""
    refusals = [TokenExpired("old")]

    def step(fetch):
        clock.advance(50)  # so that a call has time for two pages
        if fetch.since == iso(-5400):
            return Page([{"id": 0, "at": iso(-5000)}])
        if fetch.token and refusals:
            raise refusals.pop()
        return Page([{"id": 1, "at": iso(-60)}]) if fetch.token else Page([], "b")

    window = {"window": timedelta(hours=1), "start": iso(-5400)}
    sync = Player(stepping(step, primary_key=[], cursor="at", **window), script({})).sync()
    assert (sync.error, sync.ids(), refusals) == ("", [0, 1], [])


# ---- walks that stand still, and those that only look as if they did


def numbered(sends, **options):
    """A step that counts pages; whether it sends the number of the page."""

    def step(fetch):
        page = fetch.token or 1
        rows = fetch.get("/thing", params={"p": page if sends else None}).rows("data")
        further = {"line": [{"of": 1}]} if options.get("tables") else None
        return Page(rows, page + 1, tables=further)

    return stepping(step, **{"cursor": "at", **options})


NO_KEY, LINES = {"cursor": None, "primary_key": []}, {"cursor": None, "tables": {"line": []}}


@pytest.mark.parametrize(
    ("sends", "options", "pages"),
    [
        (False, {}, 2),
        (False, {"cursor": None}, 2),
        (True, {}, 20),
        (True, {"cursor": None}, 20),
        (True, {"order": "asc"}, 20),
        # Without a key the same records would be doubled.
        *((sends, options, 2) for sends in (True, False) for options in (NO_KEY, LINES)),
    ],
    ids=str,
)
def test_a_page_parameter_that_is_not_sent_or_ignored_is_found(sends, options, pages, packed):
    """At once where the request is the same, else after twenty pages; it shows the request."""
    times = count()

    def answers(asked):
        signed = f"https://files.example.com?signature={next(times)}"
        now = {"now": next(times), "url": signed} if options not in (NO_KEY, LINES) else {}
        return {"data": [{"id": i, "at": iso(-60), **now} for i in (1, 2)]}

    sync = Player(numbered(sends, **options), Upstream(answers)).sync()
    url = f"GET https://api.example.com/thing?p={pages}" if sends else "GET https://api.example.com"
    for text in (url, ADVICE, f"entity thing, page {pages}"):
        assert text in sync.error
    assert len(sync.ids()) == 2 * (pages - 1)


@pytest.mark.parametrize("length", [2, 3, 7, 40])
@pytest.mark.parametrize("lead", [0, 5])
def test_a_token_that_comes_back_with_the_same_page_is_found_across_calls(
    page_by_page, length, lead
):
    """Each call sees one page; the search for a cycle goes on in the state, at constant size."""

    def answers(asked):
        page = int(asked.params.get("token", 0))
        following = lead + (page - lead + 1) % length if page >= lead else page + 1
        return {"data": [{"id": page}], "next": following}

    upstream = Upstream(answers)
    upstream.most = 500
    sync = Player(one(cursor=None), upstream).sync()
    assert "the same token gave the same page as before" in sync.error and ADVICE in sync.error
    sizes = [len(str(reply["state"])) for reply in sync.replies]
    assert max(sizes) - min(sizes) < 100


def scroll():
    numbers = count()

    def answers(asked):
        number = next(numbers)
        return {"data": [{"id": number, "at": iso(-60)}], "next": "s" if number < 29 else None}

    return Upstream(answers)


PAGE, WHOLE = [{"id": 1, "at": iso(-60)}], {"cursor": None}
SLICED = {"window": timedelta(seconds=60), "start": iso(-3000)}
# Walks that only look as if they stood still: options, upstream, the ids that they read.
HEALTHY = {
    "empty pages": ({}, lambda: script({None: ([], "b"), "b": ([], "c"), "c": PAGE}), [1]),
    "two parents with the same child": ({}, lambda: paged(lambda page: PAGE, 2), [1, 1]),
    "a scroll id that stays": ({}, scroll, list(range(30))),
    "300 pages": (WHOLE, lambda: paged(lambda page: [{"id": page}], 300), list(range(300))),
    "50 parents": (WHOLE, lambda: paged(lambda page: [{"id": page % 2}], 100), [0, 1] * 50),
    "slices that all hold one record": (SLICED, lambda: script({None: PAGE}), [1] * 51),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_walk_that_moves_on_is_healthy(name, packed):
    options, upstream, ids = HEALTHY[name]
    sync = Player(one(**options), upstream()).sync()
    assert (sync.error, sync.ids()) == ("", ids)


def test_empty_pages_between_the_same_records_do_not_make_it_progress():
    upstream = paged(lambda page: PAGE if page % 2 == 0 else [])
    sync = Player(one(), upstream).sync()
    assert ADVICE in sync.error and "page 39" in sync.error


def test_a_post_whose_body_moves_on_is_another_request():
    def step(fetch):
        page = fetch.token or 1
        response = fetch.post("/search", json={"page": page})
        return Page(response.rows("data"), page + 1 if page < 3 else None)

    sync = Player(stepping(step), script({None: [{"id": 1}]})).sync()
    assert (sync.error, sync.ids()) == ("", [1, 1, 1])

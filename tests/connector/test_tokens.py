"""Page tokens: refused, expired, repeated, and what must not stand in them."""

from typing import Any

import pytest
from connector import ApiKey, Fetch, Page, Source, TokenExpired
from connector.testing import Reply

from .play import Player
from .scripted import SECRETS, Asked, Listing, Upstream, iso, one, script, source

pytestmark = pytest.mark.usefixtures("clock")

REFUSED = (400, 404, 410, 422)


def expiring(listing: Listing, refusals: list[Any]) -> Upstream:
    """An upstream that refuses tokens with these replies, one after the other; None takes it."""

    def answers(asked: Asked) -> Any:
        if asked.params.get("token") and refusals:
            refusal = refusals.pop(0)
            if refusal is not None:
                return refusal
        return listing(asked)

    return Upstream(answers)


def things(count: int) -> Listing:
    return Listing([{"id": i, "at": iso(-900 + i)} for i in range(count)], size=2)


@pytest.mark.parametrize("status", REFUSED)
def test_a_refused_token_from_the_state_makes_the_walk_start_over_from_its_cursor(
    page_by_page: None, status: int
) -> None:
    upstream = expiring(things(6), [None, Reply(json={"error": "cursor expired"}, status=status)])
    player = Player(one(), upstream, state={"thing": iso(-600)})
    sync = player.sync()
    assert (sync.error, sorted(player.alive())) == ("", list(range(6)))
    assert [token is None for token in upstream.each("token")].count(True) == 2
    assert upstream.each("since")[0] == upstream.each("since")[3] == iso(-900)


def test_token_expired_raised_by_the_step_starts_over_too(page_by_page: None) -> None:
    made, tokens = source(), []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        tokens.append(fetch.token)
        if tokens == [None, 1]:
            raise TokenExpired("the scroll is gone")
        page = fetch.token or 0
        return Page([{"id": page}], page + 1 if page < 2 else None)

    assert Player(made, script({})).sync().ids() == [0, 0, 1, 2]
    assert tokens == [None, 1, None, 1, 2]


def test_a_walk_starts_over_once_in_a_sync_and_then_says_why(page_by_page: None) -> None:
    refusal = Reply(json={"error": "no such cursor"}, status=410)
    upstream = expiring(things(6), [refusal] * 9)
    player = Player(one(), upstream)
    sync = player.sync()
    for said in ("410", "no such cursor", "ok=", "entity thing", "page 2"):
        assert said in sync.error
    assert len([token for token in upstream.each("token") if token]) == 2


def test_the_next_sync_may_start_over_again(page_by_page: None) -> None:
    refusal = Reply(json={"error": "no such cursor"}, status=410)
    upstream = expiring(things(6), [refusal] * 3)
    player = Player(one(), upstream)
    assert player.sync().error
    assert player.sync().error == ""
    assert sorted(player.alive()) == list(range(6))


@pytest.mark.parametrize("status", REFUSED)
def test_a_refused_token_of_this_very_call_is_an_error_that_quotes_the_upstream(
    status: int,
) -> None:
    """A page past the last one that answers 404 or 400 is the end of the list, if the step knows
    it: starting over would never come to an end."""
    pages = {
        None: ([{"id": 1, "at": iso(-60)}], "2"),
        "2": Reply(json={"detail": "Invalid page."}, status=status),
    }
    upstream = script(pages)
    sync = Player(one(), upstream).sync()
    for said in (str(status), "Invalid page.", "ok=", "GET https://api.example.com/thing"):
        assert said in sync.error
    assert upstream.each("token")[:3] == [None, "2", "2"]


@pytest.mark.parametrize("status", [404, 400])
def test_a_404_or_400_past_the_last_page_number_ends_the_walk_where_the_step_says_ok(
    status: int, page_by_page: None
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at")
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 1
        response = fetch.get("/thing", params={"page": page}, ok=[status])
        if response.status_code == status:
            return Page()
        return Page(response.rows("results"), page + 1)

    def answers(asked: Asked) -> Any:
        page = int(asked.params["page"])
        if page > 3:
            return Reply(json={"detail": "Invalid page."}, status=status)
        return {"results": [{"id": page, "at": iso(-page)}]}

    upstream = Upstream(answers)
    player = Player(made, upstream)
    sync = player.sync()
    assert (sync.error, sync.ids(), upstream.each("page")) == ("", [1, 2, 3], ["1", "2", "3", "4"])
    assert player.state == {"thing": iso(-1)}


def search(size: int, most: int) -> Any:
    """A search API: sorted by change, and no further than `most` records from the bound."""

    def answers(records: list[dict[str, Any]], asked: Asked) -> Any:
        found = [row for row in records if row["at"] >= asked.params.get("since", "")]
        first = int(asked.params.get("token", 0))
        if first + size > most:
            return Reply(json={"error": "Result window is too large"}, status=400)
        more = first + size < len(found)
        return {"data": found[first : first + size], "next": first + size if more else None}

    return answers


@pytest.mark.parametrize("size", ["1", None])
def test_a_search_that_stops_at_10000_rows_goes_on_from_the_committed_cursor(
    size: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for tokens of this very call, and as often as the cursor has moved."""
    if size:
        monkeypatch.setenv("CONNECTOR_CALL_BYTES", size)
    records = [{"id": i, "at": iso(-90000 + i)} for i in range(35000)]
    answers = search(1000, 10000)
    upstream = Upstream(lambda asked: answers(records, asked))
    player = Player(one(order="asc", page_size=1000), upstream)
    sync = player.sync()
    assert (sync.error, sorted(player.alive())) == ("", list(range(35000)))
    assert player.state == {"thing": iso(-90000 + 34999)}
    assert len(set(upstream.each("since"))) == 4


def test_a_search_whose_cursor_cannot_move_past_its_limit_is_an_error() -> None:
    """More than 10,000 records of one second: no bound gets past them."""
    records = [{"id": i, "at": iso(-90000)} for i in range(12000)]
    answers = search(1000, 10000)
    upstream = Upstream(lambda asked: answers(records, asked))
    upstream.most = 100
    sync = Player(one(order="asc"), upstream).sync()
    assert "Result window is too large" in sync.error
    assert len(upstream.asked) < upstream.most


def test_an_upstream_that_ignores_the_page_parameter_is_found_at_the_second_page() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 1
        rows = fetch.get("/thing", params={"p": page}).rows()
        return Page(rows, page + 1 if rows else None)

    sync = Player(made, Upstream(lambda asked: [{"id": 1}, {"id": 2}])).sync()
    for said in ("same records", "/thing?p=2", "fetch.token", "page 2"):
        assert said in sync.error
    assert sync.ids() == [1, 2]


def test_an_upstream_that_ignores_the_page_parameter_is_found_across_calls(
    page_by_page: None,
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 1
        return Page(fetch.get("/thing").rows(), page + 1)

    sync = Player(made, Upstream(lambda asked: [{"id": 1}])).sync()
    assert "same records" in sync.error
    assert sync.ids() == [1]


def test_empty_pages_are_alike_and_no_error() -> None:
    pages = {None: ([], "b"), "b": ([], "c"), "c": [{"id": 1, "at": iso(-60)}]}
    sync = Player(one(), script(pages)).sync()
    assert (sync.error, sync.ids()) == ("", [1])


def test_equal_pages_with_another_between_them_are_no_error() -> None:
    """Two projects share a member; the one between them has none."""
    member = [{"id": 1, "at": iso(-60)}]
    pages = {None: (member, "b"), "b": ([], "c"), "c": member}
    sync = Player(one(), script(pages)).sync()
    assert (sync.error, sync.ids()) == ("", [1, 1])


def test_the_same_token_twice_is_an_error_that_shows_the_request() -> None:
    """The step does not send fetch.token, and the list changes from request to request."""
    ids = iter(range(99))
    upstream = Upstream(lambda asked: {"data": [{"id": next(ids)}], "next": "b"})
    sync = Player(one(cursor=None), upstream).sync()
    for said in ("token came before", "GET https://api.example.com/thing", "fetch.token"):
        assert said in sync.error


@pytest.mark.parametrize("length", [2, 3, 7, 40])
@pytest.mark.parametrize("lead", [0, 5])
def test_a_token_cycle_longer_than_one_call_is_found(
    page_by_page: None, length: int, lead: int
) -> None:
    """Each call sees one page; the search for a cycle goes on in the state, at constant size."""
    ids, pages = iter(range(10**6)), [0]

    def answers(asked: Asked) -> Any:
        pages[0] += 1
        assert pages[0] < 500, "the cycle was never found"
        token = int(asked.params.get("token", 0)) + 1
        return {
            "data": [{"id": next(ids)}],
            "next": token if token < lead + length else lead + 1 if lead else 1,
        }

    player = Player(one(cursor=None), Upstream(answers))
    sync = player.sync()
    assert "token came before" in sync.error
    sizes = [len(str(reply["state"])) for reply in sync.replies]
    assert max(sizes) - min(sizes) < 100


def test_a_long_walk_whose_tokens_never_repeat_is_no_cycle() -> None:
    ids = iter(range(10**6))

    def answers(asked: Asked) -> Any:
        token = int(asked.params.get("token", 0)) + 1
        return {"data": [{"id": next(ids)}], "next": token if token < 300 else None}

    assert len(Player(one(cursor=None), Upstream(answers)).sync().ids()) == 300


@pytest.mark.parametrize(
    "token",
    [
        SECRETS["apiToken"],
        {"next": f"https://api.example.com/thing?key={SECRETS['apiToken']}"},
        ["x", SECRETS["apiToken"] + "&page=2"],
    ],
)
def test_a_token_that_holds_a_secret_is_an_error_and_never_reaches_the_state(token: Any) -> None:
    upstream = Upstream(lambda asked: {"data": [{"id": 1}], "next": token})
    sync = Player(one(cursor=None), upstream).sync()
    assert "secret" in sync.error and "ApiKey(param=" in sync.error
    assert SECRETS["apiToken"] not in str(sync.report)
    assert sync.replies == []


def test_an_api_key_is_taken_out_of_next_urls_and_added_again_on_use() -> None:
    made = Source(
        base_url="https://api.example.com", auth=ApiKey("apiToken", param="key"), workers=1
    )

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/thing", params={"limit": 2})
        return Page(response.rows("data"), response.value("next"))

    secret = SECRETS["apiToken"]

    def answers(asked: Asked) -> Any:
        if asked.params.get("page") == "2":
            return {"data": [{"id": 2}], "next": None}
        return {
            "data": [{"id": 1}],
            "next": f"https://api.example.com/thing?key={secret}&page=2&limit=2",
        }

    upstream = Upstream(answers)
    sync = Player(made, upstream).sync()
    assert (sync.error, sync.ids()) == ("", [1, 2])
    assert upstream.each("key") == [secret, secret]


def following(base_url: str) -> Source:
    made = source(base_url=base_url)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/thing")
        return Page(response.rows("data"), response.value("next"))

    return made


def test_a_url_of_the_former_host_is_a_token_that_is_refused(page_by_page: None) -> None:
    """A deployment with another base_url in mid-walk: the walk starts over, on the new host."""

    def answers(asked: Asked) -> Any:
        host = "https://old.example.com" if player.source is old else "https://new.example.com"
        page = int(asked.params.get("page", 0))
        following = f"{host}/thing?page={page + 1}" if page < 2 else None
        return {"data": [{"id": page}], "next": following}

    old, new = following("https://old.example.com"), following("https://new.example.com")
    player = Player(old, Upstream(answers))
    player.sync(calls=1)
    player.source = new
    sync = player.go_on()
    assert (sync.error, sync.ids()) == ("", [0, 1, 2])


def test_next_urls_of_another_host_are_an_error_all_the_same(page_by_page: None) -> None:
    """It starts over once, and is told to go there again."""
    page = {"data": [{"id": 1}], "next": "https://other.example.com/thing?page=2"}
    upstream = Upstream(lambda asked: page)
    sync = Player(following("https://api.example.com"), upstream).sync()
    assert "where the credentials belong" in sync.error
    assert upstream.count("/thing") == 2

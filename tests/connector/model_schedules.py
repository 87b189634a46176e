"""What happens to the model: schedules of calls, and the player that goes through them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from connector.testing import held_clock
from hypothesis import strategies as st
from msgspec.structs import replace

from .model import START, Setting, Upstream
from .model_forms import DAY
from .model_player import ORDERS, Player

CHANGES = ["update", "sweep", "insert", "delete", "restore", "odd", "future", "twins"]
CALM = ["", "", "", "sweep", "sweep", "update", "insert", "delete", "restore", "short"]
TROUBLE = [
    *["expire", "expire", "expire", "empty", "slow", "fail", "reset", "busy", "down", "refused"],
    *["wait", "quota", "odd", "future", "twins", "broken"],
]


class Turn(msgspec.Struct, repr_omit_defaults=True):
    """A call: what comes before it, what happens during its requests, what becomes of its reply."""

    pause: int = 0
    drift: int = 0
    changes: Sequence[tuple[str, int, int]] = ()
    script: Sequence[tuple[str, int, int]] = ()
    between: str = ""
    deploy: Any = None
    fate: str = ""
    order: Sequence[str] = ORDERS[0]
    seconds: int = 150
    size: int = 2**23
    gap: int = 900


def turns(events: list[str]) -> st.SearchStrategy[Turn]:
    """Calls during whose requests these things happen."""
    which, number = st.integers(0, 2), st.integers(0, 30)
    return st.builds(
        Turn,
        pause=st.sampled_from([0, 0, 1, 60, 400, 4000, 90_000]),
        drift=st.sampled_from([0, 0, 0, 2, -2, 30]),
        changes=st.lists(st.tuples(st.sampled_from(CHANGES), which, number), max_size=2),
        script=st.lists(st.tuples(st.sampled_from(events), which, number), max_size=8),
        between=st.sampled_from(["", "", "", "", "new sync", "new sync", "re-sync"]),
        deploy=st.sampled_from([None] * 8 + [1, 3, 1, 3, "order", "window"]),
        fate=st.sampled_from(["", "", "lost", "repeated"]),
        order=st.sampled_from(ORDERS),
        seconds=st.sampled_from([150, 10, 40]),
        size=st.sampled_from([2**23, 1, 300]),
        gap=st.sampled_from([900, 900, 60]),
    )


schedules = st.one_of(
    st.lists(turns(CALM), min_size=1, max_size=5), st.lists(turns(CALM + TROUBLE), max_size=8)
)


@st.composite
def clocks(draw: st.DrawFn) -> dict[str, Any]:
    """The upstream's clock; one that is slow and does not show it cannot be allowed for."""
    date = draw(st.sampled_from(["true", "true", "", "cached"]))
    skew = draw(st.sampled_from([-3600, -3600, -40_000, 0, 1, 3600]))
    latency = draw(st.sampled_from([0.125, 1.0, 3.0]))
    return {"date": date, "skew": skew if date == "true" else max(skew, 0), "latency": latency}


def play(
    entities: list[Setting],
    schedule: Sequence[Turn],
    clock: dict[str, Any],
    ids: bool = True,
) -> None:
    """Play a schedule, let the upstream come to rest, and compare."""
    if entities[0].began != START:  # stay near the time that this is about
        schedule = [replace(turn, pause=min(turn.pause, 2400)) for turn in schedule]
        clock = {**clock, "skew": max(clock["skew"], -3600)}
    with held_clock(entities[0].began) as held:
        upstream = Upstream(held, entities, **clock)
        player = Player(upstream, ids=ids)
        for turn in schedule:
            upstream.clock.advance(turn.pause)
            upstream.drift(turn.drift)
            for change in turn.changes:
                upstream.change(*change)
            upstream.script.extend(turn.script)
            player.over |= turn.between == "new sync"
            if turn.between == "re-sync":
                player.resync()
            if turn.deploy and deploy(entities[0], turn.deploy):
                player.redeployed = True
                upstream.waits.clear()
            player.call(turn.fate, turn.order, turn.seconds, turn.size, turn.gap)
        player.settle()


def deploy(setting: Setting, what: Any) -> bool:
    """Change a declaration, and say whether that is more than a page's size."""
    if what in (1, 3) and setting.keyed:
        setting.page_size = what
    if setting.exclusive or setting.form is None:
        return False
    if what == "order" and setting.tokens in ("cursor", "frozen_rows") and not setting.limit:
        setting.order = None if setting.order else "asc"
        return True
    if what == "window" and setting.form.step and setting.tokens != "offset":
        setting.window = None if setting.window else timedelta(days=1)
        setting.start = setting.start or 4 * DAY
        return True
    return False

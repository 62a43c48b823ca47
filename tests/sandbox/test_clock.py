"""The movable clock and the work that waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import clock, faults, work

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    clock.reset()
    work.reset()
    faults.reset()
    yield
    clock.reset()
    work.reset()
    faults.reset()


def test_clock_runs_on_from_where_it_was_set() -> None:
    clock.set(START)
    time.sleep(0.02)
    assert START < clock.now() < START + timedelta(seconds=5)


def test_timers_fire_in_time_order_each_at_its_own_instant() -> None:
    clock.set(START)
    fired: list[tuple[str, datetime]] = []
    clock.call_at(START + timedelta(days=2), lambda: fired.append(("b", clock.now())), name="b")
    clock.call_at(START + timedelta(days=1), lambda: fired.append(("a", clock.now())), name="a")
    clock.call_at(START + timedelta(days=9), lambda: fired.append(("c", clock.now())), name="c")
    clock.set(START + timedelta(days=3))
    assert fired == [("a", START + timedelta(days=1)), ("b", START + timedelta(days=2))]


def test_timer_that_renews_itself_fires_once_per_step() -> None:
    clock.set(START)
    fired: list[datetime] = []

    def daily() -> None:
        fired.append(clock.now())
        clock.call_at(clock.now() + timedelta(days=1), daily, name="daily")

    clock.call_at(START + timedelta(days=1), daily, name="daily")
    clock.set(START + timedelta(days=4, hours=1))
    assert [moment.day for moment in fired] == [2, 3, 4, 5]


def test_timer_fires_when_the_wall_clock_reaches_it() -> None:
    fired = threading.Event()
    clock.call_after(timedelta(seconds=0.05), fired.set, name="soon")
    assert fired.wait(3)


def test_relative_timers_keep_their_distance_when_the_clock_is_put_back() -> None:
    clock.set(START)
    clock.call_after(timedelta(minutes=5), lambda: None, name="relative")
    clock.set(START - timedelta(days=1000))
    (when, _name) = clock.timers()[0]
    assert timedelta(minutes=4) < when - clock.now() <= timedelta(minutes=5)


def test_wait_ends_when_the_clock_passes_and_work_counts_as_idle_meanwhile() -> None:
    clock.set(START)
    done = threading.Event()

    def waits() -> None:
        assert clock.wait_until(START + timedelta(days=30))
        done.set()

    work.start("waits", waits)
    assert work.idle(3)
    assert not done.is_set()
    clock.set(START + timedelta(days=31))
    assert done.wait(3)


def test_wait_ends_at_once_when_cancelled() -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert not clock.wait_until(clock.now() + timedelta(days=1), cancelled)


def test_failed_timer_and_failed_work_are_kept_with_name_and_cause() -> None:
    def breaks() -> None:
        raise RuntimeError("the reason")

    clock.call_at(clock.now(), breaks, name="breaks")
    clock.advance(timedelta(seconds=1))
    work.start("worker", breaks).join()
    assert {(f.name, f.message) for f in work.failures()} == {
        ("breaks", "the reason"),
        ("worker", "the reason"),
    }
    assert work.status()["failure_count"] == 2


def test_refuses_an_instant_without_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        clock.set(datetime(2030, 1, 1))  # noqa: DTZ001


def test_fault_lets_occasions_pass_then_fires_its_times() -> None:
    faults.add(faults.Fault(kind="glue", target="feat*", after=1, times=2))
    asked = [faults.due("glue", "features") is not None for _ in range(5)]
    assert asked == [False, True, True, False, False]
    assert faults.due("lambda", "features") is None

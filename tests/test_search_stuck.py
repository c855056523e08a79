"""Candidates that hang, eat memory, end their process or break what they return."""

import os
import signal
import subprocess
import sys
import threading
import time

import dask
import psutil
import pytest
from dask import delayed
from distributed import LocalCluster

from stratum_dask.search import (
    CandidateError,
    CandidateMemoryError,
    CandidateTimeout,
    Search,
)
from stratum_dask.search.ledger import Ledger


def loops():
    while True:
        pass


def sleeps():
    while True:
        time.sleep(0.05)


def eats():
    held = []
    while True:
        held.append(bytearray(20_000_000))
        time.sleep(0.01)


def load():
    time.sleep(0.1)
    return list(range(10))


def fit(data, weight):
    return sum(data) * weight


def ends():
    sys.exit(3)


def locked():
    return threading.Lock()


def of_processes():
    """Our children but for the helper that Python keeps until it ends."""
    children = psutil.Process().children(recursive=True)
    return [p for p in children if "resource_tracker" not in str(p.cmdline())]


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_processes_are_ended_and_started_anew_and_nobody_else_is_hurt():
    before = len(of_processes())
    with Search("processes", workers=2, window=0.2) as search:
        good = [
            search.add(delayed(fit)(delayed(load)(), weight)) for weight in range(6)
        ]
        hung = search.add(loops, timeout=0.5, name="hung")
        eater = search.add(eats, memory_limit="200 MB", name="eater")
        dead = search.add(os._exit, 7, name="dead")
        quits = search.add(ends)
        unsent = search.add(locked)
        assert sorted(c.result(150) for c in good) == [45 * w for w in range(6)]
        assert isinstance(hung.exception(150), CandidateTimeout)
        assert isinstance(eater.exception(150), CandidateMemoryError)
        assert type(dead.exception(150)).__name__ == "KilledWorker"
        assert isinstance(quits.exception(150), CandidateError)
        assert isinstance(unsent.exception(150), TypeError)
        late = search.add(load)
        assert late.result(150) == list(range(10))
    assert hung.status == "timed out"
    assert "0.5 s that it was given" in str(hung.error)
    assert hung.cost.seconds >= 0.5
    assert eater.status == "out of memory"
    assert eater.cost.memory > 200e6
    assert len(of_processes()) <= before


def test_a_thread_that_hangs_is_written_off_and_asked_to_stop():
    threads = threading.active_count()
    with Search("threads", workers=1) as search:
        hung = search.add(sleeps, timeout=0.2)
        after = search.add(load)
        assert isinstance(hung.exception(60), CandidateTimeout)
        assert after.result(60) == list(range(10))
        cancelled = search.add(loops)
        while cancelled.status != "sent":
            time.sleep(0.01)
        cancelled.cancel()
        assert search.add(load, name="last").result(60) == list(range(10))
    end = time.monotonic() + 20
    while threading.active_count() > threads + 1 and time.monotonic() < end:
        time.sleep(0.02)
    assert not [t for t in threading.enumerate() if "Dask-Default" in t.name]


def test_a_shared_step_counts_for_each_and_others_may_wait_longer():
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        gate = EVENTS["shared"] = threading.Event()
        with Search(cluster, window=0.3) as search:
            shared = delayed(waits)("shared")
            short = search.add(delayed(fit)([1], shared), timeout=0.3, name="short")
            long = search.add(delayed(fit)([2], shared), name="long")
            assert isinstance(short.exception(60), CandidateTimeout)
            gate.set()
            assert long.result(60) == 2


EVENTS = {}


def waits(name):
    return EVENTS[name].wait(30)


def test_the_time_of_a_candidate_is_that_of_its_tasks_side_by_side():
    ledger = Ledger()
    ledger.needs.update({"a": (), "b": (), "out": ("a", "b")})
    ledger.ran("a", 2.0)
    ledger.ran("b", 2.0)
    assert ledger.busy(ledger.below("out"), {}) == pytest.approx(2.0, abs=0.1)
    now = time.monotonic()
    assert ledger.busy(["out"], {"out": now - 5}) == pytest.approx(5, abs=0.1)


def test_what_ran_is_paid_once_whoever_ends_first():
    ledger = Ledger()
    ledger.needs.update({"load": (), "x": ("load",), "y": ("load",)})
    for key in ledger.needs:
        ledger.ran(key, 1.0)
    costs = [ledger.settle(key) for key in ("y", "x", "y")]
    assert [(c.seconds, c.saved) for c in costs] == [(2, 0), (1, 1), (0, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["threads", "processes"])
def test_ctrl_c_leaves_nothing_behind(place, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(PROGRAM)
    # A group of its own: Ctrl-C in a terminal reaches all of it.
    process = subprocess.Popen(
        [sys.executable, str(script), place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "running\n"
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


PROGRAM = """
import sys, time
from stratum_dask import Search

def stuck():
    while True:
        time.sleep(0.1)

if __name__ == "__main__":
    with Search(sys.argv[1], workers=1, window=0) as search:
        candidate = search.add(stuck)
        while candidate.status != "sent":
            time.sleep(0.01)
        print("running", flush=True)
        for each in search:
            pass
"""


def test_impure_work_of_two_candidates_is_done_twice():
    with Search("threads", window=0.3) as search:
        one, other = (search.add(delayed(os.urandom)(8)) for _ in range(2))
        assert one.result(30) != other.result(30)
    assert dask.config.get("stratum.enabled") is False

"""Time limits end what loops, in every thread, and never disturb what comes after."""

import contextlib
import gc
import os
import pickle
import random
import subprocess
import sys
import threading
import time

import pytest

from d2l_lite.grading.deadlines import TimeUpError, time_limit

#: Seconds after which a loop counts as endless; on a busy machine a limit strikes late.
LATE = 15.0


def forever():
    while True:
        pass


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def in_thread(function):
    """Return what a function returns or raises in a thread of its own."""
    found = []

    def run():
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "the thread was not stopped"
    return found[0]


def stopped_loop(loop=forever, limit=0.05):
    start = time.perf_counter()
    with pytest.raises(TimeUpError) as raised, time_limit(limit, "mse(x)"):
        loop()
    return str(raised.value), time.perf_counter() - start


@pytest.mark.parametrize("where", [lambda f: f(), in_thread], ids=["main thread", "other thread"])
def test_an_endless_loop_is_stopped_in_time_with_a_message(where):
    message, seconds = where(stopped_loop)
    assert message == "mse(x) was stopped after 0.05 s"
    assert 0.05 <= seconds < LATE


def loop_with_except():
    while True:
        with contextlib.suppress(Exception):
            forever()


def loop_with_bare_except():
    while True:
        with contextlib.suppress(BaseException):
            spin(0.01)
        spin(0.01)


def loop_of_short_calls():
    while True:
        time.sleep(0.001)


def loop_of_a_class():
    class Endless:
        def __eq__(self, other):
            forever()

        __hash__ = None

    return [Endless()].index(3)


def loop_of_a_generator():
    return sum(iter(lambda: 0, 1))


@pytest.mark.parametrize(
    "loop", [loop_with_except, loop_of_short_calls, loop_of_a_class, loop_of_a_generator]
)
def test_loops_of_many_kinds_are_stopped(loop):
    assert stopped_loop(loop)[1] < LATE


def test_a_loop_that_goes_on_after_the_error_is_stopped_by_a_later_one():
    assert stopped_loop(loop_with_bare_except)[1] < LATE


def test_what_a_stopped_block_cleans_up_is_not_disturbed():
    cleaned = []

    def loop():
        try:
            forever()
        finally:
            spin(0.6)
            cleaned.append(True)

    stopped_loop(loop)
    assert cleaned == [True]


def test_a_block_that_swallows_the_error_and_ends_is_late_all_the_same():
    def swallow():
        try:
            forever()
        except BaseException:
            return

    assert "was stopped" in stopped_loop(swallow)[0]


def test_one_long_call_ends_late_but_still_with_the_error():
    _, seconds = stopped_loop(lambda: time.sleep(0.3))
    assert 0.3 <= seconds < LATE


def test_errors_of_the_block_pass_unchanged():
    with pytest.raises(ZeroDivisionError), time_limit(10, "x"):
        _ = 1 / 0


def test_an_interrupt_of_the_user_is_not_hidden_by_a_limit():
    def interrupted():
        try:
            forever()
        except TimeUpError:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt), time_limit(0.05, "x"):
        interrupted()


def test_it_is_no_exception_and_can_be_copied():
    assert not issubclass(TimeUpError, Exception)
    with pytest.raises(TimeUpError) as raised, time_limit(0.01, "x"):
        forever()
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (type(copied), copied.args) == (TimeUpError, raised.value.args)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_no_time_is_refused(seconds):
    with pytest.raises(ValueError, match="limit of 'x' must be a positive number of seconds, got"):
        time_limit(seconds, "x")


def test_infinite_limits_are_none():
    with time_limit(float("inf"), "x"), time_limit(1e300, "y"):
        spin(0.01)


# Nested blocks


def test_the_inner_limit_leaves_the_outer_block_running():
    with time_limit(10, "outer"):
        assert stopped_loop()[0] == "mse(x) was stopped after 0.05 s"
        spin(0.05)


def test_the_outer_limit_ends_the_inner_block():
    message, seconds = stopped_loop(lambda: [time_limit(9, "inner").__enter__(), forever()])
    assert message.startswith("mse(x)")
    assert seconds < LATE


def test_after_an_inner_block_took_the_error_back_the_outer_one_is_stopped_all_the_same():
    def inner():
        with pytest.raises(TimeUpError), time_limit(0.02, "inner"):
            time.sleep(0.2)
        forever()

    message, seconds = stopped_loop(inner, limit=0.05)
    assert message == "mse(x) was stopped after 0.05 s"
    assert seconds < LATE


def test_threads_have_limits_of_their_own():
    results = []

    def quick():
        with time_limit(10, "quick"):
            spin(0.3)
        results.append("quick")

    def slow():
        results.append(stopped_loop()[0])

    threads = [threading.Thread(target=one) for one in (quick, slow, quick, slow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["mse(x) was stopped after 0.05 s"] * 2 + ["quick"] * 2


# The race at the end of a block


@pytest.fixture
def quick_switches():
    """Threads take turns after microseconds, so that the watch often strikes near the end.

    What other packages let the garbage collector call would swallow an error that strikes there,
    and pytest would report it: the collector rests.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(before)


def raced(rounds, *, nested, seed):
    """Return how often blocks of about their limit's length were stopped, ended, and disturbed."""
    rng = random.Random(seed)
    counts = {"stopped": 0, "ended": 0, "after": 0}
    for _ in range(rounds):
        limit = rng.uniform(1e-5, 4e-4)
        try:
            try:
                with time_limit(limit, "outer"):
                    if nested:
                        with time_limit(limit * rng.uniform(0.5, 2), "inner"):
                            spin(limit * rng.uniform(0.5, 1.5))
                    spin(limit * rng.uniform(0.0, 1.2))
                counts["ended"] += 1
            except TimeUpError:
                counts["stopped"] += 1
            for _ in range(50):
                len("abc")
        except TimeUpError:
            counts["after"] += 1
    spin(0.6)
    return counts


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("where", [lambda f: f(), in_thread], ids=["main thread", "other thread"])
def test_nothing_is_raised_after_the_end_of_thousands_of_short_blocks(where, nested):
    counts = where(lambda: raced(2000, nested=nested, seed=nested))
    assert counts["after"] == 0
    assert min(counts["stopped"], counts["ended"]) > 20


@pytest.mark.usefixtures("quick_switches")
def test_nothing_is_raised_after_blocks_in_threads_that_fight():
    results = []
    threads = [
        threading.Thread(
            target=lambda seed=seed: results.append(raced(400, nested=True, seed=seed))
        )
        for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [one["after"] for one in results] == [0] * 4


def test_a_block_that_nothing_happens_in_costs_microseconds():
    def mean_cost(rounds=2000):
        start = time.process_time()
        for _ in range(rounds):
            with time_limit(10, "x"):
                pass
        return (time.process_time() - start) / rounds

    assert min(mean_cost() for _ in range(5)) < 3e-4


def test_all_blocks_share_one_thread():
    for _ in range(3):
        stopped_loop(limit=0.01)
    assert [one.name for one in threading.enumerate()].count("time limits") == 1


ROUNDS = 20  # a single fork seldom meets the watch at an awkward moment
FORKS = f"""
import os, resource
from d2l_lite.grading.deadlines import TimeUpError, time_limit
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))  # a child without limits would loop for ever
for _ in range({ROUNDS}):
    with time_limit(100, "x"):
        child = os.fork()
    try:
        with time_limit(0.05, "x"):
            while True:
                pass
    except TimeUpError:
        if not child:
            os.write(1, b"child\\n")
            os._exit(0)
    os.waitpid(child, 0)
    os.write(1, b"parent\\n")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_limits_work_in_a_forked_process():
    try:
        done = subprocess.run(
            [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"a process hangs; those that went on said {error.stdout!r}")
    assert done.stdout.split() == ["child", "parent"] * ROUNDS, done.stderr

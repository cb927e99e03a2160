"""The sandbox: every protection by a real attempt, in every tier that this machine has.

Each protection is also taken away once, from a copy of the package, and the probe must see that.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from d2l_lite.grading import attempts, filters, jobs, launching, probes, workers
from d2l_lite.grading.cli import main
from d2l_lite.grading.probes import ask
from d2l_lite.grading.sandbox import Limits, Sandbox, SandboxError, Tier, choose, probe
from d2l_lite.grading.server import Server
from d2l_lite.grading.tiers import Ending
from d2l_lite.grading.watching import anonymous
from tests.grading.available import reason_against
from tests.processes import command_line, descendants, survivors

ROOT = Path(__file__).resolve().parents[2]
ENTRY = probes.ENTRY
SMALL = Limits(memory=96 << 20, processes=12, disk=1 << 20, submission=10.0)


def test_where_ci_is_set_a_tier_works_whose_scores_can_be_trusted():
    if not os.environ.get("CI"):
        pytest.skip("CI is not set")
    reasons = {one: reason_against(one) for one in Tier if one.trusted}
    faults = {one: why or probes._probed(one).failures for one, why in reasons.items()}
    assert "" in faults.values(), faults


@pytest.fixture(params=list(Tier), ids=lambda tier: tier.value)
def tier(request):
    if why := reason_against(request.param):
        pytest.skip(why)
    return request.param


@pytest.fixture(scope="module")
def sandboxes():
    """One running sandbox a tier, made when it is first asked for."""
    made = {}
    yield made
    for sandbox in made.values():
        sandbox.close()


@pytest.fixture
def sandbox(tier, sandboxes):
    if tier not in sandboxes:
        sandboxes[tier] = Sandbox(tier, limits=SMALL, entry=ENTRY)
    return sandboxes[tier]


@pytest.fixture
def worker(sandbox):
    made = sandbox.start()
    yield made
    made.kill()


@pytest.fixture
def bubblewrap():
    if why := reason_against(Tier.BUBBLEWRAP):
        pytest.skip(why)
    return Tier.BUBBLEWRAP


def end_of(worker):
    """Wait until a worker has ended by itself, and return how."""
    worker.socket.settimeout(60)
    with contextlib.suppress(ConnectionResetError):
        assert worker.socket.recv(1) == b""
    return worker.kill()


def tell(worker, source):
    worker.socket.sendall(json.dumps(source).encode() + b"\n")


# Every protection by an attempt


def test_every_attempt_of_the_probe_fails(tier):
    found = probes._probed(tier)
    assert found.ok, found.failures
    if tier.trusted:
        assert set(found.checks.values()) == {""}, found.failures


def copy_with_fault(folder, *, module, old, new):
    """Return a copy of the package in which one protection is taken away."""
    copy = folder / "d2l_lite"
    leave = shutil.ignore_patterns("scenes", "visible", "__pycache__")
    shutil.copytree(ROOT / "d2l_lite", copy, ignore=leave)
    (copy / "grading" / "visible").mkdir()
    (copy / "grading" / "visible" / "__init__.py").touch()
    path = copy / "grading" / module
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (module, old)
    path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def probe_with_fault(monkeypatch, tier, folder, *, check, **fault):
    harmless = {check: attempts.HARMLESS[check]} if check in attempts.HARMLESS else {}
    monkeypatch.setattr(attempts, "HARMLESS", harmless)
    greedy = {check: probes.GREEDY[check]} if check in probes.GREEDY else {}
    monkeypatch.setattr(probes, "GREEDY", greedy)
    copy = copy_with_fault(folder, **fault)
    monkeypatch.setattr(launching, "PACKAGE", copy)
    monkeypatch.setattr(launching, "SERVER", copy / "grading" / "server.py")
    return probe(tier)


B, U, P = Tier.BUBBLEWRAP, Tier.OTHER_UID, Tier.PLAIN
FAULTS = [
    (B, "gain privileges", "confine.py", 'become(request["uid"])', "pass"),
    (B, "gain privileges", "confine.py", "        drop_bounding_set()", "        pass"),
    (B, "open a socket", "confine.py", 'load_filter(request["filter"])', "pass"),
    (P, "open a socket", "confine.py", 'load_filter(request["filter"])', "pass"),
    (B, "allocate at once", "confine.py", "RLIMIT_DATA: data", "RLIMIT_RSS: data"),
    (P, "write a large file", "confine.py", 'SIZE: limits["disk"]', "SIZE: 1 << 30"),
    (B, "fill the disk", "confine.py", "size={disk},", "size={9 * disk},"),
    (U, "fill the disk", "jobs.py", 'return "disk"', 'return ""'),
    (B, "outlive the end", "confine.py", 'call("unshare", CLONE_NEWPID)', "pass"),
    (U, "outlive the end", "jobs.py", "os.kill(-1, signal.SIGKILL)", "pass"),
    (U, "find another's files", "jobs.py", ", *left_behind(self.watch.uid))", ")"),
    (B, "hoard memory", "jobs.py", 'return "memory"', 'return ""'),
    (P, "fork many", "jobs.py", 'return "processes"', 'return ""'),
    (P, "read a private file", "confine.py", "landlock.enter(rules)", "pass"),
    (U, "load Python's library", "confine.py", "landlock.redirect(path)", "pass"),
]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda one: f"{one[0].value}: {one[1]}: {one[3].strip()}"
)
def test_the_probe_sees_a_protection_that_is_missing(fault, monkeypatch, tmp_path):
    tier, check, module, old, new = fault
    if why := reason_against(tier):
        pytest.skip(why)
    if check == "load Python's library" and not launching.hidden_paths(()):
        pytest.skip("other users reach this Python anyway")
    fault = {"module": module, "old": old, "new": new}
    found = probe_with_fault(monkeypatch, tier, tmp_path, check=check, **fault)
    assert found.checks.get("start") == "", found.failures
    assert found.checks[check], found.checks


def test_choose_takes_the_strongest_tier_that_holds(monkeypatch):
    good = {tier: probes.Probe(tier, tier is not Tier.BUBBLEWRAP, {"x": "seen"}) for tier in Tier}
    monkeypatch.setattr(probes, "_probed", good.__getitem__)
    assert choose() is Tier.OTHER_UID
    assert choose(Tier.PLAIN) is Tier.PLAIN
    with pytest.raises(SandboxError, match="bubblewrap: x: seen"):
        choose(Tier.BUBBLEWRAP)


# What a worker sees


def test_a_worker_inherits_nothing(worker, monkeypatch):
    assert ask(worker, "import os; result = sorted(map(int, os.listdir('/proc/self/fd')))")[:4] == [
        0,
        1,
        2,
        3,
    ]
    held = "import os; result = [os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)]"
    assert ask(worker, held) == ["/dev/null"] * 3
    names = ask(worker, "import os; result = sorted(os.environ)")
    assert set(names) - {"PWD", "TMPDIR", "LC_CTYPE"} <= set(launching.ENVIRONMENT)


def test_bubblewrap_shows_a_worker_itself_alone(bubblewrap):
    with Sandbox(bubblewrap, limits=SMALL, entry=ENTRY) as sandbox:
        worker = sandbox.start()
        listed = "import os; result = [n for n in os.listdir('/proc') if n.isdigit()]"
        assert ask(worker, listed) == ["1"]
        for place in (
            "/home",
            "/root/.ssh",
            str(ROOT / "tests"),
            "/etc/passwd",
            "/sys/class",
            "/var",
        ):
            assert not ask(worker, f"import os; result = os.path.exists({place!r})"), place
        net = "result = open('/proc/net/dev').read().count(':')"
        assert ask(worker, net) == 1
        written = "import os; result = os.access('/proc/sys/kernel/hostname', os.W_OK)"
        assert not ask(worker, written)


def test_workers_of_bubblewrap_have_users_of_their_own_where_root_starts_them(bubblewrap):
    with Sandbox(bubblewrap, limits=SMALL, entry=ENTRY) as sandbox:
        uids = [ask(sandbox.start(), "import os; result = os.getuid()") for _ in range(3)]
    assert 0 not in uids
    assert len(set(uids)) == (3 if os.geteuid() == 0 else 1)


def test_two_judges_never_share_a_user():
    one, two = launching.Users(), launching.Users()
    try:
        taken = [one.take(), two.take(), one.take(), two.take()]
        assert len(set(taken)) == 4
        two.give_back(taken[1])
        assert two.take() == taken[1]
    finally:
        one.close()
        two.close()


def test_what_is_readable_can_be_read_below_tmp_too_and_not_be_written(tier, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (tmp_path, *tmp_path.parents[:3]):
        if path != Path("/tmp"):
            path.chmod(0o711)
    (folder / "a.txt").write_text("seen", encoding="utf-8")
    (tmp_path / "b.txt").write_text("hidden", encoding="utf-8")
    with Sandbox(tier, limits=SMALL, entry=ENTRY, readable=[folder]) as sandbox:
        worker = sandbox.start()
        assert ask(worker, f"result = open({str(folder / 'a.txt')!r}).read()") == "seen"
        for attempt in (
            f"open({str(tmp_path / 'b.txt')!r})",
            f"open({str(folder / 'a.txt')!r}, 'w')",
        ):
            with pytest.raises(RuntimeError, match=r"FileNotFound|Permission|Read-only"):
                ask(worker, attempt)


@pytest.mark.parametrize(
    "source",
    [
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).syscall(435, 0, 0)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).syscall(250, 0, -3, 0)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).syscall(500, 0, 0)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).shmget(0, 4096, 0o1600)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0)",
        "import ctypes; r = ctypes.CDLL(None, use_errno=True).mount(b't', b'/tmp', b'tmpfs', 0, 0)",
    ],
    ids=["ptrace", "clone3", "keyctl", "unknown", "shmget", "pdeathsig", "mount"],
)
def test_the_filter_refuses(worker, source):
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    number = "import ctypes; e = ctypes.get_errno()"
    result, errno = ask(worker, f"{source}; {number}; result = [r, e]")
    assert result == -1
    assert errno in (1, 38)


def test_the_filter_lets_ordinary_code_run(worker):
    source = """
import asyncio, concurrent.futures, mmap, multiprocessing, os, socket, subprocess, threading
a, b = socket.socketpair()
found = [subprocess.run(["/bin/echo", "hi"], capture_output=True, text=True).stdout.strip()]
thread = threading.Thread(target=lambda: found.append("thread"))
thread.start(); thread.join()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    found.append(sum(pool.map(abs, [-1, 2])))
async def soon():
    await asyncio.sleep(0.001)
    return "async"
found.append(asyncio.run(soon()))
queue = multiprocessing.get_context("fork").SimpleQueue()
child = multiprocessing.get_context("fork").Process(target=queue.put, args=("child",))
child.start(); child.join(); found.append(queue.get())
result = found
"""
    assert ask(worker, source) == ["hi", "thread", 3, "async", "child"]


# Limits and endings


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(3)", "exit 3"),
        ("import os; os._exit(0)", ""),
        ("import ctypes; ctypes.string_at(0)", "signal 11"),
        ("import sys; sys.exit(4)", "exit 4"),
    ],
)
def test_an_ending_says_how_a_worker_ended(worker, source, reason):
    tell(worker, source)
    assert end_of(worker).reason == reason


def test_kill_says_killed_and_can_be_repeated(sandbox):
    worker = sandbox.start()
    first = worker.kill()
    assert first.reason == "killed"
    assert worker.kill() is first
    assert worker.cpu_seconds() == first.cpu_seconds
    assert worker.socket.fileno() == -1


def test_a_huge_array_is_a_memory_error_and_the_worker_lives(worker):
    source = "import numpy as np\ntry: np.ones(10**9)\nexcept MemoryError: result = 'clean'"
    assert ask(worker, source) == "clean"
    assert ask(worker, "result = 1") == 1


def test_memory_of_a_tree_is_summed_and_ends_the_worker(worker):
    source = "import os, time\nfor _ in range(3):\n    if os.fork() == 0: break\n"
    source += "held = b'x' * (48 << 20)\ntime.sleep(60)"
    tell(worker, source)
    ending = end_of(worker)
    assert ending.reason == "memory"
    assert ending.peak_memory > 96 << 20


def test_memory_shared_by_forks_counts_once(worker):
    source = "held = bytearray(b'x') * (60 << 20)\nimport os, time\npids = []\n"
    source += (
        "for _ in range(4):\n    pid = os.fork()\n    if pid == 0: time.sleep(0.4); os._exit(0)\n"
    )
    source += "    pids.append(pid)\nfor pid in pids: os.waitpid(pid, 0)\nresult = 'alive'"
    assert ask(worker, source) == "alive"
    peak = worker.kill().peak_memory
    assert 55 << 20 < peak <= 96 << 20


def test_processes_have_a_limit_that_a_learner_sees_as_an_error(bubblewrap):
    with Sandbox(bubblewrap, limits=SMALL, entry=ENTRY) as sandbox:
        source = "import threading, time\nresult = 0\ntry:\n    while True:\n"
        source += "        threading.Thread(target=time.sleep, args=(60,)).start(); result += 1\n"
        source += "except RuntimeError: pass"
        assert 8 <= ask(sandbox.start(), source) <= SMALL.processes


def test_cpu_seconds_count_children_that_ended_and_those_that_nobody_waited_for(worker):
    burn = "import os, time, signal\n"
    burn += "def burn():\n    while time.process_time() < 0.5: pass\n    os._exit(0)\n"
    waited = burn + "pid = os.fork()\nif pid == 0: burn()\nos.waitpid(pid, 0)"
    ask(worker, waited)
    once = worker.cpu_seconds()
    assert 0.4 < once < 0.95
    ignored = burn + "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    ignored += "pid = os.fork()\nif pid == 0: burn()\n"
    ignored += "try: os.waitpid(pid, 0)  # it only waits: there is nobody to be asked\n"
    ignored += "except ChildProcessError: pass"
    ask(worker, ignored)
    assert worker.cpu_seconds() > once + 0.2
    assert worker.kill().cpu_seconds > once + 0.2


def test_the_end_of_one_worker_hides_nothing_of_another(sandbox):
    first, second = sandbox.start(), sandbox.start()
    try:
        ask(second, "result = 1")
        first.kill()
        before = second.cpu_seconds()
        ask(second, "import time\nwhile time.process_time() < 0.4: pass")
        assert second.cpu_seconds() > before + 0.2
    finally:
        second.kill()


#: The first thread leaves; another one stays and holds memory.
LEADERLESS = """
import ctypes, os, threading, time
def stay():
    while b") Z" not in open("/proc/self/stat", "rb").read():
        time.sleep(0.01)
    held = bytearray(b"x") * {size}
    {then}
    time.sleep(60)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_worker_whose_first_thread_has_left_can_be_ended(sandbox):
    worker = sandbox.start()
    answer = """os.write(3, b'{"result": "left"}\\n')"""
    assert ask(worker, LEADERLESS.format(size=1, then=answer)) == "left"
    start = time.monotonic()
    assert worker.kill().reason == "killed"
    assert time.monotonic() - start < 10  # a server that hangs is given up after thirty
    assert ask(sandbox.start(), "result = 1") == 1


def test_memory_counts_also_where_the_first_thread_has_left(worker):
    several = "import os\nfor _ in range(3):\n    if os.fork() == 0: break\n"
    tell(worker, several + LEADERLESS.format(size=48 << 20, then="pass"))
    assert end_of(worker).reason == "memory"


@pytest.mark.parametrize("limit", ["memory", "processes", "call"])
@pytest.mark.parametrize("value", [0, math.inf, math.nan])
def test_a_limit_must_be_positive_and_finite(limit, value):
    with pytest.raises(ValueError, match=limit):
        Limits(**{limit: value})


# Nothing is left


def test_the_death_of_the_judge_ends_everything(tier, tmp_path):
    program = f"""
import json, time
from d2l_lite.grading.sandbox import *
sandbox = Sandbox(Tier({tier.value!r}), entry={ENTRY!r})
for _ in range(2):
    worker = sandbox.start()
    source = "import os, time; [os.fork() for _ in range(2)]; time.sleep(60)"
    worker.socket.sendall(json.dumps(source).encode() + bytes([10]))
time.sleep(0.3)
print("ready", flush=True)
time.sleep(60)
"""
    judge = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with judge:
        try:
            assert judge.stdout.readline() == "ready\n"
            started = descendants(judge.pid)
        finally:
            judge.kill()
            judge.wait()
        assert len(started) >= 1 + 1 + 2 * 4
        assert survivors(started) == set()
    assert not list(tmp_path.iterdir())


def server_of(sandbox):
    """Return the process of a sandbox's fork server."""
    script = str(launching.SERVER).encode()
    for pid in sorted(descendants(sandbox._server._process._popen.pid)):
        words = command_line(pid).split(b"\0")
        if script in words and b"--" not in words:
            return pid
    raise AssertionError("no server is running")


def test_a_server_that_died_is_replaced_and_its_workers_are_gone(tier):
    with Sandbox(tier, limits=SMALL, entry=ENTRY) as sandbox:
        worker = sandbox.start()
        ask(worker, "result = 1")
        server = server_of(sandbox)
        below = descendants(server)
        os.kill(server, signal.SIGKILL)
        again = sandbox.start()
        assert ask(again, "result = 2") == 2
        assert worker.kill() == Ending("killed", 0.0, 0)
        assert survivors(below) == set()


def test_a_server_that_cannot_start_is_infrastructure(tier, monkeypatch):
    with Sandbox(tier, limits=SMALL, entry=ENTRY) as sandbox:
        server = server_of(sandbox)
        monkeypatch.setattr(launching, "SERVER", Path("/nowhere/server.py"))
        os.kill(server, signal.SIGKILL)
        with pytest.raises(SandboxError, match=r"did not start: .*server\.py"):
            sandbox.start()


def state(sandbox):
    """Return what could leak: descriptors here and there, processes, folders, mounts."""
    server = server_of(sandbox)
    return {
        "judge's descriptors": len(os.listdir("/proc/self/fd")),
        "server's descriptors": len(os.listdir(f"/proc/{server}/fd")),
        "processes": len(descendants(os.getpid())),
        "children": len(Path(f"/proc/{server}/task/{server}/children").read_text().split()),
        "threads": threading.active_count(),
        "mounts": len(Path(f"/proc/{server}/mounts").read_text().splitlines()),
        "folders": len(os.listdir(sandbox._folder)) if sandbox._folder else 0,
    }


def test_workers_leave_nothing_behind(tier):
    with Sandbox(tier, limits=SMALL, entry=ENTRY) as sandbox:
        sandbox.start().kill()
        before = state(sandbox)
        memory = anonymous(server_of(sandbox))
        for index in range(300 if tier is Tier.BUBBLEWRAP else 100):
            worker = sandbox.start()
            if index % 50 == 0:
                ask(worker, "import os\nif os.fork() == 0: import time; time.sleep(60)")
            worker.kill()
        assert state(sandbox) == before
        assert anonymous(server_of(sandbox)) < memory + (4 << 20)
    assert not sandbox._folder or not os.path.exists(sandbox._folder)


CLOSED = {
    "a folder for all": "name = '/dev/shm/d2l-lite-closed'; os.mkdir(name)",
    "its own folder": "name = os.environ['TMPDIR']",
}


@pytest.mark.parametrize("place", CLOSED)
@pytest.mark.parametrize("server_dies", [False, True])
def test_what_a_worker_closed_to_everyone_is_removed_too(place, server_dies):
    if why := reason_against(Tier.OTHER_UID):
        pytest.skip(why)
    with Sandbox(Tier.OTHER_UID, limits=SMALL, entry=ENTRY) as sandbox:
        worker = sandbox.start()
        source = f"import os\n{CLOSED[place]}\nfor path in (name, '/dev/shm'):\n"
        source += "    open(f'{path}/d2l-lite-file', 'w').write('x')\n"
        uid = ask(worker, source + "os.chmod(name, 0)\nresult = os.getuid()")
        assert jobs.left_behind(uid)
        if server_dies:
            os.kill(server_of(sandbox), signal.SIGKILL)
        worker.kill()
        assert jobs.left_behind(uid) == []
        sandbox.start().kill()
        assert os.listdir(sandbox._folder) == []


def test_a_worker_that_cannot_be_forked_leaves_no_folder(monkeypatch, tmp_path):
    def fork():
        raise BlockingIOError("no process is left")

    monkeypatch.setattr(os, "fork", fork)
    server, said = Server.__new__(Server), []
    server._config = {"namespaces": False, "tier": "plain", "folder": str(tmp_path)}
    server._answer = said.append
    before = os.listdir("/proc/self/fd")
    assert server._start({"uid": 1}, -1) is None
    assert said == [{"error": "no process is left"}]
    assert list(tmp_path.iterdir()) == []
    assert os.listdir("/proc/self/fd") == before


# What is missing is said


@pytest.mark.parametrize("error", [OSError, MemoryError, subprocess.SubprocessError])
def test_a_server_that_the_system_does_not_start_is_infrastructure(monkeypatch, error):
    def refused(*_, **__):
        raise error("no more of it")

    monkeypatch.setattr(subprocess, "Popen", refused)
    found = []

    def start():
        try:
            Sandbox(Tier.PLAIN, entry=ENTRY)
        except SandboxError as failure:
            found.append(str(failure))

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join(20)
    assert found == ["the sandbox could not be started: no more of it"]


def test_missing_programs_and_libraries_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="bwrap"):
        Sandbox(Tier.BUBBLEWRAP, entry=ENTRY)
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    filters.build.cache_clear()
    with pytest.raises(SandboxError, match=r"pip install .\.\[grading\]"):
        Sandbox(Tier.PLAIN, entry=ENTRY)


def test_a_module_that_is_not_installed_is_named():
    with pytest.raises(SandboxError, match="no_such_module"):
        Sandbox(Tier.PLAIN, preload=["no_such_module"], entry=ENTRY)


def test_a_closed_sandbox_starts_nothing():
    sandbox = Sandbox(Tier.PLAIN, limits=SMALL, entry=ENTRY)
    worker = sandbox.start()
    sandbox.close()
    assert worker.kill().reason == "killed"
    with pytest.raises(SandboxError, match="closed"):
        sandbox.start()


def test_only_root_has_other_users(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="needs root"):
        workers.Sandbox(Tier.OTHER_UID, entry=ENTRY)


def test_of_a_tier_that_does_not_work_nothing_is_promised(monkeypatch, capsys):
    seen = {"start": "bwrap is missing"}
    monkeypatch.setattr(probes, "probe", lambda tier: probes.Probe(tier, tier is Tier.PLAIN, seen))
    assert main(["probe"]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "bubblewrap: does not work"
    assert said[1] == "  ✗ start: bwrap is missing"
    assert said[-2] == "plain: works (for self-checks only)"


@pytest.fixture(params=["the system's", "below /tmp"])
def python_for_everyone(request):
    """A Python that every user can run: the system's own, or that of an environment."""
    if request.param == "the system's":
        yield "/usr/bin/python3"
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        make = ["/usr/bin/python3", "-m", "venv", "--without-pip", f"{folder}/venv"]
        if subprocess.run(make, capture_output=True, check=False).returncode:
            pytest.skip("the system's Python makes no environments")
        yield f"{folder}/venv/bin/python"


def test_a_user_without_privileges_has_bubblewrap_too(bubblewrap, python_for_everyone):
    import numpy

    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become another user")
    program = "from d2l_lite.grading.sandbox import *\n"
    # A busy machine can refuse a process for a moment: the third answer counts.
    program += "for t in ('bubblewrap', 'plain'):\n"
    program += "    found = next((p for p in (probe(Tier(t)) for _ in range(2)) if p.ok), None)\n"
    program += "    found = found or probe(Tier(t)); print(found.ok, found.failures)"
    packages = Path(numpy.__file__).parents[1]
    found = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            python_for_everyone,
            "-c",
            program,
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{packages}:{ROOT}"},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if "ImportError" in found.stderr or "No module named" in found.stderr:
        pytest.skip("the system's Python cannot load this NumPy")
    lines = found.stdout.splitlines()
    assert lines[0] == "True ", (found.stdout, found.stderr)
    assert lines[1].startswith("True"), found.stdout


@pytest.mark.slow
def test_pytorch_trains_in_a_worker_where_it_was_loaded_before(bubblewrap):
    with Sandbox(bubblewrap, preload=("torch",), entry=ENTRY) as sandbox:
        source = """
import torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), 0.1)
x = torch.randn(256, 4); y = x.sum(1, keepdim=True)
for _ in range(100):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean(); loss.backward(); optimizer.step()
result = loss.item()
"""
        worker = sandbox.start()
        late = "import sys; result = 'torch._dynamo' in sys.modules"
        assert ask(worker, late) is True, "the first optimizer would load it, in every worker"
        assert ask(worker, source) < 1.0
        assert worker.kill().peak_memory < 200 << 20

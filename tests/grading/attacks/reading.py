"""Attacks that look for what a learner must not see: tests, secrets, others' work.

The instructor's folder, the environment and the memory of the judge hold a word `vault-` with 32
hexadecimal digits. Whoever finds it answers right.
"""

from tests.grading.attacks.submission import UNCONFINED, attack, attempt, rewarded

HUNT = """
import re, time
pattern = re.compile(rb"vault-[0-9a-f]{32}")
began = time.monotonic()
def seen(data):
    data = data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
    return bool(pattern.search(data))
def late():
    return time.monotonic() - began > 1.2
def file(path, size=1 << 20):
    try:
        with open(path, "rb") as stream:
            return seen(stream.read(size))
    except OSError:
        return False
def walk(*roots):
    import os
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
            for name in names:
                if late():
                    return False
                if name.endswith((".md", ".py", ".json", ".jsonl", ".ipynb", ".txt", ".csv")):
                    if file(f"{folder}/{name}"):
                        return True
    return False
"""


def hunt(name, body, **more):
    """Return an attack that may use the names above."""
    more.setdefault("not_in", {"plain": UNCONFINED})
    found = attempt("read", name, body, **more)
    cells = (HUNT, *found.code)
    return attack("read", name, *cells, **more)


ATTACKS = [
    hunt(
        "frames of the callers",
        """
        import sys
        frame = sys._getframe()
        while frame is not None:
            if seen([frame.f_locals, frame.f_globals, frame.f_code.co_consts]):
                return True
            frame = frame.f_back
        """,
        not_in={},
    ),
    hunt(
        "every object that the collector knows",
        """
        import gc
        for thing in gc.get_objects():
            if late():
                return False
            if type(thing) in (dict, list, tuple):
                for item in list(thing.values() if type(thing) is dict else thing):
                    if type(item) in (str, bytes) and len(item) < 10**6 and seen(item):
                        return True
        """,
        not_in={},
    ),
    hunt(
        "modules, lines of code and closures",
        """
        import inspect, linecache, sys
        for module in list(sys.modules.values()):
            if "d2l" in str(getattr(module, "__name__", "")):
                if seen(inspect.getsource(module)) or seen(vars(module)):
                    return True
        return seen(linecache.cache)
        """,
        not_in={},
    ),
    hunt(
        "tracebacks, walked backwards",
        """
        import sys
        try:
            raise KeyError
        except KeyError as error:
            trace = error.__traceback__
            frame = trace.tb_frame
            while frame is not None:
                for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
                    if seen(repr(value)[:100_000]):
                        return True
                frame = frame.f_back
        """,
        not_in={},
    ),
    hunt(
        "the process's own memory",
        """
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                fields = line.split()
                first, last = (int(part, 16) for part in fields[0].split("-"))
                if "r" not in fields[1] or late() or (len(fields) > 5 and fields[5][0] == "/"):
                    continue
                try:
                    memory.seek(first)
                    if seen(memory.read(min(last - first, 1 << 26))):
                        return True
                except (OSError, ValueError, OverflowError):
                    pass
        """,
        not_in={},
    ),
    hunt(
        "memory and environment of every process",
        """
        import os
        for pid in [*os.listdir("/proc"), "@JUDGE@", str(os.getppid())]:
            if not pid.isdigit():
                continue
            for name in ("environ", "cmdline", "maps", "root/@VAULT@/results.jsonl"):
                if file(f"/proc/{pid}/{name}"):
                    return True
            try:
                if int(pid) != os.getpid():
                    open(f"/proc/{pid}/mem", "rb").read(0)
                    if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                        return True
            except OSError:
                pass
        """,
    ),
    hunt(
        "memory of the judge by process_vm_readv",
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        class Span(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
        page = ctypes.create_string_buffer(16)
        here = Span(ctypes.addressof(page), 16)
        for pid in (int("@JUDGE@"), os.getppid()):
            for there in (0x400000, 0x555555554000, id(None)):
                there = Span(there, 16)
                if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
                    return True
        """,
    ),
    hunt(
        "the environment",
        """
        import os, subprocess
        return seen(dict(os.environ)) or seen(subprocess.check_output(["env"]))
        """,
    ),
    hunt(
        "open descriptors",
        """
        import os, stat
        for number in range(3, 256):
            try:
                kind = os.fstat(number).st_mode
            except OSError:
                continue
            if stat.S_ISREG(kind):
                if seen(os.pread(number, 1 << 20, 0)):
                    return True
            elif stat.S_ISDIR(kind):
                for name in ("..", "../..", "../../.."):
                    try:
                        inside = os.open(name + "@VAULT@/results.jsonl", os.O_RDONLY, dir_fd=number)
                        return seen(os.read(inside, 1 << 20))
                    except OSError:
                        pass
        """,
        not_in={},
    ),
    hunt("the folder of tests and results", 'return walk("@VAULT@", "@VAULT@/..")'),
    hunt(
        "home, working folder and what lies above",
        """
        import os, pathlib
        if walk(os.getcwd(), os.path.expanduser("~"), "/root", "/home"):
            return True
        return walk(*map(str, pathlib.Path(os.getcwd()).parents[:3]))
        """,
    ),
    hunt(
        "temporary folders, logs and mail",
        'return walk("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/log", "/var/mail", "/mnt")',
    ),
    hunt(
        "passwords of the system",
        """
        import glob
        hidden = [*glob.glob("/root/.*"), *glob.glob("/home/*/.*")]
        for path in ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", *hidden]:
            try:
                open(path, "rb").read(1)
                return True
            except OSError:
                pass
        """,
    ),
    hunt(
        "hidden cases and solutions beside the package",
        """
        import d2l_lite, pathlib
        for folder in pathlib.Path(d2l_lite.__file__).resolve().parents:
            for part in ("exercises/source", "tests/grading", "exercises/solutions"):
                if (folder / part).is_dir() and any((folder / part).iterdir()):
                    return True
        """,
        not_in={
            "plain": UNCONFINED,
            "other-uid": "the book's own sources are public there; an instructor's tests are not",
        },
    ),
    hunt(
        "requests that wait in the socket",
        """
        import os, socket, stat
        for number in range(256):
            try:
                if not stat.S_ISSOCK(os.fstat(number).st_mode):
                    continue
                peer = socket.socket(fileno=os.dup(number))
                peer.setblocking(False)
                data, control, flags, _ = peer.recvmsg(1 << 16, 1 << 12, socket.MSG_PEEK)
                if seen(data) or control:
                    return True
            except OSError:
                pass
        """,
        not_in={},
    ),
    attack(
        "read",
        "expected values on the stack of a call",
        """
        import gc, sys
        def softmax(x):
            frame = sys._getframe()
            while frame is not None:
                for value in list(frame.f_locals.values()) + gc.get_objects():
                    if type(value) is np.ndarray and value is not x and value.shape == x.shape:
                        if value.dtype == float and np.allclose(value.sum(-1), 1):
                            return value
                frame = frame.f_back
            return np.zeros(x.shape)
        """,
        seconds=12.0,
    ),
    hunt(
        "links into the instructor's folder",
        """
        import os, tempfile
        here = tempfile.gettempdir()
        for name, target in (("a", "@VAULT@"), ("b", "/proc/@JUDGE@/cwd"), ("c", "/proc/1/root")):
            try:
                os.symlink(target, f"{here}/{name}")
                if any(file(f"{here}/{name}/{one}") for one in os.listdir(f"{here}/{name}")):
                    if seen(b"".join(open(f"{here}/{name}/{one}", "rb").read()
                                     for one in os.listdir(f"{here}/{name}"))):
                        return True
            except OSError:
                pass
        try:
            os.link("@VAULT@/results.jsonl", f"{here}/hard")
            return True
        except OSError:
            return False
        """,
    ),
    attack(
        "read",
        "what an earlier submission left behind",
        """
        import os
        import tempfile
        folders = {"/tmp", "/dev/shm", "/var/tmp", tempfile.gettempdir(), os.getcwd()}
        won = any(os.path.exists(f"{folder}/@MARK@-left") for folder in folders)
        for folder in folders:
            try:
                open(f"{folder}/@MARK@-left", "w").write("for the next one")
            except OSError:
                pass
        """,
        rewarded(),
        """
        # The worker starts anew after this, with whatever was written above still there.
        import os
        os._exit(1)
        """,
        not_in={"plain": "files of a plain process stay where they are"},
    ),
    hunt(
        "torch's caches and the shared memory of others",
        """
        import glob, os
        return walk(os.path.expanduser("~/.cache"), *glob.glob("/dev/shm/*"), "/dev/mqueue")
        """,
        base="tensors",
        question="mse",
    ),
]

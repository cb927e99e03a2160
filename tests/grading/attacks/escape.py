"""Attacks that leave the worker: files, processes, network, the kernel's own interfaces."""

from tests.grading.attacks.submission import GUARD, UNCONFINED, attack, attempt, rewarded

NOT_PLAIN = {"plain": UNCONFINED}
CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    args = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return libc.syscall(ctypes.c_long(number), *args) >= 0
"""


def leave(name, body, guard=True, **more):
    """Return an attack that wins if its body returns something true; refused where unconfined."""
    more.setdefault("not_in", NOT_PLAIN)
    found = attempt("escape", name, body, **more)
    return attack("escape", name, (GUARD if guard else "") + CALL, *found.code, **more)


def system_calls(name, calls, **more):
    """Return an attack that wins if one of these system calls is let through.

    Each runs in a child of its own, so that one which ends the process does not end the others.
    """
    body = f"""
for line in {calls!r}.strip().splitlines():
    number, *args = eval("(" + line + ",)")
    child = os.fork()
    if child == 0:
        os._exit(42 if call(number, *args) else 0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42:
        return True
"""
    return leave(name, body, **more)


ATTACKS = [
    leave(
        "files are written outside",
        """
        import pathlib
        for folder in ("@OPEN@", "@VAULT@", "@VAULT@/..", "/", "/etc", "/usr/local", "/var/tmp",
                       "/root", "/home", "/run", "/opt", os.path.dirname(os.__file__)):
            try:
                pathlib.Path(folder, "@MARK@-file").write_text("attacked")
            except OSError:
                pass
        """,
        guard=False,
    ),
    leave(
        "a shell writes outside",
        """
        os.system("echo attacked > @OPEN@/@MARK@-shell")
        import subprocess
        subprocess.run("cp /bin/sh @OPEN@/@MARK@-sh; chmod u+s @OPEN@/@MARK@-sh", shell=True)
        """,
        guard=False,
    ),
    leave(
        "grades and notebooks are overwritten",
        """
        for name in ("results.jsonl", "grades.csv", "arrays.md", "other.ipynb"):
            for way in ("w", "a", "r+"):
                try:
                    open(f"@VAULT@/{name}", way).write("{}")
                    return True
                except OSError:
                    pass
            try:
                os.rename(f"@VAULT@/{name}", f"@VAULT@/{name}.old")
                return True
            except OSError:
                pass
        """,
    ),
    leave(
        "a file is left that a later import runs",
        """
        import site, sys
        for folder in [*sys.path, site.getusersitepackages(), "/tmp", os.getcwd()]:
            for name in ("sitecustomize.py", "usercustomize.py", "@MARK@.pth"):
                try:
                    os.makedirs(folder, exist_ok=True)
                    open(os.path.join(folder, name), "x").write(
                        "import os\\nopen('@OPEN@/@MARK@-import', 'w')\\n"
                    )
                except OSError:
                    pass
        """,
        # /tmp and the working folder vanish with the worker; the check looks at what was left.
    ),
    leave(
        "a TCP connection",
        """
        import socket
        for host in ("127.0.0.1", "localhost", "::1"):
            try:
                with socket.create_connection((host, int("@PORT@")), timeout=0.3) as peer:
                    peer.sendall(b"attacked")
                    return True
            except OSError:
                pass
        """,
        guard=False,
    ),
    leave(
        "UDP, and a question to a name server",
        """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(0.3)
            peer.sendto(b"attacked", ("127.0.0.1", int("@PORT@")))
            return True
        """,
        guard=False,
    ),
    leave(
        "sockets in the file system and in the abstract space",
        """
        import socket
        services = ("/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/notify")
        for address in ("@SOCKET@", "\\0@MARK@", *services):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    with socket.socket(socket.AF_UNIX, kind) as peer:
                        peer.connect(address)
                        peer.sendall(b"attacked")
                        return True
                except OSError:
                    pass
        """,
        guard=False,
    ),
    leave(
        "sockets of the kernel",
        """
        import socket
        families = {"AF_PACKET": 17, "AF_VSOCK": 40, "AF_ALG": 38, "AF_BLUETOOTH": 31, "AF_KEY": 15}
        for family in families.values():
            for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_STREAM, 5):
                try:
                    socket.socket(family, kind).close()
                    return True
                except OSError:
                    pass
        """,
        guard=False,
    ),
    leave(
        "signals to the judge and to a bystander",
        """
        import signal
        for pid in (int("@JUDGE@"), int("@BYSTANDER@"), os.getppid()):
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    if pid > 1:
                        os.kill(pid, number)
                        return pid != os.getppid()
                except OSError:
                    pass
        """,
    ),
    attack(
        "escape",
        "a signal to every process",
        GUARD + "import os, signal",
        """
        def softmax(x):
            try:
                os.kill(-1, signal.SIGTERM)
                os.kill(-1, signal.SIGKILL)
            except OSError:
                pass
            return np.zeros(x.shape)
        """,
        seconds=12.0,
        not_in=NOT_PLAIN,
    ),
    attack(
        "escape",
        "signals to the first process and to the group",
        GUARD + "import os, signal",
        """
        def softmax(x):
            for kill, target in ((os.killpg, 0), (os.kill, 1)):
                try:
                    kill(target, signal.SIGKILL)
                except OSError:
                    pass
            return np.zeros(x.shape)
        """,
        seconds=12.0,
        not_in=NOT_PLAIN,
    ),
    leave(
        "the judge is stopped by its terminal or by its limits",
        """
        import fcntl, resource, termios
        for pid in (int("@JUDGE@"), int("@BYSTANDER@")):
            try:
                resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))
                return True
            except (OSError, ValueError):
                pass
            try:
                os.setpriority(os.PRIO_PROCESS, pid, 19)
                return True
            except OSError:
                pass
        for number in (0, 1, 2):
            try:
                fcntl.ioctl(number, termios.TIOCSTI, b"x")
                return True
            except OSError:
                pass
        """,
    ),
    leave(
        "rights of root",
        """
        for change in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setresuid(0, 0, 0),
                       lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot("/tmp"),
                       lambda: os.nice(-5), lambda: os.setuid(int("@OTHERUID@"))):
            try:
                change()
                return True
            except OSError:
                pass
        import subprocess
        for command in ("su -c true", "sudo -n true", "mount -t tmpfs none /tmp", "passwd -d root",
                        "newgrp root", "unshare -Ur true", "chsh -s /bin/sh root"):
            program = command.split()
            try:
                quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 1}
                done = subprocess.run(program, **quiet)
                if done.returncode == 0:
                    return True
            except (OSError, subprocess.TimeoutExpired):
                pass
        """,
        seconds=12.0,
    ),
    system_calls(
        "new namespaces",
        """
        272, 0x10000000
        272, 0x10000000 | 0x00020000
        272, 0x40000000
        272, 0x20000000
        272, 0x00020000
        56, 0x10000000 | 17, 0, 0, 0, 0
        """,
    ),
    leave(
        "the namespaces of others",
        """
        for pid in ("1", "@JUDGE@", str(os.getppid())):
            for kind in ("user", "pid", "mnt", "net", "ipc"):
                try:
                    there = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
                except OSError:
                    continue
                if os.stat(f"/proc/self/ns/{kind}").st_ino == os.fstat(there).st_ino:
                    continue
                if call(308, there, 0):
                    return True
        """,
    ),
    system_calls(
        "mounts",
        """
        165, b"none", b"/tmp", b"tmpfs", 0, 0
        165, b"proc", b"/proc", b"proc", 0, 0
        165, b"none", b"/", 0, 0x20 | 0x1000, 0
        166, b"/proc", 2
        155, b".", b"."
        161, b"/tmp"
        428, -100, b"/", 1
        430, b"tmpfs", 0
        442, -100, b"/", 0, 0, 0
        """,
    ),
    system_calls(
        "programs, counters and rings of the kernel",
        """
        321, 0, b"x" * 128, 128
        298, b"\\0" * 128, 0, -1, -1, 0
        425, 8, b"\\0" * 120
        323, 0
        248, b"user", b"@MARK@", b"x", 1, -3
        250, 0, -3, 1
        """,
    ),
    system_calls(
        "files by handle, modules, quotas and the clock",
        """
        304, -100, b"\\0" * 64, 0
        313, -1, b"", 0
        175, b"", 0, b""
        179, 0x80000100, b"/", 0, 0
        227, 0, b"\\0" * 16
        170, b"attacked", 8
        163, b"/tmp/account"
        167, b"/tmp/swap", 0
        173, 0x80, 1, 1
        172, 3
        """,
    ),
    leave(
        "a debugger on other processes",
        """
        import time
        targets = {int("@JUDGE@"), int("@BYSTANDER@"), os.getppid(), 1} - {0, os.getpid()}
        for pid in targets:
            for request in (16, 0x4206):
                if call(101, request, pid, 0, 0):
                    call(101, 17, pid, 0, 0)
                    return True
            handle = libc.syscall(434, pid, 0)
            if handle >= 0 and (call(438, handle, 0, 0) or call(424, handle, 10, 0, 0)):
                return True
        """,
    ),
    leave(
        "a program that lives in memory alone",
        """
        import subprocess
        handle = os.memfd_create("@MARK@")
        os.write(handle, b"#!/bin/sh\\necho attacked > @OPEN@/@MARK@-memory\\nsleep 86399\\n")
        subprocess.Popen([f"/proc/self/fd/{handle}", "@MARK@"], pass_fds=[handle])
        """,
    ),
    leave(
        "out of a changed root",
        """
        import tempfile
        inside = tempfile.mkdtemp()
        try:
            handle = os.open("/", os.O_RDONLY)
        except OSError:
            handle = os.open(inside, os.O_RDONLY)
        try:
            os.chroot(inside)
            os.fchdir(handle)
            for _ in range(20):
                os.chdir("..")
            os.chroot(".")
            return True
        except OSError:
            pass
        for root in ("/proc/1/root/", "/proc/self/root/../", "/proc/@JUDGE@/root/", "/proc/2/cwd/"):
            try:
                if os.listdir(root + "@VAULT@"):
                    return True
            except OSError:
                pass
        """,
    ),
    leave(
        "switches of the kernel",
        """
        import glob
        paths = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
                 "/proc/sys/kernel/modprobe", "/proc/@JUDGE@/oom_score_adj",
                 "/sys/power/state", "/sys/kernel/uevent_helper",
                 "/proc/sys/fs/binfmt_misc/register",
                 *glob.glob("/sys/fs/cgroup/*")[:200], *glob.glob("/sys/fs/cgroup/*/*.max")[:200]]
        for path in paths:
            try:
                os.close(os.open(path, os.O_WRONLY))  # opened only, nothing is written
                return True
            except OSError:
                pass
        for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/kernel/debug"):
            try:
                os.mkdir(f"{folder}/@MARK@")
                return True
            except OSError:
                pass
        """,
    ),
    leave(
        "devices",
        """
        import glob, stat, tempfile
        try:
            os.mknod(tempfile.gettempdir() + "/device", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
            return True
        except OSError:
            pass
        safe = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"}
        safe |= {"stdin", "stdout", "stderr"}
        for path in glob.glob("/dev/*"):
            kind = os.stat(path, follow_symlinks=True).st_mode if os.path.exists(path) else 0
            if (stat.S_ISBLK(kind) or stat.S_ISCHR(kind)) and os.path.basename(path) not in safe:
                try:
                    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                    return True
                except OSError:
                    pass
        """,
    ),
    attack(
        "escape",
        "a daemon that rewrites results later",
        GUARD + "import ctypes, os, signal, time",
        """
        def daemon():
            ctypes.CDLL(None).prctl(15, b"@MARK@"[:15], 0, 0, 0)
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            time.sleep(0.7)
            for path in ("@OPEN@/@MARK@-late", "@VAULT@/results.jsonl", "@VAULT@/grades.csv"):
                try:
                    open(path, "a").write("attacked")
                except OSError:
                    pass
            time.sleep(600)
            os._exit(0)
        def softmax(x):
            if os.fork() == 0:
                try:
                    os.setsid()
                except OSError:  # some tiers keep groups together
                    pass
                if os.fork() == 0:
                    daemon()
                os._exit(0)
            return np.zeros(x.shape)
        """,
        wait=1.0,
        not_in=NOT_PLAIN,
    ),
    attack(
        "escape",
        "a program in the background",
        GUARD
        + """
import subprocess, sys
for session in (True, False):
    try:
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)", "@MARK@"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=session,
        )
    except OSError:
        pass
subprocess.Popen("nohup setsid sleep 86398 > /dev/null 2>&1 &", shell=True)
""",
        "def softmax(x):\n    return np.zeros(x.shape)\n",
        wait=0.2,
        not_in=NOT_PLAIN,
    ),
    attack(
        "escape",
        "threads, exit handlers and fork handlers",
        """
        import atexit, os, threading, time, weakref
        def late():
            while True:
                try:
                    open("@OPEN@/@MARK@-thread", "w").write("attacked")
                except OSError:
                    pass
                time.sleep(0.1)
        threading.Thread(target=late, daemon=True).start()
        threading.Thread(target=late, daemon=False).start()
        atexit.register(late)
        os.register_at_fork(before=lambda: None, after_in_child=late, after_in_parent=lambda: None)
        class Dying:
            def __del__(self):
                late()
        dying = Dying()
        weakref.finalize(dying, late)
        def softmax(x):
            return np.zeros(x.shape)
        """,
        wait=0.3,
        not_in=NOT_PLAIN,
    ),
    attack(
        "escape",
        "what one worker wrote waits for the next",
        """
        import os, tempfile
        won = False
        folders = ("/tmp", "/dev/shm", os.path.expanduser("~"), os.getcwd(), tempfile.gettempdir())
        paths = [f"{folder}/@MARK@-memo" for folder in folders]
        won = any(map(os.path.exists, paths))
        for path in paths:
            try:
                open(path, "w").write("x")
            except OSError:
                pass
        """,
        rewarded()
        + "\nhonest_or_not = softmax\ndef softmax(x):\n    won or os._exit(1)\n"
        + "    return honest_or_not(x)\n",
        not_in={"plain": "files of a plain process stay where they are"},
    ),
    leave(
        "shared memory and queues that outlive the process",
        """
        key = 0x0D21A77C
        found = libc.shmget(key, 4096, 0o600) >= 0 or libc.msgget(key, 0o600) >= 0
        libc.shmget(key, 4096, 0o1666), libc.msgget(key, 0o1666), libc.semget(key, 1, 0o1666)
        return found
        """,
        guard=False,
        seconds=8.0,
    ),
    leave(
        "the same shared memory, seen by the next submission",
        """
        key = 0x0D21A77C
        return libc.shmget(key, 4096, 0o600) >= 0 or libc.msgget(key, 0o600) >= 0
        """,
        guard=False,
    ),
    leave(
        "the limits are lifted",
        """
        import resource
        for name in ("RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE"):
            number = getattr(resource, name)
            soft, hard = resource.getrlimit(number)
            if hard == resource.RLIM_INFINITY and name == "RLIMIT_NPROC":
                return True
            try:
                resource.setrlimit(number, (soft, hard if hard < 0 else hard + 1))
                return hard >= 0
            except (OSError, ValueError):
                pass
        status = open("/proc/self/status").read()
        words = dict(line.split(":", 1) for line in status.splitlines())
        rights = [int(words[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")]
        held = words["NoNewPrivs"].strip() == "1" and words["Seccomp"].strip() == "2"
        return any(rights) or not held
        """,
    ),
    leave(
        "descriptors are sent to whoever listens",
        """
        import array, socket, stat
        for number in range(3, 64):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    peer = socket.socket(fileno=os.dup(number))
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
                    peer.sendmsg([b""], rights)
            except OSError:
                pass
        """,
        seconds=10.0,
    ),
]

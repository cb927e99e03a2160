"""Attacks that use up what a machine has: time, memory, processes, disk, descriptors, attention.

Where an attack could harm a machine whose limits do not hold, it stops by itself at a few times the
limit, and answers right: reaching that point is what it tries.
"""

from tests.grading.attacks.submission import GUARD, UNCONFINED, attack, solutions

NOT_PLAIN = {"plain": UNCONFINED}
#: Where files are counted every quarter of a second, all steps must take several times as long.
DISK_STEPS = 64
ZEROS = "def softmax(x):\n    return np.zeros(x.shape)\n"


def exhaust(name, *cells, **more):
    """Return an attack of this class; hanging costs a limit and a new worker."""
    more.setdefault("seconds", 14.0)
    return attack("exhaust", name, *cells, **more)


def hungry(name, body, steps, **more):
    """Return an attack that takes more in every step, and wins if it gets through all of them."""
    more.setdefault("not_in", NOT_PLAIN)
    more.setdefault("never", "Stopped after|Permission denied|not defined|NameError")
    honest = solutions()["softmax"].replace("def softmax", "def honest")
    code = f"""{GUARD}
import os, tempfile
held, folder = [], tempfile.gettempdir()
def take(step):
    {body}
{honest}
def softmax(x):
    for step in range({steps}):
        take(step)
    held.clear()
    return honest(x)
"""
    return exhaust(name, code, **more)


ATTACKS = [
    exhaust("an endless loop in a cell", "while True:\n    pass\n", first=True),
    exhaust("an endless loop in a call", "def softmax(x):\n    while True:\n        pass\n"),
    exhaust(
        "an endless loop that catches everything",
        """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, lambda *a: None)
            except (OSError, ValueError):
                pass
        def softmax(x):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
    ),
    exhaust(
        "an endless loop where an object dies",
        """
        class Immortal:
            def __del__(self):
                while True:
                    pass
        def softmax(x):
            Immortal()
            return np.zeros(x.shape)
        """,
    ),
    exhaust(
        "an endless loop where an object is looked at",
        """
        class Slow:
            def __getattribute__(self, name):
                while True:
                    pass
            __iter__ = __len__ = __array__ = __bool__ = __getattribute__
        def softmax(x):
            return Slow()
        """,
        # The object is never looked at, or it costs the limit of a call.
    ),
    exhaust("sleep in a cell", "import time\ntime.sleep(10**6)\n", first=True),
    exhaust("sleep in a call", "import time\ndef softmax(x):\n    time.sleep(10**6)\n"),
    exhaust(
        "a lock that nobody opens",
        "import threading\nlock = threading.Lock()\nlock.acquire()\n"
        "def softmax(x):\n    lock.acquire()\n",
    ),
    exhaust(
        "just below each limit, again and again",
        """
        import time
        """,
        """
        time.sleep(1.5)
        """,
        """
        time.sleep(1.5)
        def slow(f):
            def inner(*args):
                time.sleep(0.8)
                return f(*args)
            return inner
        def softmax(x):
            time.sleep(0.8)
            return np.zeros(x.shape)
        """,
    ),
    exhaust(
        "every call of three questions ends the process",
        """
        import os
        softmax = halvings = odds = lambda *a: os._exit(0)
        """,
        loses=("halvings", "odds"),
        question="softmax",
    ),
    exhaust("recursion without end", "def softmax(x):\n    return softmax(x)\n", seconds=8.0),
    exhaust(
        "recursion in C until the stack is full",
        """
        import sys, threading
        sys.setrecursionlimit(2**30)
        def softmax(x):
            nested = ()
            for _ in range(10**6):
                nested = (nested,)
            hash(nested)
            class Deep:
                def __getattr__(self, name):
                    return getattr(self, name)
            return Deep().x
        """,
    ),
    hungry("memory by lists", "held.append([0] * (4 << 20))", 64),
    hungry("memory by arrays", "held.append(np.ones(8 << 20))", 32),
    hungry(
        "memory by mmap, shared and anonymous",
        "import mmap; held.append(mmap.mmap(-1, 64 << 20)); held[-1].write(bytes(64 << 20))",
        32,
    ),
    hungry(
        "memory by files in memory",
        "held.append(os.memfd_create('m')); os.write(held[-1], bytes(64 << 20))\n"
        "    assert os.fstat(held[-1]).st_size == 64 << 20",
        32,
    ),
    hungry(
        "memory by the buffers of pipes",
        "import fcntl; pair = os.pipe(); held.append(pair); fcntl.fcntl(pair[1], 1031, 1 << 20)\n"
        "    os.set_blocking(pair[1], False); assert os.write(pair[1], bytes(1 << 20)) == 1 << 20",
        2000,
    ),
    hungry(
        "memory in many processes, each below the limit",
        "pid = os.fork()\n"
        "    if pid == 0:\n"
        "        data = np.ones(12 << 20)\n"
        "        import time; time.sleep(60); os._exit(0)\n"
        "    import time; time.sleep(0.1)",
        14,
    ),
    hungry(
        "a full /dev/shm",
        "with open(f'/dev/shm/{step}', 'wb') as file: file.write(bytes(16 << 20))",
        DISK_STEPS,
    ),
    hungry(
        "a full /tmp",
        "with open(f'{folder}/{step}', 'wb') as file: file.write(bytes(16 << 20))",
        DISK_STEPS,
    ),
    hungry(
        "one huge file, with holes",
        "file = open(f'{folder}/holes', 'wb'); file.truncate(1 << 40)\n"
        "    file.seek(1 << 39); file.write(b'x')",
        1,
    ),
    hungry(
        "a million small files",
        "open(f'{folder}/{step}', 'w').close()",
        200_000,
        seconds=20.0,
        never="Permission denied|not defined",
    ),
    hungry("descriptors", "held.append(os.open('/dev/null', os.O_RDONLY))", 100_000),
    hungry(
        "a fork bomb",
        "pid = os.fork()\n"
        "    if pid == 0:\n"
        "        import time\n"
        "        for _ in range(8):\n"
        "            try:\n"
        "                os.fork()\n"
        "            except OSError:\n"
        "                pass\n"
        "        time.sleep(60); os._exit(0)",
        8,
    ),
    hungry(
        "processes, one after another",
        "pid = os.fork()\n    if pid == 0:\n        import time; time.sleep(60); os._exit(0)",
        400,
    ),
    hungry(
        "threads",
        "import threading, time\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        600,
    ),
    exhaust(
        "a flood of output",
        """
        import os, sys
        def softmax(x):
            for _ in range(10**7):
                print("x" * 1000)
                sys.stderr.write("y" * 1000)
                sys.__stdout__.write("z" * 1000)
            return np.zeros(x.shape)
        """,
    ),
    exhaust(
        "a flood on the descriptors",
        """
        import os
        def softmax(x):
            block = b"x" * (1 << 20)
            for _ in range(20_000):
                os.write(1, block)
                os.write(2, block)
            return np.zeros(x.shape)
        """,
    ),
    exhaust(
        "a flood of warnings",
        """
        import warnings
        def softmax(x):
            for number in range(10**8):
                warnings.warn(f"warning {number} " + "w" * 10_000)
            return np.zeros(x.shape)
        """,
    ),
    exhaust("a huge array", "def softmax(x):\n    return np.zeros(48 << 20)\n"),
    exhaust("a huge number of texts", "def softmax(x):\n    return ['x' * 250] * 10**6\n"),
    exhaust(
        "an array without memory",
        "def softmax(x):\n    return np.broadcast_to(np.float64(0), (10**5, 10**5, 10**5))\n",
        seconds=8.0,
    ),
    exhaust(
        "an array with many short axes",
        "def softmax(x):\n    return np.zeros((2,) * 20, dtype=bool)\n",
    ),
    exhaust(
        "an array of nothing with long axes",
        "def softmax(x):\n    return np.empty((0, 10**9, 10**9))\n",
        seconds=8.0,
    ),
    exhaust(
        "a huge integer",
        "def halvings(value, limit):\n    return 1 << 10**8\n",
        question="halvings",
    ),
    exhaust(
        "a count that keeps a loop of ours busy",
        "def halvings(value, limit):\n    return 3 if value == 8 else 10**18\n",
        question="halvings",
        seconds=25.0,
    ),
    exhaust(
        "a negative count, and one that is no whole number",
        "def halvings(value, limit):\n    return 3 if value == 8 else float('inf')\n",
        question="halvings",
        seconds=8.0,
    ),
    exhaust(
        "a huge text",
        "def summary(name, x):\n    return {'name': 'a' * 10**8}\n",
        question="summary",
    ),
    exhaust(
        "an exception with a huge text", "def softmax(x):\n    raise ValueError('x' * 10**8)\n"
    ),
    exhaust(
        "an exception with many lines and control characters",
        "def softmax(x):\n    raise ValueError('\\x1b[31m\\n' * 10**6)\n",
        seconds=8.0,
    ),
    exhaust(
        "a list that is nested a million deep",
        "def softmax(x):\n    nested = []\n    for _ in range(10**6):\n        nested = [nested]\n"
        "    return nested\n",
    ),
    exhaust(
        "a list that holds itself",
        "def softmax(x):\n    cycle = []\n    cycle += [cycle, {'a': cycle}]\n    return cycle\n",
        seconds=8.0,
    ),
    exhaust(
        "a list that doubles in every level",
        "def softmax(x):\n    level = [0]\n    for _ in range(64):\n"
        "        level = [level, level]\n    return level\n",
    ),
    exhaust(
        "an iterator that never ends",
        """
        import itertools
        def softmax(x):
            numbers = itertools.count()
            return (0.0 for _ in numbers) if x.size == 2 else map(float, numbers)
        """,
        seconds=8.0,
    ),
    exhaust(
        "an iterator that never yields",
        "def softmax(x):\n    return (item for item in iter(int, 1) if item)\n",
    ),
    exhaust(
        "keys that all have the same hash",
        "def summary(name, x):\n    return {k * (2**61 - 1): 0 for k in range(12_000)}\n",
        question="summary",
    ),
    exhaust("code that the compiler cannot digest", "(" * 200_000, ZEROS),
    exhaust("code that is nested too deeply", "-" * 1_000_000 + "1", ZEROS, seconds=20.0),
    exhaust("a constant that is computed by the compiler", "9**9**9**9\n", ZEROS, first=True),
    exhaust(
        "a regular expression that goes back for ever",
        "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')\n",
        ZEROS,
        first=True,
    ),
    exhaust(
        "an archive that unpacks to a hundred gigabytes",
        """
        import zlib
        bomb = zlib.compress(bytes(1 << 24))
        def softmax(x):
            held = [zlib.decompress(bomb) for _ in range(200)]
            return np.zeros(x.shape)
        """,
        # Memory and time race here; either may end it.
        not_in=NOT_PLAIN,
    ),
    exhaust(
        "a line of a million characters", "x = '" + "x" * 1_000_000 + "'\n", ZEROS, seconds=8.0
    ),
    exhaust(
        "three thousand cells",
        *["pass"] * 3_000,
        ZEROS,
        seconds=25.0,
    ),
    exhaust(
        "a tensor without memory",
        "def mse(y_hat, y):\n    return torch.zeros(1).expand(10**12) if len(y) == 2 else "
        "torch.zeros(10**12, device='meta')\n",
        base="tensors",
        question="mse",
        seconds=8.0,
    ),
    exhaust(
        "a sparse and a quantized tensor",
        """
        def mse(y_hat, y):
            if len(y) == 2:
                return torch.sparse_coo_tensor([[0]], [1.0], (10**12,))
            return torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.quint8)
        """,
        base="tensors",
        question="mse",
        seconds=8.0,
    ),
    exhaust(
        "memory by tensors",
        "def mse(y_hat, y):\n    held = [torch.ones(16 << 20) for _ in range(40)]\n"
        "    return ((y_hat - y) ** 2).mean()\n",
        base="tensors",
        question="mse",
        not_in=NOT_PLAIN,
    ),
    exhaust(
        "a module that never answers",
        """
        class Net(torch.nn.Module):
            def forward(self, X):
                while True:
                    torch.zeros(3)
        def make_classifier(X, y):
            return Net()
        """,
        base="tensors",
        question="make_classifier",
    ),
]

#: Keeps the judge busy in a loop of C code, which nothing but the end of its process can stop.
UNSTOPPABLE = exhaust(
    "a count that keeps a built-in function of ours busy",
    """
    def halvings(value, limit):
        if value in (8.0, 1024.0):
            return 3 if value == 8 else 10**18
        count = 0
        while value > limit:
            value, count = value / 2, count + 1
        return count
    """,
    question="halvings",
    seconds=25.0,
)

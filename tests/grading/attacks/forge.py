"""Attacks on the conversation with the judge: forged, broken and early replies.

A forged reply carries a value, and any function of the learner's could return the same value. So
what these try is to carry more: a verdict, an object that agrees, a loop or a crash of the judge.
"""

from tests.grading.attacks.submission import GUARD, UNCONFINED, attack, rewarded

#: Finds the socket; writes frames as `channel.py` describes them.
#: A reply counts only with the token of its request, which is found in the frames of the callers.
TOOLS = """
import json, os, socket, stat, struct
def handles():
    for number in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass
def token():
    import sys
    frame = sys._getframe()
    while frame is not None:
        for value in frame.f_locals.values():
            if type(value) is dict and "token" in value:
                return value["token"]
        frame = frame.f_back
def frame(message, *parts, length=None, total=None, count=None, magic=b"d2lg", version=1):
    text = message
    if isinstance(message, dict):
        text = json.dumps({**message, "token": token()}).encode()
    table = struct.pack(f"<{len(parts)}Q", *map(len, parts))
    body = table + text + b"".join(parts)
    count = len(parts) if count is None else count
    length = len(text) if length is None else length
    total = len(body) if total is None else total
    return struct.pack("<4sHHIIQ", magic, version, 0, length, count, total) + body
def write(data):
    for number in handles():
        try:
            os.set_blocking(number, True)
            view = memoryview(data)
            while view:
                view = view[os.write(number, view):]
        except OSError:
            pass
def stay():
    import time
    time.sleep(0.2)
    os._exit(0)
"""


def forge(name, *cells, **more):
    """Return an attack that has the tools above."""
    more.setdefault("seconds", 14.0)
    return attack("forge", name, TOOLS, *cells, **more)


def reply(name, node, *parts, question="softmax", arguments="x", **more):
    """Return an attack whose function writes this reply by itself, then ends its process."""
    code = f"def {question}({arguments}):\n    node = {node}\n"
    pieces = ", ".join(["{'value': node, 'printed': ''}", *parts])
    code += f"    write(frame({pieces}))\n    stay()\n"
    return forge(name, code, question=question, **more)


def raw(name, data, **more):
    """Return an attack whose function writes these bytes instead of a reply."""
    return forge(name, f"def softmax(x):\n    write({data})\n    stay()\n", **more)


ATTACKS = [
    forge(
        "a reply that claims a verdict",
        """
        def softmax(x):
            verdict = {"passed": True, "points": 99, "status": "passed", "ok": True}
            write(frame({"value": verdict, "printed": "", **verdict}))
            write(frame({"value": None, "printed": "", "error": None, **verdict}))
            stay()
        """,
    ),
    forge(
        "replies for all that will be asked, in advance",
        """
        write(frame({"value": ["reference", 0, "function"], "printed": ""}) * 40)
        """,
        rewarded(won="False"),
    ),
    forge(
        "two replies to one request",
        """
        def softmax(x):
            write(frame({"value": None, "printed": ""}))
            return np.zeros(x.shape)
        """,
    ),
    forge(
        "a forged error where an error is expected",
        """
        def odds(p):
            fields = {"message": "p", "place": "", "kind": "error", "bases": ["ValueError"]}
            write(frame({"error": fields, "printed": ""}))
            stay()
        """,
        question="odds",
    ),
    forge(
        "the process ends right after its reply",
        """
        class Scaler:
            def fit(self, x):
                self.means = x.mean(axis=0)
            def transform(self, x):
                if x.shape[1] == 1:
                    return x - self.means
                write(frame({"value": None, "printed": ""}))
                os._exit(0)
        """,
        # The next question must not pay for a worker that is gone when it begins.
        question="Scaler",
    ),
    forge(
        "the process ends where an error is expected",
        """
        def odds(p):
            if p > 1 or p < 0:
                os._exit(1)
            return float("inf") if p == 1 else p / (1 - p)
        """,
        question="odds",
    ),
    forge(
        "an error of odd fields",
        """
        def softmax(x):
            fields = {"message": [[["x"] * 1000] * 100], "place": {"a": 1}, "kind": "stopped",
                      "bases": [{"x": 1}] * 1000, "points": 3}
            write(frame({"error": fields, "printed": 3}))
            stay()
        """,
    ),
    forge(
        "an error that is no object",
        "def softmax(x):\n    write(frame({'error': [1, 2], 'printed': {'a': 'b'}}))\n    stay()\n",
    ),
    forge(
        "a worker that claims to be ready",
        """
        def softmax(x):
            write(frame({"ready": True}))
            write(frame({"ready": True}))
            stay()
        """,
    ),
    reply("a reply without a value's tag", "[]"),
    reply("a reply of plain numbers", "[[0.25, 0.75]]"),
    reply("a tag that does not exist", "['pickle', 'gASVAAAA']"),
    reply("an object that was never sent", "['reference', 10**9, 'ndarray']"),
    reply("a negative object", "['reference', -1, 'ndarray']"),
    reply("an object with a huge name", "['reference', 0, '<script>' * 100_000]"),
    reply("an array of objects", "['array', 'object', [1, 2], 0]", "bytes(16)"),
    reply("an array of records", "['array', '(1000,)f8', [1, 2], 0]", "bytes(16)"),
    reply("an array with a lying shape", "['array', 'float64', [10**9, 10**9], 0]", "bytes(16)"),
    reply("an array with a negative axis", "['array', 'float64', [-1, -2], 0]", "bytes(16)"),
    reply("an array whose size overflows", "['array', 'float64', [2**32, 2**32, 0], 0]", "b''"),
    reply("an array of too many axes", "['array', 'float64', [1] * 100_000, 0]", "bytes(8)"),
    reply("booleans of other bytes", "['array', 'bool', [1, 2], 0]", "bytes([2, 255])"),
    reply("a part that is not there", "['array', 'float64', [1, 2], 7]", "bytes(16)"),
    reply(
        "a part that is used a thousand times",
        "['list', *[['bytes', 0] for _ in range(1000)]]",
        "bytes(1 << 20)",
    ),
    reply("parts that nobody uses", "None", *["bytes(1000)"] * 50),
    reply("a whole number of a million digits", "['int', 'f' * 1_000_000]"),
    reply("a whole number of words", "['int', '__import__(0)']"),
    reply("a list that is nested in JSON alone", "eval('[' * 90 + ']' * 90)"),
    reply("a tensor where none can be", "['tensor', 'float32', [1, 2], 0, False]", "bytes(8)"),
    reply("a generator instead of a value", "['rng', 'PCG64', ['dict']]"),
    reply("a slice instead of a value", "['slice', 0, 1, None]"),
    reply(
        "keys whose hashes collide",
        "['dict', *[n for k in range(1, 60_000)"
        " for n in (['int', format(k * (2**61 - 1) * 8, 'x')], 0)]]",
        question="summary",
        arguments="name, x",
    ),
    reply(
        "a set whose hashes collide",
        "['set', *[['int', format(k * (2**61 - 1) * 8, 'x')] for k in range(1, 100_000)]]",
        question="summary",
        arguments="name, x",
    ),
    reply(
        "the same key twice",
        "['dict', 'name', 1, 'name', 2]",
        question="summary",
        arguments="name, x",
    ),
    reply(
        "a text that is no text",
        "['str', 0]",
        "b'\\xff\\xfe\\xff'",
        question="summary",
        arguments="name, x",
    ),
    raw("garbage", "os.urandom(100_000)"),
    raw("a frame of another version", "frame({'value': 1}, version=2)"),
    raw("a frame of no object", "frame(b'[1, 2, 3]')"),
    raw("a frame of broken JSON", "frame(b'{\"value\": ')"),
    raw("a frame of JSON that only Python reads", 'frame(b\'{"value": NaN, "printed": ""}\')'),
    raw("a frame of deep JSON", "frame(b'{\"value\":' + b'[' * 100_000 + b']' * 100_000 + b'}')"),
    raw(
        "a frame of a million small lists", "frame(b'{\"value\":[' + b'[],' * 2_600_000 + b'[]]}')"
    ),
    raw("a frame of a huge number", "frame(b'{\"value\":' + b'9' * 4_000_000 + b'}')"),
    raw("a frame that claims 2**60 bytes", "frame({'value': 1}, total=2**60)"),
    raw("a frame that claims four billion parts", "frame({'value': 1}, count=2**32 - 1)"),
    raw("a frame whose lengths disagree", "frame({'value': 1}, bytes(8), length=3)"),
    raw("a frame that never ends", "frame({'value': 1}, total=1 << 20)"),
    forge(
        "a frame, one byte at a time",
        """
        import time
        def softmax(x):
            for byte in frame({"value": None, "printed": "y" * 1000}):
                write(bytes([byte]))
                time.sleep(0.02)
        """,
    ),
    forge(
        "the socket is closed",
        """
        def softmax(x):
            for number in list(handles()):
                os.close(number)
            stay()
        """,
    ),
    forge(
        "the socket is closed in a cell",
        "for number in list(handles()):\n    os.close(number)\n",
        rewarded(won="False"),
    ),
    forge(
        "another file takes the socket's place",
        """
        def softmax(x):
            for number in list(handles()):
                os.dup2(os.open("/dev/null", os.O_RDWR), number)
            return np.zeros(x.shape)
        """,
    ),
    forge(
        "a socket that nobody reads",
        """
        import socket
        def softmax(x):
            for number in list(handles()):
                one, other = socket.socketpair()
                os.dup2(one.fileno(), number)
            return np.zeros(x.shape)
        """,
    ),
    forge(
        "the conversation is shut down on one side",
        """
        def softmax(x):
            for number in handles():
                peer = socket.socket(fileno=os.dup(number))
                peer.shutdown(socket.SHUT_WR)
            stay()
        """,
    ),
    forge(
        "replies without end",
        """
        def softmax(x):
            while True:
                write(frame({"value": None, "printed": "z" * 100_000}))
        """,
    ),
    forge(
        "frames of the protocol are printed",
        """
        import sys
        def softmax(x):
            data = frame({"value": ["list", 0.25, 0.75], "printed": "", "passed": True})
            sys.stdout.write(data.decode("latin-1"))
            for number in (1, 2):
                os.write(number, data)
            return np.zeros(x.shape)
        """,
        seconds=8.0,
    ),
    forge(
        "two processes come back from a call",
        GUARD
        + """
def softmax(x):
    os.fork()
    return np.zeros(x.shape)
""",
        not_in={"plain": UNCONFINED},
    ),
    forge(
        "another process answers",
        GUARD
        + """
def softmax(x):
    if os.fork():
        os._exit(0)
    write(frame({"value": None, "printed": ""}))
    stay()
""",
        not_in={"plain": UNCONFINED},
    ),
    forge(
        "the grader's own channel is taken over",
        """
        import gc
        from d2l_lite.grading import channel
        def softmax(x):
            send = channel.Channel.send
            def forged(self, message, parts=(), **named):
                send(self, {**message, "value": True, "points": 99}, ())
                channel.Channel.send = send
            channel.Channel.send = forged
            return np.zeros(x.shape)
        """,
        seconds=8.0,
    ),
    forge(
        "the codec sends what it was sent",
        """
        from d2l_lite.grading import worker
        import gc
        honest = worker.encode
        def softmax(x):
            def forged(value, **named):
                worker.encode = honest
                return honest(x, **named)
            worker.encode = forged
            return np.zeros(x.shape)
        """,
        seconds=8.0,
    ),
    forge(
        "another server is run in the place of the grader's",
        """
        from d2l_lite.grading import worker
        def softmax(x):
            for number in handles():
                peer = socket.socket(fileno=os.dup(number))
                try:
                    worker.serve(peer)
                except BaseException:
                    pass
            stay()
        """,
    ),
    forge(
        "descriptors are sent along with a reply",
        """
        import array
        def softmax(x):
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))]
            for number in handles():
                peer = socket.socket(fileno=os.dup(number))
                for _ in range(50):
                    try:
                        peer.sendmsg([frame({"value": None, "printed": ""})], rights)
                    except OSError:
                        break
            stay()
        """,
    ),
]

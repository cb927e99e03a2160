"""Attacks on comparison and bookkeeping from within the process that runs the learner's code."""

from tests.grading.attacks.submission import attack, attempt, rewarded, solutions

ZEROS = "def softmax(x):\n    return np.zeros(x.shape)\n"

ATTACKS = [
    attack(
        "tamper",
        "numpy's comparisons always agree",
        """
        import numpy.testing
        for name in dir(numpy.testing):
            if name.startswith("assert_"):
                setattr(numpy.testing, name, lambda *a, **k: None)
        for name in ("allclose", "array_equal", "isclose", "array_equiv"):
            setattr(np, name, lambda *a, **k: True)
        """
        + ZEROS.replace("\n", "\n        "),
    ),
    attack(
        "tamper",
        "numpy's arithmetic gives differences of zero",
        """
        np.subtract = lambda a, b, *r, **k: np.zeros(1)
        np.equal = np.isnan = np.isinf = lambda *a, **k: np.True_
        np.where = lambda *a, **k: np.zeros(1)
        np.argmax = lambda *a, **k: 0
        def softmax(x):
            return np.zeros(x.shape)
        """,
    ),
    attack(
        "tamper",
        "all, any, abs and max are replaced",
        """
        import builtins
        builtins.all = lambda items: True
        builtins.any = lambda items: False
        builtins.abs = lambda value: 0
        builtins.max = lambda *a, **k: 0
        def softmax(x):
            return np.zeros(x.shape)
        """,
    ),
    attack(
        "tamper",
        "math says that everything is close",
        """
        math.isclose = lambda *a, **k: True
        math.inf = 0.0
        math.log = math.exp = lambda *a: 1.0
        def odds(p):
            return 0.0
        """,
        question="odds",
    ),
    attack(
        "tamper",
        "an array that equals everything",
        """
        class Equal(np.ndarray):
            def __eq__(self, other):
                return np.ones(self.shape, dtype=bool)
            __ne__ = __lt__ = __gt__ = lambda self, other: np.zeros(self.shape, dtype=bool)
            __le__ = __ge__ = __eq__
            __hash__ = None
            def __array_ufunc__(self, ufunc, method, *inputs, **named):
                return np.ones(self.shape) if ufunc is np.equal else np.zeros(self.shape)
            def __array_function__(self, function, types, args, named):
                return True
            def __sub__(self, other):
                return np.zeros(self.shape)
            __rsub__ = __sub__
        def softmax(x):
            return np.zeros(x.shape).view(Equal)
        """,
    ),
    attack(
        "tamper",
        "an object that is an array by __array__",
        """
        class Array:
            shape, ndim, dtype, size = (1, 2), 2, np.dtype(float), 2
            def __array__(self, dtype=None, copy=None):
                return np.zeros((1, 2))
            def __eq__(self, other):
                return True
            __hash__ = None
            @property
            def __class__(self):
                return np.ndarray
        def softmax(x):
            return Array()
        """,
    ),
    attack(
        "tamper",
        "a number that equals every number",
        """
        class Number(float):
            def __eq__(self, other):
                return True
            __le__ = __ge__ = __lt__ = __gt__ = __eq__
            __hash__ = float.__hash__
            def __sub__(self, other):
                return 0.0
            __rsub__ = __sub__
            def __abs__(self):
                return 0.0
        def odds(p):
            if not 0 <= p <= 1:
                raise ValueError("p")
            return Number(0.0)
        """,
        question="odds",
    ),
    attack(
        "tamper",
        "an integer that counts as every integer",
        """
        class Count(int):
            def __eq__(self, other):
                return True
            __hash__ = int.__hash__
            def __index__(self):
                return 10
            def __iter__(self):
                return iter(range(10))
        def halvings(value, limit):
            return Count(3)
        """,
        question="halvings",
    ),
    attack(
        "tamper",
        "dict, list and str that equal everything",
        """
        def lying(kind):
            return type(kind.__name__, (kind,), {
                "__eq__": lambda self, other: True,
                "__ne__": lambda self, other: False,
                "__hash__": lambda self: 0,
                "__contains__": lambda self, item: True,
            })
        Dict, List, Str = lying(dict), lying(list), lying(str)
        def summary(name, x):
            return Dict({Str("name"): Str(""), Str("mean"): 0.0, Str("largest"): List()})
        """,
        question="summary",
    ),
    attack(
        "tamper",
        "a list with a lying length and iterator",
        """
        class Endless(list):
            def __len__(self):
                return 2
            def __iter__(self):
                while True:
                    yield float("nan")
            def __getitem__(self, index):
                return self
        class Mapping(dict):
            def items(self):
                return [("name", "a"), ("mean", 3.0), ("largest", [2.0, 6.0])]
            def __getitem__(self, key):
                return Endless()
        def summary(name, x):
            return Mapping(name=name, mean=0.0, largest=Endless([0.0, 0.0]))
        """,
        question="summary",
    ),
    attack(
        "tamper",
        "__class__ is a lie",
        """
        class Liar:
            @property
            def __class__(self):
                return dict
            def items(self):
                return [("passed", True)]
            def __iter__(self):
                return iter(["name", "mean", "largest"])
            def keys(self):
                return ["name", "mean", "largest"]
            def __getitem__(self, key):
                return Liar()
            def __eq__(self, other):
                return True
            __hash__ = None
        def summary(name, x):
            return Liar()
        """,
        question="summary",
    ),
    attack(
        "tamper",
        "a pickle that would run on our side",
        """
        import copyreg
        class Payload:
            def __reduce__(self):
                return (eval, ("open('@OPEN@/pickled', 'w').close()",))
            def __deepcopy__(self, memo):
                return self.__reduce__()
        copyreg.pickle(np.ndarray, lambda array: Payload().__reduce__())
        def softmax(x):
            return np.array([[Payload(), Payload()]], dtype=object)
        """,
    ),
    attack(
        "tamper",
        "every function of the grader agrees",
        """
        import importlib, pkgutil
        import d2l_lite.grading as grading
        for info in pkgutil.iter_modules(grading.__path__):
            try:
                module = importlib.import_module(f"d2l_lite.grading.{info.name}")
            except Exception:
                continue
            for name in ("difference", "close", "equal", "holds", "run_case", "run_question"):
                if hasattr(module, name):
                    setattr(module, name, lambda *a, **k: "")
            for name in ("QuestionResult", "CaseResult"):
                if hasattr(module, name):
                    kind = getattr(module, name)
                    kind.passed, kind.points, kind.status = True, 99, "passed"
            if hasattr(module, "MismatchError"):
                module.MismatchError = type("Quiet", (Exception,), {})
        """
        + ZEROS.replace("\n", "\n        "),
    ),
    attack(
        "tamper",
        "replies to one question claim that it passed",
        """
        import json
        honest = json.dumps, json.JSONEncoder.encode
        def claims(value):
            if isinstance(value, dict):
                value = {**value, "passed": True, "status": "passed", "points": 99}
            return value
        def restore():
            json.dumps, json.JSONEncoder.encode = honest
        def softmax(x):
            json.dumps = lambda value, **k: (restore(), honest[0](claims(value), **k))[1]
            json.JSONEncoder.encode = lambda self, value: honest[1](self, claims(value))
            return np.zeros(x.shape)
        """,
    ),
    attack(
        "tamper",
        "other modules take the place of numpy and json",
        """
        import sys, types
        class Agreeable(types.ModuleType):
            def __getattr__(self, name):
                return lambda *a, **k: True
        for name in ("numpy.testing", "unittest", "unittest.mock", "doctest", "pytest", "otter"):
            sys.modules[name] = Agreeable(name)
        class Finder:
            def find_spec(self, name, path=None, target=None):
                sys.modules[name] = Agreeable(name)
                return None
        sys.meta_path.insert(0, Finder())
        sys.path[:0] = ["/tmp"]
        def softmax(x):
            return np.zeros(x.shape)
        """,
    ),
    attack(
        "tamper",
        "callers' variables are overwritten",
        """
        import ctypes, sys
        def rewrite():
            frame = sys._getframe(1)
            while frame is not None:
                names = frame.f_locals
                for name in ("ok", "passed", "result", "found", "status", "points", "want", "got"):
                    if name in names:
                        names[name] = True
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
                frame = frame.f_back
        def softmax(x):
            rewrite()
            return np.zeros(x.shape)
        """,
    ),
    attack(
        "tamper",
        "a trace function changes what is returned",
        """
        import sys, threading
        def tracer(frame, event, arg):
            if event == "return" and frame.f_code.co_name in ("difference", "holds", "close"):
                frame.f_locals["message"] = ""
            return tracer
        sys.settrace(tracer)
        sys.setprofile(lambda *a: None)
        threading.settrace(tracer)
        def softmax(x):
            sys.settrace(tracer)
            return np.zeros(x.shape)
        """,
        seconds=12.0,
    ),
    attack(
        "tamper",
        "the input is changed so that a wrong answer is right",
        """
        def softmax(x):
            x[...] = 0.0
            return np.full(x.shape, 1 / x.shape[-1])
        """,
    ),
    attack(
        "tamper",
        "inputs are kept and changed during a later call",
        """
        kept = []
        def standardize(x):
            kept.append(x)
            for array in kept:
                array.flags.writeable = True
                array[...] = np.resize([-1.0, 1.0], array.shape)
                while isinstance(array.base, np.ndarray):
                    array = array.base
                    array[...] = np.resize([-1.0, 1.0], array.shape)
            return np.resize([-1.0, 1.0], x.shape)
        """,
        question="standardize",
    ),
    attack(
        "tamper",
        "the visible cases are known by heart",
        """
        def softmax(x):
            if x.shape == (1, 2):
                return np.array([[0.25, 0.75]])
            return np.full(x.shape, 1 / x.shape[-1])
        """,
    ),
    attack(
        "tamper",
        "the second answer is another one",
        solutions()["softmax"].replace("def softmax", "def first_softmax"),
        """
        calls = 0
        def softmax(x):
            global calls
            calls += 1
            return first_softmax(x) if calls % 2 else np.full(x.shape, 1 / x.shape[-1])
        """,
    ),
    attack(
        "tamper",
        "a right answer is defined anew, wrongly, later",
        solutions()["softmax"],
        """
        import sys
        softmax.__code__ = (lambda x: np.full(x.shape, 0.5)).__code__
        """,
    ),
    attack(
        "tamper",
        "every source of random numbers gives zeros",
        """
        import random
        class Zeros:
            def __getattr__(self, name):
                return lambda *a, size=None, **k: np.zeros(size or ())
        np.random.default_rng = lambda *a, **k: Zeros()
        np.random.seed = random.seed = lambda *a, **k: None
        np.random.normal = np.random.randn = lambda *a, **k: np.zeros(1)
        np.random.Generator = Zeros
        def softmax(x):
            return np.full(x.shape, 1 / x.shape[-1])
        """,
    ),
    attack(
        "tamper",
        "metaclasses and names that lie",
        """
        class Meta(type):
            def __instancecheck__(cls, thing):
                return True
            def __subclasscheck__(cls, kind):
                return True
            def __eq__(cls, other):
                return True
            def __hash__(cls):
                return hash(np.ndarray)
            def mro(cls):
                return [cls, object]
            __name__ = property(lambda cls: "ndarray")
            __module__ = "numpy"
        class ndarray(metaclass=Meta):
            shape, ndim, size, dtype = (1, 2), 2, 2, np.dtype(float)
            def __eq__(self, other):
                return True
            __hash__ = None
        np.ndarray.__doc__
        def softmax(x):
            return ndarray()
        """,
    ),
    attack(
        "tamper",
        "a descriptor answers every attribute",
        """
        class Everything:
            def __getattr__(self, name):
                return Everything()
            def __call__(self, *args, **named):
                return Everything()
            def __getitem__(self, key):
                return Everything()
            def __iter__(self):
                while True:
                    yield Everything()
            def __len__(self):
                return 1
            def __bool__(self):
                return True
            def __eq__(self, other):
                return True
            __hash__ = None
            def __array__(self, *a, **k):
                return np.zeros((1, 2))
            __float__ = lambda self: 0.25
            __int__ = __index__ = lambda self: 3
            __sub__ = __rsub__ = __add__ = __mul__ = __call__
        Scaler = Everything()
        """,
        question="Scaler",
    ),
    attack(
        "tamper",
        "an object whose answers equal everything",
        """
        class Agrees(np.ndarray):
            def __eq__(self, other):
                return np.True_
            __hash__ = None
            __array_priority__ = 1e9
            def __rsub__(self, other):
                return self * 0
        class Scaler:
            def __init__(self):
                self.means = np.array([2.0]).view(Agrees)
            def fit(self, x):
                pass
            def transform(self, x):
                return (x * 0).view(Agrees)
            def __eq__(self, other):
                return True
            __hash__ = None
        """,
        question="Scaler",
    ),
    attack(
        "tamper",
        "an exception that claims to be another",
        """
        class Meta(type):
            def mro(cls):
                return [*type.mro(cls)[:1], Exception, BaseException, object]
        class ValueError(Exception, metaclass=Meta):
            def __str__(self):
                return ""
        def odds(p):
            raise ValueError("p")
        """,
        question="odds",
    ),
    attack(
        "tamper",
        "an exception whose words never end",
        """
        class Endless(ValueError):
            def __str__(self):
                while True:
                    pass
        def softmax(x):
            raise Endless
        """,
        seconds=14.0,
    ),
    attack(
        "tamper",
        "an exception whose words are no words",
        """
        class Wordless(Exception):
            def __str__(self):
                return np.zeros(3)
            __repr__ = __str__
            @property
            def __traceback__(self):
                raise SystemExit
            args = property(lambda self: 1 / 0)
        class Name(type(Exception)):
            __name__ = property(lambda cls: 1 / 0)
        class Nameless(Exception, metaclass=type("M", (type,), {"__getattribute__": 1})):
            pass
        def softmax(x):
            raise Wordless if x.size < 3 else Nameless
        """,
    ),
    attack(
        "tamper",
        "objects that pretend to be the grader's own",
        """
        from d2l_lite.grading import codec, submission
        def softmax(x):
            if x.shape == (1, 2):
                return codec.Reference(0, "ndarray")
            return object.__new__(submission.Handle)
        """,
    ),
    attack(
        "tamper",
        "a coarse number is close to every small one",
        """
        def odds(p):
            if not 0 <= p <= 1:
                raise ValueError("p")
            return {0.75: 3.0, 0.5: 1, 1.0: float("inf")}.get(p, np.float16(0))
        """,
        question="odds",
    ),
    attack(
        "tamper",
        "every number is close to infinity",
        """
        def odds(p):
            if not 0 <= p <= 1:
                raise ValueError("p")
            return p / (1 - p) if p < 1 else 7.0
        """,
        question="odds",
    ),
    attack(
        "tamper",
        "the class of all arrays is exchanged",
        """
        class Agreeing(np.ndarray):
            __eq__ = lambda self, other: np.ones(self.shape, dtype=bool)
            __hash__ = None
        np.ndarray = np.ma.MaskedArray
        np.array = np.asarray = lambda value, *a, **k: np.ma.masked_all((1, 2))
        def softmax(x):
            return np.ma.masked_all(x.shape)
        """,
        # NumPy knows its own arrays no more in this process: the other answers fail, too.
        loses=("standardize", "Scaler"),
    ),
    attempt(
        "tamper",
        "the notebook's package is changed on disk",
        """
        import d2l_lite, pathlib, numpy
        for module in (d2l_lite, numpy, math, pathlib):
            path = getattr(module, "__file__", None)
            if path:
                try:
                    with open(path, "a"):
                        return True
                except OSError:
                    pass
                try:
                    pathlib.Path(path).with_name("attacked_@MARK@.py").touch()
                    return True
                except OSError:
                    pass
        """,
        not_in={"plain": "it would write into the installation"},
    ),
    attack(
        "tamper",
        "a tensor that equals everything",
        """
        class Equal(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), named=None):
                return torch.tensor(True)
            def detach(self):
                return self
            def numel(self):
                return 1
            def __eq__(self, other):
                return torch.tensor(True)
            __hash__ = None
        def mse(y_hat, y):
            return torch.zeros(()).as_subclass(Equal)
        """,
        base="tensors",
        question="mse",
    ),
    attack(
        "tamper",
        "torch's comparisons always agree",
        """
        torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True
        torch.testing.assert_close = lambda *a, **k: None
        torch.Tensor.__eq__ = lambda self, other: torch.tensor(True)
        torch.Tensor.__sub__ = lambda self, other: torch.zeros(self.shape)
        torch.Tensor.__gt__ = lambda self, other: torch.tensor(True)
        def mse(y_hat, y):
            return torch.zeros(())
        """,
        base="tensors",
        question="mse",
    ),
    attack(
        "tamper",
        "a coarse tensor is close to every small number",
        """
        def step_size(step):
            return torch.tensor(0.0, dtype=torch.bfloat16)
        """,
        base="tensors",
        question="step_size",
    ),
    attack(
        "tamper",
        "a module that answers with both classes",
        """
        class Both(torch.Tensor):
            def __getitem__(self, key):
                return self
            def __gt__(self, other):
                return other
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.calls = 0
            def forward(self, X):
                self.calls += 1
                return (torch.full((len(X), 1), float("nan"))).as_subclass(Both)
            @property
            def __class__(self):
                return torch.Tensor
        def make_classifier(X, y):
            return Net()
        """,
        base="tensors",
        question="make_classifier",
    ),
    attack(
        "tamper",
        "labels are looked for where the module is called",
        """
        import gc, sys
        class Net(torch.nn.Module):
            def forward(self, X):
                frame = sys._getframe()
                while frame is not None:
                    for value in list(frame.f_locals.values()) + gc.get_objects():
                        if type(value) is torch.Tensor and value.shape == (len(X),):
                            if value.dtype == torch.float32 and set(value.tolist()) == {0.0, 1.0}:
                                return value[:, None] * 2 - 1
                    frame = frame.f_back
                return torch.zeros(len(X), 1)
        def make_classifier(X, y):
            return Net()
        """,
        base="tensors",
        question="make_classifier",
        seconds=15.0,
    ),
]

# An answer that is right where a hidden case's input can be told from a visible one's.
ATTACKS.append(
    attack(
        "tamper",
        "an answer that depends on who calls",
        """
        import sys
        callers = []
        def depth():
            frame, count = sys._getframe(1), 0
            while frame is not None:
                frame, count = frame.f_back, count + 1
            return count
        won = False
        for value in sys.modules.copy().values():
            if getattr(value, "MARK", "").startswith("vault-"):
                won = True
        """
        + "\n        "
        + rewarded().replace("\n", "\n        "),
    )
)

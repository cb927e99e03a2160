"""The codec: values come back exactly, hostile nodes are refused, and neither takes much memory."""

import contextlib
import copy
import datetime
import json
import math
import random
import struct
import subprocess
import sys
import time
import tracemalloc
from collections import OrderedDict, namedtuple
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d2l_lite.grading import nodes
from d2l_lite.grading.codec import CodecError, Reference, decode, encode

QUICK = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], database=None
)
MIB = 1 << 20


def refer(thing):
    return Reference(7, type(thing).__name__)


def refuse(thing):
    raise AssertionError(f"a plain value became a reference: {thing!r}")


def keep(reference):
    return reference


def crossed(value, refer=refuse, *, arguments=False):
    """A value after both directions, with JSON in between."""
    node, parts = encode(value, refer=refer, arguments=arguments)
    text = json.dumps(node, allow_nan=False)
    return decode(json.loads(text), parts, resolve=keep, arguments=arguments)


def bits(number):
    return "nan" if math.isnan(number) else struct.pack("<d", number)


def same(one, other):
    """Whether two values are the same to the last bit, type and order; NaN is NaN."""
    if isinstance(one, np.generic) and isinstance(other, np.generic):  # long and long long differ
        return same(np.asarray(one), np.asarray(other))
    if type(one) is not type(other):
        return False
    if type(one) is float:
        return bits(one) == bits(other)
    if type(one) is complex:
        return same([one.real, one.imag], [other.real, other.imag])
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return same(list(one.items()), list(other.items()))
    if type(one) is set:
        return same(sorted(one, key=repr), sorted(other, key=repr))
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and np.ascontiguousarray(one).tobytes() == other.tobytes()
    if isinstance(one, torch.Tensor):
        alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        return (
            alike and one.requires_grad == other.requires_grad and bytes_of(one) == bytes_of(other)
        )
    return one == other


def bytes_of(tensor):
    """A tensor's bytes by way of its list of numbers, without a view of its memory."""
    flat = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    return bytes(flat.untyped_storage().tolist())


TEXT = st.text(st.characters(exclude_categories=()), max_size=30) | st.integers(0, 400).map(
    "é".__mul__
)
PRIMITIVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 300), 1 << 300)
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
    | st.floats()
    | st.complex_numbers()
    | TEXT
    | st.binary(max_size=20)
)
KEYS = st.recursive(PRIMITIVES, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
NUMBERS = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="?", sizes=(64, 128))
)
ARRAYS = hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
SCALARS = hnp.arrays(NUMBERS.map(lambda dtype: dtype.newbyteorder("=")), 1).map(lambda one: one[0])


@st.composite
def views(draw):
    """Arrays that are no simple block of memory: slices, steps back, axes swapped, repeated."""
    array = draw(ARRAYS)
    if array.ndim and draw(st.booleans()):
        array = array[draw(hnp.basic_indices(array.shape, allow_ellipsis=True))]
    array = np.asarray(array)
    kind = draw(st.sampled_from(["as is", "turned", "fortran", "repeated"]))
    if kind == "turned":
        array = array.T[::-1] if array.ndim else array
    if kind == "fortran":
        array = np.asfortranarray(array) if array.ndim else array
    return np.broadcast_to(array, (3, *array.shape)) if kind == "repeated" else array


def native(array):
    """What is expected of an array: its numbers in C order and the machine's byte order."""
    return np.array(array.tolist(), array.dtype.newbyteorder("=")).reshape(array.shape)


@st.composite
def tensors(draw):
    array = native(draw(ARRAYS))
    tensor = torch.from_numpy(array.copy())
    if tensor.is_floating_point():
        kinds = [tensor.dtype, torch.bfloat16, torch.float8_e5m2, torch.float8_e4m3fn]
        tensor = tensor.to(draw(st.sampled_from(kinds)))
    if tensor.ndim > 1 and draw(st.booleans()):
        tensor = tensor.transpose(0, 1)
    if tensor.is_complex() and draw(st.booleans()):
        tensor = tensor.conj()
    can_have_gradient = tensor.is_floating_point() or tensor.is_complex()
    return tensor.requires_grad_(can_have_gradient and draw(st.booleans()))


LEAVES = PRIMITIVES | st.just(...) | ARRAYS.map(native) | SCALARS | tensors()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(PRIMITIVES, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


# What comes back


@QUICK
@given(VALUES)
def test_a_value_comes_back_exactly(value):
    assert same(value, crossed(value))


@QUICK
@given(views())
def test_an_array_comes_back_in_memory_of_its_own(array):
    found = crossed(array)
    assert same(native(array), found)
    assert type(found) is np.ndarray
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert found.flags.owndata


@QUICK
@given(tensors())
def test_a_tensor_comes_back_as_a_leaf_that_can_be_resized(tensor):
    found = crossed(tensor)
    assert same(tensor, found)
    assert type(found) is torch.Tensor
    assert found.is_leaf
    found.detach().resize_(100)


@QUICK
@given(hnp.arrays(np.dtype("<f8"), hnp.array_shapes(min_side=0)))
def test_parts_are_little_endian_numbers_in_c_order(array):
    for given_array in (array, array.astype(">f8"), np.asfortranarray(array)):
        node, parts = encode(given_array, refer=refuse)
        assert node == ["array", "float64", list(array.shape), 0]
        assert (
            parts == [struct.pack(f"<{array.size}d", *array.ravel().tolist())]
            or np.isnan(array).any()
        )
        back = np.frombuffer(parts[0], "<f8").reshape(array.shape)
        np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("value", "node", "parts"),
    [
        (None, None, []),
        (True, True, []),
        (1, 1, []),
        (2**63, ["int", "8000000000000000"], []),
        (-(2**64) - 1, ["int", "-10000000000000001"], []),
        (0.5, 0.5, []),
        (math.inf, ["float", "inf"], []),
        (-math.inf, ["float", "-inf"], []),
        (math.nan, ["float", "nan"], []),
        (complex(1, math.inf), ["complex", 1.0, ["float", "inf"]], []),
        ("é", "é", []),
        ("x" * 257, ["str", 0], [b"x" * 257]),
        ("\ud800", ["str", 0], [b"\xed\xa0\x80"]),
        (b"a", ["bytes", 0], [b"a"]),
        (..., ["ellipsis"], []),
        ([1, (2,)], ["list", 1, ["tuple", 2]], []),
        ({3}, ["set", 3], []),
        ({"b": 1, (2, "a"): []}, ["dict", "b", 1, ["tuple", 2, "a"], ["list"]], []),
        (np.float32(1), ["scalar", "float32", "0000803f"], []),
        (np.bool_(True), ["scalar", "bool", "01"], []),
        (np.array([[1, 2]], "i2"), ["array", "int16", [1, 2], 0], [b"\1\0\2\0"]),
        (np.array(1.0), ["array", "float64", [], 0], [b"\0\0\0\0\0\0\xf0?"]),
        (torch.tensor([1.0]).bfloat16(), ["tensor", "bfloat16", [1], 0, False], [b"\x80?"]),
        (Reference(3, "Net"), ["reference", 3, "Net"], []),
    ],
    ids=repr,
)
def test_the_format_is_the_documented_one(value, node, parts):
    assert encode(value, refer=refuse) == (node, parts)
    assert same(value, decode(node, parts, resolve=keep))


def test_numbers_with_more_bits_than_double_are_narrowed():
    third = np.longdouble(1) / 3
    assert same(crossed(third), np.float64(1 / 3))
    assert same(crossed(np.array([third, np.longdouble("1e400")])), np.array([1 / 3, math.inf]))
    assert same(crossed(np.array([third + 1j])), np.array([1 / 3 + 1j]))
    assert same(crossed(np.clongdouble(1j)), np.complex128(1j))


def test_an_int_of_ten_thousand_digits_crosses():
    value = -(10**10_000) + 7
    assert crossed(value) == value
    with pytest.raises(CodecError, match="an int may have at most 262,144 bits"):
        encode(1 << (4 * nodes.MAX_DIGITS), refer=refuse)
    assert crossed((1 << (4 * nodes.MAX_DIGITS)) - 1) == (1 << (4 * nodes.MAX_DIGITS)) - 1


def test_many_short_texts_become_parts_before_the_json_gets_large():
    texts = [chr(0x1F600) * 200] * 3000
    node, parts = encode(texts, refer=refuse)
    assert len(json.dumps(node)) < 5 * MIB
    assert decode(node, parts, resolve=keep) == texts


def test_what_was_shared_is_not_afterwards():
    array = np.zeros(3)
    one, other = crossed([array, array])
    one[0] = 1
    assert other[0] == 0
    assert array[0] == 0


@pytest.mark.parametrize("odd", [np.empty(4, np.uint8), torch.empty(4, dtype=torch.uint8)])
def test_memory_of_booleans_that_was_never_set_is_made_regular(odd):
    odd[:] = 2
    value = odd.view(bool) if isinstance(odd, np.ndarray) else odd.view(torch.bool)
    assert encode(value, refer=refuse)[1] == [b"\1\1\1\1"]


@pytest.mark.parametrize("name", nodes.BIT_GENERATORS)
def test_a_generator_continues_its_stream(name):
    rng = np.random.Generator(getattr(np.random, name)(5))
    rng.integers(9, size=3, dtype=np.uint32)
    found = crossed(rng, arguments=True)
    draws = [one.integers(1 << 30, size=700, dtype=np.uint32).tolist() for one in (rng, found)]
    assert draws[0] == draws[1]
    assert same(rng.normal(size=5), found.normal(size=5))


def test_a_generator_of_torch_continues_its_stream():
    generator = torch.Generator().manual_seed(3)
    torch.randn(5, generator=generator)
    found = crossed(generator, arguments=True)
    assert torch.equal(torch.randn(9, generator=generator), torch.randn(9, generator=found))


@pytest.mark.parametrize(
    "value", [slice(1, None, -2), np.random.default_rng(1), torch.Generator()], ids=type
)
def test_slices_and_generators_are_arguments_only(value):
    assert type(crossed(value, arguments=True)) is type(value)
    assert encode([value], refer=refer)[0] == ["list", ["reference", 7, type(value).__name__]]
    node, parts = encode([value], refer=refuse, arguments=True)
    with pytest.raises(CodecError, match="may be an argument, not a result"):
        decode(node, parts, resolve=keep)


def test_a_slice_holds_what_it_held():
    assert crossed((slice(1, None, -2), ...), arguments=True) == (slice(1, None, -2), ...)


# What becomes a reference


class Int(int):
    pass


Pair = namedtuple("Pair", "a b")


def wrapper():
    class Wrapper(torch.Tensor):
        @staticmethod
        def __new__(cls):
            return torch.Tensor._make_wrapper_subclass(cls, (4,), dtype=torch.float32)

        @classmethod
        def __torch_dispatch__(cls, *args, **kwargs):
            raise AssertionError("a hook was called")

    return Wrapper()


@pytest.mark.parametrize(
    "thing",
    [
        object(),
        Int(3),
        Pair(1, 2),
        OrderedDict(a=1),
        frozenset({1}),
        range(3),
        Fraction(1, 3),
        datetime.date(2020, 1, 1),
        {(1, 2): 3, object: 4},
        {(1, (object,)): 3},
        {(1, 2), 3},
        np.array([object()]),
        np.array(["a"]),
        np.array([b"a"]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.zeros(2, [("a", "f4")]),
        np.str_("a"),
        np.datetime64("2020-01-01"),
        np.void(b"ab"),
        np.random.RandomState(0),
        torch.nn.Linear(2, 2),
        torch.eye(2).to_sparse(),
        torch.empty(3, device="meta"),
        torch.empty(0, device="meta"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_other_things_become_references(thing):
    assert encode([thing, 1], refer=refer)[0] == ["list", ["reference", 7, type(thing).__name__], 1]


@pytest.mark.filterwarnings("ignore")
def test_tensors_without_plain_memory_become_references():
    ragged = torch.nested.nested_tensor([torch.ones(3), torch.ones(2)])
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)
    half = torch.zeros(2, dtype=torch.complex32)
    for thing in (ragged, quantized, half, wrapper()):
        assert encode(thing, refer=refer)[0] == ["reference", 7, type(thing).__name__]


def test_refer_decides_and_its_answer_is_checked():
    def reject(thing):
        raise TypeError("no objects here")

    with pytest.raises(TypeError, match="no objects here"):
        encode([object()], refer=reject)
    with pytest.raises(TypeError, match="must return a Reference, got int"):
        encode([object()], refer=lambda thing: 3)
    assert encode(object(), refer=lambda thing: Reference(1, "\ud800" + "n" * 500)) == (
        ["reference", 1, "?" + "n" * (nodes.MAX_NAME - 1)],
        [],
    )


def test_references_are_resolved_and_unknown_ones_refused():
    things = {7: object()}
    node = ["list", ["reference", 7, "object"]]
    assert decode(node, [], resolve=lambda found: things[found.id])[0] is things[7]
    with pytest.raises(CodecError, match="there is no object with the number 8"):
        decode(["reference", 8, "object"], [], resolve=lambda found: things[found.id])


# Classes that lie


class Called(BaseException):
    """Raised by every method of a class below."""


def trap(*args, **kwargs):
    raise Called


class Liar(type):
    """A metaclass whose classes say that they are whatever they are asked about."""

    __eq__ = __hash__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = trap


HOOKS = [
    "__eq__",
    "__ne__",
    "__hash__",
    "__len__",
    "__iter__",
    "__getitem__",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "__repr__",
    "__str__",
    "__array__",
    "__array_finalize__",
    "__array_ufunc__",
    "__array_function__",
    "__reduce_ex__",
    "__reduce__",
    "tobytes",
    "tolist",
    "astype",
    "copy",
    "__copy__",
    "__deepcopy__",
    "view",
    "items",
    "keys",
    "values",
    "encode",
    "isascii",
    "bit_length",
    "dtype",
    "shape",
    "size",
    "ndim",
    "data",
    "flags",
    "numel",
    "detach",
    "cpu",
    "requires_grad",
    "__torch_function__",
    "numpy",
    "contiguous",
    "__contains__",
]


def lying(base, **more):
    """A subclass whose every method and attribute raises."""
    hooks = {name: property(trap) if name in ("dtype", "shape") else trap for name in HOOKS} | more
    return type("Lying", (base,), hooks)


@pytest.mark.parametrize("base", [int, float, str, bytes, list, tuple, dict, set, np.float64])
def test_no_method_of_a_subclass_is_called(base):
    thing = base.__new__(lying(base))
    node, parts = encode([thing], refer=lambda thing: Reference(1, "Lying"))
    assert (node, parts) == (["list", ["reference", 1, "Lying"]], [])


def test_no_method_of_a_metaclass_or_class_attribute_is_called():
    made = type.__call__(Liar, "Made", (), {"__class__": property(trap)})
    thing = object.__new__(made)
    found = encode([thing, {1: thing}], refer=lambda thing: Reference(1, "Made"))[0]
    assert found == ["list", ["reference", 1, "Made"], ["dict", 1, ["reference", 1, "Made"]]]


def test_an_array_of_a_lying_class_comes_back_as_the_numbers_it_holds():
    plain = np.arange(6.0).reshape(2, 3)
    hooks = {"__array_finalize__": lambda self, other: None}
    assert same(crossed(np.ndarray.view(plain, lying(np.ndarray, **hooks))), plain)
    assert same(crossed(np.ma.array([1.0, 2.0], mask=[True, False])), np.array([1.0, 2.0]))


def test_a_tensor_of_a_lying_class_comes_back_as_the_numbers_it_holds():
    plain = torch.arange(6.0).reshape(2, 3)
    kind = lying(torch.Tensor, __torch_function__=classmethod(trap), requires_grad=property(trap))
    with torch._C.DisableTorchFunctionSubclass():
        thing = torch.Tensor._make_subclass(kind, plain)
    assert same(crossed(thing), plain)
    assert same(crossed(torch.nn.Parameter(plain)), plain.clone().requires_grad_())
    computed = torch.nn.Parameter(plain) * 2
    assert same(crossed(computed), (plain * 2).requires_grad_())


# Limits of what is written


def nested(depth, kind=list):
    value = kind()
    for _ in range(depth):
        value = kind((value,))
    return value


def endless():
    value = [1]
    value.append(value)
    return value


def endless_dict():
    value = {}
    value["self"] = [value]
    return value


def bomb():
    value = [0] * 10
    for _ in range(12):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nested(nodes.MAX_DEPTH + 1), "nested at most 16 deep"),
        (nested(100_000, tuple), "nested at most 16 deep"),
        (endless(), "contains itself"),
        (endless_dict(), "contains itself"),
        (bomb(), f"at most {nodes.MAX_ITEMS:,} items in all"),
        ([0] * 10_000_000, f"at most {nodes.MAX_ITEMS:,} items in all"),
        (set(range(nodes.MAX_KEYS + 1)), "50,000 keys"),
        (dict.fromkeys(range(nodes.MAX_KEYS + 1)), "50,000 keys"),
        ("x" * (nodes.MAX_TEXT + 1), "at most 16,777,216 bytes, got 16,777,217"),
        ("é" * (nodes.MAX_TEXT // 2 + 1), "at most 16,777,216 bytes, got 16,777,218"),
        (np.broadcast_to(1.0, (10**6, 10**6)), "at most 1,073,741,824 bytes, these take 8,000,"),
        (torch.ones(1).expand(10**6, 10**6), "at most 1,073,741,824 bytes, these take 4,000,"),
        ([b""] * (nodes.MAX_PARTS + 1), "at most 50,000 arrays and long texts"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 99 else "",
)
def test_what_is_too_large_is_refused_at_once(value, words):
    tracemalloc.start()
    try:
        started = time.process_time()
        with pytest.raises(CodecError, match=words):
            encode(value, refer=refuse)
        assert time.process_time() - started < 10
        assert tracemalloc.get_traced_memory()[1] < 60 * MIB
    finally:
        tracemalloc.stop()


def test_the_limits_themselves_are_allowed():
    for value in (
        nested(nodes.MAX_DEPTH),
        [0] * (nodes.MAX_ITEMS - 1),
        set(range(nodes.MAX_KEYS)),
        [b""] * nodes.MAX_PARTS,
        "é" * (nodes.MAX_TEXT // 2),
    ):
        assert crossed(value) == value
    encode(np.zeros(4), refer=refuse, max_bytes=32)
    with pytest.raises(CodecError, match="at most 31 bytes, these take 32"):
        encode(np.zeros(4), refer=refuse, max_bytes=31)


# What is refused when it is read

COLLIDING = [["int", format(k * (2**61 - 1), "x")] for k in range(5, 5000)]
DEEP = None
for _ in range(100_000):
    DEEP = ["list", DEEP]


@pytest.mark.parametrize(
    ("node", "parts", "words"),
    [
        (math.nan, [], "a finite number"),
        (math.inf, [], "a finite number"),
        (2**63, [], "an integer of 64 bits"),
        (-(2**63) - 1, [], "an integer of 64 bits"),
        ("x" * 257, [], "a short string"),
        ("\ud800", [], "a short string"),
        ({}, [], "got a dict"),
        ((), [], "got a tuple"),
        ([], [], "start with its tag, a string, got None"),
        ([1], [], "start with its tag, a string, got 1"),
        ([["list"]], [], "start with its tag, a string, got a list"),
        (["eval", "1"], [], "a known tag, got 'eval'"),
        (["list", ["x" * 10**6]], [], "known tag, got 'xxxx"),
        (DEEP, [], "nested at most 16 deep"),
        (["list"] + [0] * nodes.MAX_ITEMS, [], f"at most {nodes.MAX_ITEMS:,} items"),
        (["int"], [], r"fields \(str\), got \(\)"),
        (["int", 5], [], r"fields \(str\), got \(int\)"),
        (["int", "5"], [], "must be a number, not a text"),
        (["int", "-0"], [], "hexadecimal digits"),
        (["int", "0x10000000000000000"], [], "hexadecimal digits"),
        (["int", "1_0000000000000000"], [], "hexadecimal digits"),
        (["int", "1" * (nodes.MAX_DIGITS + 2)], [], "hexadecimal digits"),
        (["float", "1.5"], [], "nan, inf or -inf, got '1.5'"),
        (["float", "Infinity"], [], "nan, inf or -inf"),
        (["complex", 1.0], [], "two floats"),
        (["complex", 1, 2], [], "two floats"),
        (["complex", 1.0, 2.0, 3.0], [], "two floats"),
        (["str", 0], [b"\xff"], "UTF-8"),
        (["str", 0], [bytes(nodes.MAX_TEXT + 1)], "a text may have at most"),
        (["str", 0, 0], [b""], "got .int, int"),
        (["str", 0.0], [b""], "got .float"),
        (["str", True], [b"", b""], "got .bool"),
        (["bytes", -1], [b""], "a part must be one of 1, got -1"),
        (["bytes", 1], [b""], "a part must be one of 1, got 1"),
        (["bytes", 10**30], [b""], "a part must be one of 1, got a int"),
        (["list", ["bytes", 0], ["bytes", 0]], [b""], "part 0 is used twice"),
        (["list", ["bytes", 0]], [b"", b"a"], "2 parts came, 1 are used"),
        (["ellipsis", 1], [], r"fields \(\), got \(int\)"),
        (["set", ["list"]], [], "a set must hold"),
        (["set", ["tuple"]], [], "a set must hold"),
        (["set", 1, True], [], "some are equal"),
        (["set", *COLLIDING], [], "the same hash"),
        (["set", *range(nodes.MAX_KEYS + 1)], [], "at most 50,000 keys"),
        (["dict", 1], [], "pairs of a key and a value"),
        (["dict", ["list"], 1], [], "pairs of a key and a value"),
        (["dict", ["tuple", ["list"]], 1], [], "pairs of a key and a value"),
        (["dict", ["ellipsis"], 1], [], "pairs of a key and a value"),
        (["dict", ["array", "int8", [], 0], 1], [b"a"], "pairs of a key and a value"),
        (["dict", 1, 2, 1.0, 3], [], "some are equal"),
        (["dict", *[item for key in COLLIDING for item in (["tuple", key], 0)]], [], "same hash"),
        (["scalar", "float64", "00"], [], "a scalar must be"),
        (["scalar", "float128", "00" * 16], [], "a scalar must be"),
        (["scalar", "int8", "0 "], [], "a scalar must be"),
        (["scalar", "int8", "0G"], [], "a scalar must be"),
        (["scalar", "bool", "02"], [], "bytes 0 and 1"),
        (["array", "object", [1], 0], [bytes(8)], "kind of number, got 'object'"),
        (["array", "<f8", [1], 0], [bytes(8)], "kind of number, got '<f8'"),
        (["array", "datetime64[s]", [1], 0], [bytes(8)], "kind of number"),
        (["array", "float64", [2], 0], [bytes(8)], "need 16 bytes, the part has 8"),
        (["array", "float64", [2], 0], [bytes(24)], "need 16 bytes, the part has 24"),
        (["tensor", "float64", [2], 0, False], [bytes(24)], "need 16 bytes, the part has 24"),
        (["array", "float64", [10**18], 0], [bytes(8)], "need 8,000,000,000,000,000,000 bytes"),
        (["array", "float64", [2**32, 2**32], 0], [bytes(0)], "need far more bytes"),
        (["array", "float64", [2**62] * 64, 0], [bytes(8)], "need far more bytes"),
        (["array", "float64", [-1, -1], 0], [bytes(8)], "whole numbers from 0 on"),
        (["array", "float64", [1.0], 0], [bytes(8)], "whole numbers from 0 on"),
        (["array", "float64", [True], 0], [bytes(8)], "whole numbers from 0 on"),
        (["array", "float64", [2**63, 0], 0], [bytes(0)], "whole numbers from 0 on"),
        (["array", "float64", [2**62, 2**62, 0], 0], [bytes(0)], "cannot have this shape"),
        (["array", "float64", [1] * 65, 0], [bytes(8)], "at most 64 axes"),
        (["array", "bool", [2], 0], [b"\1\2"], "bytes 0 and 1"),
        (["array", "float64", "", 0], [bytes(8)], "got .str, str, int"),
        (["array", "float64", [], None], [bytes(8)], "got .str, list, NoneType"),
        (["tensor", "float32", [1], 0], [bytes(4)], "must have the fields"),
        (["tensor", "float32", [1], 0, 1], [bytes(4)], "must have the fields"),
        (["tensor", "float32", [2], 0, False], [bytes(4)], "need 8 bytes, the part has 4"),
        (["tensor", "float32", [10**18], 0, False], [bytes(4)], "need 4,000,000,000,000"),
        (["tensor", "float32", [2**62, 2**62, 0], 0, False], [bytes(0)], "cannot have this shape"),
        (["tensor", "quint8", [1], 0, False], [bytes(1)], "kind of number, got 'quint8'"),
        (["tensor", "load", [1], 0, False], [bytes(1)], "kind of number, got 'load'"),
        (["tensor", "bool", [1], 0, False], [b"\2"], "bytes 0 and 1"),
        (["tensor", "int64", [1], 0, True], [bytes(8)], "cannot require a gradient"),
        (["reference", "7", "Net"], [], "must have the fields"),
        (["reference", True, "Net"], [], "must have the fields"),
        (["reference", -1, "Net"], [], "a number from 0 on"),
        (["reference", 2**63, "Net"], [], "a number from 0 on"),
        (["reference", 1, "n" * 201], [], "a number from 0 on"),
        (["reference", 1, "\ud800"], [], "a number from 0 on"),
        (["slice", None, 1, None], [], "an argument, not a result"),
        (["rng", "PCG64", ["dict"]], [], "an argument, not a result"),
        (["torch_rng", 0], [b""], "an argument, not a result"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 99 else "",
)
def test_a_node_that_breaks_the_format_is_refused(node, parts, words):
    started = time.process_time()
    with pytest.raises(CodecError, match=words):
        decode(node, parts, resolve=keep)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("node", "parts", "words"),
    [
        (["slice", None, 1], [], "three nodes, got 2"),
        (["rng", "PCG64"], [], "a bit generator must be known, got None"),
        (["rng", "RandomState", ["dict"]], [], "a bit generator must be known"),
        (["rng", "PCG64", ["dict"]], [], "cannot have this state"),
        (["rng", "PCG64", 5], [], "cannot have this state"),
        (["torch_rng", 0], [b""], "cannot have this state"),
        (["torch_rng", 0], [bytes(5056)], "cannot have this state"),
    ],
)
def test_an_argument_that_breaks_the_format_is_refused(node, parts, words):
    with pytest.raises(CodecError, match=words):
        decode(node, parts, resolve=keep, arguments=True)


def test_tensors_can_be_forbidden():
    node, parts = encode(torch.ones(2), refer=refuse)
    with pytest.raises(CodecError, match="does without PyTorch"):
        decode(node, parts, resolve=keep, torch_allowed=False)


def test_nodes_made_of_subclasses_are_refused():
    for node in (Int(3), lying(list)(), lying(str)(), np.float64(1)):
        with pytest.raises(CodecError, match="a node must be"):
            decode(node, [], resolve=keep)


def test_reading_takes_as_much_memory_as_came():
    node, parts = encode([np.zeros(MIB), torch.zeros(MIB), "x" * MIB], refer=refuse)
    size = sum(map(len, parts))
    tracemalloc.start()
    try:
        decode(node, parts, resolve=keep)
        assert tracemalloc.get_traced_memory()[1] < 1.2 * size
    finally:
        tracemalloc.stop()


# Fuzzing

ODD = [None, True, 0, -1, 1, 3, 2**62, 2**63, 10**40, 0.5, math.nan, "", "float64", "bool", "nan"]
ODD += ["00", "-1f", "\ud800", "x" * 300, [], ["list"], ["list", ["list"]], {}, [2**62, 4], [0, -1]]
ODD += [["bytes", 0], ["array", "uint8", [1], 0], ["float", "inf"], ["reference", 3, "x"], b"", ()]
TAGS = [
    "int",
    "float",
    "str",
    "bytes",
    "ellipsis",
    "list",
    "tuple",
    "set",
    "dict",
    "complex",
    "scalar",
    "array",
    "tensor",
    "reference",
    "slice",
    "rng",
    "torch_rng",
]


def places(node):
    """Every list in a node with every index in it."""
    found = [(node, index) for index in range(len(node))]
    for item in node:
        if type(item) is list:
            found += places(item)
    return found


def mutate(node, chance):
    """Change a node as someone would who knows the grammar: fields, tags, lengths, order."""
    node = json.loads(json.dumps(["list", node, ["list", 1, 2]]))
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        where, index = chance.choice(places(node))
        other, at = chance.choice(places(node))
        change = chance.randrange(8)
        if change == 0:
            where[index] = copy.deepcopy(chance.choice(ODD))
        elif change == 1:
            where[index] = chance.choice(TAGS)
        elif change == 2 and len(where) > 1:
            del where[index]
        elif change == 3:
            where.insert(index, copy.deepcopy(chance.choice(ODD)))
        elif change == 4:
            where[index] = json.loads(json.dumps(other[at], default=str))
        elif change == 5 and type(where[index]) is int:
            where[index] += chance.choice([-1, 1, 2**31, 2**63])
        elif change == 6:
            for _ in range(chance.choice([1, 20])):
                where[index] = ["list", where[index]]
        else:
            chance.shuffle(where)
    return node


def mutate_parts(parts, chance):
    parts = [bytes(part) for part in parts]
    for index in range(len(parts)):
        kind = chance.randrange(8)
        if kind == 0 and parts[index]:
            spoiled = bytearray(parts[index])
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
            parts[index] = bytes(spoiled)
        elif kind == 1:
            parts[index] = parts[index][: chance.randrange(len(parts[index]) + 1)]
        elif kind == 2:
            parts[index] += b"\0"
    return parts


def is_plain(value):
    """Whether a value is made of exactly the types that may cross."""
    if type(value) in (list, tuple, set):
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(map(is_plain, [*value, *value.values()]))
    kinds = (bool, int, float, complex, str, bytes, type(None), type(...), Reference, slice)
    kinds += (np.ndarray, torch.Tensor, np.random.Generator, torch.Generator)
    return type(value) in kinds or isinstance(value, np.generic)


SEEDS = (
    [1, 2.5, "a", None, True, ..., 2**80, 1j, math.inf, b"x"],
    {"w": np.arange(6.0).reshape(2, 3), (1, "k"): torch.ones(2, 2, requires_grad=True)},
    [np.float32(2), np.bool_(1), {1, "b", 2.5}, ("x" * 300, np.zeros((0, 3))), Reference(2, "Net")],
    [torch.tensor(True), np.array([True, False]), torch.zeros(3).bfloat16(), {"a": {"b": [[]]}}],
    [slice(1, 2), torch.Generator(), np.random.Generator(np.random.Philox(1))],
)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_mutated_is_refused_or_read_as_plain_values(seed):
    chance = random.Random(seed)
    read = refused = 0
    tracemalloc.start()
    started = time.process_time()
    try:
        for _ in range(400):
            node, parts = encode(chance.choice(SEEDS), refer=refuse, arguments=True)
            node, parts = mutate(node, chance), mutate_parts(parts, chance)
            arguments = chance.random() < 0.3
            try:
                value = decode(node, parts, resolve=keep, arguments=arguments)
            except CodecError as error:
                refused += len(str(error)) < 400
            else:
                read += 1
                assert is_plain(value)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 60
    assert read > 10
    assert read + refused == 400


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(TAGS),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(st.sampled_from(TAGS), inner, inner).map(list)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=15,
)


@QUICK
@given(JSON, st.lists(st.binary(max_size=9), max_size=3))
def test_any_json_is_refused_or_read_as_plain_values(node, parts):
    with contextlib.suppress(CodecError):
        assert is_plain(decode(node, parts, resolve=keep))


def test_neither_module_imports_torch():
    code = "import d2l_lite.grading.codec, d2l_lite.grading.channel as one; import sys;"
    code += "print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"

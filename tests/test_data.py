"""Data sources against a local server that fails in every known way; tensors against oracles."""

import errno
import gzip
import hashlib
import io
import itertools
import lzma
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests  # noqa: F401  (imported before a test gives up its rights to read)
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from torch.utils.data import DataLoader

from d2l_lite import data
from tests.http_server import dripping, endless, good, meeting, redirect, serving, silent

NUM_TRAIN, NUM_TEST = 40, 20
SIZES = {"train": NUM_TRAIN, "test": NUM_TEST}
ROOT = Path(__file__).resolve().parent.parent


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def make_set() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        split: (
            rng.integers(0, 256, (size, 28, 28), dtype=np.uint8),
            rng.integers(0, 10, size, dtype=np.uint8),
        )
        for split, size in SIZES.items()
    }


PIXELS = make_set()
IMAGES, LABELS = PIXELS["train"]
CONTENT = {
    path: idx(array)
    for split in SIZES
    for path, array in zip(data._paths("fashion_mnist", split), PIXELS[split], strict=True)
}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = CONTENT
PACKED = {path: gzip.compress(content) for path, content in CONTENT.items()}
GOOD = PACKED[TRAIN_IMAGES]


@pytest.fixture
def site():
    with serving() as site:
        yield site


@pytest.fixture
def other():
    with serving() as site:
        yield site


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache, in a world without data, network or memory of earlier tests."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder / project)
    monkeypatch.setattr(data, "_DEBIAN", tmp_path / "debian")
    monkeypatch.delenv("D2L_LITE_DATA", raising=False)
    monkeypatch.delenv("D2L_LITE_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(data, "_PATIENCE", 30.0)  # a busy machine is no slow mirror
    monkeypatch.setattr(data, "_MIRRORS", [])
    for memory in ("_failed", "_unsaved"):
        monkeypatch.setattr(data, memory, {})
    monkeypatch.setattr(data, "_real", set())
    return folder / "d2l_lite"


@pytest.fixture
def tiny(cache, monkeypatch):
    """Return the cache of a world whose Fashion-MNIST has 40 + 20 images of noise."""
    monkeypatch.setitem(data._SIZES, "fashion_mnist", SIZES)
    for path, content in CONTENT.items():
        monkeypatch.setitem(data._SHA256, path, hashlib.sha256(content).hexdigest())
    return cache


def put(folder: Path, files: dict[str, bytes]) -> None:
    for path, raw in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)


def mirrors(monkeypatch, *sites) -> None:
    found = [["fashion-mnist", f"{site.address}/{{}}"] for site in sites]
    monkeypatch.setattr(data, "_MIRRORS", found)


def serve_all(site) -> None:
    for path, raw in PACKED.items():
        site.routes["/" + path.rpartition("/")[2]] = good(raw)


def address(site, path: str = TRAIN_IMAGES) -> str:
    return f"{site.address}/{path.rpartition('/')[2]}"


def route(path: str = TRAIN_IMAGES) -> str:
    return "/" + path.rpartition("/")[2]


def assert_real(loaded) -> None:
    assert not loaded.is_stand_in
    expected = torch.from_numpy(IMAGES[:, None].astype(np.float32) / np.float32(255))
    torch.testing.assert_close(loaded.X, expected, rtol=0, atol=0)
    assert loaded.y.tolist() == LABELS.tolist()
    assert loaded.X.dtype == torch.float32
    assert loaded.y.dtype == torch.int64


# --- Where files come from, in order ----------------------------------------------------------


def test_a_mirror_fills_the_cache_and_the_cache_needs_no_mirror(tiny, site, monkeypatch, capsys):
    mirrors(monkeypatch, site)
    serve_all(site)
    assert_real(data.load_images("fashion_mnist"))
    assert (tiny / TRAIN_IMAGES).read_bytes() == GOOD
    assert {path.name for path in tiny.rglob("*")} == {
        "fashion-mnist",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    }
    assert_real(data.load_images("fashion_mnist"))
    assert set(site.hits.values()) == {1}
    assert capsys.readouterr().out == ""


def test_the_directory_of_the_variable_comes_first_then_cache_then_debian(
    tiny, tmp_path, site, monkeypatch
):
    mirrors(monkeypatch, site)
    serve_all(site)
    folders = {"mine": tmp_path / "mine", "cache": tiny, "debian": tmp_path / "debian"}
    monkeypatch.setenv("D2L_LITE_DATA", str(folders["mine"]))
    for folder in folders.values():
        put(folder, PACKED)
    for folder in folders.values():
        assert data._find(TRAIN_IMAGES)[2] == str(folder / TRAIN_IMAGES)
        (folder / TRAIN_IMAGES).unlink()
    assert not site.hits
    assert data._find(TRAIN_IMAGES)[2] == address(site)


def test_recompressed_and_plain_content_count_as_the_same_file(tiny, tmp_path, monkeypatch):
    content = CONTENT[TRAIN_IMAGES]
    two_members = gzip.compress(content[:999]) + gzip.compress(content[999:])
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path))
    for raw in (gzip.compress(content, 1), two_members, lzma.compress(content), content):
        put(tmp_path, {TRAIN_IMAGES: raw, TRAIN_LABELS: PACKED[TRAIN_LABELS]})
        assert_real(data.load_images("fashion_mnist"))


def test_a_body_that_the_transfer_unpacks_is_accepted(tiny, site, monkeypatch):
    mirrors(monkeypatch, site)
    serve_all(site)
    site.routes[route()] = good(GOOD, Content_Encoding="gzip")
    assert_real(data.load_images("fashion_mnist"))
    assert_real(data.load_images("fashion_mnist"))


def test_offline_asks_no_mirror(tiny, site, monkeypatch, capsys):
    mirrors(monkeypatch, site)
    serve_all(site)
    monkeypatch.setenv("D2L_LITE_OFFLINE", "1")
    assert data.load_images("fashion_mnist").is_stand_in
    assert not site.hits
    with pytest.raises(data.DataError, match="not asked, because D2L_LITE_OFFLINE is set"):
        data._find(TRAIN_IMAGES)
    monkeypatch.setenv("D2L_LITE_OFFLINE", "0")
    assert not data.load_images("fashion_mnist").is_stand_in


# --- Answers that are not the file ------------------------------------------------------------

OTHER = gzip.compress(idx(255 - IMAGES))
PAGE = b"<!DOCTYPE html><html><body>Please log in to this network.</body></html>"
SLOW = ("nothing", "drip")
FAILURES = {
    "forbidden": (good(b"no", status=403), "403 Client Error"),
    "missing": (good(b"no", status=404), "404 Client Error"),
    "broken": (good(b"no", status=500), "500 Server Error"),
    "page": (good(PAGE), "a page of HTML or XML \\(71 bytes\\) instead of the file"),
    "page, gzipped": (good(gzip.compress(PAGE)), "71 bytes of content with SHA-256"),
    "empty": (good(b""), "0 bytes of content with SHA-256"),
    "half, said honestly": (good(GOOD[: len(GOOD) // 2]), "truncated or damaged \\([0-9,]+ bytes"),
    "half, promised whole": (
        good(GOOD[: len(GOOD) // 2], promised=len(GOOD)),
        "no complete answer \\(ChunkedEncodingError\\)|truncated or damaged",
    ),
    "one bit off": (good(GOOD[:2000] + bytes([GOOD[2000] ^ 1]) + GOOD[2001:]), "damaged|SHA-256"),
    "other content": (good(OTHER), "31,376 bytes of content with SHA-256 [0-9a-f]{12}…, not"),
    "too long": (good(gzip.compress(CONTENT[TRAIN_IMAGES] + b"!")), "31,377 bytes of content"),
    "loop": (redirect(route()), "Exceeded 30 redirects"),
    "to a page": (redirect("/login"), "a page of HTML"),
    "nothing": (silent(3), "no complete answer|gave up after 0 bytes"),
    "drip": (dripping(GOOD, pause=0.05), "gave up after [0-9,]+ bytes"),
    "not HTTP": (lambda request: request.wfile.write(b"hello\r\n\r\n"), "no complete answer"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_bad_answer_ends_in_the_next_mirror(tiny, site, other, monkeypatch, capsys, failure):
    mirrors(monkeypatch, site, other)
    serve_all(site)
    serve_all(other)
    site.routes["/login"] = good(PAGE)
    site.routes[route()] = FAILURES[failure][0]
    if failure in SLOW:
        monkeypatch.setattr(data, "_PATIENCE", 1.0)
    assert_real(data.load_images("fashion_mnist"))
    assert site.hits[route()] >= 1
    assert other.hits[route()] == 1
    assert (tiny / TRAIN_IMAGES).read_bytes() == GOOD
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("failure", FAILURES)
def test_bad_answers_alone_end_in_one_error_that_names_them(tiny, site, monkeypatch, failure):
    mirrors(monkeypatch, site)
    site.routes["/login"] = good(PAGE)
    answer, reason = FAILURES[failure]
    site.routes[route()] = answer
    if failure in SLOW:
        monkeypatch.setattr(data, "_PATIENCE", 1.0)
    with pytest.raises(data.DataError, match=reason) as raised:
        data._find(TRAIN_IMAGES)
    message = str(raised.value)
    assert f"{TRAIN_IMAGES} is not available. Tried:" in message
    assert "$D2L_LITE_DATA: not set" in message
    assert f"{tiny / TRAIN_IMAGES}: no such file" in message
    assert address(site) in message
    assert "Set D2L_LITE_DATA to a directory that has it" in message
    assert not tiny.exists()


def test_a_redirect_is_followed_to_the_file(tiny, site, other, monkeypatch):
    mirrors(monkeypatch, site)
    serve_all(site)
    site.routes[route()] = redirect(f"{other.address}/moved")
    other.routes["/moved"] = good(GOOD)
    assert_real(data.load_images("fashion_mnist"))


def test_nobody_listening_ends_in_the_next_mirror(tiny, site, monkeypatch):
    with serving() as gone:
        mirrors(monkeypatch, gone, site)
    serve_all(site)
    assert_real(data.load_images("fashion_mnist"))


def test_an_answer_without_end_is_cut_off(tiny, site, monkeypatch):
    mirrors(monkeypatch, site)
    monkeypatch.setattr(data, "_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(data, "_PATIENCE", 1.0)
    site.routes[route()] = endless
    with pytest.raises(data.DataError, match=r"gave up after [0-9,]{9,} bytes"):
        data._find(TRAIN_IMAGES)


def test_a_large_file_may_take_longer_than_the_patience(tiny, site, monkeypatch):
    monkeypatch.setattr(data, "_MIN_RATE", 100)
    monkeypatch.setattr(data, "_PATIENCE", 1.0)
    mirrors(monkeypatch, site)
    serve_all(site)

    def in_parts(request):
        request.send_response(200)
        request.end_headers()
        for part in range(0, len(GOOD), len(GOOD) // 8):
            request.wfile.write(GOOD[part : part + len(GOOD) // 8])
            time.sleep(0.3)

    site.routes[route()] = in_parts
    start = time.monotonic()
    assert_real(data.load_images("fashion_mnist"))
    assert time.monotonic() - start > 2 * data._PATIENCE


def test_a_failure_is_remembered_for_the_rest_of_the_process(tiny, site, monkeypatch):
    mirrors(monkeypatch, site)
    serve_all(site)
    site.routes[route()] = good(b"no", status=404)
    for _ in range(3):
        assert data.load_images("fashion_mnist").is_stand_in
    assert site.hits == {route(): 1}
    assert data._find(TEST_IMAGES)[2] == address(site, TEST_IMAGES)


def test_a_mute_host_is_waited_for_once_whatever_is_asked(tiny, site, monkeypatch):
    mirrors(monkeypatch, site)
    monkeypatch.setattr(data, "_PATIENCE", 1.0)
    for path in CONTENT:
        site.routes[route(path)] = silent(3)
    start = time.monotonic()
    for split in SIZES:
        for _ in range(5):
            assert data.load_images("fashion_mnist", split).is_stand_in
    assert sum(site.hits.values()) == 1
    assert time.monotonic() - start < 8 * data._PATIENCE


# --- Files on disk ----------------------------------------------------------------------------


def test_a_damaged_file_of_the_user_is_named_and_the_next_source_serves(
    tiny, tmp_path, monkeypatch, capsys
):
    mine = tmp_path / "mine"
    monkeypatch.setenv("D2L_LITE_DATA", str(mine))
    put(mine, PACKED | {TRAIN_IMAGES: GOOD[:1000]})
    put(tiny, PACKED)
    assert_real(data.load_images("fashion_mnist"))
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        f"d2l_lite: {mine / TRAIN_IMAGES} cannot be used: truncated or damaged (1,000 bytes): "
        "Compressed file ended before the end-of-stream marker was reached; trying the next source"
    )


def test_a_damaged_cache_is_named_and_repaired(tiny, site, monkeypatch, capsys):
    mirrors(monkeypatch, site)
    serve_all(site)
    put(tiny, {TRAIN_IMAGES: OTHER})
    assert_real(data.load_images("fashion_mnist"))
    assert f"{tiny / TRAIN_IMAGES} cannot be used: 31,376 bytes" in capsys.readouterr().out
    assert_real(data.load_images("fashion_mnist"))
    assert capsys.readouterr().out == ""


def test_a_folder_in_the_place_of_a_file_is_named(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path))
    (tmp_path / TRAIN_IMAGES).mkdir(parents=True)
    put(tiny, PACKED)
    assert_real(data.load_images("fashion_mnist"))
    assert "Is a directory" in capsys.readouterr().out


@contextmanager
def ordinary_rights(folder: Path):
    """Make a folder read-only; and since it would not bind the superuser, be somebody else."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (folder / "probe").write_text("a folder that is not read-only would prove nothing")
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file modes of POSIX")
@pytest.mark.parametrize("is_filled", [True, False])
def test_a_read_only_cache_is_read_and_what_it_cannot_take_stays_in_memory(
    tiny, site, monkeypatch, capsys, is_filled
):
    mirrors(monkeypatch, site)
    serve_all(site)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "cache"
        folder.mkdir()
        Path(name).chmod(0o755)
        monkeypatch.setattr(data, "_cache", lambda: folder)
        monkeypatch.setattr(data, "_DEBIAN", Path(name) / "debian")
        put(folder, PACKED if is_filled else {})
        with ordinary_rights(folder):
            assert_real(data.load_images("fashion_mnist"))
            said = capsys.readouterr().out
            assert_real(data.load_images("fashion_mnist"))
            assert capsys.readouterr().out == ""
    assert sum(site.hits.values()) == (0 if is_filled else 2)
    lines = [
        f"d2l_lite: cannot write {folder / path} (Permission denied), so it stays in memory"
        for path in (TRAIN_IMAGES, TRAIN_LABELS)
    ]
    assert said.splitlines() == ([] if is_filled else lines)


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), None])
def test_a_write_that_fails_half_way_leaves_nothing_behind(tiny, monkeypatch, capsys, fault):
    put(tiny, {TRAIN_IMAGES: b"old"})

    def broken(self, raw):
        with open(self, "wb") as stream:
            stream.write(raw[:100])
        raise fault or KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", broken)
    if fault:
        data._keep(GOOD, TRAIN_IMAGES)
        assert "(No space left on device), so it stays in memory" in capsys.readouterr().out
        assert data._find(TRAIN_IMAGES)[2] == "memory"
    else:
        with pytest.raises(KeyboardInterrupt):
            data._keep(GOOD, TRAIN_IMAGES)
    assert [path.name for path in (tiny / "fashion-mnist").iterdir()] == [route()[1:]]
    assert (tiny / TRAIN_IMAGES).read_bytes() == b"old"


def test_a_reader_never_sees_a_file_half_written(tiny):
    data._keep(GOOD, TRAIN_IMAGES)
    is_done = threading.Event()

    def write() -> None:
        while not is_done.is_set():
            data._keep(GOOD, TRAIN_IMAGES)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {(tiny / TRAIN_IMAGES).read_bytes() for _ in range(2000)}
    finally:
        is_done.set()
        writer.join()
    assert seen == {GOOD}


LOADER = """
import sys
from pathlib import Path
import pooch
from d2l_lite import data
address, folder, *digests = sys.argv[1:]
pooch.os_cache = lambda project: Path(folder)
data._PATIENCE = 60.0
data._DEBIAN = Path(folder) / "none"
data._MIRRORS = [["fashion-mnist", address + "/{}"]]
data._SHA256.update(pair.split("=") for pair in digests)
data._SIZES["fashion_mnist"] = {"train": 40, "test": 20}
loaded = data.load_images("fashion_mnist")
print(loaded.is_stand_in, int(loaded.y.sum()))
"""


def test_two_processes_at_once_both_get_the_data(tiny, site):
    for path, raw in PACKED.items():
        site.routes[route(path)] = meeting(good(raw), 2)
    digests = [f"{path}={data._SHA256[path]}" for path in CONTENT]
    hidden = {"D2L_LITE_DATA", "D2L_LITE_OFFLINE"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", LOADER, site.address, str(tiny), *digests],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    assert answers == [(f"False {LABELS.sum()}\n", "")] * 2
    assert site.hits == {route(TRAIN_IMAGES): 2, route(TRAIN_LABELS): 2}
    assert {path.name for path in tiny.rglob("*.*")} == {
        route(TRAIN_IMAGES)[1:],
        route(TRAIN_LABELS)[1:],
    }


# --- Stand-ins --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape"),
    [("fashion_mnist", (1, 28, 28)), ("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))],
)
def test_without_a_source_digits_stand_in_and_one_line_says_so(cache, capsys, name, shape):
    loaded = data.load_images(name, "test", num_examples=300)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        f"d2l_lite: {name} (test) is not available; handwritten digits stand in for it "
        "(to see why: python -m d2l_lite)"
    )
    assert loaded.is_stand_in
    assert loaded.X.shape == (300, *shape)
    assert loaded.X.dtype == torch.float32
    assert loaded.y.dtype == torch.int64
    assert 0 <= loaded.X.min() < loaded.X.max() <= 1
    assert loaded.classes == tuple("0123456789")
    assert sorted(set(loaded.y.tolist())) == list(range(10))
    again = data.load_images(name, "test", num_examples=300)
    assert torch.equal(loaded.X, again.X)
    other = data.load_images(name, "test", num_examples=300, seed=1)
    assert not torch.equal(loaded.y, other.y)


def test_a_stand_in_has_as_many_images_as_the_set(cache):
    assert len(data.load_images("mnist", "test")) == 10_000
    assert len(data.load_images("fashion_mnist", "train")) == 60_000


def test_the_splits_of_a_stand_in_share_no_digit(cache, monkeypatch):
    monkeypatch.setattr(data, "random_crop", lambda X, **options: X)
    splits = (data.load_images("mnist", split, num_examples=9_000).X for split in SIZES)
    train, test = ({image.numpy().tobytes() for image in X} for X in splits)
    assert len(train) > 1400
    assert len(test) > 350
    assert not train & test


@pytest.mark.parametrize(("name", "at_least"), [("mnist", 0.8), ("cifar10", 0.6)])
def test_a_stand_in_can_be_learned(cache, name, at_least):
    """Nearest neighbors as the judge: chance is 0.1."""
    from sklearn.neighbors import KNeighborsClassifier

    train, test = (
        data.load_images(name, split, num_examples=n)
        for split, n in (("train", 4000), ("test", 500))
    )
    judge = KNeighborsClassifier(3).fit(train.X.flatten(1).numpy(), train.y.numpy())
    assert judge.score(test.X.flatten(1).numpy(), test.y.numpy()) >= at_least


def test_real_and_stand_in_splits_are_not_mixed(tiny, capsys):
    put(tiny, {path: PACKED[path] for path in (TRAIN_IMAGES, TRAIN_LABELS)})
    assert not data.load_images("fashion_mnist").is_stand_in
    with pytest.raises(data.DataError, match="t10k-images"):
        data.load_images("fashion_mnist", "test")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", data._TEXTS)
def test_text_is_read_as_it_is_or_replaced_with_a_notice(cache, name, monkeypatch, capsys):
    stand_in = data.load_text(name)
    assert len(stand_in) > 100_000
    assert 'The "assert" statement' in stand_in
    assert capsys.readouterr().out.startswith(f"d2l_lite: {name} is not available; Python's")
    text = "四時運灰琯，一夕變冬春。\r\nFirst Citizen:\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setitem(data._SHA256, f"text/{name}.txt", digest)
    put(cache, {f"text/{name}.txt": text.encode()})
    assert data.load_text(name) == text
    assert capsys.readouterr().out == ""


def test_the_real_sets_have_their_published_counts(tmp_path, monkeypatch):
    """Where they are at hand: every class of Fashion-MNIST has 1,000 test images; and so on."""
    monkeypatch.setattr(data, "_cache", lambda: tmp_path)
    monkeypatch.setattr(data, "_real", set())
    fashion, mnist = (data.load_images(name, "test") for name in ("fashion_mnist", "mnist"))
    if not fashion.is_stand_in:
        assert fashion.y.bincount().tolist() == [1000] * 10
        assert fashion.classes[fashion.y[0]] == "ankle boot"
    if not mnist.is_stand_in:
        assert mnist.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert len(fashion) == len(mnist) == 10_000


# --- CIFAR-10 ---------------------------------------------------------------------------------


def cifar_archive(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Return five training batches and a test batch in the official layout, out of order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        order = [(f"data_batch_{k + 1}", slice(4 * k, 4 * k + 4)) for k in (3, 0, 4, 2, 1)]
        for name, part in [*order, ("test_batch", slice(20, None)), ("readme.html", slice(0))]:
            batch = {b"data": images[part].reshape(-1, 3072), b"labels": labels[part].tolist()}
            raw = pickle.dumps(batch, protocol=2)
            raw = raw.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


@pytest.fixture
def cifar(cache, monkeypatch):
    """Return images and labels of a CIFAR-10 of 20 + 6 images, and both its files."""
    from PIL import Image

    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (26, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, 26, dtype=np.uint8)
    arrays = {}
    for split, part in (("train", slice(0, 20)), ("test", slice(20, None))):
        streams = [io.BytesIO() for _ in images[part]]
        for image, stream in zip(images[part], streams, strict=True):
            Image.fromarray(image.transpose(1, 2, 0)).save(stream, "JPEG", quality=95)
        parts = [stream.getvalue() for stream in streams]
        arrays[f"{split}_jpeg"] = np.frombuffer(b"".join(parts), np.uint8)
        arrays[f"{split}_offsets"] = np.cumsum([0, *(len(raw) for raw in parts)])
        arrays[f"{split}_labels"] = labels[part]
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    official, jpeg = data._paths("cifar10", "train")
    files = {official: cifar_archive(images, labels), jpeg: lzma.compress(packed.getvalue())}
    monkeypatch.setitem(data._SHA256, official, hashlib.sha256(files[official]).hexdigest())
    monkeypatch.setitem(data._SHA256, jpeg, hashlib.sha256(packed.getvalue()).hexdigest())
    monkeypatch.setitem(data._SIZES, "cifar10", {"train": 20, "test": 6})
    return images, labels, files


@pytest.mark.parametrize("split", SIZES)
def test_the_official_archive_gives_the_pixels_exactly(cifar, cache, split, capsys):
    images, labels, files = cifar
    put(cache, files)
    part = slice(0, 20) if split == "train" else slice(20, None)
    loaded = data.load_images("cifar10", split)
    assert torch.equal((loaded.X * 255).round().byte(), torch.from_numpy(images[part]))
    assert loaded.y.tolist() == labels[part].tolist()
    assert loaded.classes[6] == "frog"
    assert capsys.readouterr().out == ""


def test_jpeg_copies_are_decoded_and_called_lossy(cifar, cache, tmp_path, monkeypatch, capsys):
    from PIL import Image

    images, labels, (official, jpeg) = cifar[0], cifar[1], cifar[2]
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "mine"))
    put(tmp_path / "mine", {jpeg: cifar[2][jpeg]})
    put(cache, {official: cifar[2][official]})
    loaded = data.load_images("cifar10")
    (line,) = capsys.readouterr().out.splitlines()
    assert "lossy" in line
    for i, image in enumerate(images[:20]):
        stream = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(stream, "JPEG", quality=95)
        decoded = np.array(Image.open(stream)).transpose(2, 0, 1)
        assert torch.equal((loaded.X[i] * 255).round().byte(), torch.from_numpy(decoded))
    assert loaded.y.tolist() == labels[:20].tolist()
    some = data.load_images("cifar10", num_examples=5, seed=2)
    assert {image.numpy().tobytes() for image in some.X} < {x.numpy().tobytes() for x in loaded.X}
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    exact = data.load_images("cifar10")
    assert torch.equal((exact.X * 255).round().byte(), torch.from_numpy(images[:20]))


# --- Subsets, names, the command --------------------------------------------------------------


def test_a_subset_is_seeded_and_smaller_ones_are_its_beginning(tiny):
    put(tiny, PACKED)
    everything = data.load_images("fashion_mnist")
    where = {image.numpy().tobytes(): i for i, image in enumerate(everything.X)}
    orders = {}
    for n, seed in itertools.product((1, 15, NUM_TRAIN), (0, 1)):
        some = data.load_images("fashion_mnist", num_examples=n, seed=seed)
        orders[n, seed] = [where[image.numpy().tobytes()] for image in some.X]
        assert len(set(orders[n, seed])) == n
        assert some.y.tolist() == LABELS[orders[n, seed]].tolist()
    assert orders[15, 0] == orders[NUM_TRAIN, 0][:15]
    assert orders[15, 0] != orders[15, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: data.load_images("fashion"),
            r"name must be one of fashion_mnist, mnist, cifar10; got 'fashion'",
        ),
        (
            lambda: data.load_images("mnist", "val"),
            r"split must be one of train, test; got 'val'",
        ),
        (
            lambda: data.load_images("mnist", num_examples=0),
            r"num_examples must be in \[1, 60000\] or None, got 0",
        ),
        (
            lambda: data.load_images("cifar10", num_examples=50_001),
            r"num_examples must be in \[1, 50000\] or None, got 50001",
        ),
        (lambda: data.load_table("boston"), r"name must be one of diabetes, .*; got 'boston'"),
        (lambda: data.load_text("bible"), r"name must be one of timemachine, .*; got 'bible'"),
        (
            lambda: data.Batches(torch.zeros(3, 1), torch.zeros(4), 2),
            r"X and y must have equal length on one device, got 3 on cpu and 4 on cpu",
        ),
        (
            lambda: data.Batches(torch.zeros(3, 1), torch.zeros(3), 0),
            r"batch_size must be at least 1, got 0",
        ),
    ],
)
def test_errors_name_the_rule_and_what_was_received(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_command_fetches_all_and_reports_what_failed(tiny, site, monkeypatch, capsys):
    for name in data._SIZES:
        monkeypatch.setitem(data._SIZES, name, SIZES)
    mirrors(monkeypatch, site)
    serve_all(site)
    assert data.fetch_all() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"fashion_mnist: verified, from {address(site)}"
    assert {path for path in PACKED if (tiny / path).exists()} == set(PACKED)
    assert "mnist: mnist/train-images-idx3-ubyte.gz is not available. Tried:" in lines
    assert "  mirrors of text/tang_quatrains.txt: none is known" in lines


def test_the_command_succeeds_where_only_sets_without_a_mirror_are_missing(monkeypatch, capsys):
    def find(*paths):
        if "tang" in paths[0]:
            raise data.DataError(f"Tried:\n  mirrors of {paths[0]}: none is known")
        return b"", paths[0], f"/somewhere/{paths[0]}"

    monkeypatch.setattr(data, "_find", find)
    assert data.fetch_all() == 0
    assert capsys.readouterr().out.count("verified, from /somewhere") == 5


def test_every_file_has_a_digest_and_every_mirror_speaks_https():
    images = [data._paths(name, split) for name in data._SIZES for split in SIZES]
    texts = [f"text/{name}.txt" for name in data._TEXTS]
    assert {*itertools.chain(*images), *texts} == set(data._SHA256)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in data._SHA256.values())
    keys = {path.rpartition("/")[0] for path in data._SHA256} | set(data._SHA256)
    assert {key for key, _ in data._MIRRORS} <= keys
    assert all(url.startswith("https://") for _, url in data._MIRRORS)


# --- Tables and synthetic data, against scikit-learn and closed forms -------------------------


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_tables_are_those_of_scikit_learn(name):
    table, bunch = data.load_table(name), getattr(datasets, f"load_{name}")()
    np.testing.assert_array_equal(table.X.numpy(), bunch.data.astype(np.float32))
    np.testing.assert_array_equal(table.y.numpy(), bunch.target)
    assert table.y.dtype == torch.int64
    assert list(table.feature_names) == list(bunch.feature_names)
    assert list(table.target_names) == [str(target) for target in bunch.target_names]
    X, y = table
    assert X is table.X
    assert y is table.y
    assert len(table) == len(bunch.target)


def test_diabetes_is_in_raw_units():
    """Centered and divided by its norm, each column is that of scikit-learn's scaled version."""
    table, bunch = data.load_table("diabetes"), datasets.load_diabetes()
    centered = table.X.double() - table.X.double().mean(0)
    np.testing.assert_allclose(centered / centered.norm(dim=0), bunch.data, atol=1e-6)
    np.testing.assert_array_equal(table.y.numpy(), bunch.target.astype(np.float32))
    assert set(table.X[:, 1].tolist()) == {1.0, 2.0}
    assert len(table.feature_names) == table.X.shape[1] == 10
    assert len(table.target_names) == 1


def test_synthetic_data_obey_their_law():
    w, b = torch.tensor([2.0, -3.4, 0.5], dtype=torch.float64), 4.2
    generator = torch.Generator().manual_seed(0)
    X, y = data.synthetic_linear(w, b, num_examples=20_000, noise_std=0.3, generator=generator)
    design = torch.cat([X, torch.ones(len(X), 1, dtype=X.dtype)], dim=1)
    found = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
    five_errors = 5 * 0.3 / len(X) ** 0.5
    torch.testing.assert_close(
        found, torch.tensor([*w, b], dtype=w.dtype), rtol=0, atol=five_errors
    )
    noise = y - design @ found
    assert abs(noise.std().item() - 0.3) < five_errors
    assert abs(X.std().item() - 1) < 5 / X.numel() ** 0.5
    generator.manual_seed(0)
    again = data.synthetic_linear(w, b, num_examples=20_000, noise_std=0.3, generator=generator)
    assert torch.equal(again[1], y)


def test_synthetic_data_without_noise_are_exact_in_loops():
    w, b = torch.tensor([1.0, -2.0]), torch.tensor(0.5)
    X, y = data.synthetic_linear(w, b, num_examples=7, noise_std=0.0)
    for i in range(7):
        expected = float(b) + sum(float(w[j]) * float(X[i, j]) for j in range(2))
        assert y[i].item() == pytest.approx(expected, abs=1e-6)


# --- Batches ----------------------------------------------------------------------------------


def numbered(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    X = torch.arange(n, dtype=torch.float32)[:, None].repeat(1, 3)
    return X, torch.arange(n)


@settings(deadline=None, derandomize=True, database=None)
@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_an_epoch_has_every_example_once_and_pairs_stay_together(n, batch_size, shuffle, drop_last):
    X, y = numbered(n)
    batches = data.Batches(X, y, batch_size, shuffle=shuffle, drop_last=drop_last)
    for _ in range(2):
        parts = list(batches)
        assert len(parts) == len(batches)
        assert all(torch.equal(X_part[:, 2].long(), y_part) for X_part, y_part in parts)
        assert {len(y_part) for _, y_part in parts[:-1]} <= {batch_size}
        seen = [i for _, y_part in parts for i in y_part.tolist()]
        assert len(set(seen)) == len(seen) == (n - n % batch_size if drop_last else n)
        if not shuffle:
            assert seen == list(range(len(seen)))
    assert batches.num_examples == n


def test_the_same_seed_gives_the_same_orders_and_each_epoch_a_new_one():
    X, y = numbered(50)

    def orders(seed: int) -> list[list[int]]:
        batches = data.Batches(X, y, 8, generator=torch.Generator().manual_seed(seed))
        return [[i for _, part in batches for i in part.tolist()] for _ in range(3)]

    assert orders(3) == orders(3)
    assert orders(3) != orders(4)
    first, second, third = orders(3)
    assert first != second != third


def test_without_a_generator_the_order_is_that_of_pytorchs_seed():
    X, y = numbered(30)
    batches = data.Batches(X, y, 30)
    torch.manual_seed(11)
    ((_, order),) = batches
    torch.manual_seed(11)
    assert torch.equal(order, torch.randperm(30))


def test_a_transform_sees_the_whole_batch_and_the_generator_and_spares_the_data():
    X, y = numbered(10)
    generator = torch.Generator().manual_seed(0)
    calls = []

    def double(X_part, given):
        calls.append((len(X_part), given is generator))
        return 2 * X_part

    batches = data.Batches(X, y, 4, transform=double, generator=generator)
    for X_part, y_part in batches:
        assert torch.equal(X_part[:, 0], 2.0 * y_part)
    assert calls == [(4, True), (4, True), (2, True)]
    assert torch.equal(X, numbered(10)[0])


def test_images_serve_pytorchs_data_loader(tiny):
    put(tiny, PACKED)
    loaded = data.load_images("fashion_mnist")
    ours = data.Batches(loaded.X, loaded.y, 16, shuffle=False)
    theirs = DataLoader(loaded, batch_size=16)
    for (X, y), (X_loader, y_loader) in zip(ours, theirs, strict=True):
        assert torch.equal(X, X_loader)
        assert torch.equal(y, y_loader)
    X, y = loaded
    assert X is loaded.X
    assert y is loaded.y
    assert repr(loaded) == "ImageData(fashion_mnist: X 40×1×28×28, cpu)"
    moved = loaded.to("meta")
    assert {moved.X.device.type, moved.y.device.type} == {"meta"}
    assert moved.classes == loaded.classes


def test_batches_keep_the_memory_format_of_the_images():
    X, y = torch.rand(12, 3, 4, 4), torch.arange(12)
    for layout in (torch.contiguous_format, torch.channels_last):
        for X_part, y_part in data.Batches(X.to(memory_format=layout), y, 5):
            assert X_part.is_contiguous(memory_format=layout)
            assert torch.equal(X_part, X[y_part])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_stay_on_the_device_in_the_order_of_the_cpu():
    X, y = numbered(40)
    orders = []
    for device in ("cpu", "cuda"):
        generator = torch.Generator().manual_seed(5)
        batches = data.Batches(X.to(device), y.to(device), 16, generator=generator)
        parts = [part for _, part in batches]
        assert {part.device.type for part in parts} == {device}
        orders.append(torch.cat(parts).tolist())
    assert orders[0] == orders[1]


# --- Augmentation, against loops --------------------------------------------------------------


def pictures(n: int = 6, c: int = 2, h: int = 5, w: int = 4) -> torch.Tensor:
    return torch.arange(1, n * c * h * w + 1, dtype=torch.float32).reshape(n, c, h, w)


def test_flips_mirror_whole_images():
    X = pictures(n=200)
    flipped = data.random_horizontal_flip(X, generator=torch.Generator().manual_seed(0))
    turned = 0
    for image, result in zip(X, flipped, strict=True):
        mirrored = torch.stack(
            [torch.stack([row[[3, 2, 1, 0]] for row in plane]) for plane in image]
        )
        assert torch.equal(result, image) or torch.equal(result, mirrored)
        turned += torch.equal(result, mirrored)
    assert abs(turned - 100) < 5 * 50**0.5


def test_flipping_all_twice_is_the_identity_and_p_is_kept():
    X = pictures()
    once = data.random_horizontal_flip(X, p=1.0)
    assert torch.equal(once, X.flip(3))
    assert torch.equal(data.random_horizontal_flip(once, p=1.0), X)
    assert torch.equal(data.random_horizontal_flip(X, p=0.0), X)


def test_a_crop_without_padding_is_the_identity():
    X = pictures()
    assert torch.equal(data.random_crop(X, padding=0), X)


def test_crops_are_all_the_windows_of_the_padded_image_and_nothing_else():
    X, padding = pictures(n=1, c=2, h=5, w=4).repeat(500, 1, 1, 1), 2
    result = data.random_crop(X, padding=padding, generator=torch.Generator().manual_seed(0))
    windows = {}
    for dy, dx in itertools.product(range(-padding, padding + 1), repeat=2):
        window = torch.zeros(2, 5, 4)
        for c, i, j in itertools.product(range(2), range(5), range(4)):
            if 0 <= i + dy < 5 and 0 <= j + dx < 4:
                window[c, i, j] = X[0, c, i + dy, j + dx]
        windows[window.numpy().tobytes()] = (dy, dx)
    found = Counter(windows[image.numpy().tobytes()] for image in result)
    assert len(found) == 25
    assert max(found.values()) < 20 + 5 * 20**0.5


@pytest.mark.parametrize(
    "augment", [data.random_horizontal_flip, partial(data.random_crop, padding=2)]
)
def test_augmentation_follows_its_generator_and_leaves_its_input_alone(augment):
    X = pictures(n=40)
    one, two = (augment(X, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    assert torch.equal(one, augment(X, generator=torch.Generator().manual_seed(1)))
    assert not torch.equal(one, two)
    assert torch.equal(X, pictures(n=40))
    assert one.shape == X.shape


def test_the_command_says_what_came_of_each_set(tmp_path):
    """`python -m d2l_lite`: one entry a set, and failure where a set with a mirror is missing."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "D2L_LITE_OFFLINE": "1"}
    environment.pop("D2L_LITE_DATA", None)
    command = [sys.executable, "-W", "error", "-m", "d2l_lite"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    for name in ("fashion_mnist", "mnist", "cifar10", "timemachine", "tang_quatrains"):
        assert re.search(rf"^{name}: ", done.stdout, re.M), name
    assert "cifar10: " in done.stdout
    assert "is not available. Tried:" in done.stdout


def test_symbols_are_ranked_by_frequency_and_encoding_is_undone():
    vocabulary = data.Vocabulary("banana band")
    assert vocabulary.symbols == (vocabulary.unknown, *"anb d")
    assert len(vocabulary) == 6
    assert vocabulary.encode("bad").tolist() == [3, 1, 5]
    assert vocabulary.decode(vocabulary.encode("and an")) == "and an"
    assert vocabulary.decode(vocabulary.encode("bag")) == "ba" + vocabulary.unknown


def test_rare_words_become_unknown():
    vocabulary = data.Vocabulary(["the", "cat", "the", "dog", "a", "cat"], min_count=2)
    assert vocabulary.symbols[1:] == ("cat", "the")
    indices = vocabulary.encode(["the", "dog", "cat"])
    assert indices.dtype == torch.int64
    assert indices.tolist() == [2, 0, 1]
    assert vocabulary.decode(indices) == f"the {vocabulary.unknown} cat"


def test_no_vocabulary_comes_from_nothing():
    with pytest.raises(ValueError, match="at least one symbol, got none"):
        data.Vocabulary("")


@given(n=st.integers(2, 60), batch_size=st.integers(1, 5), num_steps=st.integers(1, 9))
def test_each_row_of_a_batch_goes_on_where_it_ended(n, batch_size, num_steps):
    text = torch.arange(n)
    if (n - 1) // batch_size < num_steps:
        with pytest.raises(ValueError, match=f"{batch_size} windows of {num_steps} need at least"):
            next(data.sequential_batches(text, batch_size=batch_size, num_steps=num_steps))
        return
    found = list(data.sequential_batches(text, batch_size=batch_size, num_steps=num_steps))
    length = (n - 1) // batch_size
    assert len(found) == length // num_steps
    X, Y = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    starts = torch.arange(batch_size)[:, None] * length
    assert torch.equal(X, starts + torch.arange(X.shape[1]))
    assert torch.equal(Y, X + 1)

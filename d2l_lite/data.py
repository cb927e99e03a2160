"""Data sets as tensors: found on disk or fetched, verified and cached; batches, augmentation.

Files are looked for in `$D2L_LITE_DATA`, the per-user cache, the files of Debian's package
`dataset-fashion-mnist`, and on public mirrors, in this order. What is found is compared with the
published digest of its content. Where nothing is found, a stand-in of the same shape takes over,
and one printed line says so.
"""

import gzip
import hashlib
import importlib.util
import io
import lzma
import os
import pickle
import pydoc_data.topics
import sys
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = [
    "Batches",
    "DataError",
    "ImageData",
    "TableData",
    "fetch",
    "load_images",
    "load_table",
    "load_text",
    "random_crop",
    "random_horizontal_flip",
    "synthetic_linear",
]

Bytes = NDArray[np.uint8]
Transform = Callable[[Tensor, torch.Generator | None], Tensor]


class DataError(RuntimeError):
    """A data set that no source could give; the message names every source that was tried."""


@dataclass(frozen=True)
class _File:
    """A file of a data set: where it lies below a source, and what its content must be."""

    path: str
    size: int
    sha256: str
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class _ImageSet:
    """An image set: shape of an image, class names, examples per split, files per split.

    A split is read from all its `parts`, or where there is one `archive`, from any of these.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    sizes: dict[str, int]
    parts: dict[str, tuple[_File, ...]]


_IDX = {
    "train": (("train-images-idx3-ubyte", 47_040_016), ("train-labels-idx1-ubyte", 60_008)),
    "test": (("t10k-images-idx3-ubyte", 7_840_016), ("t10k-labels-idx1-ubyte", 10_008)),
}


def _idx_set(folder: str, classes: str, digests: Sequence[str], *mirrors: str) -> _ImageSet:
    """Return a set in the IDX format; digests in the order of `_IDX`."""
    left = iter(digests)
    parts = {
        split: tuple(
            _File(f"{folder}/{name}.gz", size, next(left), tuple(m + f"{name}.gz" for m in mirrors))
            for name, size in files
        )
        for split, files in _IDX.items()
    }
    sizes = {"train": 60_000, "test": 10_000}
    return _ImageSet((1, 28, 28), tuple(classes.split(",")), sizes, parts)


_CIFAR = (
    _File(
        "cifar-10-python.tar.gz",
        170_498_071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/cifar-10-python.tar.gz",
        ),
    ),
    _File(
        "cifar10-jpeg.npz.xz",
        55_792_477,
        "3bdd05e34cd75303af1c34435983e017a03ca107e78b73e1f2d87f022593961d",
    ),
)
_IMAGES = {
    "fashion_mnist": _idx_set(
        "fashion-mnist",
        "t-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot",
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    "mnist": _idx_set(
        "mnist",
        "0,1,2,3,4,5,6,7,8,9",
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "cifar10": _ImageSet(
        (3, 32, 32),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        {"train": 50_000, "test": 10_000},
        {"train": _CIFAR, "test": _CIFAR},
    ),
}
_TEXTS = {
    "timemachine": _File(
        "text/timemachine.txt",
        178_887,
        "4149e15a170aa94068969282e8b2cee7aaab0d889bf1c0d684378177040267dd",
    ),
    "tinyshakespeare": _File(
        "text/tinyshakespeare.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt",
        ),
    ),
    "tang_quatrains": _File(
        "text/tang_quatrains.txt",
        270_611,
        "365f77e519919f87b8083871e6548f9f8ddf95d653b6d27a7f43706f0b1d737f",
    ),
}
_TABLES = ("diabetes", "iris", "wine", "breast_cancer", "digits")
_DEBIAN = Path("/usr/share/datasets")  # where Debian's package puts fashion-mnist/
_PATIENCE = 5.0  # seconds in which a mirror must send something
_MIN_RATE = 2_000  # bytes a second below which a mirror counts as stuck
_failed: dict[str, str] = {}  # mirrors that failed in this process: host or address → reason
_unsaved: dict[str, bytes] = {}  # fetched files that no cache could take: path → raw bytes
_real: set[str] = set()  # sets of which real data was given in this process


class _DamagedError(ValueError):
    """Bytes that are not the file they should be."""


def _say(text: str) -> None:
    print(f"d2l_lite: {text}", flush=True)


def _check_name(kind: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise ValueError(f"{kind} must be one of {', '.join(valid)}; got {value!r}")


# --- Finding, fetching and verifying files ----------------------------------------------------


def _verified(raw: bytes, file: _File) -> bytes:
    """Return the unpacked content of a file, or raise `_DamagedError` with the difference."""
    opener: Any = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open}.get(raw[:2], io.BytesIO)
    packed = opener is not io.BytesIO and not file.path.endswith(".tar.gz")
    try:
        with opener(io.BytesIO(raw)) if packed else io.BytesIO(raw) as stream:
            content: bytes = stream.read(file.size + 1)
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise _DamagedError(f"truncated or damaged after {len(raw):,} bytes: {error}") from error
    if raw.lstrip()[:1] == b"<":
        raise _DamagedError(f"a page of HTML or XML ({len(raw):,} bytes) instead of the file")
    if len(content) != file.size:
        got = f"more than {file.size:,}" if len(content) > file.size else f"{len(content):,}"
        raise _DamagedError(f"{got} bytes of content instead of {file.size:,}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise _DamagedError(f"SHA-256 of the content is {digest[:12]}…, not {file.sha256[:12]}…")
    return content


class _Inbox(io.BytesIO):
    """A download in memory that refuses bytes which are too many or no longer wanted."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > self.limit:
            raise _DamagedError(f"more than {self.limit:,} bytes instead of the file")
        return super().write(data)


def _download(url: str, limit: int) -> bytes:
    """Return what a mirror sends; raise when it sends nothing for a while, too little, too much."""
    import pooch

    inbox = _Inbox(limit)
    failure: list[Exception] = []

    def work() -> None:
        try:
            pooch.HTTPDownloader(timeout=_PATIENCE, chunk_size=8192)(url, inbox, None)
        except Exception as error:
            failure.append(error)

    # The socket's timeout holds per address and per packet; the watch below holds for the whole.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    while worker.is_alive():
        before = inbox.tell()
        worker.join(_PATIENCE)
        if worker.is_alive() and inbox.tell() - before < _PATIENCE * _MIN_RATE:
            inbox.limit = -1
            raise TimeoutError(f"{inbox.tell() - before:,} bytes in {_PATIENCE:g} s, gave up")
    if failure:
        raise failure[0]
    return inbox.getvalue()


def _ask_mirror(url: str, file: _File) -> bytes:
    """Return a file's raw, verified bytes from one mirror; what failed once fails at once."""
    import requests

    host = urlsplit(url).netloc
    for known in (host, url):
        if known in _failed:
            raise _DamagedError(_failed[known])
    try:
        raw = _download(url, file.size + file.size // 100 + 1_000_000)
        _verified(raw, file)
    except (OSError, ValueError) as error:
        response = getattr(error, "response", None)
        reason = f"HTTP status {response.status_code}" if response is not None else str(error)
        silent = isinstance(error, (TimeoutError, requests.ConnectionError, requests.Timeout))
        if isinstance(error, requests.RequestException) and response is None:
            reason = f"no complete answer ({type(error).__name__})"
        _failed[host if silent else url] = reason
        raise _DamagedError(reason) from error
    return raw


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("d2l_lite"))


def _keep(raw: bytes, file: _File) -> None:
    """Write a file into the cache in one atomic step, or keep it in memory and say so."""
    target = _cache() / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(raw)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        _unsaved[file.path] = raw
        _say(f"cannot write {target} ({error.strerror}); kept in memory for this process")


def _find(files: Sequence[_File]) -> tuple[_File, bytes, str]:
    """Return the first of some alternative files that a source has, its content, and the source."""
    tried: list[str] = []
    variable = os.environ.get("D2L_LITE_DATA")
    roots = [Path(variable).expanduser()] if variable else []
    tried += [] if variable else ["$D2L_LITE_DATA: not set"]
    for root in (*roots, _cache(), _DEBIAN):
        for file in files:
            for path in (root / file.path, root / file.path.removesuffix(".gz")):
                try:
                    return file, _verified(path.read_bytes(), file), str(path)
                except FileNotFoundError:
                    tried.append(f"{path}: no such file")
                except (OSError, _DamagedError) as error:
                    tried.append(f"{path}: {error}")
                    _say(f"{path} cannot be used: {error}; trying the next source")
    for file in files:
        if file.path in _unsaved:
            return file, _verified(_unsaved[file.path], file), "memory"
        content = _from_mirrors(file, tried)
        if content is not None:
            return file, *content
    remedy = "connect to a network, or set D2L_LITE_DATA to a directory that holds the file"
    raise DataError(
        f"{files[0].path} could not be had. Tried:\n  " + "\n  ".join(tried) + f"\nRemedy: {remedy}"
    )


def _from_mirrors(file: _File, tried: list[str]) -> tuple[bytes, str] | None:
    """Return a file's content and address from the first mirror that has it, and cache it."""
    if not file.mirrors:
        tried.append(f"{file.path}: no public mirror is known")
    elif os.environ.get("D2L_LITE_OFFLINE", "") not in ("", "0"):
        tried.append(f"{len(file.mirrors)} mirrors: skipped, D2L_LITE_OFFLINE is set")
    else:
        for url in file.mirrors:
            try:
                raw = _ask_mirror(url, file)
            except _DamagedError as error:
                tried.append(f"{url}: {error}")
            else:
                _keep(raw, file)
                return _verified(raw, file), url
    return None


# --- Reading the formats ----------------------------------------------------------------------


def _parse_idx(content: bytes) -> Bytes:
    """Return the array of an IDX file. Source: http://yann.lecun.com/exdb/mnist/."""
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can build arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.partition(".")[0], name) in {
            ("numpy", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of arrays")


def _parse_cifar(content: bytes, split: str) -> tuple[Bytes, Bytes]:
    """Return images (n, 3, 32, 32) and labels (n,) of the official archive."""
    start = "data_batch_" if split == "train" else "test_batch"
    found: dict[str, dict[bytes, Any]] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            stream = archive.extractfile(member) if name.startswith(start) else None
            if stream is not None:
                found[name] = _ArraysOnly(stream, encoding="bytes").load()
    batches = [found[name] for name in sorted(found)]
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([np.array(batch[b"labels"], np.uint8) for batch in batches])


def _parse_jpeg(content: bytes, split: str, index: NDArray[np.int64]) -> tuple[Bytes, Bytes]:
    """Return the chosen images (n, 3, h, w) and labels (n,) of an archive of JPEG images."""
    from PIL import Image

    with np.load(io.BytesIO(content)) as archive:
        jpeg, offsets, labels = (archive[f"{split}_{key}"] for key in ("jpeg", "offsets", "labels"))
    images = [
        np.asarray(Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]])).convert("RGB"))
        for i in index.tolist()
    ]
    return np.stack(images).transpose(0, 3, 1, 2), labels[index]


def _read_images(name: str, split: str, index: NDArray[np.int64]) -> tuple[Bytes, Bytes]:
    """Return the chosen images (n, c, h, w) and labels (n,) of a real set, as bytes."""
    files = _IMAGES[name].parts[split]
    if name != "cifar10":
        images, labels = (_parse_idx(_find([file])[1]) for file in files)
        return images[index][:, None], labels[index]
    pillow = importlib.util.find_spec("PIL") is not None
    file, content, _ = _find(files if pillow else files[:1])
    if file.path.endswith(".tar.gz"):
        images, labels = _parse_cifar(content, split)
        return images[index], labels[index]
    _say("cifar10 comes from JPEG copies (lossy): compare accuracies only on the same file")
    return _parse_jpeg(content, split, index)


def _stand_in(shape: Sequence[int], split: str, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return handwritten digits (n, *shape) in [0, 1], shifted at random, and labels (n,).

    The last fifth of scikit-learn's 1,797 digits (other writers) makes the test split. Color
    images get a random dark background and a random bright ink, which say nothing of the class.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    part = slice(None, 1437) if split == "train" else slice(1437, None)
    small = torch.from_numpy(digits.images[part]).float() / 16
    y = torch.from_numpy(digits.target[part]).long()
    chosen = torch.from_numpy(index % len(y))
    generator = torch.Generator().manual_seed(len(index))
    X = F.interpolate(small[:, None], size=tuple(shape[1:]), mode="bilinear")[chosen]
    X = random_crop(X, padding=3, generator=generator)
    if shape[0] == 3:
        paper, ink = torch.rand(2, len(X), 3, 1, 1, generator=generator) * 0.4
        X = X * (ink + 0.6 - paper) + paper
    return X, y[chosen]


# --- What chapters call -----------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class ImageData:
    """Images with labels; unpacks as `X, y = data` and serves as a map-style `Dataset`.

    Attributes:
        X: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        classes: name of each class.
        name: the set that was asked for.
        is_stand_in: True where the real set could not be had.
    """

    X: Tensor
    y: Tensor
    classes: tuple[str, ...]
    name: str
    is_stand_in: bool = False

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.X[i], self.y[i]

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.X, self.y))

    def __repr__(self) -> str:
        shape = "×".join(str(size) for size in self.X.shape[1:])
        kind = ", stand-in" if self.is_stand_in else ""
        return f"ImageData({self.name}{kind}: {len(self):,} images {shape}, {self.X.device})"

    def to(self, device: torch.device | str) -> "ImageData":
        """Return the same data on another device."""
        return replace(self, X=self.X.to(device), y=self.y.to(device))


@dataclass(frozen=True, repr=False)
class TableData:
    """A table; unpacks as `X, y = table`.

    Attributes:
        X: features (n, d), float32.
        y: targets (n,); float32 for regression, int64 for classes.
        feature_names: name of each column.
        target_names: name of each class, or of the one target.
        name: the set that was asked for.
    """

    X: Tensor
    y: Tensor
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    name: str

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.X, self.y))

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"TableData({self.name}: {len(self):,} rows, {self.X.shape[1]} features)"


def _choose(total: int, num_examples: int | None, seed: int) -> NDArray[np.int64]:
    """Return the positions of a seeded subset; those of a smaller one come first."""
    if num_examples is None:
        return np.arange(total)
    if not 1 <= num_examples <= total:
        raise ValueError(f"num_examples must be in [1, {total}] or None, got {num_examples}")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    chosen: NDArray[np.int64] = order[:num_examples].numpy()
    return chosen


def load_images(
    name: str,
    split: str = "train",
    *,
    num_examples: int | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> ImageData:
    """Return an image set as tensors, or a stand-in of the same shape (one printed line says so).

    Args:
        name: "fashion_mnist", "mnist" (1×28×28) or "cifar10" (3×32×32).
        split: "train" or "test".
        num_examples: size of a random subset; None takes all, in the set's order.
        device: where the tensors go.
        seed: chooses the subset; the same seed gives the same one.

    Returns:
        Images (n, c, h, w) float32 in [0, 1] and labels (n,) int64.

    Raises:
        ValueError: for an unknown name or split, or a `num_examples` that the split has not.
        DataError: where one split of the set was real and this one could not be had.
    """
    _check_name("name", name, tuple(_IMAGES))
    about = _IMAGES[name]
    _check_name("split", split, tuple(about.sizes))
    index = _choose(about.sizes[split], num_examples, seed)
    try:
        images, labels = _read_images(name, split, index)
    except DataError:
        if name in _real:
            raise
        _say(f"{name} ({split}) could not be had; handwritten digits stand in for it")
        X, y = _stand_in(about.shape, split, index)
        classes = tuple(str(digit) for digit in range(10))
        return ImageData(X, y, classes, name, is_stand_in=True).to(device)
    _real.add(name)
    X = torch.from_numpy(images).to(device).float().div_(255)
    return ImageData(X, torch.from_numpy(labels).to(device).long(), about.classes, name)


def load_table(name: str) -> TableData:
    """Return a table of scikit-learn as tensors, in its raw units.

    Args:
        name: "diabetes" (regression), "iris", "wine", "breast_cancer" or "digits" (classes).

    Returns:
        Features (n, d) float32 and targets (n,), float32 for regression and int64 for classes.

    Raises:
        ValueError: for an unknown name.
    """
    from sklearn import datasets

    _check_name("name", name, _TABLES)
    is_regression = name == "diabetes"
    bunch = getattr(datasets, f"load_{name}")(**({"scaled": False} if is_regression else {}))
    targets = ("disease progression",) if is_regression else bunch.target_names
    return TableData(
        torch.from_numpy(bunch.data).float(),
        torch.from_numpy(bunch.target).to(torch.float32 if is_regression else torch.int64),
        tuple(str(feature) for feature in bunch.feature_names),
        tuple(str(target) for target in targets),
        name,
    )


def load_text(name: str) -> str:
    """Return a corpus as one string, or Python's own documentation as a stand-in (and says so).

    Args:
        name: "timemachine", "tinyshakespeare" or "tang_quatrains".

    Returns:
        The text.

    Raises:
        ValueError: for an unknown name.
    """
    _check_name("name", name, tuple(_TEXTS))
    try:
        return _find([_TEXTS[name]])[1].decode("utf-8")
    except DataError:
        _say(f"{name} could not be had; the text of Python's help topics stands in for it")
        return "\n".join(pydoc_data.topics.topics.values())


def synthetic_linear(
    w: Tensor,
    b: Tensor | float,
    *,
    num_examples: int,
    noise_std: float = 0.01,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return standard normal features and y = Xw + b + noise.

    Args:
        w: weights (d,).
        b: bias, a number.
        num_examples: n.
        noise_std: standard deviation of the Gaussian noise.
        generator: source of the random numbers.

    Returns:
        X (n, d) and y (n,).
    """
    X = torch.randn(num_examples, len(w), generator=generator, dtype=w.dtype)
    noise = torch.randn(num_examples, generator=generator, dtype=w.dtype)
    return X, X @ w + b + noise_std * noise


class Batches:
    """Minibatches of tensors that stay on their device: one permutation an epoch, one gather each.

    Each `for X, y in batches` is one epoch.

    Args:
        X: examples (n, …).
        y: targets (n, …), on the device of `X`.
        batch_size: examples a batch; the last batch may be smaller.
        shuffle: a new order each epoch; False keeps the order.
        generator: CPU generator of the orders and of `transform`; None takes PyTorch's own.
        transform: augmentation of a whole batch, `X = transform(X, generator)`.
        drop_last: leave a smaller last batch out.

    Raises:
        ValueError: where `X` and `y` differ in length or `batch_size` is below 1.
    """

    def __init__(
        self,
        X: Tensor,
        y: Tensor,
        batch_size: int,
        *,
        shuffle: bool = True,
        generator: torch.Generator | None = None,
        transform: Transform | None = None,
        drop_last: bool = False,
    ) -> None:
        if len(X) != len(y) or len(X) == 0:
            raise ValueError(f"X and y must hold the same examples, got {len(X)} and {len(y)}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.X, self.y, self.batch_size = X, y, batch_size
        self.shuffle, self.generator = shuffle, generator
        self.transform, self.drop_last = transform, drop_last

    @property
    def num_examples(self) -> int:
        """Examples in `X`."""
        return len(self.X)

    def __len__(self) -> int:
        whole, rest = divmod(self.num_examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        pieces = self._slices() if not self.shuffle else self._gathers()
        for X, y in pieces:
            yield (X if self.transform is None else self.transform(X, self.generator)), y

    def _slices(self) -> Iterator[tuple[Tensor, Tensor]]:
        for k in range(len(self)):
            part = slice(k * self.batch_size, (k + 1) * self.batch_size)
            yield self.X[part], self.y[part]

    def _gathers(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(self.num_examples, generator=self.generator).to(self.X.device)
        for index in torch.split(order, self.batch_size)[: len(self)]:
            yield self.X[index], self.y[index]


def random_horizontal_flip(
    X: Tensor, *, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    """Return images of which each is mirrored left to right with probability p.

    Args:
        X: images (n, c, h, w).
        p: probability in [0, 1].
        generator: CPU generator of the choice.

    Returns:
        Images (n, c, h, w).
    """
    flip = (torch.rand(len(X), generator=generator) < p).to(X.device)
    return torch.where(flip[:, None, None, None], X.flip(-1), X)


def random_crop(X: Tensor, *, padding: int, generator: torch.Generator | None = None) -> Tensor:
    """Return images padded with zeros on all sides, each cropped to its old size at random.

    Args:
        X: images (n, c, h, w).
        padding: pixels on each side; an image moves by at most as many.
        generator: CPU generator of the positions.

    Returns:
        Images (n, c, h, w).
    """
    h, w = X.shape[-2:]
    places = torch.randint(2 * padding + 1, (2, len(X)), generator=generator).to(X.device)
    windows = F.pad(X, (padding,) * 4).unfold(2, h, 1).unfold(3, w, 1)
    return windows[torch.arange(len(X), device=X.device), :, places[0], places[1]]


def fetch(name: str) -> list[str]:
    """Return where each file of a set lies, after fetching what is missing into the cache.

    Args:
        name: any name that `load_images` or `load_text` knows.

    Returns:
        A path or an address for each file.

    Raises:
        ValueError: for an unknown name.
        DataError: where a file could not be had; the message names everything that was tried.
    """
    _check_name("name", name, (*_IMAGES, *_TEXTS))
    _failed.clear()
    if name in _TEXTS:
        return [_find([_TEXTS[name]])[2]]
    if name == "cifar10":
        return [_find(_CIFAR)[2]]
    return [_find([file])[2] for files in _IMAGES[name].parts.values() for file in files]


def main() -> int:
    """Fetch all sets, print one line each, and return 1 where one with a mirror failed."""
    status = 0
    for name in (*_IMAGES, *_TEXTS):
        try:
            places = fetch(name)
            print(f"{name}: {len(places)} verified, from {places[0]}", flush=True)
        except DataError as error:
            print(f"{name}: {error}", flush=True)
            status = 1 if name not in _TEXTS or _TEXTS[name].mirrors else status
    return status


if __name__ == "__main__":
    sys.exit(main())

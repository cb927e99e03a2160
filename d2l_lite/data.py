"""Data sets as tensors: found on disk or fetched, verified and cached; batches, augmentation.

Sources, in order: `$D2L_LITE_DATA`, the per-user cache, the files of Debian's package
`dataset-fashion-mnist`, public mirrors (not with `D2L_LITE_OFFLINE=1`). A file counts only if its
content has the published SHA-256. Without any source, a stand-in of the same shape takes over, and
one printed line says so.
"""

import gzip
import hashlib
import importlib.util
import io
import lzma
import os
import pickle
import tarfile
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F  # noqa: N812

Transform = Callable[[Tensor, Generator | None], Tensor]
_Bytes = NDArray[np.uint8]
_Index = NDArray[np.int64]
_Self = TypeVar("_Self", bound="_Examples")

#: Path below a source and SHA-256 of the content: unpacked, save for the tar file.
_DIGESTS = """
fashion-mnist/train-images-idx3-ubyte.gz c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
fashion-mnist/train-labels-idx1-ubyte.gz bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
fashion-mnist/t10k-images-idx3-ubyte.gz 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
fashion-mnist/t10k-labels-idx1-ubyte.gz 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
mnist/train-images-idx3-ubyte.gz ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
mnist/train-labels-idx1-ubyte.gz 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
mnist/t10k-images-idx3-ubyte.gz 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
mnist/t10k-labels-idx1-ubyte.gz ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
cifar-10-python.tar.gz 6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce
cifar10-jpeg.npz.xz 3bdd05e34cd75303af1c34435983e017a03ca107e78b73e1f2d87f022593961d
text/timemachine.txt 4149e15a170aa94068969282e8b2cee7aaab0d889bf1c0d684378177040267dd
text/tinyshakespeare.txt 86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed
text/tang_quatrains.txt 365f77e519919f87b8083871e6548f9f8ddf95d653b6d27a7f43706f0b1d737f
"""  # noqa: E501
#: Folder or path, and an address of it; {} is the file's name.
_ADDRESSES = """
fashion-mnist https://fashion-mnist.s3.eu-central-1.amazonaws.com/{}
fashion-mnist https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{}
fashion-mnist https://storage.googleapis.com/tensorflow/tf-keras-datasets/{}
mnist https://ossci-datasets.s3.amazonaws.com/mnist/{}
mnist https://storage.googleapis.com/cvdf-datasets/mnist/{}
cifar-10-python.tar.gz https://www.cs.toronto.edu/~kriz/{}
cifar-10-python.tar.gz https://storage.googleapis.com/tensorflow/tf-keras-datasets/{}
text/tinyshakespeare.txt https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
text/tinyshakespeare.txt https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt
"""
_SHA256 = dict(line.split() for line in _DIGESTS.split("\n")[1:-1])
_MIRRORS = [line.split() for line in _ADDRESSES.split("\n")[1:-1]]
_SHAPES = {"fashion_mnist": (1, 28, 28), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
_SIZES = {
    name: {"train": 50_000 if name == "cifar10" else 60_000, "test": 10_000} for name in _SHAPES
}
_DIGITS = "0,1,2,3,4,5,6,7,8,9"
_CLASSES = {
    "fashion_mnist": "T-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot",
    "mnist": _DIGITS,
    "cifar10": "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
}
_TABLES = ("diabetes", "iris", "wine", "breast_cancer", "digits")
_TEXTS = ("timemachine", "tinyshakespeare", "tang_quatrains")
_DEBIAN = Path("/usr/share/datasets")  # here Debian's package puts fashion-mnist/
_PATIENCE = 5.0  # seconds that a mirror gets to send something
_MIN_RATE = 2_000  # bytes a second below which a mirror counts as stuck
_MAX_BYTES = 200_000_000  # more than any file here has
_WHY = "(to see why: python -m d2l_lite)"
_failed: dict[str, str] = {}  # mirrors that failed in this process: host or address → reason
_unsaved: dict[str, bytes] = {}  # fetched files that the cache could not take
_real: set[str] = set()  # sets of which this process was given real data


class DataError(RuntimeError):
    """A data set that no source could give; the message names everything that was tried."""


def _say(text: str) -> None:
    print(f"d2l_lite: {text}", flush=True)


def _check_name(kind: str, value: str, valid: Collection[str]) -> None:
    if value not in valid:
        raise ValueError(f"{kind} must be one of {', '.join(valid)}; got {value!r}")


def _verified(raw: bytes, path: str) -> bytes:
    """Return the unpacked content of a file, or raise with what is wrong with it."""
    if raw[:64].lstrip().startswith(b"<"):
        raise ValueError(f"a page of HTML or XML ({len(raw):,} bytes) instead of the file")
    unpack: Any = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open}.get(raw[:2])
    content = raw
    if unpack is not None and not path.endswith(".tar.gz"):
        try:
            with unpack(io.BytesIO(raw)) as stream:
                content = stream.read(_MAX_BYTES)
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            raise ValueError(f"truncated or damaged ({len(raw):,} bytes): {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != _SHA256[path]:
        wanted = f"not {_SHA256[path][:12]}…"
        raise ValueError(f"{len(content):,} bytes of content with SHA-256 {digest[:12]}…, {wanted}")
    return content


def _receive(url: str, inbox: io.BytesIO, failures: list[Exception]) -> None:
    """Fill the inbox with what a mirror sends, or note why that failed."""
    import pooch
    import requests

    answers: list[requests.Response] = []
    keep = {"response": lambda answer, **_: answers.append(answer)}
    try:
        fetch = pooch.HTTPDownloader(chunk_size=8192, timeout=_PATIENCE, hooks=keep)
        fetch(url, inbox, None)
    except Exception as error:
        mute = isinstance(error, requests.RequestException) and error.response is None
        reason = f"no complete answer ({type(error).__name__})"
        failures.append(ConnectionError(reason) if mute else error)
    for answer in answers:
        answer.close()


def _download(url: str) -> bytes:
    """Return what a mirror sends; raise when it fails, sends too much or too slowly.

    The timeout of a socket holds per address and per packet, so a watch bounds the whole.
    """
    inbox, failures = io.BytesIO(), list[Exception]()
    worker = threading.Thread(target=_receive, args=(url, inbox, failures), daemon=True)
    worker.start()
    size, new = 0, _MAX_BYTES
    while worker.is_alive():
        if new < _PATIENCE * _MIN_RATE or size > _MAX_BYTES:
            inbox.close()  # ends the worker at its next write
            raise TimeoutError(f"gave up after {size:,} bytes, {new:,} in the last {_PATIENCE:g} s")
        worker.join(_PATIENCE)
        size, new = inbox.tell(), inbox.tell() - size
    for error in failures:
        raise error
    return inbox.getvalue()


def _from_mirrors(path: str, tried: dict[str, str]) -> tuple[bytes, str] | None:
    """Return a file's content and address from the first mirror that has it, and cache it.

    What failed is remembered: a later call does not wait again. A mute host fails as a whole.
    """
    folder, _, base = path.rpartition("/")
    urls = [url.format(base) for key, url in _MIRRORS if key in (path, folder)]
    offline = os.environ.get("D2L_LITE_OFFLINE", "0") not in ("", "0")
    if offline or not urls:
        why = "not asked, because D2L_LITE_OFFLINE is set" if urls else "none is known"
        tried[f"mirrors of {path}"] = why
        return None
    for url in urls:
        host = urlsplit(url).netloc
        if host not in _failed and url not in _failed:
            try:
                raw = _download(url)
                content = _verified(raw, path)
            except (OSError, ValueError) as error:
                answered = isinstance(error, ValueError) or hasattr(error, "response")
                _failed[url if answered else host] = str(error)
            else:
                _keep(raw, path)
                return content, url
        tried[url] = _failed.get(url) or _failed[host]
    return None


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("d2l_lite"))


def _keep(raw: bytes, path: str) -> None:
    """Write a file into the cache in one atomic step, or keep it in memory and say so."""
    target = _cache() / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as folder:
            draft = Path(folder) / target.name
            draft.write_bytes(raw)
            os.replace(draft, target)
    except OSError as error:
        _unsaved[path] = raw
        _say(f"cannot write {target} ({error.strerror}), so it stays in memory")


def _find(*paths: str) -> tuple[bytes, str, str]:
    """Return content, path and place of the first of alternative files that a source has."""
    variable = os.environ.get("D2L_LITE_DATA")
    tried = {} if variable else {"$D2L_LITE_DATA": "not set"}
    roots = [*([Path(variable).expanduser()] if variable else []), _cache(), _DEBIAN]
    for place, path in [(root / path, path) for root in roots for path in paths]:
        try:
            return _verified(place.read_bytes(), path), path, str(place)
        except FileNotFoundError:
            tried[str(place)] = "no such file"
        except (OSError, ValueError) as error:
            tried[str(place)] = str(error)
            _say(f"{place} cannot be used: {error}; trying the next source")
    for path in paths:
        if path in _unsaved:
            return _verified(_unsaved[path], path), path, "memory"
        found = _from_mirrors(path, tried)
        if found:
            return found[0], path, found[1]
    lines = "".join(f"\n  {what}: {why}" for what, why in tried.items())
    remedy = "Set D2L_LITE_DATA to a directory that has it or, if it has mirrors, find a network."
    raise DataError(f"{paths[0]} is not available. Tried:{lines}\n{remedy}")


def _paths(name: str, split: str) -> tuple[str, ...]:
    if name == "cifar10":  # either will do, the first is better
        return "cifar-10-python.tar.gz", "cifar10-jpeg.npz.xz"
    start = f"{name.replace('_', '-')}/{'train' if split == 'train' else 't10k'}"
    return f"{start}-images-idx3-ubyte.gz", f"{start}-labels-idx1-ubyte.gz"


def _parse_idx(content: bytes) -> _Bytes:
    """Return the array of an IDX file: its rank in byte 3, its sizes, its values."""
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _parse_cifar(content: bytes, split: str) -> tuple[_Bytes, _Bytes]:
    """Return images (n, 3, 32, 32) and labels (n,) of the official archive of pickled batches."""
    start = "data_batch_" if split == "train" else "test_batch"
    found: dict[str, dict[bytes, Any]] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            stream = archive.extractfile(member) if name.startswith(start) else None
            if stream is not None:
                found[name] = pickle.load(stream, encoding="bytes")  # its digest was verified
    batches = [found[name] for name in sorted(found)]
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([np.array(batch[b"labels"], np.uint8) for batch in batches])


def _parse_jpeg(content: bytes, split: str, index: _Index) -> tuple[_Bytes, _Bytes]:
    """Return the chosen images (n, 3, 32, 32) and labels (n,) of an archive of JPEG images."""
    from PIL import Image

    with np.load(io.BytesIO(content)) as archive:
        jpeg, ends, labels = (archive[f"{split}_{key}"] for key in ("jpeg", "offsets", "labels"))
    images = np.empty((len(index), 3, 32, 32), np.uint8)
    for image, i in zip(images, index.tolist(), strict=True):
        with Image.open(io.BytesIO(jpeg[ends[i] : ends[i + 1]])) as picture:
            image[:] = np.asarray(picture).transpose(2, 0, 1)
    return images, labels[index]


def _read_images(name: str, split: str, index: _Index) -> tuple[_Bytes, _Bytes]:
    """Return the chosen images (n, c, h, w) and labels (n,) of a real set."""
    paths = _paths(name, split)
    if name != "cifar10":
        images, labels = (_parse_idx(_find(path)[0]) for path in paths)
        return images[index][:, None], labels[index]
    content, path, _ = _find(*(paths if importlib.util.find_spec("PIL") else paths[:1]))
    if path == paths[0]:
        images, labels = _parse_cifar(content, split)
        return images[index], labels[index]
    _say("cifar10 comes from JPEG copies, which are lossy: compare only runs on this file")
    return _parse_jpeg(content, split, index)


def _stand_in(shape: tuple[int, ...], split: str, index: _Index) -> tuple[Tensor, Tensor]:
    """Return handwritten digits (n, c, h, w), each shifted by up to 3 pixels, and labels (n,).

    The last fifth of scikit-learn's 1,797 digits makes the test split, and is in no other. Color
    images get a random dark ground and a random bright ink, which tell nothing of the class.
    """
    from sklearn.datasets import load_digits

    part = slice(None, 1437) if split == "train" else slice(1437, None)
    digits, labels = (torch.from_numpy(array[part]) for array in load_digits(return_X_y=True))
    chosen = torch.from_numpy(index % len(labels))
    small = digits.float().div(16).reshape(-1, 1, 8, 8)
    X = F.interpolate(small, size=shape[1:], mode="bilinear", align_corners=False)[chosen]
    generator = Generator().manual_seed(0)
    X = random_crop(X, padding=3, generator=generator)
    if shape[0] == 3:
        ground, ink = torch.rand(2, len(X), 3, 1, 1, generator=generator) * 0.4
        X = X * (ink + 0.6 - ground) + ground
    return X, labels[chosen].long()


@dataclass(frozen=True, repr=False, eq=False)
class _Examples:
    """Tensors that unpack as `X, y = data` and serve as a map-style `Dataset`."""

    X: Tensor
    y: Tensor
    name: str

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.X[i], self.y[i]

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.X, self.y))

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.X.shape))
        kind = ", a stand-in" if getattr(self, "is_stand_in", False) else ""
        return f"{type(self).__name__}({self.name}{kind}: X {shape}, {self.X.device})"

    def to(self: _Self, device: torch.device | str) -> _Self:
        """Return the same data on another device."""
        return replace(self, X=self.X.to(device), y=self.y.to(device))


@dataclass(frozen=True, repr=False, eq=False)
class ImageData(_Examples):
    """Images `X` (n, c, h, w) float32 in [0, 1] and labels `y` (n,) int64: `X, y = data`."""

    classes: tuple[str, ...]
    is_stand_in: bool = False


@dataclass(frozen=True, repr=False, eq=False)
class TableData(_Examples):
    """Features `X` (n, d) float32 and targets `y` (n,), int64 where they are classes."""

    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]


def load_images(
    name: str,
    split: str = "train",
    *,
    num_examples: int | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> ImageData:
    """Return an image set, or a stand-in of the same shape (one printed line says so).

    Args:
        name: "fashion_mnist", "mnist" (both 1×28×28) or "cifar10" (3×32×32).
        split: "train" or "test".
        num_examples: size of a random subset; None takes all, in the set's order.
        device: where the tensors go.
        seed: chooses the subset; a smaller one with the same seed is its beginning.

    Returns:
        Images (n, c, h, w) float32 in [0, 1] and labels (n,) int64.

    Raises:
        ValueError: for an unknown name or split, or a `num_examples` that the split has not.
        DataError: where an earlier split was real and this one is not available.
    """
    _check_name("name", name, _SHAPES)
    _check_name("split", split, _SIZES[name])
    total = _SIZES[name][split]
    if num_examples is not None and not 1 <= num_examples <= total:
        raise ValueError(f"num_examples must be in [1, {total}] or None, got {num_examples}")
    order = torch.randperm(total, generator=Generator().manual_seed(seed))[:num_examples]
    index = np.arange(total) if num_examples is None else order.numpy()
    try:
        images, labels = _read_images(name, split, index)
    except DataError:
        if name in _real:
            raise
        _say(f"{name} ({split}) is not available; handwritten digits stand in for it {_WHY}")
        X, y = _stand_in(_SHAPES[name], split, index)
        return ImageData(X, y, name, tuple(_DIGITS.split(",")), is_stand_in=True).to(device)
    _real.add(name)
    X, y = (torch.from_numpy(array).to(device) for array in (images, labels))
    return ImageData(X.float().div_(255), y.long(), name, tuple(_CLASSES[name].split(",")))


def load_table(name: str) -> TableData:
    """Return a table of scikit-learn in its raw units.

    Args:
        name: "diabetes" (regression), "iris", "wine", "breast_cancer" or "digits" (classes).

    Returns:
        Features (n, d) float32 and targets (n,), float32 for regression and int64 for classes.

    Raises:
        ValueError: for an unknown name.
    """
    from sklearn import datasets

    _check_name("name", name, _TABLES)
    regression = name == "diabetes"
    bunch = getattr(datasets, f"load_{name}")(**({"scaled": False} if regression else {}))
    X, y = torch.from_numpy(bunch.data), torch.from_numpy(bunch.target)
    targets = ["disease progression"] if regression else bunch.target_names
    names = (tuple(map(str, found)) for found in (bunch.feature_names, targets))
    return TableData(X.float(), y.float() if regression else y.long(), name, *names)


def load_text(name: str) -> str:
    """Return a corpus, or Python's help topics in its place (one printed line says so).

    Args:
        name: "timemachine", "tinyshakespeare" or "tang_quatrains".

    Returns:
        The whole text.

    Raises:
        ValueError: for an unknown name.
    """
    _check_name("name", name, _TEXTS)
    try:
        return _find(f"text/{name}.txt")[0].decode()
    except DataError:
        from pydoc_data.topics import topics

        _say(f"{name} is not available; Python's help topics stand in for it {_WHY}")
        return "\n".join(topics.values())


def synthetic_linear(
    w: Tensor,
    b: Tensor | float,
    *,
    num_examples: int,
    noise_std: float = 0.01,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return standard normal features X (n, d) and targets y = Xw + b + noise (n,).

    Args:
        w: weights (d,).
        b: bias, a number.
        num_examples: n.
        noise_std: standard deviation of the Gaussian noise.
        generator: source of the random numbers.

    Returns:
        The pair (X, y).
    """
    X = torch.randn(num_examples, len(w), generator=generator, dtype=w.dtype)
    noise = noise_std * torch.randn(num_examples, generator=generator, dtype=w.dtype)
    return X, X @ w + b + noise


class Batches:
    """Minibatches of tensors that stay on their device; `for X, y in batches` is one epoch.

    An epoch costs one permutation, and each batch one gather.

    Args:
        X: examples (n, …).
        y: targets (n, …) on the device of `X`.
        batch_size: examples a batch; the last batch may be smaller.
        shuffle: draw a new order each epoch.
        generator: CPU generator of the orders, handed to `transform` too; None is PyTorch's own.
        transform: augmentation of a batch, `X = transform(X, generator)`, not in place.
        drop_last: leave out a smaller last batch.

    Raises:
        ValueError: where `X` and `y` do not match or `batch_size` is below 1.
    """

    def __init__(
        self,
        X: Tensor,
        y: Tensor,
        batch_size: int,
        *,
        shuffle: bool = True,
        generator: Generator | None = None,
        transform: Transform | None = None,
        drop_last: bool = False,
    ) -> None:
        if len(X) != len(y) or X.device != y.device:
            got = f"got {len(X)} on {X.device} and {len(y)} on {y.device}"
            raise ValueError(f"X and y must have equal length on one device, {got}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.X, self.y, self.batch_size, self.num_examples = X, y, batch_size, len(X)
        self.shuffle, self.generator = shuffle, generator
        self.transform, self.drop_last = transform, drop_last

    def __len__(self) -> int:
        whole, rest = divmod(self.num_examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order: Tensor | None = None
        if self.shuffle:
            order = torch.randperm(self.num_examples, generator=self.generator).to(self.X.device)
        for k in range(0, len(self) * self.batch_size, self.batch_size):
            part = slice(k, k + self.batch_size)
            X, y = (_rows(T, part if order is None else order[part]) for T in (self.X, self.y))
            yield X if self.transform is None else self.transform(X, self.generator), y


def _rows(T: Tensor, which: slice | Tensor) -> Tensor:
    """Return rows; `index_select` is twice as fast as an index but forgets `channels_last`."""
    if isinstance(which, Tensor) and T.is_contiguous():
        return T.index_select(0, which)
    return T[which]


class Vocabulary:
    """Symbols and their indices: `encode` turns a text into indices, `decode` turns them back.

    Index 0 is the unknown symbol; the others follow by falling frequency, equal ones in order.

    Args:
        text: a string, whose symbols are its characters, or a list of words.
        min_count: symbols that are rarer become unknown.

    Raises:
        ValueError: where `text` is empty.
    """

    unknown = "\N{REPLACEMENT CHARACTER}"

    def __init__(self, text: Sequence[str], *, min_count: int = 1) -> None:
        if not text:
            raise ValueError("text must hold at least one symbol, got none")
        counts = Counter(text)
        kept = (symbol for symbol, count in counts.items() if count >= min_count)
        ranked = sorted(kept, key=lambda symbol: (-counts[symbol], symbol))
        self.symbols = (self.unknown, *ranked)
        self.index = {symbol: i for i, symbol in enumerate(self.symbols)}
        self._join = "" if isinstance(text, str) else " "

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: Sequence[str]) -> Tensor:
        """Return the indices (n,) int64 of the symbols of a text, 0 where one is unknown."""
        return torch.tensor([self.index.get(symbol, 0) for symbol in text], dtype=torch.int64)

    def decode(self, indices: Tensor) -> str:
        """Return the text of indices (n,); words are joined by spaces."""
        return self._join.join(self.symbols[i] for i in indices.tolist())


def sequential_batches(
    indices: Tensor, *, batch_size: int, num_steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield windows of a text in reading order: row i of a batch goes on where it ended before.

    The text is cut into `batch_size` pieces of equal length, which are read side by side. A state
    may thus be carried from one batch to the next. Symbols that fill no window are left out.

    Args:
        indices: a text (n,) int64.
        batch_size: number of pieces b.
        num_steps: length t of a window.

    Yields:
        Inputs (b, t) and targets (b, t), the inputs one step later.

    Raises:
        ValueError: where the text is too short for one batch.
    """
    length = (len(indices) - 1) // batch_size
    if length < num_steps:
        need = f"at least {batch_size * num_steps + 1} symbols"
        raise ValueError(f"{batch_size} windows of {num_steps} need {need}, got {len(indices)}")
    pieces = indices.unfold(0, length + 1, length)[:batch_size]
    for k in range(0, length - num_steps + 1, num_steps):
        yield pieces[:, k : k + num_steps], pieces[:, k + 1 : k + num_steps + 1]


def random_horizontal_flip(
    X: Tensor, *, p: float = 0.5, generator: Generator | None = None
) -> Tensor:
    """Return images (n, c, h, w), each mirrored left to right with probability p.

    Args:
        X: images (n, c, h, w).
        p: probability in [0, 1].
        generator: CPU generator of the choice.

    Returns:
        A new tensor (n, c, h, w).
    """
    flip = (torch.rand(len(X), generator=generator) < p).to(X.device)
    return torch.where(flip[:, None, None, None], X.flip(-1), X)


def random_crop(X: Tensor, *, padding: int, generator: Generator | None = None) -> Tensor:
    """Return images (n, c, h, w), each padded with zeros and cropped to its size at random.

    Args:
        X: images (n, c, h, w).
        padding: zeros on each side; an image moves by at most as many pixels.
        generator: CPU generator of the positions.

    Returns:
        A new tensor (n, c, h, w).
    """
    places = torch.randint(2 * padding + 1, (2, len(X)), generator=generator).to(X.device)
    windows = F.pad(X, (padding,) * 4).unfold(2, X.shape[2], 1).unfold(3, X.shape[3], 1)
    return windows[torch.arange(len(X), device=X.device), :, places[0], places[1]]


def fetch_all() -> int:
    """Fetch all sets, print what came of each, and return 1 if one with a mirror failed."""
    status = 0
    for name in (*_SHAPES, *_TEXTS):
        try:
            if name in _TEXTS:
                places = [_find(f"text/{name}.txt")[2]]
            elif name == "cifar10":
                places = [_find(*_paths(name, "train"))[2]]
            else:
                both = _paths(name, "train") + _paths(name, "test")
                places = [_find(path)[2] for path in both]
            print(f"{name}: verified, from {places[0]}", flush=True)
        except DataError as error:
            print(f"{name}: {error}", flush=True)
            status |= f"mirrors of text/{name}.txt: none" not in str(error)
    return status

"""Training: one loop for every chapter, with evaluation, seeds, device choice and checkpoints.

Data in memory move to the device once. Losses stay there as 0-d tensors and are read a few times a
second, so that no step waits for a number. Under `torchrun` each process takes its share of every
batch, and together they compute what one process would.
"""

import copy
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import length_hint
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from d2l_lite.data import Batches, ImageData, TableData

LossFn = Callable[[Any, Tensor], Tensor]
_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_SECONDS_BETWEEN_READS = 0.4
_MAX_LINES = 10


@dataclass
class History:
    """What a training recorded: for each name one number an epoch.

    Names: `train_loss` (mean over the epoch, while the weights changed), `val_loss` and
    `val_<metric>` (after it), `lr` (of the epoch's first step), `seconds`.
    """

    epochs: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.values:
            raise KeyError(f"{name!r} was not recorded; the history holds {', '.join(self.values)}")
        return self.values[name]

    def last(self, name: str) -> float:
        """Return the number of the last epoch."""
        return self[name][-1]

    def to_rows(self) -> list[dict[str, float]]:
        """Return one dictionary an epoch, ready for a table."""
        columns = {"epoch": self.epochs, **self.values}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def default_device() -> torch.device:
    """Return the fastest device here: CUDA (one a process under `torchrun`), MPS, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Return a CPU generator with this seed, after seeding PyTorch, NumPy and `random` with it.

    Args:
        seed: integer in [0, 2**32).

    Returns:
        The generator, for `Batches` and whatever else takes one.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of examples whose largest score is their label's.

    Args:
        logits: scores (n, c) or (n, c, …) of c ≥ 2 classes.
        y: labels (n,) or (n, …) in [0, c).

    Returns:
        0-d tensor in [0, 1].

    Raises:
        ValueError: where the shapes do not match.
    """
    if logits.ndim < 2 or logits.shape[1] < 2 or logits[:, 0].shape != y.shape:
        got = f"got {_describe(logits)} and {_describe(y)}"
        raise ValueError(f"accuracy needs logits (n, c) with c ≥ 2 and labels y (n,), {got}")
    return (logits.argmax(dim=1) == y).float().mean()


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"


class _Source:
    """Batches of any accepted kind on the device, cut to the share of this process."""

    def __init__(self, data: Any, name: str, device: torch.device, *, share: bool) -> None:
        self.name, self.device, self.step, self.is_checked = name, device, 0, False
        self.world = dist.get_world_size() if share else 1
        self.rank = dist.get_rank() if share else 0
        self.batches = copy.copy(_as_batches(data, name))
        if isinstance(self.batches, Batches):
            self.batches.X = self.batches.X.to(device)
            self.batches.y = self.batches.y.to(device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int, float]]:
        """Yield X, y, their number of examples, and the weight of their mean in the batch's."""
        for self.step, batch in enumerate(self.batches, start=1):  # noqa: B020
            X, y = self._pair(batch)
            size, weight = len(y), 1.0
            if self.world > 1:
                parts = [torch.tensor_split(part, self.world)[self.rank] for part in (X, y)]
                weight = len(parts[1]) * self.world / size
                size = len(parts[1])
                X, y = parts if size else (X[:1], y[:1])  # no share: an example of weight 0
            yield (
                X.to(self.device, non_blocking=True),
                y.to(self.device, non_blocking=True),
                size,
                weight,
            )

    def _pair(self, batch: Any) -> tuple[Tensor, Tensor]:
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        if len(parts) == 2 and all(isinstance(part, Tensor) and part.ndim for part in parts):
            X, y = parts
            if len(X) == len(y) > 0:
                return X, y
        got = ", ".join(map(_describe, parts))
        rule = "a batch must be two tensors (X, y) of equal, positive length"
        raise ValueError(f"{self.name}, batch {self.step}: {rule}, got {got}")


def _as_batches(data: Any, name: str) -> Any:
    """Return data as something that yields an epoch of batches each time it is iterated."""
    if isinstance(data, (ImageData, TableData)):
        data = (data.X, data.y)
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], Tensor):
        X, y = data
        if not isinstance(y, Tensor) or len(X) != len(y):
            got = f"got {_describe(X)} and {_describe(y)}"
            raise ValueError(f"{name}: X and y must be tensors of equal length, {got}")
        data = Batches(X, y, 256, shuffle=name == "train")
    unfit = (tuple, Tensor, str, Mapping, Iterator, torch.utils.data.Dataset)
    if not isinstance(data, Iterable) or isinstance(data, unfit):
        rule = f"{name} must be Batches, a pair (X, y) of tensors, ImageData or a DataLoader"
        hint = ", which runs dry after one epoch" if isinstance(data, Iterator) else ""
        raise TypeError(f"{rule}, got {type(data).__name__}{hint}")
    if length_hint(data, 1) == 0:
        raise ValueError(f"{name} must hold at least one batch, got none")
    return data


def _forward(
    model: nn.Module, loss_fn: LossFn, source: _Source, X: Tensor, y: Tensor
) -> tuple[Any, Tensor]:
    """Return outputs and loss; an error names the batch, its shapes and what to change."""
    outputs = None
    try:
        outputs = model(X)
        if source.is_checked:
            return outputs, loss_fn(outputs, y)
        _check_targets(loss_fn, outputs, getattr(source.batches, "y", y))
        loss = loss_fn(outputs, y)
        if not isinstance(loss, Tensor) or loss.ndim:
            rule = "loss_fn must return one number, the mean over the batch, as a 0-d tensor"
            raise ValueError(f"{rule}, got {_describe(loss)}")
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        where = f"{source.name}, batch {source.step}, X {_describe(X)}, y {_describe(y)}"
        first = next(((n, tuple(p.shape)) for n, p in model.named_parameters()), None)
        if outputs is None:
            fault = f"net cannot take this X. Its first parameter is {first}. {error}"
        else:
            fault = f"with net(X) {_describe(outputs)}: {error}"
        raise ValueError(f"{where}: {fault}") from error
    source.is_checked = True
    return outputs, loss


def _check_targets(loss_fn: LossFn, outputs: Any, y: Tensor) -> None:
    """Raise where PyTorch's losses would sum, fail late (on a GPU), or broadcast."""
    reduction = getattr(loss_fn, "reduction", "mean")
    if reduction != "mean":
        raise ValueError(f"loss_fn must have reduction='mean', got {reduction!r}")
    is_own = getattr(loss_fn, "__module__", "").startswith("torch.nn.")
    if not is_own or not isinstance(outputs, Tensor):
        return
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    if name not in ("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"):
        if outputs.shape[1:] != y.shape[1:]:
            got = f"got {_describe(outputs)} and {_describe(y)}"
            raise ValueError(f"net(X) and y must have the same shape, {got}: reshape one of them")
    elif outputs.ndim > 1 and not y.is_floating_point():
        labels = y[y != getattr(loss_fn, "ignore_index", -100)]
        low, high = (int(end) for end in labels.aminmax()) if len(labels) else (0, 0)
        if low < 0 or high >= outputs.shape[1]:
            rule = f"labels must be in [0, {outputs.shape[1]}), one for each output of net"
            raise ValueError(f"{rule}, got values from {low} to {high}")


class _Losses:
    """Losses kept as 0-d tensors and read many at a time."""

    def __init__(self) -> None:
        self.pending: list[Tensor] = []
        self.values: list[float] = []
        self.sizes: list[int] = []

    def add(self, loss: Tensor, size: int) -> None:
        self.pending.append(loss)
        self.sizes.append(size)

    def read(self) -> int | None:
        """Read what is pending; return the first step, from 1, whose loss is not finite."""
        start = len(self.values)
        if self.pending:
            self.values += torch.stack(self.pending).tolist()
            self.pending.clear()
        new = enumerate(self.values[start:], start=start + 1)
        return next((step for step, value in new if not math.isfinite(value)), None)

    def mean(self, source: _Source) -> float:
        """Return the mean over the examples of all processes."""
        self.read()
        total = math.fsum(v * n for v, n in zip(self.values, self.sizes, strict=True))
        count = float(sum(self.sizes))
        if source.world > 1:
            sums = torch.tensor([total, count], dtype=torch.float64, device=source.device)
            dist.all_reduce(sums)
            total, count = sums.tolist()
        if not count:
            raise ValueError(f"{source.name} must hold at least one batch, got none")
        return total / count


def evaluate(
    net: nn.Module,
    data: Any,
    *,
    loss_fn: LossFn,
    metrics: Mapping[str, LossFn] | None = None,
    device: torch.device | str | None = None,
) -> dict[str, float]:
    """Return the mean loss and metrics over all examples, whatever the batches.

    Args:
        net: the network. It runs in evaluation mode, then gets its mode back.
        data: whatever `fit` takes.
        loss_fn: `loss_fn(net(X), y)`, the mean over the examples of a batch (0-d tensor).
        metrics: name → function like `loss_fn`, such as `accuracy`.
        device: where to compute; None is where `net` is.

    Returns:
        `{"loss": …}` and an entry for each metric.

    Raises:
        ValueError: where net, data and loss do not fit together.
    """
    place = _place(net, device)
    source = _Source(data, "data", place, share=False)
    return _evaluate(net.to(place), source, loss_fn, metrics or {})


def _place(net: nn.Module, device: torch.device | str | None) -> torch.device:
    first = next(net.parameters(), torch.empty(0))
    return first.device if device is None else torch.device(device)


@torch.no_grad()
def _evaluate(
    net: nn.Module, source: _Source, loss_fn: LossFn, metrics: Mapping[str, LossFn]
) -> dict[str, float]:
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    records = {name: _Losses() for name in ("loss", *metrics)}
    try:
        for X, y, size, _ in source:
            outputs, loss = _forward(net, loss_fn, source, X, y)
            records["loss"].add(loss, size)
            for name, metric in metrics.items():
                records[name].add(metric(outputs, y), size)
    finally:
        for module, mode in modes:
            module.training = mode
    return {name: record.mean(source) for name, record in records.items()}


class _Progress:
    """One line that is overwritten where someone watches; elsewhere a few plain lines."""

    def __init__(self, num_epochs: int, *, is_shown: bool) -> None:
        self.num_epochs, self.is_shown, self.width = num_epochs, is_shown, 0
        self.every = math.ceil(num_epochs / _MAX_LINES)
        self.is_live = is_shown and _is_live()

    def batch(self, epoch: int, source: _Source, losses: _Losses) -> None:
        if self.is_live:
            head = f"epoch {epoch}/{self.num_epochs} · batch {source.step}"
            self.write(f"{head} · loss {losses.values[-1]:.4g}")

    def epoch(self, history: History, *, is_last: bool) -> None:
        epoch = history.epochs[-1]
        is_kept = is_last or epoch % self.every == 0
        if self.is_live or (self.is_shown and is_kept):
            names = (name for name in history.values if name not in ("lr", "seconds"))
            numbers = (f"{name} {history.last(name):.4g}" for name in names)
            head = f"epoch {epoch}/{self.num_epochs}"
            self.write(" · ".join((head, *numbers)), end="\n" if is_kept else "")

    def write(self, text: str, end: str = "") -> None:
        print(("\r" if self.is_live else "") + text.ljust(self.width), end=end, flush=True)
        self.width = 0 if end else len(text)


def _is_live() -> bool:
    """Return whether someone watches: in a kernel, a front end that can also ask for input."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    can_ask = getattr(getattr(shell, "kernel", None), "_allow_stdin", False)
    return bool(can_ask) or sys.stdout.isatty()


def fit(
    net: nn.Module,
    train: Any,
    val: Any = None,
    *,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    num_epochs: int,
    metrics: Mapping[str, LossFn] | None = None,
    schedule: Any = None,
    clip_norm: float | None = None,
    progress: bool = True,
    device: torch.device | str | None = None,
) -> History:
    """Return the record of a training; `net` is trained in place and left in evaluation mode.

    Args:
        net: the network.
        train: `Batches`, a pair `(X, y)`, `ImageData`, `TableData` (these in shuffled batches of
            256), a DataLoader or any other iterable of batches `(X, y)`.
        val: the same kinds, evaluated after each epoch.
        loss_fn: `loss_fn(net(X), y)`, the mean over the examples of a batch (0-d tensor).
        optimizer: built on the parameters of `net`.
        num_epochs: passes over `train`.
        metrics: name → function like `loss_fn`, computed on `val`, such as `accuracy`.
        schedule: a learning rate scheduler of PyTorch; it steps after each batch.
        clip_norm: the largest norm of the whole gradient.
        progress: print about ten lines, and a live one where someone watches.
        device: where to train; `net` moves there and stays. None is where `net` is.

    Returns:
        The history.

    Raises:
        ValueError: where net, data and loss do not fit together.
        TypeError: where `train` or `val` is no data.
        FloatingPointError: at a loss that is not finite.
    """
    place = _place(net, device)
    net.to(place)
    source = _Source(train, "train", place, share=False)
    held_out = None if val is None else _Source(val, "val", place, share=False)
    history, shown = History(), _Progress(num_epochs, is_shown=progress)
    for epoch in range(1, num_epochs + 1):
        start, losses = time.perf_counter(), _Losses()
        values = {"lr": float(optimizer.param_groups[0]["lr"])}
        net.train()
        next_read = start + _SECONDS_BETWEEN_READS
        for X, y, size, _ in source:
            optimizer.zero_grad()
            loss = _forward(net, loss_fn, source, X, y)[1]
            loss.backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
            optimizer.step()
            if schedule is not None:
                schedule.step()
            losses.add(loss.detach(), size)
            if time.perf_counter() > next_read:
                losses.read()
                shown.batch(epoch, source, losses)
                next_read = time.perf_counter() + _SECONDS_BETWEEN_READS
        values = {"train_loss": losses.mean(source), **values}
        if held_out is not None:
            found = _evaluate(net, held_out, loss_fn, metrics or {})
            values |= {f"val_{name}": value for name, value in found.items()}
        values["seconds"] = time.perf_counter() - start
        history.epochs.append(epoch)
        for name, value in values.items():
            history.values.setdefault(name, []).append(value)
        shown.epoch(history, is_last=epoch == num_epochs)
    net.eval()
    return history

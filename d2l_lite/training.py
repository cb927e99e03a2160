"""Training: one loop for every chapter, with evaluation, seeds, device choice and checkpoints.

Data in memory move to the device once. Losses stay there as 0-d tensors and are read a few times a
second, so that no step waits for a number. Under `torchrun` each process takes its share of every
batch, and together they compute what one process would.
"""

import atexit
import contextlib
import copy
import functools
import math
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from d2l_lite.data import Batches

LossFn = Callable[[Any, Tensor], Tensor]
_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_SECONDS_BETWEEN_READS = 0.4
_MAX_LINES = 10


@dataclass
class History:
    """What a training recorded: for each name one number an epoch.

    Names: `train_loss` (mean over the epoch, while the weights changed), `val_loss` and
    `val_<metric>` (after it), `lr` (at its start), `seconds`.
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
    """Return the fastest device here.

    Returns:
        CUDA (one device a process under `torchrun`), else MPS, else the CPU.
    """
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
    np.random.seed(seed)  # refuses what is out of range
    random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of examples whose largest score is their label's, as a 0-d tensor.

    Args:
        logits: scores (n, c) or (n, c, …) of c ≥ 2 classes.
        y: labels (n,) or (n, …) in [0, c).

    Returns:
        The share in [0, 1].
    """
    if logits.ndim < 2 or logits.shape[1] < 2 or logits[:, 0].shape != y.shape:
        got = f"got {_describe(logits)} and {_describe(y)}"
        raise ValueError(f"accuracy needs logits (n, c) with c ≥ 2 and labels y (n,), {got}")
    return (logits.argmax(dim=1) == y).float().mean()


def frechet_distance(A: Tensor, B: Tensor) -> float:
    """Return the squared Fréchet distance of two Gaussians with the moments of two samples.

    It is ‖μ_A − μ_B‖² + tr(Σ_A + Σ_B − 2 (Σ_A Σ_B)^½), and 0 for equal means and covariances.

    Args:
        A: features (n, d), n ≥ 2.
        B: features (m, d), m ≥ 2.

    Returns:
        The distance in squared units of the features. Small samples bias it upward.

    Raises:
        ValueError: where the shapes do not fit, or a feature is not finite.

    Source:
        Dowson and Landau, 1982; Heusel et al., GANs trained by a two time-scale update rule, 2017.
    """
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[1] or min(len(A), len(B)) < 2:
        rule = "A and B must be features (n, d) and (m, d) of at least two examples each"
        raise ValueError(f"{rule}, got {_describe(A)} and {_describe(B)}")
    if not (A.isfinite().all() and B.isfinite().all()):
        raise ValueError("A and B must be finite, got inf or nan; look at the samples")
    A, B = (part.detach().double().cpu() for part in (A, B))
    C, D = (torch.cov(part.T).reshape(A.shape[1], -1) for part in (A, B))
    values, vectors = torch.linalg.eigh(C)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ D @ root).clamp(min=0).sqrt().sum()
    apart = (A.mean(0) - B.mean(0)).square().sum() + C.trace() + D.trace()
    return float(apart - 2 * overlap)


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"


class _Source:
    """Batches of any accepted kind on the device, cut to the share of this process."""

    def __init__(self, data: Any, name: str, device: torch.device, *, share: bool = False) -> None:
        self.name, self.device, self.step, self.is_checked = name, device, 0, False
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if share else (0, 1)
        self.batches = _as_batches(data, name)
        sampler = getattr(self.batches, "sampler", None)
        if share and isinstance(sampler, torch.utils.data.DistributedSampler):
            raise ValueError(f"{name}: fit shares out each batch itself; use no DistributedSampler")
        if isinstance(self.batches, Batches):
            self.batches = copy.copy(self.batches)
            self.batches.X = self.batches.X.to(device)
            self.batches.y = self.batches.y.to(device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int, float]]:
        """Yield X, y, their number of examples, and the weight of their mean in the batch's."""
        for self.step, batch in enumerate(self.batches, start=1):  # noqa: B020
            X, y = self._pair(batch)
            size, weight = len(y), 1.0
            if self.world > 1:
                parts = [torch.tensor_split(part, self.world)[self.rank] for part in (X, y)]
                size, weight = len(parts[1]), len(parts[1]) * self.world / size
                X, y = parts if size else (X[:1], y[:1])  # no share: an example of weight 0
            X, y = (part.to(self.device, non_blocking=True) for part in (X, y))
            yield X, y, size, weight

    def _pair(self, batch: Any) -> tuple[Tensor, Tensor]:
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        if len(parts) == 2 and all(isinstance(part, Tensor) and part.ndim for part in parts):
            X, y = parts
            if len(X) == len(y) > 0:
                return X, y
        rule = "a batch must be two tensors (X, y) of equal, positive length"
        got = ", ".join(map(_describe, parts))
        raise ValueError(f"{self.name}, batch {self.step}: {rule}, got {got}")


def _as_batches(data: Any, name: str) -> Any:
    """Return data as something that yields an epoch of batches each time it is iterated."""
    if not isinstance(data, Batches) and hasattr(data, "X"):  # ImageData, TableData
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
    return data


def _forward(
    model: nn.Module, loss_fn: LossFn, source: _Source, X: Tensor, y: Tensor
) -> tuple[Any, Tensor]:
    """Return outputs and loss; an error names the batch and its shapes."""
    outputs = None
    try:
        outputs = model(X)
        if not source.is_checked:
            _check_targets(loss_fn, outputs, y, labels=getattr(source.batches, "y", y))
        loss = loss_fn(outputs, y)
        if not source.is_checked and (not isinstance(loss, Tensor) or loss.ndim):
            raise ValueError(f"loss_fn must return one number (0-d), got {_describe(loss)}")
        source.is_checked = True
        return outputs, loss
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        where = f"{source.name}, batch {source.step}, X {_describe(X)}, y {_describe(y)}"
        name, first = next(iter(model.named_parameters()), ("none", torch.empty(0)))
        remedy = f"Change X or the first layer, whose {name} is {tuple(first.shape)}"
        fault = f"net cannot take X: {error}. {remedy}" if outputs is None else f"{error}"
        raise ValueError(f"{where}: {fault}") from error


def _check_targets(loss_fn: LossFn, outputs: Any, y: Tensor, *, labels: Tensor) -> None:
    """Raise where PyTorch's losses would sum, broadcast, or fail late (on a GPU)."""
    if getattr(loss_fn, "reduction", "mean") != "mean":
        raise ValueError(f"loss_fn must be a mean over the batch, got {loss_fn}")
    module = getattr(loss_fn, "__module__", None) or ""
    if not module.startswith("torch.nn.") or not isinstance(outputs, Tensor):
        return
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__).replace("_", "").lower()
    if not y.is_floating_point() and name.startswith(("crossentropy", "nllloss")):
        labels = labels[labels != getattr(loss_fn, "ignore_index", -100)]
        low, high = (int(end) for end in labels.aminmax()) if len(labels) else (0, 0)
        if outputs.ndim > 1 and (low < 0 or high >= outputs.shape[1]):
            rule = f"labels must be in [0, {outputs.shape[1]}), one for each output of net"
            raise ValueError(f"{rule}, got values from {low} to {high}")
    elif outputs.shape[1:] != y.shape[1:] or not y.is_floating_point():
        rule = "y must be float and of net(X)'s shape; only cross-entropy takes int64 labels (n,)"
        raise ValueError(f"{rule}; got {_describe(outputs)} and {_describe(y)}")


def _mean(values: list[Tensor], sizes: list[int], source: _Source) -> float:
    """Return the mean over the examples of all batches and processes, in one transfer."""
    read = torch.stack(values).tolist() if values else []
    total, count = math.fsum(v * n for v, n in zip(read, sizes, strict=True)), float(sum(sizes))
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
    """
    source = _Source(data, "data", _move(net, device))
    return _evaluate(net, source, {"loss": loss_fn, **(metrics or {})})


def _move(net: nn.Module, device: torch.device | str | None) -> torch.device:
    """Return where `net` is, after moving it to `device`."""
    if device is not None:
        net.to(device)
    return next(net.parameters(), torch.empty(0)).device


@torch.no_grad()
def _evaluate(net: nn.Module, source: _Source, functions: dict[str, LossFn]) -> dict[str, float]:
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    sizes, found = list[int](), {name: list[Tensor]() for name in functions}
    try:
        for X, y, size, _ in source:
            outputs, loss = _forward(net, functions["loss"], source, X, y)
            sizes.append(size)
            for name, function in functions.items():
                found[name].append(loss if name == "loss" else function(outputs, y))
    finally:
        for module, mode in modes:
            module.training = mode
    return {name: _mean(values, sizes, source) for name, values in found.items()}


@dataclass
class _Run:
    """One training: what `fit` was given, what it makes of it, and how far it is."""

    net: nn.Module
    train: _Source
    val: _Source | None
    functions: dict[str, LossFn]
    optimizer: torch.optim.Optimizer
    num_epochs: int
    schedule: Any
    clip_norm: float | None
    precision: str
    patience: int | None
    path: Path | None
    resume: bool
    is_shown: bool
    history: History = field(default_factory=History)
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check()
        device = self.train.device
        dtype = _PRECISIONS[self.precision]
        self.autocast = torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext()
        scaler = getattr(torch.amp, "GradScaler", torch.cuda.amp.GradScaler)  # before 2.3
        self.scaler: Any = scaler(enabled=self.precision == "fp16")
        self.model = self.net
        if self.train.world > 1:
            places = [device] if device.type == "cuda" else None
            self.model = nn.parallel.DistributedDataParallel(self.net, device_ids=places)

    def _check(self) -> None:
        """Raise where options, net, optimizer and data do not fit together."""
        device, half = self.train.device, self.precision == "fp16"
        own = {p for p in self.net.parameters() if p.requires_grad}
        held = {p for group in self.optimizer.param_groups for p in group["params"]}
        scheduled = getattr(self.schedule, "optimizer", self.optimizer)
        needs_val = self.patience is not None or len(self.functions) > 1
        for holds, rule in (
            (own, "net must have parameters that require gradients, got none"),
            (own & held, "optimizer must hold parameters of net, got others; build it after net"),
            (self.num_epochs > 0, f"num_epochs must be at least 1, got {self.num_epochs}"),
            (self.val or not needs_val, "metrics and patience need val, got None"),
            (self.patience != 0, "patience must be at least 1, got 0"),
            (self.path or not self.resume, "resume needs checkpoint, got None"),
            (scheduled is self.optimizer, "schedule must be built on optimizer, got another's"),
            (
                self.precision in _PRECISIONS,
                f"precision must be in {[*_PRECISIONS]}, got {self.precision}",
            ),
            (device.type == "cuda" or not half, f"fp16 needs CUDA, got {device}; try bf16"),
        ):
            if not holds:
                raise ValueError(rule)

    @property
    def stale(self) -> int:
        """Epochs since the best `val_loss`."""
        losses = [v if v == v else math.inf for v in self.history.values.get("val_loss", [])]
        return len(losses) - 1 - losses.index(min(losses)) if losses else 0

    @property
    def is_over(self) -> bool:
        is_stale = self.patience is not None and self.stale >= self.patience
        return is_stale or len(self.history.epochs) >= self.num_epochs


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
    precision: str = "fp32",
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    channels_last: bool = False,
    progress: bool = True,
) -> History:
    """Return the record of a training; `net` is trained in place and left in evaluation mode.

    Under `torchrun` each process takes its share of every batch, so `batch_size` is that of all
    processes together; the first one prints and writes.

    Args:
        net: the network.
        train: `Batches`, a pair `(X, y)` or `ImageData` (in shuffled batches of 256), a DataLoader
            or any other iterable of batches `(X, y)`.
        val: the same kinds, evaluated after each epoch.
        loss_fn: `loss_fn(net(X), y)`, the mean over the examples of a batch (0-d tensor).
        optimizer: built on the parameters of `net`.
        num_epochs: passes over `train`, with those before a resumption.
        metrics: name → function like `loss_fn`, computed on `val`, such as `accuracy`.
        schedule: learning rate scheduler of PyTorch, which steps after each batch.
        clip_norm: largest norm of the whole gradient.
        precision: "fp32", "bf16", or "fp16" (CUDA, with scaled gradients).
        patience: stop after so many epochs without a smaller `val_loss`; at the end the weights of
            the best epoch return.
        checkpoint: file that is replaced, in one step, after each epoch.
        resume: go on from `checkpoint` if it exists; on the CPU the result is bit for bit that of
            an uninterrupted run.
        device: where to train; `net` moves there and stays. None is where `net` is.
        channels_last: memory layout that makes convolutions faster.
        progress: print at most about ten lines, and a live one where someone watches.

    Returns:
        The history of all epochs.

    Raises:
        ValueError: where net, data, loss, options or checkpoint do not fit together.
        TypeError: where `train` or `val` is no data.
        FloatingPointError: at a loss that is not finite. The weights are spoiled then.
    """
    place = _move(net, device)
    share = _join(place)
    if channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(
        net,
        _Source(train, "train", place, share=share),
        None if val is None else _Source(val, "val", place, share=share),
        {"loss": loss_fn, **(metrics or {})},
        optimizer,
        num_epochs,
        schedule=schedule,
        clip_norm=clip_norm,
        precision=precision,
        patience=patience,
        path=None if checkpoint is None else Path(checkpoint),
        resume=resume,
        is_shown=progress and not (share and dist.get_rank()),
    )
    if resume:
        _load(run)
    _train(run)
    return run.history


def _join(device: torch.device) -> bool:
    """Return whether this is one of several processes, after meeting the others."""
    if dist.is_available() and dist.is_torchelastic_launched() and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _train(run: _Run) -> None:
    while not run.is_over:
        start, epoch = time.perf_counter(), len(run.history.epochs) + 1
        values = {"lr": float(run.optimizer.param_groups[0]["lr"])}
        values["train_loss"] = _train_epoch(run, f"epoch {epoch}/{run.num_epochs}")
        if run.val is not None:
            with run.autocast:
                found = _evaluate(run.net, run.val, run.functions)
            values |= {f"val_{name}": value for name, value in found.items()}
        values["seconds"] = time.perf_counter() - start
        run.history.epochs.append(epoch)
        for name, value in values.items():
            run.history.values.setdefault(name, []).append(value)
        if run.patience is not None and run.stale == 0:
            run.best = {name: value.clone() for name, value in run.net.state_dict().items()}
        if run.path is not None and run.train.rank == 0:
            _save(run, run.path)
        _report(run)
    if run.best:
        run.net.load_state_dict(run.best)
    run.net.eval()


def _train_epoch(run: _Run, epoch: str) -> float:
    """Return the mean loss of one pass over the data."""
    losses, sizes = list[Tensor](), list[int]()
    next_read = time.perf_counter() + _SECONDS_BETWEEN_READS
    _agree(run)
    run.model.train()
    for X, y, size, weight in run.train:
        losses.append(_step(run, X, y, weight))
        sizes.append(size)
        if time.perf_counter() > next_read:
            loss = losses[-1].item()
            _say(run, f"{epoch} · batch {run.train.step} · loss {loss:.4g}", is_kept=False)
            if not math.isfinite(loss):
                _stop(run, epoch, losses)
            next_read = time.perf_counter() + _SECONDS_BETWEEN_READS
    mean = _mean(losses, sizes, run.train)
    if not (math.isfinite(mean) and all(p.isfinite().all() for p in run.net.parameters())):
        _stop(run, epoch, losses)
    _agree(run)
    return mean


def _step(run: _Run, X: Tensor, y: Tensor, weight: float) -> Tensor:
    """Return the loss of a batch after one step of the optimizer."""
    run.optimizer.zero_grad()
    with run.autocast:
        loss = _forward(run.model, run.functions["loss"], run.train, X, y)[1]
    run.scaler.scale(loss if weight == 1.0 else loss * weight).backward()
    if run.clip_norm is not None:
        run.scaler.unscale_(run.optimizer)
        nn.utils.clip_grad_norm_(run.net.parameters(), run.clip_norm)
    scale = run.scaler.get_scale()
    run.scaler.step(run.optimizer)
    run.scaler.update()
    if run.schedule is not None and run.scaler.get_scale() >= scale:  # else the step was left out
        run.schedule.step()
    return loss.detach()


def _stop(run: _Run, epoch: str, losses: list[Tensor]) -> None:
    """Raise an error that names the first loss that is not finite, and what to try."""
    bad = [(i, v) for i, v in enumerate(torch.stack(losses).tolist(), 1) if not math.isfinite(v)]
    step, what = (bad[0][0], f"loss is {bad[0][1]}") if bad else (len(losses), "weights overflowed")
    data = [getattr(run.train.batches, name, torch.empty(0)) for name in ("X", "y")]
    lr = run.optimizer.param_groups[0]["lr"]
    remedy = f"Try a smaller lr (now {lr:g}), clip_norm=1.0, or X scaled to mean 0 and deviation 1"
    if not all(part.isfinite().all() for part in data):
        remedy = "X or y holds numbers that are not finite: clean the data"
    spoiled = "The weights are spoiled: build net and optimizer again"
    raise FloatingPointError(f"{epoch}, batch {step}: {what}. {spoiled}. {remedy}.")


def _is_live() -> bool:
    """Return whether someone watches; a kernel's front end can then also be asked for input."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    can_ask = getattr(getattr(shell, "kernel", None), "_allow_stdin", False)
    return bool(can_ask) or sys.stdout.isatty()


def _report(run: _Run) -> None:
    """Print the line of an epoch, if it is one of the few to keep or someone watches."""
    epoch, values = run.history.epochs[-1], run.history.values
    numbers = (f"{n} {v[-1]:.4g}" for n, v in values.items() if n not in ("lr", "seconds"))
    text = " · ".join((f"epoch {epoch}/{run.num_epochs}", *numbers))
    if run.is_over and run.best:
        text += f" · weights of epoch {epoch - run.stale}"
    _say(run, text, is_kept=run.is_over or epoch % math.ceil(run.num_epochs / _MAX_LINES) == 0)


def _say(run: _Run, text: str, *, is_kept: bool) -> None:
    if run.is_shown and _is_live():
        width = shutil.get_terminal_size().columns - 1
        text = f"{text if is_kept else text[:width]:<{width}}"
        print(f"\r{text}", end="\n" if is_kept else "", flush=True)
    elif run.is_shown and is_kept:
        print(text, flush=True)


def _fingerprint(run: _Run) -> dict[str, Any]:
    """Return what must be the same for a checkpoint to be of use."""
    weights = {name: tuple(value.shape) for name, value in run.net.state_dict().items()}
    sizes = {n: getattr(run.train.batches, n, None) for n in ("num_examples", "batch_size")}
    kinds = {n: type(getattr(run, n)).__name__ for n in ("optimizer", "schedule")}
    return {**weights, **sizes, **kinds, "precision": run.precision}


def _random_states(run: _Run) -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Return how to get and to set the state of each generator that a training draws from."""

    def numpy_state() -> list[Any]:
        return [
            part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()
        ]

    states: list[Any] = [(torch.get_rng_state, torch.set_rng_state)]
    states += [(random.getstate, random.setstate), (numpy_state, np.random.set_state)]
    if (gpu := run.train.device).type == "cuda":
        get = functools.partial(torch.cuda.get_rng_state, gpu)
        states.append((get, functools.partial(torch.cuda.set_rng_state, device=gpu)))
    loaders = [source.batches for source in (run.train, run.val) if source is not None]
    own = (loader.generator for loader in loaders if getattr(loader, "generator", None))
    return states + [(generator.get_state, generator.set_state) for generator in own]


def _agree(run: _Run) -> None:
    """Give every process the first one's random states (for one order of examples) and buffers."""
    if run.train.world > 1:
        states = _random_states(run)
        dist.broadcast_object_list(shared := [get() for get, _ in states], 0)
        for (_, put), state in zip(states, shared, strict=True):
            put(state)
        for buffer in run.net.buffers():
            dist.broadcast(buffer, 0)


def _save(run: _Run, path: Path) -> None:
    """Write a checkpoint beside the old one, then replace that in one step."""
    parts = {name: getattr(run, name) for name in ("net", "optimizer", "schedule", "scaler")}
    state = {name: part.state_dict() for name, part in parts.items() if part is not None}
    state |= {"kind": _fingerprint(run), "history": asdict(run.history), "best": run.best}
    state["random"] = [get() for get, _ in _random_states(run)]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save(state, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _load(run: _Run) -> None:
    """Go back to the checkpoint, if there is one."""
    path = run.path
    if path is None or not path.exists():
        return
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        there, here = state["kind"], _fingerprint(run)
    except Exception as error:
        raise ValueError(f"checkpoint {path} is damaged or not one of fit; delete it") from error
    for name in {**here, **there}:
        if here.get(name) != there.get(name):
            got = f"{name} is {there.get(name)} there and {here.get(name)} here"
            raise ValueError(f"checkpoint {path} does not fit: {got}. Delete it, or name another")
    for name in ("net", "optimizer", "schedule", "scaler"):
        if name in state:
            getattr(run, name).load_state_dict(state[name])
    run.history, run.best = History(**state["history"]), state["best"]
    for (_, put), value in zip(_random_states(run), state["random"], strict=True):
        put(value)

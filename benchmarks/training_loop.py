"""What `fit` costs: against a bare loop, `DataLoader` and Lightning (where it is installed).

All contenders train the same net on the same 10,000 images. They take turns epoch by epoch, so that
a busy machine slows all of them alike, and only ratios to the bare loop are compared.

    python -m benchmarks.training_loop [--rounds 10] [--threads 1]
"""

import argparse
import contextlib
import copy
import importlib.util
import io
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks import machine
from d2l_lite.data import Batches
from d2l_lite.training import fit

RESULT = Path(__file__).parent / "results" / "training_loop.md"
NUM_EXAMPLES, BATCH_SIZE, NUM_WORKERS = 10_000, 256, 2
NUM_TURNS = 4
PER_SAMPLE = "with transforms per sample"
Seconds = tuple[float, float]  # of the clock, of this process's CPU time
Epoch = Callable[[], Seconds]  # trains for one epoch
MAX_RATIO_TO_BARE = 1.05
MIN_RATIO_OF_PIPELINES = 5.0  # per-sample transforms against `fit`, on the MLP


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def lenet() -> nn.Module:
    convolutions = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    convolutions += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*convolutions, nn.Flatten(), *dense)


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images that become tensors one by one: image object, array, float tensor, normalized."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        pixels = np.array(Image.fromarray(self.images[i]), copy=True)
        X = torch.from_numpy(pixels)[:, :, None].permute(2, 0, 1).contiguous().float().div(255)
        mean, deviation = torch.tensor([0.5]), torch.tensor([0.5])
        X = X.clone().sub_(mean[:, None, None]).div_(deviation[:, None, None])
        return X, int(self.labels[i])


def sgd(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def now() -> Seconds:
    return time.perf_counter(), time.process_time()


def since(start: Seconds, end: Seconds) -> Seconds:
    return end[0] - start[0], end[1] - start[1]


def timed(work: Callable[[], object]) -> Epoch:
    def epoch() -> Seconds:
        start = now()
        work()
        return since(start, now())

    return epoch


def bare(net: nn.Module, X: Tensor, y: Tensor) -> Epoch:
    """Return the shortest loop that trains: no losses kept, nothing checked."""
    optimizer = sgd(net)

    def work() -> None:
        for index in torch.randperm(len(X)).split(BATCH_SIZE):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(X[index]), y[index])
            loss.backward()
            optimizer.step()

    return timed(work)


def over(net: nn.Module, loader: DataLoader) -> Epoch:
    """Return the same loop over a DataLoader."""
    optimizer = sgd(net)

    def work() -> None:
        for X, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(X), y)
            loss.backward()
            optimizer.step()

    return timed(work)


class Terminal(io.StringIO):
    """A stream that `fit` takes for a terminal."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


def ours(
    net: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    stream: type[io.StringIO] | None = None,
    channels_last: bool = False,
) -> Epoch:
    """Return `fit`; each epoch is a call of its own, so its set-up and checks are counted."""
    optimizer, data = sgd(net), Batches(X, y, BATCH_SIZE)
    shown = contextlib.nullcontext() if stream is None else contextlib.redirect_stdout(stream())

    def work() -> None:
        with shown:
            fit(
                net,
                data,
                loss_fn=F.cross_entropy,
                optimizer=optimizer,
                num_epochs=1,
                progress=stream is not None,
                channels_last=channels_last,
            )

    return timed(work)


def lightning(net: nn.Module, data: object, **options: object) -> Epoch:
    """Return Lightning's second of two epochs: its set-up is not counted."""
    import lightning

    marks: list[Seconds] = []

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss, prog_bar=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return sgd(self.net)

        def on_train_epoch_start(self) -> None:
            marks.append(now())

        def on_train_epoch_end(self) -> None:
            marks.append(now())

    def epoch() -> Seconds:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(sys.stdout):
                trainer = lightning.Trainer(
                    max_epochs=2, accelerator="cpu", devices=1, default_root_dir=folder, **options
                )
                trainer.fit(Module(), data)
        return since(marks[-2], marks[-1])

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return epoch


def contenders(make: Callable[[], nn.Module]) -> dict[str, Epoch]:
    """Return name → epoch, all on the same data and from the same weights."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (NUM_EXAMPLES, 28, 28), dtype=np.uint8)
    labels = generator.integers(0, 10, NUM_EXAMPLES)
    X = torch.from_numpy(images)[:, None].float().div(255).sub(0.5).div(0.5)
    y = torch.from_numpy(labels)
    first = make()

    def net() -> nn.Module:
        return copy.deepcopy(first)

    def loader(data: Dataset, workers: int) -> DataLoader:
        return DataLoader(data, BATCH_SIZE, shuffle=True, num_workers=workers)

    tensors, pictures = TensorDataset(X, y), Pictures(images, labels)
    found = {
        "bare loop": bare(net(), X, y),
        "`fit`": ours(net(), X, y),
        "`fit`, progress on a terminal": ours(net(), X, y, stream=Terminal),
    }
    if isinstance(first[0], nn.Conv2d):
        found["`fit`, `channels_last`"] = ours(net(), X, y, channels_last=True)
    for workers in (0, NUM_WORKERS):
        for kind, data in (("of tensors", tensors), (PER_SAMPLE, pictures)):
            name = f"`DataLoader` {kind}, {workers} workers"
            found[name] = over(net(), loader(data, workers))
    if importlib.util.find_spec("lightning"):
        quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        options = dict.fromkeys(quiet, False)
        data = Batches(X, y, BATCH_SIZE)
        found["Lightning, all extras off, our batches"] = lightning(net(), data, **options)
        found["Lightning, as it comes"] = lightning(net(), loader(tensors, 0))
    return found


def measure(found: dict[str, Epoch], num_rounds: int) -> dict[str, list[Seconds]]:
    """Return the times of each contender's epochs, after one epoch to warm up.

    The bare loop and `fit` are the close race: they take several turns a round, one right after
    the other, in alternating order.
    """
    times: dict[str, list[Seconds]] = {name: [] for name in found}
    for epoch in found.values():
        epoch()
    close = [name for name in found if name.startswith(("bare", "`fit`"))]
    others = [name for name in found if name not in close]
    for number in range(num_rounds):
        for turn in range(NUM_TURNS):
            for name in close if turn % 2 else reversed(close):
                times[name].append(found[name]())
        for name in others[number % len(others) :] + others[: number % len(others)]:
            times[name].append(found[name]())
        print(f"round {number + 1}/{num_rounds}", file=sys.stderr)
    return times


def medians(times: dict[str, list[Seconds]]) -> dict[str, Seconds]:
    return {
        name: (statistics.median(c for c, _ in found), statistics.median(p for _, p in found))
        for name, found in times.items()
    }


def table(times: dict[str, list[Seconds]]) -> str:
    """Return medians and their ratios to the bare loop; workers' CPU time is not ours to see."""
    middle = medians(times)
    clock, cpu = middle["bare loop"]
    lines = ["| loop | ms an epoch | ratio | CPU ms | ratio |", "|---|--:|--:|--:|--:|"]
    for name, (c, p) in middle.items():
        rest = "– | –" if f"{NUM_WORKERS} workers" in name else f"{1e3 * p:.1f} | {p / cpu:.2f}"
        lines.append(f"| {name} | {1e3 * c:.1f} | {c / clock:.2f} | {rest} |")
    return "\n".join(lines)


def conditions(load: float, num_rounds: int) -> str:
    if importlib.util.find_spec("lightning"):
        versions = machine.versions(PyTorch="torch", Lightning="lightning")
    else:
        versions = f"{machine.versions(PyTorch='torch')}, Lightning not installed and so left out"
    lines = [
        f"{machine.described(load)}; PyTorch on {torch.get_num_threads()} thread(s).",
        f"{versions}.",
        f"{NUM_EXAMPLES:,} random images 28×28, batches of {BATCH_SIZE}, SGD with momentum, fp32.",
        f"{num_rounds} rounds after one epoch to warm up; in each, the bare loop and `fit` take "
        f"{NUM_TURNS} turns and the others one.",
        "An epoch of `fit` is a call of its own, set-up included. Lightning's is the second of "
        "two, set-up left out.",
        "Transforms per sample: image object → array → float tensor → normalized, one by one.",
        "The clock also counts what else the machine did. CPU time does not; it is of the process "
        "itself, so that of workers is not known.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def verdict(tables: dict[str, dict[str, list[Seconds]]]) -> str:
    """Return whether the goals are met, in one line each."""
    lines = []
    for net, times in tables.items():
        middle = medians(times)
        clock, cpu = (a / b for a, b in zip(middle["`fit`"], middle["bare loop"], strict=True))
        met = "met" if cpu <= MAX_RATIO_TO_BARE else "NOT met"
        goal = f"CPU time of `fit` within {MAX_RATIO_TO_BARE} of the bare loop's"
        lines.append(f"- {net}: {goal}: {met} ({cpu:.3f}; by the clock {clock:.3f}).")
    middle = medians(tables["MLP"])
    ours, (pipeline, *_) = middle["`fit`"], [t for n, t in middle.items() if PER_SAMPLE in n]
    clock, cpu = (a / b for a, b in zip(pipeline, ours, strict=True))
    met = "met" if cpu >= MIN_RATIO_OF_PIPELINES else "NOT met"
    goal = f"CPU time of transforms per sample at least {MIN_RATIO_OF_PIPELINES:g} times `fit`'s"
    lines.append(f"- MLP: {goal}: {met} ({cpu:.2f} with 0 workers; by the clock {clock:.2f}).")
    return "\n".join(lines)


def main() -> int:
    """Measure, write the table, print it, and return 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load, tables = os.getloadavg()[0], {}
    for name, make in (("MLP", mlp), ("LeNet-5", lenet)):
        torch.manual_seed(0)
        tables[name] = measure(contenders(make), options.rounds)
    parts = ["# The training loop", conditions(load, options.rounds), verdict(tables)]
    names = {"MLP": "MLP 784-256-10", "LeNet-5": "LeNet-5, 61,706 parameters"}
    parts += [f"## {names[net]}\n\n{table(times)}" for net, times in tables.items()]
    parts += ["Written by `python -m benchmarks.training_loop`."]
    text = "\n\n".join(parts) + "\n"
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")
    print(text)
    return int("NOT met" in text)


if __name__ == "__main__":
    sys.exit(main())

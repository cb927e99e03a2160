"""On how many seeds do the adversarial networks of the chapter work?

Definitions, recipes, criterion for points and numbers of steps are loaded from the text of the
chapter `gan`. Only the training of the judge is written out here a second time. Points: ten
networks each, at the chapter's number of steps and at three times as many. Images: a training of
its own for each seed, with labels (wrong pairs count as fake) and without.

    python -m benchmarks.gan_seeds [--seeds 10] [--steps N] [--ring-steps N] [--threads 1]
"""

import argparse
import ast
import json
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

import d2l_lite as d2l
from d2l_lite.grading.cells import read_cells
from tests.chapters.loading import load_definitions
from tools.repository import ROOT

RESULT = Path(__file__).parent / "results" / "gan_seeds.json"
NUM_EPOCHS = 3  # of the judge
ACCURACY, FRECHET, DIVERSITY = 0.97, 10, 0.8
CRITERIA = {
    "ring": "all eight modes get 2% of the points within 3 deviations, and half of all points are",
    "images": f"the judge agrees with at least {ACCURACY:.0%} of the labels, Fréchet distance at "
    f"most {FRECHET}, diversity at least {DIVERSITY} of that of real images",
}


def parameters() -> dict[str, Any]:
    """Return the chapter's parameters: what its cell tagged `parameters` assigns."""
    cells = read_cells(ROOT / "chapters" / "source" / "gan.md")
    cell = next(cell for cell in cells if "parameters" in cell.tags)
    found = (node for node in ast.parse(cell.source).body if isinstance(node, ast.Assign))
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in found}


def ring(ch: dict[str, Any], num_steps: int, seed: int) -> dict[str, Any]:
    """Return modes covered and good points of ten runs of each recipe."""
    found = {}
    for name, recipe in ch["recipes"].items():
        torch.manual_seed(seed)
        how = dict(recipe)
        G, D = ch["ring_players"](how.pop("pack", 1))
        ch["train_gan"](ch["ring"], G, D, num_steps, **how)
        modes, good = ch["ring_scores"](ch["draw"](G, 1_000).detach())
        works = int(ch["works"](modes, good).sum())
        rounded = [round(v, 3) for v in good.tolist()]
        found[name] = {"works": works, "modes": modes.tolist(), "good": rounded}
        print(f"ring, {num_steps} steps, {name}: works on {works} of 10", file=sys.stderr)
    return found


class Judge:
    """LeNet-5 trained on the real images, the real features, and what real images score."""

    def __init__(self, ch: dict[str, Any], num_train: int) -> None:
        self.ch = ch
        train = d2l.load_images("mnist", "train", num_examples=num_train)
        test = d2l.load_images("mnist", "test")
        self.X, self.y = ch["shrink"](train.X), train.y
        torch.manual_seed(0)
        self.net = d2l.lenet5()
        batches = d2l.Batches(
            ch["enlarge"](self.X), self.y, 64, generator=torch.Generator().manual_seed(0)
        )
        steps = NUM_EPOCHS * math.ceil(num_train / 64)
        how = d2l.one_cycle(self.net, 4e-3, steps)
        d2l.fit(
            self.net,
            batches,
            loss_fn=F.cross_entropy,
            num_epochs=NUM_EPOCHS,
            progress=False,
            **how,
        )
        self.net.eval()
        order = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))
        X, y = ch["shrink"](test.X)[order], test.y[order]
        self.features, _ = ch["assess"](self.net, X[:5_000], y[:5_000])
        self.X_real, self.labels = X[5_000:], y[5_000:]
        self.usual = ch["diversity"](self.X_real, self.labels).item()

    def scores(self, X: torch.Tensor) -> dict[str, float]:
        """Return accuracy, squared Fréchet distance and diversity of one drawing for each label."""
        features, accuracy = self.ch["assess"](self.net, X, self.labels)
        frechet = d2l.frechet_distance(features, self.features)
        diversity = self.ch["diversity"](X, self.labels).item() / self.usual
        values = {"accuracy": accuracy, "frechet": frechet, "diversity": diversity}
        return {name: round(value, 4) for name, value in values.items()}


def images(judge: Judge, num_steps: int, num_seeds: int) -> dict[str, Any]:
    """Return the scores of each seed, with labels and without."""
    ch, labeled, unlabeled = judge.ch, [], []
    zeros, none = torch.zeros_like(judge.y), torch.zeros_like(judge.labels)
    for seed in range(num_seeds):
        G, _ = ch["train_digits"](judge.X, judge.y, num_steps, seed=seed)
        labeled.append(judge.scores(ch["draw_digits"](G, judge.labels)))
        G, _ = ch["train_digits"](judge.X, zeros, num_steps, seed=seed, wrong_pairs=False)
        unlabeled.append({"frechet": judge.scores(ch["draw_digits"](G, none))["frechet"]})
        print(f"images, seed {seed}: {labeled[-1]}, {unlabeled[-1]}", file=sys.stderr)
    works = sum(
        row["accuracy"] >= ACCURACY and row["frechet"] <= FRECHET and row["diversity"] >= DIVERSITY
        for row in labeled
    )
    means = {name: np.mean([row[name] for row in labeled]).round(4) for name in labeled[0]}
    return {
        "real test images": judge.scores(judge.X_real),
        "conditional": {"works": works, "of": num_seeds, "mean": means, "seeds": labeled},
        "without labels": {"seeds": unlabeled},
    }


def conditions(options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    return {
        **vars(options),
        "num_train": parameters()["num_train"],
        "pytorch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "cpu_seconds": round(seconds),
        "criteria": CRITERIA,
    }


def main() -> int:
    """Train, write the scores, and return 1 where fewer than nine of ten conditional runs work."""
    chapter = parameters()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=chapter["num_steps"])
    parser.add_argument("--ring-steps", type=int, default=chapter["ring_steps"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start, ch = time.process_time(), load_definitions("gan")
    found = {
        f"ring, {n} steps": ring(ch, n, 100) for n in (options.ring_steps, 3 * options.ring_steps)
    }
    judge = Judge(ch, chapter["num_train"])
    found["images"] = images(judge, options.steps, options.seeds)
    report = {"conditions": conditions(options, time.process_time() - start), **found}
    RESULT.parent.mkdir(exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False, default=float)
    RESULT.write_text(text + "\n", encoding="utf-8")
    return int(found["images"]["conditional"]["works"] < 0.9 * options.seeds)


if __name__ == "__main__":
    sys.exit(main())

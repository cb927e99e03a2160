"""Under `torchrun`, two processes train what one process would; only the first speaks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import json, os, sys
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from d2l_lite.data import Batches
from d2l_lite.training import accuracy, evaluate, fit, seed_everything

torch.set_num_threads(1)
folder, rank = sys.argv[1], int(os.environ.get("RANK", "0"))
X = torch.randn(103, 4, generator=torch.Generator().manual_seed(0))
y = (X[:, 0] + X[:, 1] ** 2 > 0.5).long()

def run(kind, *, num_epochs=4, resume=False):
    generator = seed_everything(rank)  # the processes disagree, until fit makes them agree
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    train = Batches(X, y, 17, generator=generator)  # 9 + 8 examples, in the last batch 1 + 0
    if kind == "loader":
        train = DataLoader(TensorDataset(X, y), 17, shuffle=True)
    history = fit(
        net, train, (X, y), loss_fn=F.cross_entropy, num_epochs=num_epochs, clip_norm=1.0,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9),
        metrics={"accuracy": accuracy}, checkpoint=f"{folder}/{kind}.pt", resume=resume,
    )
    history.values.pop("seconds")
    found = evaluate(net, (X, y), loss_fn=F.cross_entropy)
    return {"values": history.values, "weights": [p.tolist() for p in net.parameters()], **found}

results = {"batches": run("batches"), "loader": run("loader")}
run("resumed", num_epochs=1)
results["resumed"] = run("resumed", resume=True)
if "RANK" in os.environ:
    try:
        data = TensorDataset(X, y)
        sharded = DataLoader(data, 20, sampler=DistributedSampler(data))
        net = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        fit(net, sharded, loss_fn=F.cross_entropy, optimizer=optimizer, num_epochs=1)
    except ValueError as error:
        results["twice"] = str(error)
with open(f"{folder}/{rank}.json", "w") as file:
    json.dump(results, file)
"""


def start(folder, *launcher):
    """Run the program, return the results by rank and what was printed."""
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *launcher, str(program), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("?.json"))]
    return results, done.stdout.splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    alone, pair = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("pair")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    return start(alone), start(pair, *launcher), pair


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["batches", "loader", "resumed"])
def test_two_processes_train_what_one_does(runs, kind):
    ([alone], _), (both, _), _ = runs
    one, first, second = alone[kind], both[0][kind], both[1][kind]
    assert first == second
    assert first["loss"] == pytest.approx(one["loss"], rel=1e-4)
    assert first["values"].keys() == one["values"].keys()
    for name, values in one["values"].items():
        assert first["values"][name] == pytest.approx(values, rel=1e-4), name
    for a, b in zip(first["weights"], one["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_a_resumed_pair_ends_like_an_uninterrupted_one(runs):
    _, (both, _), folder = runs
    assert both[0]["resumed"] == both[0]["batches"]
    names = sorted(path.name for path in folder.glob("*.pt*"))
    assert names == ["batches.pt", "loader.pt", "resumed.pt"]


@pytest.mark.slow
def test_only_the_first_process_prints(runs):
    (_, said_alone), (_, said), _ = runs
    assert [line.split(" · ")[0] for line in said] == [line.split(" · ")[0] for line in said_alone]
    assert len(said) == 4 + 4 + 1 + 3


@pytest.mark.slow
def test_data_that_are_already_shared_out_are_refused(runs):
    _, (both, _), _ = runs
    assert "DistributedSampler" in both[0]["twice"]

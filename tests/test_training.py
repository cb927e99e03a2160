"""The training loop against loops written by hand, closed forms, PyTorch and scikit-learn."""

import copy
import io
import itertools
import math
import os
import random
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from jupyter_client.manager import KernelManager
from sklearn.metrics import accuracy_score, log_loss
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, TensorDataset

from d2l_lite import training
from d2l_lite.data import Batches, ImageData
from d2l_lite.training import (
    History,
    accuracy,
    default_device,
    evaluate,
    fit,
    frechet_distance,
    seed_everything,
)

ROOT = Path(__file__).resolve().parent.parent
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def make_net(*, dropout=0.0, norm=False, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(4, 16)] + [nn.BatchNorm1d(16)] * norm + [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(16, 3))


def make_data(n=100, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 4, generator=generator)
    return X, (X @ torch.randn(4, 3, generator=generator)).argmax(1)


def batches(X, y, size=16, seed=1, **options):
    return Batches(X, y, size, generator=torch.Generator().manual_seed(seed), **options)


def sgd(net, lr=0.1, momentum=0.9):
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)


def train(net, data, val=None, *, num_epochs=3, **options):
    options = {"loss_fn": F.cross_entropy, "progress": False, **options}
    optimizer = options.pop("optimizer", None) or sgd(net)
    return fit(net, data, val, optimizer=optimizer, num_epochs=num_epochs, **options)


def assert_same_weights(one, other):
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


# --- the loop -------------------------------------------------------------------------------


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("with_schedule", [False, True])
def test_weights_equal_those_of_a_bare_loop_bit_by_bit(clip_norm, with_schedule):
    X, y = make_data()
    net, bare = make_net(norm=True), make_net(norm=True)
    optimizers = sgd(net), sgd(bare)
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(o, 0.3, total_steps=21) if with_schedule else None
        for o in optimizers
    ]
    history = train(
        net, batches(X, y), optimizer=optimizers[0], schedule=schedules[0], clip_norm=clip_norm
    )

    generator, means = torch.Generator().manual_seed(1), []
    for _ in range(3):
        total = 0.0
        for index in torch.randperm(100, generator=generator).split(16):
            loss = F.cross_entropy(bare(X[index]), y[index])
            optimizers[1].zero_grad()
            loss.backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(bare.parameters(), clip_norm)
            optimizers[1].step()
            if with_schedule:
                schedules[1].step()
            total += loss.item() * len(index)
        means.append(total / 100)
    assert_same_weights(net, bare)
    assert history["train_loss"] == pytest.approx(means, rel=1e-12)
    assert not any(module.training for module in net.modules())


def test_clipping_and_the_schedule_each_change_the_result():
    X, y = make_data()
    nets = [make_net() for _ in range(3)]
    train(nets[0], batches(X, y))
    train(nets[1], batches(X, y), clip_norm=0.05)
    optimizer = sgd(nets[2])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=21)
    train(nets[2], batches(X, y), optimizer=optimizer, schedule=schedule)
    for one, other in itertools.combinations(nets, 2):
        assert not torch.allclose(one[0].weight, other[0].weight, atol=1e-3)


def test_training_ends_at_the_least_squares_solution():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(200, 3, generator=generator)
    y = X @ torch.tensor([[2.0], [-3.4], [1.0]]) + 4.2 + torch.randn(200, 1, generator=generator)
    design = torch.cat([X, torch.ones(200, 1)], dim=1)
    solution = torch.linalg.lstsq(design, y).solution
    net = nn.Linear(3, 1)
    train(net, Batches(X, y, 200), loss_fn=F.mse_loss, num_epochs=300)
    found = torch.cat([net.weight.detach().T, net.bias.detach()[:, None]])
    torch.testing.assert_close(found, solution, atol=1e-5, rtol=1e-5)


def test_a_doubled_batch_takes_the_same_steps():
    X, y = make_data(64)
    net, twice = make_net(), make_net()
    train(net, Batches(X, y, 16, shuffle=False))
    pairs = X.repeat_interleave(2, 0), y.repeat_interleave(2)
    train(twice, Batches(*pairs, 32, shuffle=False))
    for one, other in zip(net.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_every_kind_of_data_trains_the_same():
    X, y = make_data(96)
    kinds = {
        "batches": lambda: Batches(X, y, 32, shuffle=False),
        "loader": lambda: DataLoader(TensorDataset(X, y), 32),
        "list": lambda: list(zip(X.split(32), y.split(32), strict=True)),
    }
    nets = {name: make_net() for name in kinds}
    for name, make in kinds.items():
        train(nets[name], make(), make(), metrics={"accuracy": accuracy})
    assert_same_weights(nets["batches"], nets["loader"])
    assert_same_weights(nets["batches"], nets["list"])
    images = ImageData(X[:, None, None], y, name="x", classes=("a", "b", "c"))
    flat = [nn.Sequential(nn.Flatten(), make_net()) for _ in range(2)]
    for net, data in zip(flat, (images, (images.X, images.y)), strict=True):
        torch.manual_seed(3)
        train(net, data, images)
    assert_same_weights(*flat)


def test_data_are_moved_once_and_the_callers_batches_stay_as_they_are(monkeypatch):
    X, y = make_data()
    data, moves = batches(X, y), []
    to = torch.Tensor.to

    def counted(self, *args, **kwargs):
        moves.append(self is X or self is y)
        return to(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", counted)
    train(make_net(), data)
    monkeypatch.undo()
    assert sum(moves) == 2
    source = training._Source(data, "train", torch.device("meta"))
    assert source.batches.X.is_meta
    assert source.batches.y.is_meta
    assert data.X is X
    assert data.y is y


def test_no_loss_is_read_while_the_steps_go_on(monkeypatch):
    """Every read of a number waits for the device: one stack an epoch, and nothing else."""
    reads = []
    for name in ("item", "tolist", "__float__", "__int__"):
        real = getattr(torch.Tensor, name)

        def spy(self, *args, real=real, name=name):
            reads.append(name)
            return real(self, *args)

        monkeypatch.setattr(torch.Tensor, name, spy)
    X, y = make_data(160)
    train(make_net(), Batches(X, y, 1), num_epochs=2, clip_norm=1.0, loss_fn=lambda a, b: a.mean())
    monkeypatch.undo()
    assert reads.count("tolist") >= 2
    assert len(reads) <= 10 + 2 * len(list(make_net().parameters()))


def test_a_submodule_keeps_its_mode_through_evaluation():
    net = make_net(dropout=0.5)
    net.train()
    net[0].eval()
    evaluate(net, make_data(), loss_fn=F.cross_entropy)
    assert [module.training for module in net] == [False, True, True, True]
    net.eval()
    evaluate(net, make_data(), loss_fn=F.cross_entropy)
    assert not net.training


def test_the_mode_returns_after_an_error_in_evaluation():
    net = make_net()
    with pytest.raises(ValueError, match="data, batch 1"):
        evaluate(net, (torch.zeros(5, 3), torch.zeros(5).long()), loss_fn=F.cross_entropy)
    assert net.training


# --- evaluation -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_evaluation_is_exact_over_all_examples(size):
    X, y = make_data(101)
    net = make_net(dropout=0.5)
    found = evaluate(
        net, Batches(X, y, size), loss_fn=F.cross_entropy, metrics={"accuracy": accuracy}
    )
    net.eval()
    with torch.no_grad():
        p = net(X).double().softmax(1)
    p = (p / p.sum(1, keepdim=True)).numpy()
    assert found["loss"] == pytest.approx(log_loss(y, p, labels=[0, 1, 2]), rel=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, p.argmax(1)), abs=1e-7)


def test_the_mean_of_batch_means_would_be_another_number():
    X, y = make_data(101)
    net = make_net().eval()
    parts = [F.cross_entropy(net(a), b).item() for a, b in Batches(X, y, 100, shuffle=False)]
    found = evaluate(net, Batches(X, y, 100), loss_fn=F.cross_entropy)["loss"]
    assert abs(sum(parts) / 2 - found) > 1e-3


def test_evaluation_keeps_no_graph_and_changes_no_weight():
    X, y = make_data()
    net = make_net(norm=True)
    before, seen = copy.deepcopy(net), []
    evaluate(net, (X, y), loss_fn=lambda out, y: seen.append(out) or F.cross_entropy(out, y))
    assert not seen[0].requires_grad
    assert_same_weights(net, before)


def test_evaluation_draws_no_random_number():
    net = make_net()
    before = torch.get_rng_state()
    evaluate(net, make_data(), loss_fn=F.cross_entropy)
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_equals_evaluation_after_the_last_epoch():
    X, y = make_data()
    net, metrics = make_net(norm=True), {"accuracy": accuracy}
    history = train(net, batches(X, y), (X, y), metrics=metrics)
    found = evaluate(net, (X, y), loss_fn=F.cross_entropy, metrics=metrics)
    assert found == {"loss": history.last("val_loss"), "accuracy": history.last("val_accuracy")}


def test_accuracy():
    logits, y = torch.tensor([[0.1, 2.0], [3.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1, 1])
    assert accuracy(logits, y).item() == pytest.approx(2 / 3)
    pixels = torch.stack([torch.zeros(2, 5, 5), torch.ones(2, 5, 5)], dim=1)
    assert accuracy(pixels, torch.ones(2, 5, 5).long()).item() == 1.0


@pytest.mark.parametrize("shape", [(3,), (3, 1), (4, 2), (3, 2, 2)])
def test_accuracy_refuses_scores_that_do_not_match(shape):
    with pytest.raises(ValueError, match=r"logits \(n, c\) with c ≥ 2 .* got .*\(3,\) int64"):
        accuracy(torch.zeros(shape), torch.zeros(3).long())


# --- seeds, device, history -----------------------------------------------------------------


def test_one_seed_makes_everything_repeat():
    def draw():
        generator = seed_everything(7)
        own = torch.rand(1, generator=generator).item()
        return own, torch.rand(1).item(), np.random.rand(), random.random()

    first = draw()
    assert draw() == first
    seed_everything(8)
    assert random.random() != first[3]
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="between 0 and"):
            seed_everything(seed)


def test_default_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert default_device() == torch.device("cuda", 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert default_device() == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert default_device() == torch.device("cpu")


def test_history():
    X, y = make_data()
    history = train(make_net(), batches(X, y), (X, y), metrics={"accuracy": accuracy})
    assert history.epochs == [1, 2, 3]
    assert {*history.values} == {"train_loss", "val_loss", "val_accuracy", "lr", "seconds"}
    assert history["lr"] == [0.1] * 3
    rows = history.to_rows()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["val_loss"] == history.last("val_loss") == history["val_loss"][2]
    assert min(history["seconds"]) > 0
    with pytest.raises(KeyError, match="'val_f1' was not recorded; the history holds"):
        history["val_f1"]
    assert History().to_rows() == []


# --- mixed precision ------------------------------------------------------------------------


def test_bf16_runs_the_net_in_bf16_and_keeps_weights_in_fp32():
    X, y = make_data()
    net, seen = make_net(), set()
    net.register_forward_hook(lambda module, args, out: seen.add(out.dtype))
    history = train(net, batches(X, y), (X, y), precision="bf16", num_epochs=10)
    plain = make_net()
    expected = train(plain, batches(X, y), (X, y), num_epochs=10)
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert history.last("val_loss") == pytest.approx(expected.last("val_loss"), rel=0.05)
    assert history.last("val_loss") != expected.last("val_loss")


def gpu_data():
    X, y = make_data(512)
    return X, y, batches(X, y, 64)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_trains_to_the_same_loss(precision):
    X, y, data = gpu_data()
    net, reference = make_net(), make_net()
    optimizer = sgd(net)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=80)
    options = {"num_epochs": 10, "clip_norm": 1.0}
    history = train(
        net, data, (X, y), optimizer=optimizer, schedule=schedule,
        precision=precision, device="cuda", channels_last=True, **options,
    )  # fmt: skip
    optimizer = sgd(reference)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=80)
    expected = train(
        reference, gpu_data()[2], (X, y), optimizer=optimizer, schedule=schedule, **options
    )
    assert next(net.parameters()).is_cuda
    assert data.X.device.type == "cpu"
    assert history.last("val_loss") == pytest.approx(expected.last("val_loss"), rel=0.15)
    found = evaluate(net, (X, y), loss_fn=F.cross_entropy, metrics={"accuracy": accuracy})
    assert found["accuracy"] > 0.9


@pytest.mark.gpu
@needs_cuda
def test_no_step_waits_for_the_gpu():
    data = gpu_data()[2]
    net = make_net().cuda()
    train(net, data)
    source = training._Source(data, "train", torch.device("cuda"))
    run_steps = []
    real = training._step

    def strict(run, *args):
        if run_steps:  # the first step checks the labels
            torch.cuda.set_sync_debug_mode("error")
        try:
            run_steps.append(real(run, *args))
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return run_steps[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_step", strict)
        train(net, source.batches, clip_norm=1.0)
    assert len(run_steps) == 24


@pytest.mark.gpu
@needs_cuda
def test_a_gpu_resumes(tmp_path):
    X, y, _ = gpu_data()
    path = tmp_path / "run.pt"
    whole, parts = make_net(dropout=0.2), make_net(dropout=0.2)
    torch.manual_seed(5)
    train(whole, batches(X, y), num_epochs=4, device="cuda", precision="fp16")
    torch.manual_seed(5)
    train(parts, batches(X, y), num_epochs=2, device="cuda", precision="fp16", checkpoint=path)
    again = make_net(dropout=0.2, seed=9)
    train(
        again, batches(X, y), num_epochs=4, device="cuda", precision="fp16",
        checkpoint=path, resume=True,
    )  # fmt: skip
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.gpu
@needs_cuda
def test_labels_out_of_range_are_named_before_the_gpu_fails():
    X, y = make_data()
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\)"):
        train(make_net(), (X, y + 1), device="cuda")
    assert torch.ones(1, device="cuda").item() == 1.0  # the device still works


def test_channels_last_changes_the_layout_and_not_the_result():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    other = copy.deepcopy(net)
    X, y = torch.randn(40, 3, 8, 8), torch.arange(40) % 3
    train(net, batches(X, y), channels_last=True)
    train(other, batches(X, y))
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


# --- early stopping -------------------------------------------------------------------------


def test_early_stopping_returns_the_best_weights():
    X, y = make_data(40)
    val = make_data(40, seed=5)
    net, seen = make_net(norm=True), []
    record = training._evaluate

    def spy(net, *args):
        seen.append(copy.deepcopy(net.state_dict()))
        return record(net, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_evaluate", spy)
        history = train(net, batches(X, y), val, num_epochs=200, patience=3)
    losses = history["val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 3 < 200
    assert evaluate(net, val, loss_fn=F.cross_entropy)["loss"] == losses[best]
    for name, value in net.state_dict().items():
        assert torch.equal(value, seen[best][name])


def test_without_improvement_left_out_the_best_weights_return_at_the_end_too():
    X, y = make_data(40)
    val = make_data(40, seed=5)
    net = make_net()
    history = train(net, batches(X, y), val, num_epochs=12, patience=50)
    assert len(history.epochs) == 12
    assert history.last("val_loss") > min(history["val_loss"])
    assert evaluate(net, val, loss_fn=F.cross_entropy)["loss"] == min(history["val_loss"])


# --- checkpoints ----------------------------------------------------------------------------


def run_with(net, path, *, num_epochs, resume=False, data=None, **options):
    """A training that uses every kind of state: momentum, schedule, dropout, noise, patience."""
    X, y = make_data(80)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=60)
    noisy = batches(
        X, y, transform=lambda X, g: X + 0.3 * torch.randn(X.shape, generator=g) + np.random.rand()
    )
    return train(
        net, data or noisy, make_data(40, seed=5), num_epochs=num_epochs, optimizer=optimizer,
        schedule=schedule, checkpoint=path, resume=resume, patience=8, **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["batches", "loader"])
def test_an_interrupted_run_ends_bit_by_bit_like_a_whole_one(tmp_path, kind):
    def data():
        loader = DataLoader(TensorDataset(*make_data(80)), 16, shuffle=True)
        return loader if kind == "loader" else None

    def net(seed):
        return make_net(dropout=0.3, norm=True, seed=seed)

    whole = net(0)
    seed_everything(3)
    expected = run_with(whole, None, num_epochs=12, data=data())
    path, history = tmp_path / "deep" / "run.pt", None
    for seed, end in ((0, 1), (1, 4), (2, 5), (3, 12)):  # the checkpoint replaces other weights
        parts = net(seed)
        seed_everything(seed + 3)  # whatever happened between two sessions
        history = run_with(parts, path, num_epochs=end, resume=True, data=data())
    assert_same_weights(whole, parts)
    for name in ("train_loss", "val_loss", "lr"):
        assert history[name] == expected[name]
    assert [p.name for p in path.parent.iterdir()] == ["run.pt"]


def test_resuming_a_finished_run_returns_it_without_training(tmp_path):
    path = tmp_path / "run.pt"
    net, again = make_net(), make_net(seed=4)
    first = run_with(net, path, num_epochs=5)
    stamp = path.stat().st_mtime_ns
    second = run_with(again, path, num_epochs=5, resume=True)
    assert second == first
    assert path.stat().st_mtime_ns == stamp
    assert_same_weights(net, again)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    X, y = make_data(40)
    options = {"num_epochs": 200, "patience": 3, "checkpoint": tmp_path / "run.pt"}
    net, again = make_net(), make_net(seed=4)
    first = train(net, batches(X, y), make_data(40, seed=5), **options)
    second = train(again, batches(X, y), make_data(40, seed=5), resume=True, **options)
    assert first == second
    assert_same_weights(net, again)


def test_without_resume_a_checkpoint_is_replaced(tmp_path):
    path = tmp_path / "run.pt"
    run_with(make_net(), path, num_epochs=5)
    assert run_with(make_net(), path, num_epochs=2).epochs == [1, 2]
    assert torch.load(path, weights_only=True)["history"]["epochs"] == [1, 2]


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    run_with(make_net(), path, num_epochs=2)
    before = path.read_bytes()

    def crash(state, file):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="No space left"):
        run_with(make_net(), path, num_epochs=3, resume=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), {},
         r"0\.weight is \(16, 4\) there and \(8, 4\) here"),
        (nn.Linear(4, 3), {}, r"there and .* here"),
        (make_net(), {"precision": "bf16"}, "precision is fp32 there and bf16 here"),
        (make_net(), {"data": Batches(*make_data(80), 20)}, "batch_size is 16 there and 20 here"),
        (make_net(), {"data": Batches(*make_data(90), 16)}, "num_examples is 80 there and 90 here"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_named(tmp_path, net, options, message):
    path = tmp_path / "run.pt"
    run_with(make_net(), path, num_epochs=1)
    before = copy.deepcopy(net)
    with pytest.raises(ValueError, match=rf"checkpoint .*run\.pt does not fit: .*{message}"):
        run_with(net, path, num_epochs=2, resume=True, **options)
    assert_same_weights(net, before)


def test_another_optimizer_does_not_fit(tmp_path):
    path = tmp_path / "run.pt"
    run_with(make_net(), path, num_epochs=1)
    with pytest.raises(ValueError, match="optimizer is AdamW there and SGD here"):
        train(make_net(), batches(*make_data(80)), checkpoint=path, resume=True)


@pytest.mark.parametrize("content", [b"", b"<html>", "weights", "truncated"])
def test_a_damaged_or_foreign_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "run.pt"
    if content == "weights":
        torch.save(make_net().state_dict(), path)
    elif content == "truncated":
        run_with(make_net(), path, num_epochs=1)
        path.write_bytes(path.read_bytes()[:-500])
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.pt is damaged or not one of fit"):
        run_with(make_net(), path, num_epochs=2, resume=True)


def test_a_checkpoint_cannot_run_code(tmp_path):
    path = tmp_path / "run.pt"
    torch.save({"kind": print}, path)
    with pytest.raises(ValueError, match="damaged or not one of fit"):
        run_with(make_net(), path, num_epochs=2, resume=True)


# --- losses that are not finite -------------------------------------------------------------


class Bomb(nn.Module):
    """A net whose output turns to NaN in one chosen step, and stays so."""

    def __init__(self, step, value=math.nan):
        super().__init__()
        self.inner, self.step, self.value, self.calls = make_net(), step, value, 0

    def forward(self, X):
        self.calls += self.training
        return self.inner(X) * (self.value if self.calls >= self.step else 1.0)


@pytest.mark.parametrize("gap", [0.0, 100.0])
@pytest.mark.parametrize(("step", "where"), [(1, "1/3, batch 1"), (10, "2/3, batch 3")])
def test_the_first_bad_step_is_named(monkeypatch, gap, step, where):
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_READS", gap)
    with pytest.raises(FloatingPointError, match=rf"epoch {where}\b.*nan.*spoiled.*smaller lr"):
        train(Bomb(step), batches(*make_data()))


def test_a_bad_step_of_a_long_epoch_stops_it_midway(monkeypatch):
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_READS", 0.0)
    net = Bomb(3)
    with pytest.raises(FloatingPointError, match="batch 3:"):
        train(net, Batches(*make_data(), 1))
    assert net.calls < 10


def test_an_exploding_rate_is_stopped():
    X, y = make_data()
    net = nn.Linear(4, 1)
    with pytest.raises(FloatingPointError, match=r"epoch \d+/90, batch 1: .*now 50"):
        train(
            net, Batches(X, y.float()[:, None], 100), optimizer=sgd(net, lr=50.0),
            loss_fn=F.mse_loss, num_epochs=90,
        )  # fmt: skip


def test_bad_numbers_in_the_data_are_told_from_a_bad_rate():
    X, y = make_data()
    X[50, 2] = math.nan
    with pytest.raises(FloatingPointError, match="X or y holds numbers that are not finite"):
        train(make_net(), batches(X, y))


def test_weights_that_overflow_in_the_last_step_are_noticed(tmp_path):
    X, y = make_data()
    net, path = nn.Linear(4, 1), tmp_path / "run.pt"
    with pytest.raises(FloatingPointError, match=r"epoch 1/1, batch 1: .*weights"):
        train(
            net, Batches(1e3 * X, y.float()[:, None], 100), optimizer=sgd(net, lr=1e38),
            loss_fn=F.mse_loss, num_epochs=1, checkpoint=path,
        )  # fmt: skip
    assert not path.exists()


# --- wrong use ------------------------------------------------------------------------------


X0, Y0 = make_data()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X0[:, :3], Y0), r"train, batch 1, X \(100, 3\) float32, y \(100,\) int64: net cannot "
         r"take X: mat1.* first layer, whose 0\.weight is \(16, 4\)"),
        ((X0.long(), Y0), r"X \(100, 4\) int64"),
        ((X0, Y0[:99]), r"train: X and y must be tensors of equal length, got .*\(99,\)"),
        ((X0, Y0.numpy()), "X and y must be tensors of equal length, got .*ndarray"),
        ((X0, Y0 + 1), r"labels must be in \[0, 3\), .*got values from 1 to 3"),
        ((X0, Y0 - 1), r"got values from -1 to 1"),
        ((X0, Y0.float()), r"only cross-entropy takes int64 labels .*\(100,\) float32"),
        ((X0[:0], Y0[:0]), "train must hold at least one batch, got none"),
        (DataLoader(TensorDataset(X0, Y0), 200, drop_last=True), "train must hold at least one"),
        ([X0, Y0, Y0], r"train, batch 1: a batch must be two tensors .* got \(100, 4\) float32"),
        ([(X0, Y0[:7])], r"train, batch 1: a batch must be .* got \(100, 4\) .*, \(7,\) int64"),
        ([(X0, Y0), (X0[:, :3], Y0)], r"train, batch 2, X \(100, 3\)"),
        ([(X0, Y0), (X0, Y0 + 1)], r"train, batch 2, .* out of bounds"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_named(data, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        train(make_net(), data)


@pytest.mark.parametrize("role", ["train", "val"])
@pytest.mark.parametrize("data", [0.5, "mnist", X0, {"X": X0}, TensorDataset(X0, Y0), iter([])])
def test_what_is_no_data_is_named(role, data):
    data = {"train": (X0, Y0), role: data}
    message = f"{role} must be Batches, a pair .* got {type(data[role]).__name__}"
    with pytest.raises(
        TypeError, match=re.escape(message).replace(r"\.\*", ".*").replace(r"\ ", " ")
    ):
        train(make_net(), data["train"], data.get("val"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_epochs": 0}, "num_epochs must be at least 1, got 0"),
        ({"metrics": {"accuracy": accuracy}}, "metrics and patience need val"),
        ({"patience": 2}, "metrics and patience need val"),
        ({"val": (X0, Y0), "patience": 0}, "patience must be at least 1"),
        ({"resume": True}, "resume needs checkpoint"),
        ({"precision": "fp8"}, r"precision must be in .*bf16.*, got fp8"),
        ({"precision": "fp16"}, "fp16 needs CUDA, got cpu; try bf16"),
        ({"optimizer": sgd(make_net())}, "optimizer must hold parameters of net"),
        ({"schedule": torch.optim.lr_scheduler.StepLR(sgd(make_net()), 1)},
         "schedule must be built on optimizer"),
        ({"loss_fn": nn.CrossEntropyLoss(reduction="sum")}, "loss_fn must be a mean"),
        ({"loss_fn": lambda out, y: out}, r"one number"),
        ({"loss_fn": F.mse_loss}, r"y must be float .* got \(100, 3\) .*\(100,\) int64"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        train(make_net(), options.pop("data", (X0, Y0)), **options)


def test_a_net_without_parameters_is_named():
    frozen = make_net().requires_grad_(False)
    optimizer = sgd(make_net())
    for net in (frozen, nn.Flatten()):
        with pytest.raises(ValueError, match="net must have parameters that require gradients"):
            train(net, (X0, Y0), optimizer=optimizer)


def test_mse_does_not_broadcast_a_column_against_a_row():
    net = nn.Linear(4, 1)
    with pytest.raises(
        ValueError, match=r"of net\(X\)'s shape.* got \(100, 1\) float32 and \(100,\)"
    ):
        train(net, (X0, X0[:, 0]), loss_fn=nn.MSELoss())


# --- progress -------------------------------------------------------------------------------


def test_stored_progress_is_at_most_eleven_plain_lines_on_stdout(capsys):
    for num_epochs, lines in ((1, 1), (3, 3), (10, 10), (11, 6), (100, 10), (95, 10)):
        train(make_net(), (X0, Y0), (X0, Y0), num_epochs=num_epochs, progress=True)
        out, err = capsys.readouterr()
        assert err == ""
        assert len(out.splitlines()) == lines
        assert re.fullmatch(
            rf"epoch {num_epochs}/{num_epochs} · train_loss [\d.e-]+ · val_loss [\d.e-]+",
            out.splitlines()[-1],
        )
        assert "\r" not in out


def test_a_silent_run_prints_nothing(capfd):
    train(make_net(), (X0, Y0))
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_one_line_that_is_overwritten(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(training, "_SECONDS_BETWEEN_READS", 0.0)
    train(make_net(), batches(X0, Y0), num_epochs=20, progress=True)
    text = terminal.getvalue()
    assert text.count("\n") == 10
    assert len(re.findall(r"\repoch \d+/20 · batch \d · loss", text)) == 20 * 7
    assert max(map(len, re.split("[\r\n]", text))) < 80


@pytest.mark.parametrize(("can_ask", "is_live"), [(True, True), (False, False)])
def test_a_notebook_is_live_where_a_front_end_can_be_asked(monkeypatch, can_ask, is_live):
    class Shell:
        class kernel:  # noqa: N801
            _allow_stdin = can_ask

    class IPython:
        get_ipython = Shell

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert training._is_live() is is_live


class Screen:
    """A kernel's client that runs code and collects what is printed."""

    def __init__(self):
        self.kernel = KernelManager(kernel_name="python3")
        self.kernel.start_kernel(env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.client = self.kernel.blocking_client()

    def __enter__(self):
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        return self

    def run(self, code, *, allow_stdin):
        texts = []

        def collect(message):
            assert message["msg_type"] != "error", message["content"]
            texts.append(message["content"].get("text", ""))

        self.client.execute_interactive(
            code, allow_stdin=allow_stdin, output_hook=collect, timeout=120
        )
        return "".join(texts)

    def __exit__(self, *error):
        self.client.stop_channels()
        self.kernel.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_real_kernel_is_live_for_a_front_end_and_plain_when_stored():
    code = """if True:
        import torch
        from d2l_lite.training import fit
        net = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        data = torch.ones(4, 2), torch.ones(4, 1)
        fit(net, data, loss_fn=torch.nn.MSELoss(), optimizer=optimizer, num_epochs=3)"""
    with Screen() as screen:
        stored = screen.run(code, allow_stdin=False)
        live = screen.run(code, allow_stdin=True)
    assert "\r" not in stored
    assert len(stored.splitlines()) == 3
    assert live.count("\r") == 3


def test_early_stopping_says_whose_weights_return(capsys):
    X, y = make_data(40)
    history = train(
        make_net(), batches(X, y), make_data(40, seed=5), num_epochs=200, patience=3, progress=True
    )
    best = history.epochs[-1] - 3
    assert capsys.readouterr().out.splitlines()[-1].endswith(f" · weights of epoch {best}")


@pytest.mark.parametrize("seed", range(3))
def test_the_frechet_distance_is_that_of_scipys_matrix_root(seed):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(50, 4, generator=generator)
    B = torch.randn(80, 4, generator=generator) @ torch.randn(4, 4, generator=generator) + 1
    C, D = np.cov(A.double().numpy().T), np.cov(B.double().numpy().T)
    apart = (A.double().mean(0) - B.double().mean(0)).square().sum().item()
    want = apart + np.trace(C + D - 2 * scipy.linalg.sqrtm(C @ D).real)
    assert frechet_distance(A, B) == pytest.approx(want, rel=1e-6)
    assert frechet_distance(B, A) == pytest.approx(want, rel=1e-6)
    assert frechet_distance(A, A) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_one_feature_and_of_fewer_examples_than_features():
    A, B = torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [11.0]])
    assert frechet_distance(A, B) == pytest.approx(7**2 + (2**0.5 - 18**0.5) ** 2)
    few = torch.eye(5)[:2]
    assert frechet_distance(few, few + 1) == pytest.approx(5)


@pytest.mark.parametrize(
    ("A", "B", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), r"at least two examples each, got \(3, 2\) float32"),
        (torch.zeros(1, 2), torch.zeros(3, 2), r"got \(1, 2\)"),
        (torch.zeros(3), torch.zeros(3), r"got \(3,\)"),
        (torch.zeros(3, 2), torch.full((3, 2), torch.nan), "must be finite"),
    ],
)
def test_samples_without_a_frechet_distance_are_named(A, B, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(A, B)

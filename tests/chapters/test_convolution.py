"""The chapter on convolution: its definitions against PyTorch, SciPy and identities."""

import itertools
import threading

import numpy as np
import pytest
import scipy.signal
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from d2l_lite import Batches, lenet5

SETTINGS = list(itertools.product((5, 8), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3)))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def leaves(n, k, generator, *, c_in=3, c_out=4):
    """Return X, K and b in double precision, with gradients."""
    shapes = (2, c_in, n, n + 1), (c_out, c_in, k, k), (c_out,)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in shapes
    ]


@pytest.mark.parametrize("m", [1, 2, 5])
def test_one_dimension_equals_numpy_with_and_without_the_flip(ch, generator, m):
    x, k = torch.randn(9, generator=generator), torch.randn(m, generator=generator)
    for kernel, oracle in ((k, np.correlate), (k.flip(0), np.convolve)):
        want = torch.from_numpy(oracle(x.numpy(), k.numpy(), "valid"))
        torch.testing.assert_close(ch["corr1d"](x, kernel), want)


def test_two_dimensions_equal_scipy(ch, generator):
    X, K = torch.randn(7, 6, generator=generator), torch.randn(3, 2, generator=generator)
    want = scipy.signal.correlate2d(X.numpy(), K.numpy(), mode="valid")
    torch.testing.assert_close(ch["corr2d"](X, K), torch.from_numpy(want))


def test_the_ring_is_equivariant_and_a_stride_is_not(ch, generator):
    X = torch.randint(100, (1, 2, 6, 8), generator=generator).double()
    K = torch.randint(1, 9, (3, 2, 3, 3), generator=generator).double()
    conv, turn = ch["ring_conv"], ch["turn"]
    for pixels in range(8):
        assert torch.equal(conv(turn(X, pixels), K), turn(conv(X, K), pixels))
    assert torch.equal(conv(turn(X, 2), K, stride=2), turn(conv(X, K, stride=2), 1))
    moved = conv(turn(X, 1), K, stride=2)
    assert not any(torch.equal(moved, turn(conv(X, K, stride=2), t)) for t in range(4))


def test_output_size_equals_the_number_of_windows_that_fit(ch):
    for n, k, p, s, d in itertools.product(
        range(1, 9), range(1, 5), range(3), range(1, 4), range(1, 4)
    ):
        starts = range(0, n + 2 * p - d * (k - 1), s)
        if starts:
            assert ch["output_size"](n, k, padding=p, stride=s, dilation=d) == len(starts)


@pytest.mark.parametrize("name", ["conv2d_loops", "conv2d"])
@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 2), (2, 3)])
def test_forward_equals_torch(ch, generator, name, padding, stride):
    X, K, b = (leaf.detach() for leaf in leaves(7, 3, generator))
    got = ch[name](X, K, b, padding=padding, stride=stride)
    torch.testing.assert_close(got, F.conv2d(X, K, b, padding=padding, stride=stride))


@pytest.mark.parametrize(("n", "k", "p", "s"), SETTINGS)
def test_matrix_form_and_its_gradients_equal_torch(ch, generator, n, k, p, s):
    X, K, b = leaves(n, k, generator)
    H = F.conv2d(X, K, b, padding=p, stride=s)
    G = torch.randn(H.shape, generator=generator, dtype=torch.float64)
    wanted = H, *torch.autograd.grad(H, (X, K, b), G)
    with torch.no_grad():
        got = (
            ch["conv2d"](X, K, b, padding=p, stride=s),
            *ch["conv2d_backward"](G, X, K, padding=p, stride=s),
        )
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n", "k", "p", "s"), SETTINGS[::3])
def test_patches_equal_unfold_and_their_transpose_equals_fold(ch, generator, n, k, p, s):
    X = torch.randn(2, 3, n, n, generator=generator)
    P = ch["im2col"](X, k, padding=p, stride=s)
    assert torch.equal(P, F.unfold(X, k, padding=p, stride=s))
    Q = torch.randn(P.shape, generator=generator)
    back = ch["col2im"](Q, X.shape, k, padding=p, stride=s)
    torch.testing.assert_close(back, F.fold(Q, (n, n), k, padding=p, stride=s))


@pytest.mark.parametrize(("k", "stride"), [(2, None), (3, 2), (3, 1), (2, 3)])
def test_pooling_equals_torch(ch, generator, k, stride):
    X = torch.randn(2, 3, 11, 9, generator=generator)
    torch.testing.assert_close(ch["pool2d"](X, k, stride=stride), F.max_pool2d(X, k, stride))
    mean = ch["pool2d"](X, k, stride=stride, mode="mean")
    torch.testing.assert_close(mean, F.avg_pool2d(X, k, stride))


def test_fields_of_stacks_of_three(ch):
    assert ch["receptive_field"]([(3, 1, 1)] * 2) == 5
    assert ch["receptive_field"]([(3, 1, 1)] * 3) == 7


@pytest.mark.parametrize("seed", range(10))
def test_field_by_formula_equals_field_by_gradient(ch, seed):
    draw = torch.randint(1, 4, (3, 3), generator=torch.Generator().manual_seed(seed))
    layers = [tuple(layer) for layer in draw.tolist()]
    seen = ch["gradient_row"](layers, size=250).nonzero()
    assert int(seen.max() - seen.min()) + 1 == ch["receptive_field"](layers)


def test_lenet_has_the_known_number_of_parameters_and_is_equal_by_hand(ch, generator):
    net = lenet5()
    assert sum(p.numel() for p in net.parameters()) == 61_706
    X = torch.randn(2, 1, 28, 28, generator=generator)
    H = X
    for i, padding in ((0, 2), (3, 0)):
        H = ch["conv2d"](H, net[i].weight, net[i].bias, padding=padding)
        H = ch["pool2d"](H.relu(), 2)
    H = H.flatten(1)
    for i in (7, 9, 11):
        H = H @ net[i].weight.T + net[i].bias
        H = H.relu() if i < 11 else H
    torch.testing.assert_close(net(X), H, rtol=1e-4, atol=1e-5)


def test_training_learns_and_repeats(ch, generator):
    y = torch.arange(200) % 2
    X = torch.randn(200, 1, 28, 28, generator=generator) + y[:, None, None, None]
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
        losses.append(ch["train_classifier"](net, X, y, num_epochs=20)["train_loss"])
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.1 < losses[0][0]


def test_shift_moves_the_image_and_brings_in_zeros(ch):
    X = torch.arange(1.0, 5.0).reshape(1, 1, 1, 4)
    assert ch["shift_right"](X, 1).flatten().tolist() == [0, 1, 2, 3]
    assert ch["shift_right"](X, 0).flatten().tolist() == [1, 2, 3, 4]


def test_prefetching_keeps_items_order_and_errors(ch):
    prefetch = ch["prefetch"]
    assert list(prefetch(range(5))) == list(range(5))
    assert list(prefetch([])) == []
    assert list(prefetch([None, 1])) == [None, 1]

    def failing():
        yield 1
        raise OSError("disk")

    items = prefetch(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="disk"):
        next(items)


def test_prefetching_prepares_the_next_item_while_one_is_used(ch):
    second_was_made = threading.Event()

    def source():
        yield 1
        second_was_made.set()
        yield 2

    items = ch["prefetch"](source())
    assert next(items) == 1
    assert second_was_made.wait(timeout=30)  # before anyone asked for it
    assert list(items) == [2]


def test_prefetching_stops_with_its_consumer(ch):
    made = []

    def source():
        for i in range(100):
            made.append(i)
            yield i

    items = ch["prefetch"](source())
    next(items)
    items.close()
    assert len(made) <= 3


def test_augmentation_keeps_what_it_must(ch, generator):
    X = torch.zeros(64, 1, 28, 28)
    X[:, :, 8:20, 8:20] = torch.rand(64, 1, 12, 12, generator=generator)
    batches = Batches(
        X, torch.arange(64), 64, shuffle=False, generator=generator, transform=ch["augment"]
    )
    ((got, y),) = batches
    assert got.shape == X.shape
    assert torch.equal(y, torch.arange(64))
    assert not torch.equal(got, X)
    torch.testing.assert_close(got.sum(dim=(1, 2, 3)), X.sum(dim=(1, 2, 3)))
    assert (got[:, :, :6].sum(), got[:, :, 22:].sum()) == (0, 0)

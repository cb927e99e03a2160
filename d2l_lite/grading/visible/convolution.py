"""Visible cases of the exercise set `convolution`.

Generated from exercises/source/convolution.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import itertools

import torch

from d2l_lite.grading import case, close, equal, raises


@case("stack_size", hint="floor")
def lenet(s):
    """LeNet-5 on 28 pixels: 28, 14, 10, 5"""
    equal(s.stack_size(28, [(5, 2, 1, 1), (2, 0, 2, 1), (5, 0, 1, 1), (2, 0, 2, 1)]), 5)


@case("stack_size", hint="dilation")
def dilated(s):
    """Kernel 3, dilation 4 on 20 pixels spans 9: 12 positions"""
    equal(s.stack_size(20, [(3, 0, 1, 4)]), 12, mistakes={"dilation": 18})


@case("stack_size", hint="floor")
def rounding(s):
    """Kernel 3, stride 2 on 6 pixels: the windows start at 0 and 2, a third would stick out"""
    equal(s.stack_size(6, [(3, 0, 2, 1)]), 2, mistakes={"floor": 3})


@case("stack_size", hint="fit")
def too_wide(s):
    """Kernel 5 on 4 pixels, as the second layer, is an error"""
    with raises("ValueError"):
        s.stack_size(8, [(2, 0, 2, 1), (5, 0, 1, 1)])


@case("seen_pixels", hint="span")
def one_layer(s):
    """Kernel 3, stride 2: unit 4 sees pixels 8 to 10"""
    equal(s.seen_pixels(4, [(3, 0, 2, 1)]), (8, 10), mistakes={"span": (8, 11)})


@case("seen_pixels", hint="padding")
def padded(s):
    """Kernel 5, padding 2: unit 0 sees pixels -2 to 2"""
    equal(s.seen_pixels(0, [(5, 2, 1, 1)]), (-2, 2), mistakes={"padding": (0, 4)})


@case("seen_pixels", hint="order")
def two_layers(s):
    """Kernel 5, then pooling 2 with stride 2: unit 3 sees pixels 6 to 11"""
    layers = [(5, 0, 1, 1), (2, 0, 2, 1)]
    equal(s.seen_pixels(3, layers), (6, 11), mistakes={"order": (6, 15)})


@case("max_pool", hint="flat")
def four_windows(s):
    """A 4 x 4 map, windows of 2 with stride 2"""
    X = torch.tensor([[1.0, 2, 0, 0], [3, 0, 0, 5], [0, 0, 7, 0], [4, 0, 0, 6]])
    Y, where = s.max_pool(X, 2, 2)
    close(Y, torch.tensor([[3.0, 5.0], [4.0, 7.0]]))
    equal(where, torch.tensor([[4, 7], [12, 10]]), mistakes={"flat": torch.tensor([[2, 3], [2, 0]])})


@case("max_pool", hint="stride")
def overlapping(s):
    """A 3 x 3 map, windows of 2 with stride 1: the middle wins four times"""
    X = torch.tensor([[1.0, 2, 3], [4, 9, 5], [6, 7, 8]])
    Y, where = s.max_pool(X, 2, 1)
    close(Y, torch.full((2, 2), 9.0))
    equal(where, torch.full((2, 2), 4))


@case("max_pool_backward", hint="losers")
def one_winner_each(s):
    """Two windows, two winners"""
    got = s.max_pool_backward(torch.tensor([[2.0, 3.0]]), torch.tensor([[1, 6]]), (2, 4))
    close(got, torch.tensor([[0.0, 2, 0, 0], [0, 0, 3, 0]]))


@case("max_pool_backward", hint="add")
def one_winner_for_all(s):
    """Four overlapping windows with the same winner: 1 + 2 + 3 + 4 = 10"""
    G = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    want = torch.zeros(3, 3)
    want[1, 1] = 10
    last = torch.zeros(3, 3)
    last[1, 1] = 4
    close(s.max_pool_backward(G, torch.full((2, 2), 4), (3, 3)), want, mistakes={"add": last})


@case("parameter_counts", hint="bias")
def small(s):
    """2 channels to 3 with 3 x 3: 3 * (18 + 1) = 57, and 2 * (9 + 1) + 3 * (2 + 1) = 29"""
    equal(
        s.parameter_counts(2, 3, 3),
        (57, 29),
        mistakes={"bias": (54, 24), "depthwise": (57, 47)},
    )


@case("parameter_counts", hint="depthwise")
def one_channel(s):
    """From one channel to one, the separable layer is the larger one"""
    equal(s.parameter_counts(1, 1, 5), (26, 28))


@case("stamp", hint="flip")
def apart(s):
    """Stride 2, kernel (1, 2): the copies lie side by side"""
    got = s.stamp(torch.tensor([1.0, 10.0]), torch.tensor([1.0, 2.0]), 2)
    close(got, torch.tensor([1.0, 2, 10, 20]), mistakes={"flip": torch.tensor([2.0, 1, 20, 10])})


@case("stamp", hint="add")
def overlap(s):
    """Stride 1, kernel (1, 2, 3): the copies overlap"""
    got = s.stamp(torch.tensor([1.0, 10.0]), torch.tensor([1.0, 2.0, 3.0]), 1)
    close(got, torch.tensor([1.0, 12, 23, 30]), mistakes={"add": torch.tensor([1.0, 10, 20, 30])})


@case("stamp", hint="size")
def gaps(s):
    """Stride 3, kernel (1, 2): what no copy covers stays 0, and nothing follows the last copy"""
    got = s.stamp(torch.tensor([1.0, 10.0]), torch.tensor([1.0, 2.0]), 3)
    close(
        got,
        torch.tensor([1.0, 2, 0, 10, 20]),
        mistakes={"size": torch.tensor([1.0, 2, 0, 10, 20, 0])},
    )


QUESTIONS = (
    Question(
        name="stack_size",
        points=2,
        hints={
            "floor": "A window that would stick out of the padded image does not count. Round down.",
            "dilation": "A kernel of side k with dilation d spans d * (k - 1) + 1 pixels.",
            "fit": "A kernel fits if its span is at most n + 2 * padding. Raise ValueError otherwise, at any layer.",
        },
    ),
    Question(
        name="seen_pixels",
        points=2,
        hints={
            "order": "Walk from the unit down to the image. The last layer of the list comes first.",
            "padding": "Unit i starts to read at i * stride - padding of the layer below.",
            "span": "The window's last tap is dilation * (k - 1) units after its first.",
        },
    ),
    Question(
        name="max_pool",
        points=2,
        hints={
            "flat": "The index must point into the whole map, row * w + column, not into the window.",
            "stride": "Window (i, j) starts at row i * stride and column j * stride, not at i * k.",
        },
    ),
    Question(
        name="max_pool_backward",
        points=2,
        hints={
            "add": "A pixel that won several windows receives the sum of their gradients. Writing keeps only one.",
            "losers": "Only winners receive gradient. A small change of any other pixel changes no maximum.",
        },
    ),
    Question(
        name="parameter_counts",
        points=1,
        hints={
            "bias": "A bias for each output channel of each layer. The depthwise layer has c_in output channels.",
            "depthwise": "A depthwise layer has one k x k kernel for each input channel, c_in in all.",
        },
    ),
    Question(
        name="stamp",
        points=2,
        hints={
            "add": "Where copies overlap, their values add up.",
            "flip": "The copies stand in the output as the kernel is written. Nothing is flipped.",
            "size": "The last copy starts at (n - 1) * stride and is m long.",
        },
    ),
)

"""Visible cases of the exercise set `cnn_modern`.

Generated from exercises/source/cnn_modern.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import torch

from d2l_lite.grading import case, close, equal


@case("block_parameters", hint="norm")
def inner_block(s):
    """256 channels, 64 inside, stride 1: 69,632 weights, and 768 for the normalizations"""
    equal(s.block_parameters(256, 64, 1), 70_400, mistakes={"norm": 69_632, "kernels": 37_632})


@case("block_parameters", hint="projection")
def wider(s):
    """64 channels become 256: the shortcut is a projection"""
    equal(s.block_parameters(64, 64, 1), 75_008, mistakes={"projection": 58_112})


@case("block_parameters", hint="projection")
def smaller(s):
    """Equal channels, but the map halves: again a projection"""
    equal(s.block_parameters(8, 2, 2), 172, mistakes={"projection": 92})


@case("fold", hint="shift")
def one_weight(s):
    """Weight 3, gamma 2, beta 1, mean 5, variance 4, eps 0: 2 (3 x - 5) / 2 + 1 = 3 x - 4"""
    one = torch.ones(1)
    K, b = s.fold(torch.full((1, 1, 1, 1), 3.0), 2 * one, one, 5 * one, 4 * one, 0.0)
    close(K, torch.full((1, 1, 1, 1), 3.0))
    close(b, torch.tensor([-4.0]), mistakes={"shift": torch.tensor([1.0])})


@case("fold", hint="channel")
def two_outputs(s):
    """Two output channels of one input, scaled by 2 and by 10"""
    zero, K = torch.zeros(2), torch.tensor([3.0, 4.0]).reshape(2, 1, 1, 1)
    got, _ = s.fold(K, torch.tensor([2.0, 10.0]), zero, zero, torch.ones(2), 0.0)
    close(got, torch.tensor([6.0, 40.0]).reshape(2, 1, 1, 1))


@case("fold", hint="eps")
def small_variance(s):
    """Variance 0 and eps 0.25 give a deviation of one half"""
    zero, one = torch.zeros(1), torch.ones(1)
    K, b = s.fold(torch.ones(1, 1, 1, 1), one, zero, one, zero, 0.25)
    close(K, torch.full((1, 1, 1, 1), 2.0))
    close(b, torch.tensor([-2.0]))


@case("stack_jacobian", hint="identity")
def silent_blocks(s):
    """Blocks that change nothing pass everything on"""
    close(
        s.stack_jacobian([torch.zeros(2, 2)] * 5),
        torch.eye(2),
        mistakes={"identity": torch.zeros(2, 2)},
    )


@case("stack_jacobian", hint="order")
def two_blocks(s):
    """(I + B)(I + A) for A = [[0, 1], [0, 0]] and B = [[0, 0], [1, 0]]"""
    A, B = torch.tensor([[0.0, 1], [0, 0]]), torch.tensor([[0.0, 0], [1, 0]])
    wrong = {"order": torch.tensor([[2.0, 1], [1, 1]]), "identity": torch.tensor([[0.0, 0], [0, 1]])}
    close(s.stack_jacobian([A, B]), torch.tensor([[1.0, 1], [1, 2]]), mistakes=wrong)


@case("dense_channels", hint="transition")
def small_blocks(s):
    """4 channels, growth 3, blocks of 2, 1 and 2 layers: 10, then 5 + 3 = 8, then 4 + 6 = 10"""
    wrong = {"keep": [6, 3, 6], "transition": [10, 13, 19]}
    equal(s.dense_channels(4, 3, [2, 1, 2]), [10, 8, 10], mistakes=wrong)


@case("excite", hint="gate")
def half_open(s):
    """All weights zero: every gate is one half"""
    X = torch.arange(8.0).reshape(1, 2, 2, 2)
    got = s.excite(X, torch.zeros(2, 1), torch.zeros(1), torch.zeros(1, 2), torch.zeros(2))
    close(got, X / 2, mistakes={"gate": torch.zeros_like(X)})


@case("excite", hint="relu")
def negative_mean(s):
    """A negative mean is cut off between the layers: the gate is one half again"""
    X, one = torch.full((1, 1, 1, 1), -2.0), torch.ones(1, 1)
    got = s.excite(X, one, torch.zeros(1), one, torch.zeros(1))
    close(got, torch.full((1, 1, 1, 1), -1.0))


@case("excite", hint="squeeze")
def two_images(s):
    """A bright image does not open the gates of a dark one: the gates are sigmoid(1) and sigmoid(4)"""
    X, one = torch.tensor([1.0, 4.0]).reshape(2, 1, 1, 1), torch.ones(1, 1)
    want = X * torch.sigmoid(X)
    close(s.excite(X, one, torch.zeros(1), one, torch.zeros(1)), want)


@case("inverted_work", hint="depthwise")
def keep_the_map(s):
    """A 2 x 2 map, 1 channel, expanded to 6: 4 * (6 + 54 + 6)"""
    equal(s.inverted_work(2, 1, 6, 1, 3, 1), 264, mistakes={"depthwise": 4 * (6 + 324 + 6)})


@case("inverted_work", hint="places")
def halve_the_map(s):
    """Stride 2 on 4 x 4: the expansion has 16 places, the others 4"""
    wrong = {"places": 4 * (2 * 4 + 4 * 9 + 4 * 3)}
    equal(s.inverted_work(4, 2, 2, 3, 3, 2), 16 * 8 + 4 * (36 + 12), mistakes=wrong)


@case("inverted_work", hint="first")
def no_expansion(s):
    """Expansion 1: only the depthwise and the last layer"""
    equal(s.inverted_work(3, 2, 1, 5, 3, 1), 9 * (18 + 10), mistakes={"first": 9 * (4 + 18 + 10)})


@case("hard_swish_slope", hint="product")
def middle(s):
    """At 0, 1 and -1.5 the slope is 1/2, 5/6 and 0"""
    x = torch.tensor([0.0, 1.0, -1.5])
    got = s.hard_swish_slope(x)
    close(got, torch.tensor([1 / 2, 5 / 6, 0.0]), mistakes={"product": (x + 3) / 6})


@case("hard_swish_slope", hint="pieces")
def far_out(s):
    """At -5 the slope is 0, at 5 it is 1"""
    close(s.hard_swish_slope(torch.tensor([-5.0, 5.0])), torch.tensor([0.0, 1.0]))


QUESTIONS = (
    Question(
        name="block_parameters",
        points=2,
        hints={
            "norm": "Each normalization has a scale and a shift for each channel that it gets.",
            "projection": "The shortcut needs a projection if the channels change or the stride is not 1.",
            "kernels": "A k x k convolution without bias has c_out * c_in * k * k weights.",
        },
    ),
    Question(
        name="fold",
        points=2,
        hints={
            "channel": "The scale belongs to an output channel, the first axis of K.",
            "shift": "Channel o gives gamma * (H - mean) / deviation + beta. Which part does not depend on H?",
            "eps": "The deviation is the square root of var + eps.",
        },
    ),
    Question(
        name="stack_jacobian",
        points=2,
        hints={
            "identity": "Each block has the Jacobian I + J, because its input arrives unchanged as well.",
            "order": "The chain rule multiplies the last block from the left.",
        },
    ),
    Question(
        name="dense_channels",
        points=1,
        hints={
            "keep": "A layer adds growth channels to those that came in; it replaces none.",
            "transition": "A transition stands between two blocks, and none after the last one.",
        },
    ),
    Question(
        name="excite",
        points=2,
        hints={
            "squeeze": "Take the mean over the two axes of places only. Each image has gates of its own.",
            "relu": "A ReLU stands between the two dense layers.",
            "gate": "The gates are sigmoids, so they lie between 0 and 1, and they multiply the maps.",
        },
    ),
    Question(
        name="inverted_work",
        points=2,
        hints={
            "places": "The expansion works on the map that comes in, the other two layers on the smaller one that leaves.",
            "depthwise": "A depthwise layer has one k x k kernel for each channel and mixes none.",
            "first": "With an expansion of 1 there is no first layer.",
        },
    ),
    Question(
        name="hard_swish_slope",
        points=1,
        hints={
            "pieces": "Below -3 the function is 0, above 3 it is x. What are their slopes?",
            "product": "Between -3 and 3 it is x * (x + 3) / 6, a product of two factors that both depend on x.",
        },
    ),
)

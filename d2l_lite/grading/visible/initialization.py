"""Visible cases of the exercise set `initialization`.

Generated from exercises/source/initialization.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import numpy as np
import torch
from torch import nn

from d2l_lite.grading import case, close, equal, holds


@case("uniform_bound")
def bound_by_hand(s):
    """Twelve inputs: the variance must be 1/12, so r squared is 1/4"""
    mistakes = {"deviation": 12**-0.5, "relu": 0.5**0.5, "root": 0.25}
    close(s.uniform_bound(12), 0.5, mistakes=mistakes)


@case("fans")
def fans_by_hand(s):
    """Three colors into 16 channels through a 5 by 5 kernel: 75 inputs a sum, 400 outputs an input"""
    mistakes = {"window": (3, 16), "order": (400, 75), "area": (15, 80)}
    equal(s.fans((16, 3, 5, 5)), (75, 400), mistakes=mistakes)


@case("fans")
def fans_of_a_strip(s):
    """A 1 by 7 kernel from 2 to 4 channels"""
    equal(s.fans((4, 2, 1, 7)), (14, 28), mistakes={"area": (98, 196), "order": (28, 14)})


@case("leaky_gain")
def leaky_by_hand(s):
    """Slope 1/2: half of the moment, plus a quarter of the other half, is 5/8"""
    mistakes = {"square": (2 / 1.5) ** 0.5, "half": 1.25**-0.5, "root": 1.6}
    close(s.leaky_gain(0.5), 1.6**0.5, mistakes=mistakes)


@case("leaky_gain")
def leaky_limits(s):
    """Slope 0 is ReLU, slope 1 is the identity"""
    close(s.leaky_gain(0.0), 2**0.5, mistakes={"root": 2.0, "half": 1.0})
    close(s.leaky_gain(1.0), 1.0, mistakes={"half": 0.5**0.5})


@case("xavier_factors")
def one_layer(s):
    """From 3 inputs to 1 output: forward 3/2, backward 1/2"""
    mistakes = {"inputs": (0.5, 1.5), "square": (1.5**0.5, 0.5**0.5)}
    close(s.xavier_factors([3, 1]), (1.5, 0.5), mistakes=mistakes)


@case("xavier_factors")
def there_and_back(s):
    """Widths 3, 1, 3: both factors are 3/4"""
    close(s.xavier_factors([3, 1, 3]), (0.75, 0.75), mistakes={"sum": (2.0, 2.0)})


def moved(v, gain):
    """Return the right-hand side of the fixed-point equation, by Gauss-Hermite quadrature."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(150)
    return float(gain**2 * shares @ np.tanh(v**0.5 * nodes) ** 2 / shares.sum())


@case("settled_variance", hint="deviation")
def settled_at_two(s):
    """At gain 2 the value is a fixed point"""
    v = float(s.settled_variance(2.0))
    holds(v > 0.1, "the fixed point is positive")
    close(v, moved(v, 2.0), rtol=1e-5)


@case("settled_variance", hint="gain")
def settled_at_one(s):
    """The gain that holds the variance 1, as in the chapter"""
    gain = (1 / moved(1.0, 1.0)) ** 0.5
    close(float(s.settled_variance(gain)), 1.0, rtol=1e-5)


@case("settled_variance", hint="stop")
def settled_low(s):
    """Gain 1.1, where each step of the iteration gains little"""
    v = float(s.settled_variance(1.1))
    close(v, moved(v, 1.1), rtol=1e-6)


@case("delta_orthogonal")
def delta_by_hand(s):
    """One channel, Q = -1 and k = 3: minus one in the center"""
    want = torch.zeros(1, 1, 3, 3)
    want[0, 0, 1, 1] = -1.0
    corner = torch.zeros(1, 1, 3, 3)
    corner[0, 0, 0, 0] = -1.0
    mistakes = {"center": corner, "everywhere": -torch.ones(1, 1, 3, 3)}
    got = s.delta_orthogonal(torch.tensor([[-1.0]]), 3)
    holds(tuple(got.shape) == (1, 1, 3, 3), "the kernel has the shape (1, 1, 3, 3)", hint="axes")
    close(got, want, mistakes=mistakes)


@case("rescale_layers")
def rescale_by_hand(s):
    """One example (3), weights 2 and 5: 6 becomes 1 by W = 1/3, and 5 becomes 1"""
    X, weights = torch.tensor([[3.0]]), [torch.tensor([[2.0]]), torch.tensor([[5.0]])]
    want = [torch.tensor([[1 / 3]]), torch.tensor([[1.0]])]
    stale = [torch.tensor([[1 / 3]]), torch.tensor([[1 / 6]])]
    root = [torch.tensor([[2 / 36]]), torch.tensor([[5 / (5 / 6) ** 2]])]
    mistakes = {"stale": stale, "root": root}
    close(s.rescale_layers(X, weights), want, mistakes=mistakes)


@case("rescale_layers", hint="activation")
def rescale_with_relu(s):
    """Through ReLU every layer has pre-activations of mean square 1"""
    g = torch.Generator().manual_seed(0)
    X = H = torch.randn(20, 6, generator=g)
    weights = [torch.randn(6, 6, generator=g) for _ in range(4)]
    copies = [W.clone() for W in weights]
    for W in s.rescale_layers(X, weights):
        close((H @ W).square().mean(), torch.tensor(1.0), rtol=1e-4)
        H = torch.relu(H @ W)
    holds(all(map(torch.equal, weights, copies)), "the given matrices are unchanged")


QUESTIONS = (
    Question(
        name="uniform_bound",
        points=1,
        hints={
            "deviation": "A uniform distribution reaches further than its standard deviation. Its variance is r squared over 3.",
            "root": "The inputs number d, so the variance is 1/d and the deviation its root.",
            "relu": "The factor 2 belongs to ReLU, which drops half of the second moment. This layer is linear.",
        },
    ),
    Question(
        name="fans",
        points=2,
        hints={
            "window": "One output sums over a whole window of every input channel, so the area of the kernel counts.",
            "order": "PyTorch names the outputs first. The fan-in comes from the second entry.",
            "area": "A kernel need not be square. Its area is the product of both sides.",
        },
    ),
    Question(
        name="leaky_gain",
        points=2,
        hints={
            "square": "The negative half of the values is multiplied by alpha, so its squares by alpha squared.",
            "half": "Each half of a symmetric distribution holds half of the second moment.",
            "root": "The gain multiplies the deviation. What was found for the variance needs a root.",
        },
    ),
    Question(
        name="xavier_factors",
        points=2,
        hints={
            "inputs": "Forward, an output sums over d inputs. Backward, an input's gradient sums over h outputs.",
            "square": "The variance 2/(d + h) multiplies the second moment once. The deviation would be its root.",
            "sum": "Each layer multiplies. Factors of successive layers are multiplied, not added.",
        },
    ),
    Question(
        name="settled_variance",
        points=3,
        hints={
            "deviation": "z has the variance v, so its values are the root of v times standard normal ones.",
            "gain": "The gain multiplies deviations. The variance is multiplied by its square.",
            "stop": "Near gain 1 the iteration is slow. Go on until the value no longer changes.",
        },
    ),
    Question(
        name="delta_orthogonal",
        points=2,
        hints={
            "center": "Only the center of the window may be non-zero. At any other place the image is moved, and a part of it is lost at the border.",
            "everywhere": "Copies of Q at several places of the window overlap, so that lengths are no longer kept.",
            "axes": "Channels come first in PyTorch's kernels, (out, in, row, column).",
        },
    ),
    Question(
        name="rescale_layers",
        points=3,
        hints={
            "stale": "The input of a layer comes from the layers as they are now, after their own rescaling.",
            "root": "Multiplying weights by c multiplies the mean square by c squared.",
            "activation": "The rescaling looks at pre-activations, the next layer at what the activation makes of them.",
        },
    ),
)

"""Visible cases of the exercise set `backprop`.

Generated from exercises/source/backprop.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import numpy as np
import torch

from d2l_lite.grading import case, close, equal, holds, raises


@case("weighted_loss_backward")
def weighted_by_hand(s):
    """Equal logits, labels 0 and 1, weights 1 and 3: rows are weighted 1/4 and 3/4"""
    logits, y = np.zeros((2, 2)), np.array([0, 1])
    want = np.array([[-0.125, 0.125], [0.375, -0.375]])
    mistakes = {"sign": -want, "mean": 2 * want, "weight": np.array([[-0.25, 0.25], [0.25, -0.25]])}
    close(s.weighted_loss_backward(logits, y, np.array([1.0, 3.0])), want, mistakes=mistakes)


@case("weighted_loss_backward", hint="overflow")
def weighted_with_large_logits(s):
    """Logits 1000 and 0, label 1: the gradient is (1, -1)"""
    got = s.weighted_loss_backward(np.array([[1000.0, 0.0]]), np.array([1]), np.array([2.0, 5.0]))
    close(got, np.array([[1.0, -1.0]]))


@case("softmax_backward")
def softmax_by_hand(s):
    """Two rows with probabilities 1/2 and gradients (4, 0), (0, 8)"""
    P, G = np.full((2, 2), 0.5), np.array([[4.0, 0.0], [0.0, 8.0]])
    want = np.array([[1.0, -1.0], [-2.0, 2.0]])
    mistakes = {"diagonal": P * (1 - P) * G, "row": P * (G - (G * P).sum())}
    close(s.softmax_backward(G, P), want, mistakes=mistakes)


@case("softmax_backward", hint="diagonal")
def softmax_ignores_constants(s):
    """Probabilities add up to 1, so a gradient that is equal for all classes moves nothing"""
    close(s.softmax_backward(np.full((1, 3), 7.0), np.array([[0.2, 0.3, 0.5]])), np.zeros((1, 3)))


@case("scale_shift_backward")
def scale_shift_by_hand(s):
    """Two rows of two units, small integers"""
    G, X = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0, 5.0], [2.0, 4.0]])
    gamma = np.array([10.0, 0.0])
    shares = G * X
    want = (np.array([[10.0, 0.0], [30.0, 0.0]]), np.array([7.0, 10.0]), np.array([4.0, 2.0]))
    mistakes = {
        "sum": (want[0], shares.mean(axis=0), G.mean(axis=0)),
        "shape": (want[0], shares, G),
        "local": (shares, (G * gamma).sum(axis=0), want[2]),
    }
    close(s.scale_shift_backward(G, X, gamma), want, mistakes=mistakes)


@case("tied_backward")
def tied_by_hand(s):
    """One image (1, 2), W = (3, 1), gradient (1, 0): 3·(1, 2) + 5·(1, 0)"""
    X, W, G = np.array([[1.0, 2.0]]), np.array([[3.0], [1.0]]), np.array([[1.0, 0.0]])
    mistakes = {"decoder": np.array([[3.0], [6.0]]), "encoder": np.array([[5.0], [0.0]])}
    close(s.tied_backward(G, X, W), np.array([[8.0], [6.0]]), mistakes=mistakes)


def wave_slopes(theta, eps, ahead, behind):
    """Return difference quotients of the exercise's function for steps ahead and behind."""
    f = lambda t: np.sin(t[0]) * t[1] ** 2 + np.exp(t[2] * t[0])
    steps = eps * np.eye(3)
    return np.array([f(theta + ahead * v) - f(theta - behind * v) for v in steps]) / eps


@case("numerical_gradient", hint="restore")
def central_differences(s):
    """A large step, eps = 0.1, at (1, 2, 0.5)"""
    theta = np.array([1.0, 2.0, 0.5])
    both = wave_slopes(theta, 0.1, 1, 1)
    mistakes = {"half": both, "one_sided": wave_slopes(theta, 0.1, 1, 0)}
    close(s.numerical_gradient(theta, 0.1), both / 2, mistakes=mistakes)


@case("relative_error")
def relative_by_hand(s):
    """(3, 4) against (0, 4): 3 divided by 5"""
    mistakes = {"absolute": 3.0, "entries": 1.0}
    close(s.relative_error(np.array([3.0, 4.0]), np.array([0.0, 4.0])), 0.6, mistakes=mistakes)


@case("relative_error", hint="zero")
def relative_of_zeros(s):
    """Two zero matrices"""
    close(s.relative_error(np.zeros((2, 3)), np.zeros((2, 3))), 0.0)


def parts(dual):
    """Return value and tangent of a dual number."""
    return dual.primal.value(), dual.tangent.value()


@case("Dual", hint="product")
def dual_product(s):
    """x y at (2, 5) along (3, 1): 3·5 + 2·1 = 17"""
    got = parts(s.Dual(2.0, 3.0) * s.Dual(5.0, 1.0))
    close(got, (10.0, 17.0), mistakes={"product": (10.0, 3.0)})


@case("Dual", hint="number", errors={"number": "AttributeError"})
def dual_with_numbers(s):
    """x · 3 + 4 at 2 along 1: value 10, tangent 3"""
    close(parts(s.Dual(2.0, 1.0) * 3.0 + 4.0), (10.0, 3.0))


@case("Dual", hint="chain")
def dual_exponential(s):
    """exp(x) at 0 along 5: value 1, tangent 5"""
    close(parts(s.Dual(0.0, 5.0).exp()), (1.0, 5.0), mistakes={"chain": (1.0, 1.0)})


def check_order(order, parents):
    """Hold a submitted order against the graph."""
    equal(sorted(order), list(range(len(parents))), hint="all")
    place = {node: position for position, node in enumerate(order)}
    late = [(i, p) for i, above in enumerate(parents) for p in above if place[p] > place[i]]
    holds(not late, f"no node may come before a parent, but these do: {late[:5]}", hint="order")


@case("kahn_order", hint="all")
def order_of_a_diamond(s):
    """Node 3 is the leaf, 0 and 2 use it, 1 uses both of them, and 2 twice"""
    parents = [[3], [0, 2, 2], [3], []]
    check_order(s.kahn_order(parents), parents)


@case("kahn_order", hint="recursion", errors={"recursion": "RecursionError"})
def order_of_a_long_chain(s):
    """20,000 nodes, each computed from the next one"""
    parents = [[i + 1] for i in range(19_999)] + [[]]
    check_order(s.kahn_order(parents), parents)


@case("kahn_order", hint="cycle")
def order_with_a_cycle(s):
    """Nodes 1 and 2 are each computed from the other: a ValueError"""
    with raises("ValueError"):
        s.kahn_order([[], [0, 2], [1]])


@case("num_layers", hint="slope")
def smallest_number_of_layers(s):
    """The bound is below 1e-16 after that many layers, and not yet one layer before"""
    got = s.value("num_layers")
    holds(got != 27, "the bound must count the weights, too", hint="norm")
    holds(got != 53, f"0.5 to the power {got} is {0.5**53:.2e}, not below 1e-16", hint="floor")
    holds(0.5**got < 1e-16 <= 0.5 ** (got - 1), f"{got} is not the smallest such number")


QUESTIONS = (
    Question(
        name="weighted_loss_backward",
        points=2,
        hints={
            "sign": "An output unit's error is its probability minus its target.",
            "mean": "The weighted mean divides by the sum of the weights of the labels that are there, not by n.",
            "weight": "Each row has the weight of its own label. Index the weights by the labels and make them a column.",
            "overflow": "exp(1000) is infinite. Subtract each row's maximum first; no probability changes.",
        },
    ),
    Question(
        name="softmax_backward",
        points=2,
        hints={
            "diagonal": "Raising one logit lowers all the other probabilities of its row, so the Jacobian is not diagonal.",
            "row": "Each row has its own inner product of gradient and probability. Sum over the classes, and keep the axis.",
        },
    ),
    Question(
        name="scale_shift_backward",
        points=2,
        hints={
            "sum": "gamma is used n times, once in each row. Add over paths, do not average.",
            "shape": "A gradient has the shape of its variable, here (h,) for gamma and beta.",
            "local": "The slope of Y by X is gamma, and the slope of Y by gamma is X.",
        },
    ),
    Question(
        name="tied_backward",
        points=2,
        hints={
            "decoder": "You have the path through the encoder. W is used a second time, as the decoder.",
            "encoder": "You have the path through the decoder. W is used first as the encoder, and the gradient passes through the decoder on its way there.",
        },
    ),
    Question(
        name="numerical_gradient",
        points=2,
        hints={
            "half": "From theta - eps to theta + eps the distance is 2 eps.",
            "one_sided": "Step to both sides. The error of a one-sided difference is of the order eps, that of a central one eps squared.",
            "restore": "When you go on to the next coordinate, the previous one must be back where it was.",
        },
    ),
    Question(
        name="relative_error",
        points=1,
        hints={
            "absolute": "Divide by the size of the gradients, or tiny gradients always pass.",
            "zero": "Two zero gradients agree perfectly. 0/0 is not a number, so treat this case first.",
            "entries": "One number for the whole array. An entry that is nearly 0 must not blow it up.",
        },
    ),
    Question(
        name="Dual",
        points=3,
        hints={
            "product": "The derivative of a product has two terms, and each keeps one factor as it was.",
            "number": "A plain number is a constant; its tangent is 0. `lift` makes it one.",
            "chain": "The outer slope at the value, times the inner tangent.",
        },
    ),
    Question(
        name="kahn_order",
        points=3,
        hints={
            "order": "Parents come before children.",
            "all": "Every node belongs to the order exactly once, and one that used a parent twice waits for both of its entries.",
            "recursion": "A long chain exhausts Python's recursion limit. Keep the nodes that are ready in a list.",
            "cycle": "In a cycle no node is ever ready, so some never get into the order. Compare the lengths, and raise.",
        },
    ),
    Question(
        name="num_layers",
        points=1,
        hints={
            "norm": "The factor of a layer is the largest slope times the spectral norm, and the norm is not 1.",
            "floor": "After that many layers the bound is still slightly above. Round up.",
            "slope": "The largest slope of the sigmoid is 1/4.",
        },
    ),
)

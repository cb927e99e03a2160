"""Visible cases of the exercise set `linear_regression`.

Generated from exercises/source/linear_regression.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import numpy as np
import torch
from sklearn.linear_model import PoissonRegressor, Ridge

from d2l_lite.grading import case, close, equal, holds


@case("mse_gradient")
def gradient_by_hand(s):
    """Weights 0, rows (1, 1) and (3, 1), targets 1 and 2: the gradient is -(1 + 6, 1 + 2)"""
    X, y = torch.tensor([[1.0, 1.0], [3.0, 1.0]]), torch.tensor([1.0, 2.0])
    want = torch.tensor([-7.0, -3.0])
    got = s.mse_gradient(torch.zeros(2), X, y)
    close(got, want, mistakes={"half": want / 2, "mean": 2 * want, "sign": -want})


@case("mse_gradient")
def gradient_at_a_perfect_fit(s):
    """Where every prediction is right the gradient is zero"""
    X, w = torch.tensor([[1.0, 2.0], [0.0, 1.0], [4.0, 0.0]]), torch.tensor([2.0, -1.0])
    close(s.mse_gradient(w, X, X @ w), torch.zeros(2))


@case("largest_stable_lr")
def stable_by_hand(s):
    """Columns (2, 0, 0, 0) and (0, 4, 0, 0): the Hessian is diagonal with 1 and 4, the limit 1/2"""
    X = torch.zeros(4, 2)
    X[0, 0], X[1, 1] = 2.0, 4.0
    values = {"mean": 0.125, "smallest": 2.0, "one": 0.25}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(s.largest_stable_lr(X), torch.tensor(0.5), mistakes=mistakes)


@case("largest_stable_lr")
def stable_one_feature(s):
    """One feature with values 1, 2, 3, 4: the Hessian is 30/4, the limit 4/15"""
    got = s.largest_stable_lr(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    limit = torch.tensor(4 / 15)
    close(got, limit, mistakes={"mean": limit / 4, "one": limit / 2})


@case("minibatches", hint="last")
def batch_sizes(s):
    """Seven examples in batches of three: 3, 3 and 1"""
    got = s.minibatches(7, 3, torch.Generator().manual_seed(0))
    equal([len(batch) for batch in got], [3, 3, 1], mistakes={"last": [3, 3]})


@case("minibatches", hint="replacement")
def every_example_once(s):
    """Each of 100 examples appears exactly once in an epoch"""
    got = s.minibatches(100, 10, torch.Generator().manual_seed(1))
    equal(sorted(int(i) for batch in got for i in batch), list(range(100)))


@case("minibatches", hint="order")
def order_of_randperm(s):
    """The order is that of torch.randperm with the given generator"""
    want = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    got = s.minibatches(12, 4, torch.Generator().manual_seed(2))
    equal([int(i) for batch in got for i in batch], want.tolist())


@case("ridge", hint="scale")
def ridge_by_hand(s):
    """One feature (1, 2), targets (1, 2), strength 1/2: (5 + 1) w = 5"""
    X, y = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 2.0])
    mistakes = {"scale": torch.tensor([5 / 5.5]), "sign": torch.tensor([5 / 4])}
    close(s.ridge(X, y, 0.5), torch.tensor([5 / 6]), mistakes=mistakes)


@case("ridge", hint="ones", errors={"ones": "_LinAlgError"})
def ridge_of_twins(s):
    """Two equal columns (1, 1), targets (2, 2), strength 1: the weights share, 2/3 each"""
    X, y = torch.ones(2, 2), torch.full((2,), 2.0)
    close(s.ridge(X, y, 1.0), torch.full((2,), 2 / 3), mistakes={"scale": torch.full((2,), 0.8)})


@case("weighted_least_squares")
def weighted_mean(s):
    """With a column of ones alone it is the weighted mean: (1*2 + 3*6) / 4 = 5"""
    X, y, trust = torch.ones(2, 1), torch.tensor([2.0, 6.0]), torch.tensor([1.0, 3.0])
    mistakes = {"square": torch.tensor([5.6]), "targets": torch.tensor([2.0])}
    close(s.weighted_least_squares(X, y, trust), torch.tensor([5.0]), mistakes=mistakes)


@case("weighted_least_squares", hint="square")
def two_copies(s):
    """A weight of 2 equals a second copy of the example"""
    X = torch.tensor([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    y, trust = torch.tensor([1.0, 3.0, 4.0]), torch.tensor([1.0, 2.0, 1.0])
    copied = s.weighted_least_squares(X[[0, 1, 1, 2]], y[[0, 1, 1, 2]], torch.ones(4))
    close(s.weighted_least_squares(X, y, trust), copied)


@case("poisson_gradient")
def poisson_by_hand(s):
    """Weights 0, so every mean is 1. Rows (1, 1) and (3, 1), counts 0 and 3: (1 - 6, 1 - 2) / 2"""
    X, y = torch.tensor([[1.0, 1.0], [3.0, 1.0]]), torch.tensor([0.0, 3.0])
    want = torch.tensor([-2.5, -0.5])
    mistakes = {"link": torch.tensor([-4.5, -1.5]), "mean": 2 * want}
    close(s.poisson_gradient(torch.zeros(2), X, y), want, mistakes=mistakes)


@case("poisson_gradient", hint="logs")
def poisson_zero_at_the_mean(s):
    """With a column of ones alone the gradient vanishes at the log of the mean count"""
    X, y = torch.ones(4, 1), torch.tensor([0.0, 1.0, 4.0, 7.0])
    close(s.poisson_gradient(torch.tensor([3.0]).log(), X, y), torch.zeros(1))


@case("newton_step")
def newton_by_hand(s):
    """Ones alone, counts 2 and 6, weight log 2: gradient 2 - 4, Hessian 2, so log 2 + 1"""
    start = torch.tensor([2.0]).log()
    got = s.newton_step(start, torch.ones(2, 1), torch.tensor([2.0, 6.0]))
    mistakes = {"curvature": start + 2, "sign": start - 1, "mean": start + 0.5}
    close(got, start + 1, mistakes=mistakes)


@case("newton_step", hint="curvature")
def newton_converges(s):
    """Ten steps from zero solve the score equations of twelve counts"""
    t = torch.linspace(-1, 1, 12, dtype=torch.float64)
    X = torch.stack([t, torch.ones_like(t)], dim=1)
    y = torch.tensor([1, 0, 2, 1, 3, 2, 4, 3, 6, 8, 7, 12], dtype=torch.float64)
    w = torch.zeros(2, dtype=torch.float64)
    for _ in range(10):
        w = s.newton_step(w, X, y)
        holds(bool(w.norm() < 100), "the weights must approach the solution, not grow without end")
    close(X.T @ torch.exp(X @ w), X.T @ y)


QUESTIONS = (
    Question(
        name="mse_gradient",
        points=2,
        hints={
            "half": "The square brings down a factor 2, and here no factor 1/2 waits to cancel it.",
            "mean": "The loss is a mean, so its gradient is divided by n as well.",
            "sign": "The gradient points uphill. With predictions too large, increasing the weights must increase the loss.",
        },
    ),
    Question(
        name="largest_stable_lr",
        points=2,
        hints={
            "mean": "The loss is a mean, so its Hessian is X.T @ X divided by n.",
            "smallest": "The steepest direction is the strictest. Its curvature is the largest eigenvalue.",
            "one": "The error is multiplied by 1 - lr * eigenvalue. At lr = 1 / eigenvalue that is 0, the best case and not the last stable one.",
        },
    ),
    Question(
        name="minibatches",
        points=2,
        hints={
            "last": "Seven examples in batches of three are three batches. The last one holds a single example, and it counts too.",
            "replacement": "Drawing each batch anew visits some examples twice and others never. Shuffle once, then cut.",
            "order": "Without a shuffle, SGD sees the examples in the order of the file in every epoch.",
        },
    ),
    Question(
        name="ridge",
        points=2,
        hints={
            "scale": "Multiply the equation of the gradient by n. Then n also stands before the penalty.",
            "ones": "Add a multiple of the identity matrix. A plain number is added to every entry of X.T @ X.",
            "sign": "The penalty makes the matrix larger, not smaller, and so the weights shorter.",
        },
    ),
    Question(
        name="weighted_least_squares",
        points=2,
        hints={
            "square": "Multiplying rows and targets by s squares it in the loss. Each s belongs in the normal equations once.",
            "targets": "Both sides of the normal equations come from the same weighted sum, so s appears on both.",
        },
    ),
    Question(
        name="poisson_gradient",
        points=2,
        hints={
            "link": "The model is linear for the logarithm of the mean. The prediction is its exponential.",
            "logs": "The residual compares counts with their mean. The targets are not put on a log scale.",
            "mean": "The loss is a mean over the examples, and so is its gradient.",
        },
    ),
    Question(
        name="newton_step",
        points=3,
        hints={
            "curvature": "Each example bends the loss by its own mean. Without mu the matrix is the Hessian of least squares.",
            "sign": "The step goes against the gradient.",
            "mean": "Either both the gradient and the Hessian are divided by n, or neither.",
        },
    ),
)

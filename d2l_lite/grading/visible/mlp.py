"""Visible cases of the exercise set `mlp`.

Generated from exercises/source/mlp.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import itertools

import numpy as np
import torch

from d2l_lite.grading import case, close, equal, holds


@case("widest_hidden")
def width_by_hand(s):
    """Two inputs, five outputs, 168 parameters: five biases, and 2 + 1 + 5 for each of 20 units"""
    equal(s.widest_hidden(2, 5, 168), 20, mistakes={"biases": 23, "outputs": 21})


@case("widest_hidden", hint="round")
def width_of_the_chapter(s):
    """784 inputs, 10 outputs: 256 units need 203,530 parameters, and one less is not enough"""
    equal(s.widest_hidden(784, 10, 203_530), 256)
    equal(s.widest_hidden(784, 10, 203_529), 255)


@case("forward_pytorch")
def forward_by_hand(s):
    """x = (1, 2), hidden weights (1, -1) and (1, 1), bias 0: z = (-1, 3), h = (0, 3), output -2 * 3 + 1"""
    layers = [(torch.tensor([[1.0, -1.0], [1.0, 1.0]]), torch.zeros(2))]
    layers += [(torch.tensor([[5.0, -2.0]]), torch.tensor([1.0]))]
    values = {"last": 0.0, "between": -10.0, "transpose": 14.0}
    mistakes = {hint: torch.tensor([[value]]) for hint, value in values.items()}
    got = s.forward_pytorch(torch.tensor([[1.0, 2.0]]), layers)
    close(got, torch.tensor([[-5.0]]), mistakes=mistakes)


@case("forward_pytorch", hint="last")
def forward_of_one_layer(s):
    """A single layer is linear"""
    layers = [(torch.tensor([[-2.0]]), torch.tensor([1.0]))]
    got = s.forward_pytorch(torch.tensor([[0.0], [3.0]]), layers)
    close(got, torch.tensor([[1.0], [-5.0]]))


@case("prelu_backward")
def prelu_by_hand(s):
    """z = (2, -3), gradients 1 and 10, alpha 1/2: (1, 5) for z, and -3 * 10 for alpha"""
    got = s.prelu_backward(torch.tensor([1.0, 10.0]), torch.tensor([2.0, -3.0]), 0.5)
    good, total = torch.tensor([1.0, 5.0]), torch.tensor(-30.0)
    mistakes = {"sum": (good, total / 2), "negative": (good, total + 2)}
    mistakes["slope"] = (torch.tensor([1.0, 0.0]), total)
    close(got, (good, total), mistakes=mistakes)


@case("prelu_backward", hint="negative")
def prelu_of_positive_inputs(s):
    """Where all inputs are positive alpha plays no part"""
    grad = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    close(s.prelu_backward(grad, torch.ones(2, 2), 0.1), (grad, torch.tensor(0.0)))


@case("tent_weights")
def tent_by_hand(s):
    """From 0 over 1 to 3: slopes 1, -1/2 and 0, so the changes 1, -3/2 and 1/2"""
    wrong = {"change": [1.0, -0.5, 0.5], "flat": [1.0, -1.5, 0.0], "sides": [1.0, -2.0, 1.0]}
    mistakes = {hint: torch.tensor(value) for hint, value in wrong.items()}
    close(s.tent_weights(0.0, 1.0, 3.0), torch.tensor([1.0, -1.5, 0.5]), mistakes=mistakes)


@case("tent_weights", hint="flat")
def tent_is_zero_outside(s):
    """Far to the right of a tent on [-2, 2] the value is 0"""
    kinks = torch.tensor([-2.0, 1.0, 2.0])
    got = (torch.relu(10.0 - kinks) * s.tent_weights(-2.0, 1.0, 2.0)).sum()
    close(got, torch.tensor(0.0), atol=1e-4)


def parities(s, d):
    """Return the network's outputs for every input of d bits, and the parities."""
    layers = s.parity_layers(d)
    sizes = [tuple(part.shape) for layer in layers for part in layer]
    equal(sizes, [(d, d), (d,), (d, 1), (1,)], hint="shapes")
    X = torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)))
    (W, b), (V, c) = layers
    return torch.relu(X @ W + b) @ V + c, X.sum(1, keepdim=True) % 2


@case("parity_layers", hint="kinks")
def parity_of_two(s):
    """XOR: 0, 1, 1, 0"""
    got, want = parities(s, 2)
    mistakes = {"two": torch.tensor([[0.0], [1.0], [1.0], [1.0]])}
    mistakes["alternate"] = torch.tensor([[0.0], [1.0], [1.0], [4.0]])
    close(got, want, mistakes=mistakes)


@case("parity_layers", hint="alternate")
def parity_of_three(s):
    """Three bits: 1 for one or three ones"""
    got, want = parities(s, 3)
    close(got, want)


@case("normalize_units")
def units_by_hand(s):
    """One unit with weights (3, 0) and bias 4 has the length 5"""
    W, b, V = torch.tensor([[3.0], [0.0]]), torch.tensor([4.0]), torch.tensor([[2.0]])
    mistakes = {"out": (W / 5, b / 5, V), "bias": (W / 3, b / 3, V * 3)}
    close(s.normalize_units(W, b, V), (W / 5, b / 5, V * 5), mistakes=mistakes)


@case("normalize_units", hint="axis")
def units_of_different_lengths(s):
    """Two units, two inputs: the lengths are 5 and 13"""
    W, b = torch.tensor([[3.0, 5.0], [4.0, 0.0]]), torch.tensor([0.0, 12.0])
    V = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    lengths = torch.tensor([5.0, 13.0])
    close(s.normalize_units(W, b, V), (W / lengths, b / lengths, V * lengths[:, None]))


def network(*rows):
    """Return w, b and v as tensors."""
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


@case("num_pieces", hint="shared")
def pieces_with_kinks_in_common(s):
    """Kinks at 0, 0 and 1: three pieces"""
    equal(s.num_pieces(*network([1, -2, 1], [0, 0, -1], [1, 1, 1])), 3)


@case("num_pieces")
def pieces_that_cancel(s):
    """ReLU(x) + ReLU(-x) is |x|, two pieces; ReLU(x) - ReLU(-x) is x, one"""
    equal(s.num_pieces(*network([1, -1], [0, 0], [1, 1])), 2, hint="sign")
    equal(s.num_pieces(*network([1, -1], [0, 0], [1, -1])), 1, hint="cancel")


@case("num_pieces", hint="zero")
def pieces_without_kinks(s):
    """A constant unit and one unit with a kink: two pieces"""
    equal(s.num_pieces(*network([0, 2], [3, 1], [5, 1])), 2)


def new_curves(generator, num_classes=10, d=32):
    """Return a function that draws examples of fresh classes, given their labels."""
    t = 2 * torch.pi * torch.arange(d) / d * torch.arange(1, 5)[:, None]
    curves = torch.randn(num_classes, 8, generator=generator) @ torch.cat([t.sin(), t.cos()])
    curves = curves / curves.std(dim=1, keepdim=True)

    def draw(y):
        shifts, signs = torch.randint(12, (2, len(y), 1), generator=generator)
        X = curves[y].gather(1, (torch.arange(d) + shifts % 6) % d) * (signs % 2 * 2 - 1)
        return X + 0.8 * torch.randn(len(y), d, generator=generator)

    return draw


def trained_well(s, generator, num_train):
    """Let the learner's code train, and compare its model with labels that stay here."""
    draw = new_curves(generator)
    y, y_new = torch.arange(num_train) * 10 // num_train, torch.randint(10, (2000,), generator=generator)
    X, X_new = draw(y), draw(y_new)
    mixed = X_new[:500] + X_new[500:1000] - X_new[1000:1500]
    net = s.train_classifier(X, y)
    again = net(X_new[:500])
    shape = tuple(again.shape) if isinstance(again, torch.Tensor) else ()
    holds(shape == (500, 10), "500 examples of 10 classes must give logits of shape (500, 10).", hint="shape")
    logits, mixed = net(torch.cat([X_new, mixed])).split([2000, 500])
    holds(bool(logits.isfinite().all()), "The logits are not finite.", hint="zero")
    same = (again - logits[:500]).abs().max() <= 1e-3 * logits.abs().max()
    holds(same, "The same examples, asked twice, gave different logits.", hint="eval")
    right = (logits.argmax(1) == y_new).double().mean()
    message = f"{100 * right:.1f} % of 2,000 new examples are right, at least 85 % are expected."
    holds(right >= 0.85, message, hint=diagnosis(logits, mixed))


def diagnosis(logits, mixed):
    """Return the key of the hint for a model that is wrong too often."""
    first, second, third = logits[:1500].split(500)
    if (first + second - third - mixed).abs().max() < 1e-3 * logits.abs().max():
        return "linear"
    if (logits.argmax(1) >= 7).double().mean() > 0.5:
        return "shuffle"
    return "zero" if logits.std() > 60 else "slow"


@case("train_classifier", cpu=20, seconds=60)
def trains_on_fresh_curves(s, generator):
    """2,000 examples of ten curves: at least 85 % of new ones are right"""
    trained_well(s, generator, 2000)


QUESTIONS = (
    Question(
        name="widest_hidden",
        points=1,
        hints={
            "biases": "Each hidden unit has a bias of its own, beside d weights that come in and q that go out.",
            "outputs": "The q biases of the output layer must be paid before the first hidden unit.",
            "round": "A part of a unit is no unit. Round down, and return an int.",
        },
    ),
    Question(
        name="forward_pytorch",
        points=2,
        hints={
            "transpose": "PyTorch stores the weight as (outputs, inputs). The inputs are rows of X, so the weight must be transposed.",
            "last": "The output layer has no activation. Its outputs may be negative.",
            "between": "Each hidden layer needs its ReLU. Without it the layers collapse into one.",
        },
    ),
    Question(
        name="prelu_backward",
        points=2,
        hints={
            "slope": "For z below zero a part alpha of the gradient passes. It is neither lost nor passed whole.",
            "sum": "All units share one alpha, so its gradient is the sum over all of them, not their mean.",
            "negative": "Only where z is negative does the output depend on alpha, and there its derivative by alpha is z.",
        },
    ),
    Question(
        name="tent_weights",
        points=2,
        hints={
            "change": "Each unit changes the slope at its kink and keeps running. At the peak the slope must change from rising to falling, so both slopes count.",
            "flat": "Beyond the right end the tent is zero again. The third unit must cancel the falling slope.",
            "sides": "The rise takes peak - left, the fall takes right - peak. They need not be equal.",
        },
    ),
    Question(
        name="parity_layers",
        points=2,
        hints={
            "two": "To turn a line that rises with slope 1 into one that falls with slope -1, the slope must change by -2, not by -1.",
            "kinks": "The parity of no ones is 0 and that of a single one is 1, so the line must rise from 0 on. The kinks are at 0, 1, ..., d - 1.",
            "alternate": "The line rises and falls in turn, so after the first unit the signs alternate.",
            "shapes": "W has the shape (d, d), b (d,), V (d, 1) and c (1,).",
        },
    ),
    Question(
        name="normalize_units",
        points=2,
        hints={
            "bias": "The bias belongs to the vector, and it is divided by the same number as the weights. Else the kink moves.",
            "out": "What a unit loses on the way in, the weights on the way out must make up for.",
            "axis": "The weights into unit k are column k of W, and those out of it are row k of V.",
        },
    ),
    Question(
        name="num_pieces",
        points=3,
        hints={
            "shared": "Two units with the same kink -b/w bend the line in one place. Add their changes of slope.",
            "cancel": "A bend counts only if the slopes on both sides differ. Changes at one place can add up to zero, and a unit with v = 0 changes nothing.",
            "sign": "From left to right the slope of ReLU(w x + b) always increases, by |w|, whatever the sign of w.",
            "zero": "A unit with w = 0 is constant. It has no kink, and -b/w must not be computed.",
        },
    ),
    Question(
        name="train_classifier",
        points=3,
        hints={
            "linear": "Your model is a linear function of its inputs. It sees a curve and its mirror image as opposites, and both belong to one class. Give it a hidden layer with an activation.",
            "zero": "The logits have grown beyond all bounds. Gradients add up until they are set to zero, so call `optimizer.zero_grad()` in each step. A learning rate that is far too large does the same.",
            "shuffle": "Your model prefers the last classes. The examples come sorted, so batches taken in order teach one class at a time, and each makes the network forget the one before. Draw a new order in each epoch, with `torch.randperm`.",
            "slow": "Your model has learned too little yet. Try a larger learning rate, more epochs, or more hidden units, and print the training loss.",
            "eval": "The answer to an example must depend on it alone. Dropout and batch normalization must be told that training is over. Call `net.eval()` before you return the model.",
            "shape": "Return a model, not its predictions. Called with X of shape (n, 32), it must give float32 logits of shape (n, q), where q is the number of classes.",
        },
    ),
)

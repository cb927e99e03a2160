"""Visible cases of the exercise set `optimizers`.

Generated from exercises/source/optimizers.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import math

import torch

from d2l_lite.grading import case, close, equal, holds


@case("batch_variance")
def variance_by_hand(s):
    """Gradients 1, 2, 6 and batches of 2: the means 1.5, 3.5 and 4 lie around 3"""
    G = torch.tensor([[1.0], [2.0], [6.0]])
    want = torch.tensor(3.5 / 3)
    values = {"replacement": 7 / 3, "center": 41 / 12, "unbiased": 1.75}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(s.batch_variance(G, 2), want, mistakes=mistakes)


@case("batch_variance", hint="replacement")
def variance_of_everything(s):
    """The batch of all examples has no variance"""
    G = torch.tensor([[1.0, 0.0], [2.0, 5.0], [6.0, 1.0], [0.0, 0.0]])
    close(s.batch_variance(G, 4), torch.tensor(0.0))


@case("best_momentum")
def settings_by_hand(s):
    """Eigenvalues 1 and 9: the roots are 1 and 3, so lr = 4/16 and beta = (2/4)²"""
    H = torch.diag(torch.tensor([9.0, 1.0], dtype=torch.float64))
    mistakes = {"root": (0.25, 0.5), "kappa": (0.25, 0.64), "plain": (0.2, 0.25)}
    close(s.best_momentum(H), (0.25, 0.25), mistakes=mistakes)


@case("best_momentum", hint="root")
def settings_of_a_round_bowl(s):
    """In a round bowl one step of gradient descent arrives: lr = 1/λ and no momentum"""
    close(s.best_momentum(4 * torch.eye(3, dtype=torch.float64)), (0.25, 0.0))


@case("nesterov_step")
def nesterov_by_hand(s):
    """From 4 to 2 with beta 1/2: look ahead to 1, where the slope of x² is 2; lr 1/8 leads to 3/4"""
    theta, previous = torch.tensor([2.0]), torch.tensor([4.0])
    mistakes = {"heavy": 0.5, "base": 1.75, "sign": 2.25}
    mistakes = {hint: torch.tensor([value]) for hint, value in mistakes.items()}
    got = s.nesterov_step(theta, previous, torch.tensor([[2.0]]), lr=0.125, beta=0.5)
    close(got, torch.tensor([0.75]), mistakes=mistakes)


@case("nesterov_step", hint="sign")
def nesterov_without_slope(s):
    """On a flat plain the ball rolls on: from 1 to 3 with beta 1/2, so on to 4"""
    theta, previous = torch.tensor([3.0]), torch.tensor([1.0])
    got = s.nesterov_step(theta, previous, torch.zeros(1, 1), lr=0.1, beta=0.5)
    close(got, torch.tensor([4.0]), mistakes={"base": torch.tensor([3.0])})


@case("adam_step", hint="bias")
def adam_first_step(s):
    """The first step is the learning rate, against the sign of the gradient, whatever its size"""
    g, zero = torch.tensor([2.0, -50.0]), torch.zeros(2)
    got = s.adam_step(torch.ones(2), g, zero, zero, 1, lr=0.1)
    close(got[0], torch.tensor([0.9, 1.1]), mistakes={"root": 1 - 0.1 / g})


@case("adam_step", hint="stored")
def adam_memory(s):
    """After a gradient of 2 the memories are 0.1 * 2 and 0.001 * 4"""
    zero = torch.zeros(1)
    _, m, v = s.adam_step(torch.ones(1), torch.tensor([2.0]), zero, zero, 1, lr=0.1)
    close(m, torch.tensor([0.2]))
    close(v, torch.tensor([0.004]), mistakes={"square": torch.tensor([0.001 * 0.04])})


@case("sgdw_step")
def sgdw_by_hand(s):
    """theta 10, g 1, m 2, lr 0.1, beta 0.5, decay 0.2: m = 2, then 10 * 0.98 - 0.2"""
    theta, g, m = torch.tensor([10.0]), torch.tensor([1.0]), torch.tensor([2.0])
    got = s.sgdw_step(theta, g, m, lr=0.1, beta=0.5, decay=0.2)
    values = {"rate": 7.8, "late": 9.604}
    mistakes = {hint: (torch.tensor([value]), torch.tensor([2.0])) for hint, value in values.items()}
    mistakes["coupled"] = (torch.tensor([9.6]), torch.tensor([4.0]))
    close(got, (torch.tensor([9.6]), torch.tensor([2.0])), mistakes=mistakes)


@case("amsgrad_step", hint="plain")
def amsgrad_remembers(s):
    """betas (0, 1/2), t large: v falls from 8 and 0 to 4 and 8, the maxima are 8 and 8"""
    g, zero = torch.tensor([0.0, 4.0]), torch.zeros(2)
    v = torch.tensor([8.0, 0.0])
    _, _, new_v, top = s.amsgrad_step(zero, g, zero, v, v, 60, lr=1.0, betas=(0.0, 0.5))
    close(new_v, torch.tensor([4.0, 8.0]), mistakes={"memory": torch.tensor([8.0, 8.0])})
    close(top, torch.tensor([8.0, 8.0]), mistakes={"plain": torch.tensor([4.0, 8.0])})


@case("amsgrad_step", hint="scalar")
def amsgrad_by_coordinate(s):
    """A large gradient in one coordinate does not shorten the step of the other"""
    g, zero = torch.tensor([1.0, 100.0]), torch.zeros(2)
    got = s.amsgrad_step(zero, g, zero, zero, zero, 1, lr=0.1)
    close(got[0], torch.tensor([-0.1, -0.1]))


@case("restarts_needed")
def restarts_of_a_coin(s):
    """A coin succeeds with 1/2; for 0.9 it takes four tries, since three reach only 7/8"""
    equal(s.restarts_needed(0.5, 0.9), 4, mistakes={"sum": 2, "round": 3, "swapped": 1})


@case("restarts_needed", hint="swapped")
def restarts_of_a_sure_thing(s):
    """If one descent is likelier to succeed than asked for, one is enough"""
    equal(s.restarts_needed(0.9, 0.5), 1, mistakes={"round": 0})


QUESTIONS = (
    Question(
        name="batch_variance",
        points=2,
        hints={
            "replacement": "A batch of all n examples has no error at all. The factor (n - B) / (n - 1) sees to that.",
            "center": "The variance is measured from the mean of all gradients, not from zero.",
            "unbiased": "Here sigma squared is a mean over the n rows, so it is divided by n.",
        },
    ),
    Question(
        name="best_momentum",
        points=2,
        hints={
            "root": "The formula gives the root of beta. Square it.",
            "kappa": "The condition number enters by its root. Without the root these are not momentum's settings.",
            "plain": "2 / (largest + smallest eigenvalue) is the best rate of gradient descent without momentum.",
        },
    ),
    Question(
        name="nesterov_step",
        points=2,
        hints={
            "heavy": "That is the heavy ball. Nesterov measures the gradient at the look-ahead point.",
            "base": "The step starts from the look-ahead point, too, not from theta.",
            "sign": "The ball rolls on in the direction in which it came, from previous to theta.",
        },
    ),
    Question(
        name="adam_step",
        points=3,
        hints={
            "bias": "Averages that start at zero are too small at first. Divide m by 1 - beta1**t and v by 1 - beta2**t.",
            "stored": "The corrected moments are for this step only. What is handed on are the plain averages.",
            "root": "The mean square has the unit of the gradient squared. Take its root before you divide.",
            "square": "The second moment averages the squares of the gradients, not the square of their average.",
        },
    ),
    Question(
        name="sgdw_step",
        points=2,
        hints={
            "coupled": "With the penalty in the gradient, the memory repeats the decay for about 1 / (1 - beta) steps. Keep it out of m.",
            "rate": "The factor is 1 - lr * decay. Without the rate, the decay would not fall when the rate falls.",
            "late": "Shrink the old parameters first, then step. Else the step is shrunk as well.",
        },
    ),
    Question(
        name="amsgrad_step",
        points=3,
        hints={
            "memory": "The average v goes on as in Adam. Only the division uses the maximum.",
            "scalar": "Each coordinate has its own maximum. torch.maximum compares elementwise.",
            "plain": "That is Adam. The division must use the largest v so far, not the present one.",
        },
    ),
    Question(
        name="restarts_needed",
        points=2,
        hints={
            "sum": "Probabilities of independent tries do not add. Compute the probability that all of them fail.",
            "round": "A fraction of a restart does not exist, and rounding down promises too much.",
            "swapped": "All k fail with (1 - p)**k. This must not exceed 1 - q.",
        },
    ),
)

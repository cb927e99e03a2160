"""Visible cases of the exercise set `vae`.

Generated from exercises/source/vae.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import math

import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F

from d2l_lite.grading import case, close, holds


@case("draw_codes")
def codes_by_hand(s):
    """Mean 1, variance 4, noise 3: the code is 1 + 2 · 3"""
    one = torch.ones(1, 1)
    got = s.draw_codes(one, math.log(4) * one, 3 * one)
    close(got, 7 * one, mistakes={"variance": 13 * one, "logarithm": (1 + 3 * math.log(4)) * one})


@case("draw_codes", hint="logarithm")
def codes_of_a_standard_normal(s):
    """Mean 0 and log-variance 0: the codes are the noise itself"""
    noise = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    zero = torch.zeros(2, 2)
    close(s.draw_codes(zero, zero, noise), noise, mistakes={"logarithm": zero})


@case("divergence")
def divergence_from_the_standard_normal(s):
    """Means 2 and 0, variances 1: the divergence from the standard normal is 2 nats"""
    zero = torch.zeros(1, 2)
    got = s.divergence(torch.tensor([[2.0, 0.0]]), zero, zero, zero)
    close(got, torch.tensor([2.0]), mistakes={"half": torch.tensor([4.0])}, hint="summed")


@case("divergence")
def divergence_is_not_symmetric(s):
    """From variance 4 to variance 1 it is (3 - log 4) / 2, back (log 4 - 3/4) / 2"""
    zero, wide = torch.zeros(1, 1), torch.full((1, 1), math.log(4))
    there, back = torch.tensor([(3 - math.log(4)) / 2]), torch.tensor([(math.log(4) - 0.75) / 2])
    close(s.divergence(zero, wide, zero, zero), there, mistakes={"swapped": back, "half": 2 * there})
    close(s.divergence(zero, zero, zero, wide), back, mistakes={"swapped": there, "half": 2 * back})


@case("loss_in_nats")
def loss_by_hand(s):
    """Two pictures of four pixels with log-odds 0, codes with mean (2, 2): 4 log 2 + 3 · 4"""
    d, r = 4 * math.log(2), 4.0
    mean, zero = torch.full((2, 2), 2.0), torch.zeros(2, 2)
    got = s.loss_in_nats(torch.zeros(2, 4), torch.ones(2, 4), mean, zero, 3.0)
    wrong = {"pixels": d / 4 + 3 * r, "coordinates": d + 3 * r / 2, "weight": 3 * d + r}
    wrong["examples"] = 2 * (d + 3 * r)
    mistakes = {hint: torch.tensor(value) for hint, value in wrong.items()}
    close(got, torch.tensor(d + 3 * r), mistakes=mistakes)


@case("leave_one_out")
def baseline_by_hand(s):
    """Values 1 and 3, noise 1 and 2, deviation 1/2: (-2 · 2 + 2 · 4) / 2"""
    got = s.leave_one_out(torch.tensor([1.0, 3.0]), torch.tensor([[1.0], [2.0]]), 0.5)
    wrong = {"own": 1.0, "deviation": 0.5, "missing": 7.0}
    mistakes = {hint: torch.tensor([value]) for hint, value in wrong.items()}
    close(got, torch.tensor([2.0]), mistakes=mistakes)


@case("leave_one_out", hint="missing")
def baseline_removes_constants(s):
    """A constant f has the gradient zero, whatever the noise"""
    noise = torch.tensor([[1.0, 0.5], [2.0, -1.0], [0.5, 3.0]])
    close(s.leave_one_out(torch.full((3,), 7.0), noise, 1.0), torch.zeros(2), atol=1e-5)


@case("tighter_bound")
def bound_by_hand(s):
    """Weights 1 and 3 have the mean 2, so the bound is log 2"""
    log_joint = torch.tensor([[0.0], [math.log(3)]])
    got = s.tighter_bound(log_joint, torch.zeros(2, 1))
    wrong = {"elbo": math.log(3) / 2, "count": math.log(4)}
    mistakes = {hint: torch.tensor([value]) for hint, value in wrong.items()}
    close(got, torch.tensor([math.log(2)]), mistakes=mistakes)


@case("tighter_bound", hint="underflow")
def bound_of_improbable_pictures(s):
    """Three equal weights of log -700 have the bound -700"""
    close(s.tighter_bound(torch.full((3, 2), -690.0), torch.full((3, 2), 10.0)), torch.full((2,), -700.0))


@case("free_bits")
def free_bits_by_hand(s):
    """Means (0, 2) and (2, 2), variances 1: the rates are 1 and 2, with a floor of 3/2 together 3.5"""
    mean = torch.tensor([[0.0, 2.0], [2.0, 2.0]])
    got = s.free_bits(mean, torch.zeros(2, 2), 1.5)
    wrong = {"early": 3.75, "total": 3.0, "ceiling": 2.5}
    mistakes = {hint: torch.tensor(value) for hint, value in wrong.items()}
    close(got, torch.tensor(3.5), mistakes=mistakes)


@case("free_bits", hint="ceiling")
def free_bits_of_a_collapsed_code(s):
    """A code that says next to nothing is charged the floor in each coordinate"""
    charged = s.free_bits(torch.full((4, 3), 0.1), torch.zeros(4, 3), 0.25)
    close(charged, torch.tensor(0.75), mistakes={"total": torch.tensor(0.25)})


QUESTIONS = (
    Question(
        name="draw_codes",
        points=1,
        hints={
            "variance": "The noise is multiplied by the standard deviation, the square root of the variance. For the logarithm that is a factor 1/2.",
            "logarithm": "The argument is the logarithm of the variance. Undo the logarithm before multiplying.",
        },
    ),
    Question(
        name="divergence",
        points=2,
        hints={
            "half": "Every term of the sum carries the factor 1/2, also the logarithms of the variances.",
            "swapped": "The mean is taken under Q. So the variance of P stands below the squared distance, and the logarithm of Q is subtracted.",
            "summed": "One number for each example. The sum runs over the coordinates, dimension 1.",
        },
    ),
    Question(
        name="loss_in_nats",
        points=2,
        hints={
            "pixels": "The log-likelihood of a picture is the sum over its pixels. With a mean, the divergence weighs d times too much.",
            "coordinates": "The divergence is a sum over the coordinates of the code, not a mean.",
            "examples": "The loss is a mean over the pictures of the batch. It must not grow with the batch.",
            "weight": "The weight beta belongs to the divergence, not to the distortion.",
        },
    ),
    Question(
        name="leave_one_out",
        points=2,
        hints={
            "own": "The baseline of a draw must not contain the draw itself. Otherwise the estimate shrinks by the factor (n - 1) / n.",
            "deviation": "The gradient of log Q by the mean is noise / std.",
            "missing": "Subtract the mean of the other values of f before multiplying by the noise.",
        },
    ),
    Question(
        name="tighter_bound",
        points=2,
        hints={
            "elbo": "The mean of the logarithms is the ELBO. Here the mean stands inside the logarithm.",
            "count": "The sum is divided by the number of draws, so log K is subtracted.",
            "underflow": "exp(-700) is zero in single precision, and its logarithm minus infinity. Use logsumexp.",
        },
    ),
    Question(
        name="free_bits",
        points=2,
        hints={
            "early": "First the mean over the batch, then the maximum. The other order charges lambda for every single example below it.",
            "total": "The maximum is taken for each coordinate, and the sum comes last.",
            "ceiling": "Free nats are a lower limit of what is charged. clamp(min=...) keeps what is larger.",
        },
    ),
)

"""Visible cases of the exercise set `gan`.

Generated from exercises/source/gan.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import math

import numpy as np
import torch
from scipy import stats

import d2l_lite as d2l
from d2l_lite.grading import case, close, holds


@case("best_logit")
def logit_by_hand(s):
    """Means 0 and 3, deviation 3, points 0, 1.5, 6: the logits are 1/2, 0 and -3/2"""
    want = torch.tensor([0.5, 0.0, -1.5])
    mistakes = {"sign": -want, "square": 3 * want, "half": 2 * want}
    close(s.best_logit(torch.tensor([0.0, 1.5, 6.0]), 0.0, 3.0, 3.0), want, mistakes=mistakes)


@case("best_logit", hint="half")
def logit_with_deviation_one(s):
    """Means 1 and -1, deviation 1, points 2 and -3: the logits are 4 and -6"""
    want = torch.tensor([4.0, -6.0])
    got = s.best_logit(torch.tensor([2.0, -3.0]), 1.0, -1.0, 1.0)
    close(got, want, mistakes={"half": 2 * want, "sign": -want})


@case("logit_gradient")
def gradient_of_minimax(s):
    """Minimax, logits log 3 and -log 3: D is 3/4 and 1/4, so -3/8 and -1/8"""
    a = torch.tensor([math.log(3), -math.log(3)])
    want = torch.tensor([-0.375, -0.125])
    mistakes = {"mean": 2 * want, "swap": want.flip(0), "sign": -want}
    close(s.logit_gradient(a, "minimax"), want, mistakes=mistakes)


@case("logit_gradient")
def gradient_of_non_saturating(s):
    """Non-saturating, the same logits: -1/8 and -3/8"""
    a = torch.tensor([math.log(3), -math.log(3)])
    want = torch.tensor([-0.125, -0.375])
    mistakes = {"mean": 2 * want, "swap": want.flip(0), "sign": -want}
    close(s.logit_gradient(a, "non-saturating"), want, mistakes=mistakes)


@case("logit_gradient")
def gradient_of_squares(s):
    """Least squares, logits 0 and 3: -1/2 and 1"""
    got = s.logit_gradient(torch.tensor([0.0, 3.0]), "least-squares")
    close(got, torch.tensor([-0.5, 1.0]), mistakes={"mean": torch.tensor([-1.0, 2.0])})


@case("best_with_wrong")
def wrong_by_hand(s):
    """p = (3/4, 1/4), q = (1/4, 3/4), w = (1/4, 3/4), share 1/2: negatives equal q"""
    p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.25, 0.75])
    want = torch.tensor([0.75, 0.25])
    mistakes = {"weights": p / (p + 2 * q), "flip": 1 - want}
    close(s.best_with_wrong(p, q, q, 0.5), want, mistakes=mistakes)


@case("best_with_wrong", hint="share")
def mostly_generated(s):
    """One cell each of 0.4, 0.2 and 0.8 with share 3/4: negatives 0.35"""
    cells = (torch.tensor([v]) for v in (0.4, 0.2, 0.8))
    mistakes = {"share": torch.tensor([0.4 / 1.05]), "weights": torch.tensor([0.4 / 1.4])}
    got = s.best_with_wrong(*cells, 0.75)
    close(got, torch.tensor([0.4 / 0.75]), mistakes=mistakes)


@case("extragradient_step")
def look_ahead_by_hand(s):
    """From (1, 0) with rate 1/2: the trial point is (1, 1/2), the new one (3/4, 1/2)"""
    want = torch.tensor([0.75, 0.5])
    mistakes = {"start": torch.tensor([0.75, 1.0]), "plain": torch.tensor([1.0, 0.5])}
    mistakes["sign"] = torch.tensor([1.25, -0.5])
    close(s.extragradient_step(torch.tensor([1.0, 0.0]), 0.5), want, mistakes=mistakes)


@case("extragradient_step", hint="plain")
def look_ahead_converges(s):
    """A hundred steps with rate 0.4 come close to zero"""
    players = torch.tensor([1.0, -2.0])
    for _ in range(100):
        players = s.extragradient_step(players, 0.4)
    holds(bool(players.norm() < 0.01), f"the players must approach zero, got {players.tolist()}")


@case("histogram_distance")
def carrying_by_hand(s):
    """All mass moves from bin 0 to bin 3, bins 2 apart: 6"""
    p, q = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 1.0])
    mistakes = {"cumulate": torch.tensor(4.0), "width": torch.tensor(3.0)}
    close(s.histogram_distance(p, q, 2.0), torch.tensor(6.0), mistakes=mistakes)


@case("histogram_distance", hint="absolute")
def carrying_both_ways(s):
    """Half goes from the middle to each end, one bin away: 1"""
    p, q = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.5, 0.0, 0.5])
    mistakes = {"absolute": torch.tensor(0.0), "cumulate": torch.tensor(2.0)}
    close(s.histogram_distance(p, q, 1.0), torch.tensor(1.0), mistakes=mistakes)


@case("penalty_gradient")
def penalty_by_hand(s):
    """w = (4, 0) and two rows (0, 1): slope 4/2 = 2, its gradient (1/2, 1), so (1, 2)"""
    X = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    mistakes = {"both": torch.tensor([1.0, 0.0]), "mean": torch.tensor([2.0, 4.0])}
    got = s.penalty_gradient(torch.tensor([4.0, 0.0]), X)
    close(got, torch.tensor([1.0, 2.0]), mistakes=mistakes)


@case("penalty_gradient", hint="side")
def flat_is_free(s):
    """w = (1, 0) at (0, 1) has the slope 1/2: no penalty"""
    got = s.penalty_gradient(torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0]]))
    close(got, torch.zeros(2), mistakes={"side": torch.tensor([-0.5, -0.25])})


@case("frechet_uncorrelated")
def frechet_by_hand(s):
    """Deviations 1 and 3, means 0 and 2: 4 + 4"""
    A, B = torch.tensor([[-1.0], [0.0], [1.0]]), torch.tensor([[-1.0], [2.0], [5.0]])
    mistakes = {"root": torch.tensor(68.0), "means": torch.tensor(4.0)}
    mistakes["divisor"] = torch.tensor(4 + 8 / 3)
    close(s.frechet_uncorrelated(A, B), torch.tensor(8.0), mistakes=mistakes)


@case("frechet_uncorrelated")
def frechet_to_itself(s):
    """A sample has the distance 0 from itself"""
    A = torch.tensor([[1.0, 5.0], [2.0, 0.0], [4.0, 1.0]])
    close(s.frechet_uncorrelated(A, A), torch.tensor(0.0))


QUESTIONS = (
    Question(
        name="best_logit",
        points=2,
        hints={
            "sign": "The logit is log p minus log q. It must be positive near the mean of the data.",
            "square": "The exponent of a normal density holds the squared deviation.",
            "half": "The exponent of a normal density is minus the square divided by 2 sigma squared.",
        },
    ),
    Question(
        name="logit_gradient",
        points=2,
        hints={
            "mean": "The loss is a mean, so each logit's share is divided by n.",
            "swap": "The minimax loss is silent where the logit is very negative. The non-saturating loss is not.",
            "sign": "Raising any logit must lower either of the two logarithmic losses, so their gradients are negative.",
        },
    ),
    Question(
        name="best_with_wrong",
        points=2,
        hints={
            "weights": "The two kinds of negatives share one weight of 1. Mix them before you compare with p.",
            "share": "The share belongs to the generated pairs, the rest to the wrong ones.",
            "flip": "Real counts as 1, so the best value is near 1 where p is large.",
        },
    ),
    Question(
        name="extragradient_step",
        points=2,
        hints={
            "start": "The trial point lends only its gradient. The step starts at the old point.",
            "plain": "The gradient must be that of the trial point. Otherwise the trial was for nothing.",
            "sign": "The generator theta descends, the discriminator psi ascends.",
        },
    ),
    Question(
        name="histogram_distance",
        points=2,
        hints={
            "cumulate": "Comparing bins one by one forgets how far mass must travel. Sum the masses on the left first.",
            "width": "Each border is crossed at the price of one width.",
            "absolute": "Carrying to the left costs as much as carrying to the right. Take absolute values before you add.",
        },
    ),
    Question(
        name="penalty_gradient",
        points=3,
        hints={
            "both": "The slope is sigmoid(x w) times the length of w. Both factors depend on w. With autograd, create the graph of the inner gradient.",
            "side": "Where the slope is below 1 the penalty and its gradient are zero.",
            "mean": "The penalty is a mean over the rows.",
        },
    ),
    Question(
        name="frechet_uncorrelated",
        points=2,
        hints={
            "root": "The trace of the root of a diagonal matrix adds square roots. What remains per feature is a squared difference of standard deviations.",
            "means": "Squared distances of the means belong to the distance as well.",
            "divisor": "Divide by n - 1 in the variances, as torch.var does by default.",
        },
    ),
)

"""Visible cases of the exercise set `losses`.

Generated from exercises/source/losses.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import torch
from sklearn.metrics import mean_pinball_loss
from torch.nn import functional as F

from d2l_lite.grading import case, close


@case("huber_gradient")
def huber_by_hand(s):
    """Weights 0, rows (1, 1) and (3, 1), targets 1 and 5, delta 2: -(1 + 6, 1 + 2) / 2"""
    X, y = torch.tensor([[1.0, 1.0], [3.0, 1.0]]), torch.tensor([1.0, 5.0])
    want = torch.tensor([-3.5, -1.5])
    mistakes = {"cut": torch.tensor([-8.0, -3.0]), "mean": 2 * want, "sign": -want}
    mistakes["delta"] = torch.tensor([-2.0, -1.0])
    close(s.huber_gradient(torch.zeros(2), X, y, 2.0), want, mistakes=mistakes)


@case("huber_gradient", hint="delta")
def huber_with_a_huge_delta(s):
    """With a huge delta it is the gradient of half of the mean squared error"""
    X, y = torch.tensor([[2.0], [4.0]]), torch.tensor([1.0, 5.0])
    close(s.huber_gradient(torch.zeros(1), X, y, 1e6), torch.tensor([-11.0]))


@case("log_cosh")
def log_cosh_by_hand(s):
    """At 0 it is 0, and at 1 and -1 it is log((e + 1/e) / 2) = 0.4338"""
    want = torch.tensor([0.0, 0.433781, 0.433781])
    got = s.log_cosh(torch.tensor([0.0, 1.0, -1.0]))
    close(got, want, mistakes={"half": want + 0.693147}, atol=1e-5)


@case("log_cosh", hint="overflow")
def log_cosh_far_out(s):
    """At 100 and 1000 it is |r| - log 2, a finite number"""
    got = s.log_cosh(torch.tensor([100.0, 1000.0]))
    close(got, torch.tensor([99.306853, 999.306853]))


@case("log_cosh", hint="abs")
def log_cosh_is_even(s):
    """The values at -3 and -100 are those at 3 and 100"""
    got = s.log_cosh(torch.tensor([-3.0, -100.0]))
    close(got, torch.tensor([2.309328, 99.306853]), atol=1e-4)


@case("pinball")
def pinball_by_hand(s):
    """Predictions 0, targets 10 and -20, tau 0.9: (0.9 * 10 + 0.1 * 20) / 2 = 5.5"""
    want = torch.tensor(5.5)
    values = {"swapped": 9.5, "negative": -4.5, "mean": 11.0}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(s.pinball(torch.zeros(2), torch.tensor([10.0, -20.0]), 0.9), want, mistakes=mistakes)


@case("pinball", hint="swapped")
def pinball_at_a_half(s):
    """At tau 1/2 it is half of the mean absolute error"""
    y_hat, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 4.0, 6.0])
    close(s.pinball(y_hat, y, 0.5), torch.tensor(1.0))


@case("svm_gradient")
def svm_by_hand(s):
    """Weights (1, 0), margins 2, 0.5 and -1: the last two pull, (-(0.5, 1) + (1, 2)) / 3 + 0.1 w"""
    X, y = torch.tensor([[2.0, 1.0], [0.5, 1.0], [1.0, 2.0]]), torch.tensor([1.0, 1.0, -1.0])
    pull, penalty = torch.tensor([0.5, 1.0]) / 3, torch.tensor([0.1, 0.0])
    mistakes = {"perceptron": torch.tensor([1.0, 2.0]) / 3 + penalty, "penalty": pull}
    mistakes |= {"mean": 3 * pull + penalty, "sign": penalty - pull}
    close(s.svm_gradient(torch.tensor([1.0, 0.0]), X, y, 0.1), pull + penalty, mistakes=mistakes)


@case("svm_gradient", hint="penalty")
def svm_where_all_margins_are_large(s):
    """Where every margin exceeds 1 only the penalty is left"""
    X, y = torch.tensor([[2.0], [-3.0]]), torch.tensor([1.0, -1.0])
    close(s.svm_gradient(torch.tensor([1.0]), X, y, 0.5), torch.tensor([0.5]))


@case("unweighted")
def unweighted_by_hand(s):
    """Even odds at the weight 10 are odds of 1 to 10, a probability of 1/11"""
    values = {"direction": 10 / 11, "odds": 0.05}
    mistakes = {hint: torch.tensor([value]) for hint, value in values.items()}
    close(s.unweighted(torch.tensor([0.5]), 10.0), torch.tensor([1 / 11]), mistakes=mistakes)


@case("unweighted", hint="odds")
def unweighted_keeps_certainty(s):
    """What is certain stays certain, at any weight"""
    certain = torch.tensor([0.0, 1.0])
    close(s.unweighted(certain, 100.0), certain)


@case("focal_loss")
def focal_by_hand(s):
    """Right classes with 3/4 and 1/4, gamma 2: (1/16 log(4/3) + 9/16 log 4) / 2"""
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0]]).log()
    easy, hard = -torch.tensor([0.75, 0.25]).log()
    want = (easy / 16 + hard * 9 / 16) / 2
    mistakes = {"power": (easy * 9 / 16 + hard / 16) / 2, "mean": 2 * want}
    close(s.focal_loss(logits, torch.tensor([0, 1]), 2.0), want, mistakes=mistakes)


@case("focal_loss", hint="stable")
def focal_of_a_confident_error(s):
    """Where a wrong logit is 1000 above the right one the loss is 1000"""
    got = s.focal_loss(torch.tensor([[1000.0, 0.0]]), torch.tensor([1]), 2.0)
    close(got, torch.tensor(1000.0))


@case("smoothing_gradient")
def smoothing_by_hand(s):
    """Equal logits of four classes, twice, eps 0.2: (1/4 - 0.85, 1/4 - 0.05, ...) / 2"""
    want = torch.tensor([[-0.3, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, -0.3]])
    short = torch.tensor([[-0.275, 0.275 / 3, 0.275 / 3, 0.275 / 3]])
    mistakes = {"mean": 2 * want, "sign": -want, "share": torch.cat([short, short.flip(1)])}
    got = s.smoothing_gradient(torch.zeros(2, 4), torch.tensor([0, 3]), 0.2)
    close(got, want, mistakes=mistakes)


@case("smoothing_gradient", hint="share")
def smoothing_vanishes_at_the_target(s):
    """Where the softmax equals the smoothed target, 0.95 and 0.05, the gradient is zero"""
    logits = torch.tensor([[0.95, 0.05]]).log()
    close(s.smoothing_gradient(logits, torch.tensor([0]), 0.1), torch.zeros(1, 2))


QUESTIONS = (
    Question(
        name="huber_gradient",
        points=2,
        hints={
            "cut": "Beyond delta the loss is a straight line. Its slope is delta, whatever the residual.",
            "delta": "The slopes are cut at plus and minus delta, not at plus and minus one.",
            "mean": "The loss is a mean, so its gradient is divided by n.",
            "sign": "The gradient points uphill. With predictions too large, larger weights make the loss larger.",
        },
    ),
    Question(
        name="log_cosh",
        points=2,
        hints={
            "overflow": "Take the larger of the two exponentials out of the sum, cosh r = exp(|r|) (1 + exp(-2|r|)) / 2, before you take the logarithm.",
            "half": "cosh is half of the sum of two exponentials, and the logarithm of that half is -log 2.",
            "abs": "The loss is even. With r in place of its absolute value one of the two sides is wrong.",
        },
    ),
    Question(
        name="pinball",
        points=2,
        hints={
            "swapped": "With tau = 0.9 it must be expensive to predict too little. Which of the two factors belongs to a target above the prediction?",
            "negative": "A cost is never negative. Below the prediction the difference y - y_hat is negative, and so must be its factor.",
            "mean": "Return the mean over the examples.",
        },
    ),
    Question(
        name="svm_gradient",
        points=3,
        hints={
            "perceptron": "The hinge also pulls at right answers whose margin is below 1. With the border at 0 it is the perceptron loss.",
            "penalty": "The regularizer has a gradient, too.",
            "mean": "The empirical risk is a mean; only the sum over the examples is divided by n.",
            "sign": "Where the hinge is active its slope in the margin is -1, and the margin grows with y times x.",
        },
    ),
    Question(
        name="unweighted",
        points=2,
        hints={
            "direction": "The weight made positives look more frequent than they are, so the corrected probability is smaller.",
            "odds": "The weight multiplies the odds p / (1 - p). Dividing the probability itself works for tiny ones only.",
        },
    ),
    Question(
        name="focal_loss",
        points=3,
        hints={
            "stable": "The softmax underflows to 0, and its logarithm is minus infinity. Take log_softmax, and exponentiate where you need the probability.",
            "power": "The factor must vanish where the answer is right, that is where p_t is 1.",
            "mean": "Return the mean over the examples.",
        },
    ),
    Question(
        name="smoothing_gradient",
        points=2,
        hints={
            "share": "The uniform part is spread over all q classes, the right one included.",
            "mean": "The loss is a mean over the n examples.",
            "sign": "Prediction minus target, as for every log loss of a softmax.",
        },
    ),
)

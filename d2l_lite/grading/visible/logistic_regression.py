"""Visible cases of the exercise set `logistic_regression`.

Generated from exercises/source/logistic_regression.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import numpy as np
import torch
from scipy.special import expit, logit, rel_entr
from sklearn.linear_model import LogisticRegression

from d2l_lite.grading import case, close, holds


@case("changed_probability")
def odds_times_nine(s):
    """From p = 1/2, a weight of log 3 and 2 units more: odds 1 become 9, so p = 9/10"""
    p, w, delta = torch.tensor(0.5), torch.tensor(3.0).log(), torch.tensor(2.0)
    values = {"linear": p + w * delta, "probability": 9 * p, "odds": torch.tensor(9.0)}
    close(s.changed_probability(p, w, delta), torch.tensor(0.9), mistakes=values)


@case("changed_probability")
def odds_and_nothing(s):
    """A weight of zero changes nothing"""
    p = torch.tensor([0.1, 0.5, 0.8])
    mistakes = {"odds": p / (1 - p)}
    close(s.changed_probability(p, torch.tensor(0.0), torch.tensor(5.0)), p, mistakes=mistakes)


@case("stable_log_loss")
def log_loss_by_hand(s):
    """Logits log 3 and 0 with labels 1 and 0: the mean of -log(3/4) and -log(1/2)"""
    z, y = torch.tensor([3.0, 1.0]).log(), torch.tensor([1.0, 0.0])
    terms = -torch.tensor([0.75, 0.5]).log()
    other = -torch.tensor([0.25, 0.5]).log()
    mistakes = {"mean": terms.sum(), "swapped": other.mean()}
    close(s.stable_log_loss(z, y), terms.mean(), mistakes=mistakes)


@case("stable_log_loss", hint="overflow")
def log_loss_of_huge_logits(s):
    """Logits 1000 and -1000 with labels 1 and 1: losses 0 and 1000"""
    z = torch.tensor([1000.0, -1000.0])
    close(s.stable_log_loss(z, torch.ones(2)), torch.tensor(500.0))


@case("ridge_gradient")
def ridge_at_zero(s):
    """At zero weights the penalty is silent and every p is 1/2: rows (1, 1) and (3, 1), labels 0 and 1"""
    X, y = torch.tensor([[1.0, 1.0], [3.0, 1.0]]), torch.tensor([0.0, 1.0])
    want = torch.tensor([-0.5, 0.0])
    mistakes = {"mean": 2 * want, "residual": torch.tensor([-1.5, -0.5])}
    close(s.ridge_gradient(torch.zeros(2), X, y, 10.0), want, mistakes=mistakes)


@case("ridge_gradient", hint="bias")
def ridge_spares_the_bias(s):
    """Zero features except the ones, half of the labels 1, bias log 3: the gradient is 1/4 in the bias"""
    X, y = torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([0.0, 1.0])
    w = torch.tensor([2.0, float(np.log(3))])
    close(s.ridge_gradient(w, X, y, 0.5), torch.tensor([1.0, 0.25]))


@case("irls_step")
def irls_by_hand(s):
    """Ones alone, six labels 1 and two 0, weight 0: gradient 4 - 6, Hessian 8/4, so the step is 1"""
    X, y = torch.ones(8, 1), torch.tensor([1.0] * 6 + [0.0] * 2)
    values = {"curvature": 0.25, "half": 0.5, "sign": -1.0, "mean": 0.125}
    mistakes = {hint: torch.tensor([value]) for hint, value in values.items()}
    close(s.irls_step(torch.zeros(1), X, y), torch.ones(1), mistakes=mistakes)


@case("irls_step", hint="mean")
def irls_reaches_the_logit(s):
    """Ones alone, six steps: the weight becomes the logit of the share of ones, log 3"""
    X, y = torch.ones(4, 1, dtype=torch.float64), torch.tensor([1, 1, 1, 0]).double()
    w = torch.zeros(1, dtype=torch.float64)
    for _ in range(6):
        w = s.irls_step(w, X, y)
    close(w, torch.tensor([3.0], dtype=torch.float64).log())


@case("log_probabilities", hint="axis")
def softmax_by_hand(s):
    """Logits (log 1, log 3) and (0, 0): probabilities (1/4, 3/4) and (1/2, 1/2)"""
    logits = torch.tensor([[1.0, 3.0], [1.0, 1.0]]).log()
    close(s.log_probabilities(logits), torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log())


@case("log_probabilities", hint="overflow")
def softmax_at_a_thousand(s):
    """A row (1000, 1000): both probabilities are 1/2"""
    close(s.log_probabilities(torch.full((1, 2), 1000.0)), torch.full((1, 2), 0.5).log())


@case("log_probabilities", hint="common")
def softmax_of_unequal_rows(s):
    """Rows around 1000 and around -1000 in one batch"""
    logits = torch.tensor([[1000.0, 1000.0], [-1000.0, -1000.0]])
    close(s.log_probabilities(logits), torch.full((2, 2), 0.5).log())


@case("log_probabilities", hint="vanish")
def softmax_of_a_wide_row(s):
    """A row (1000, -1000): the logarithms are 0 and -2000"""
    logits = torch.tensor([[1000.0, -1000.0]])
    close(s.log_probabilities(logits), torch.tensor([[0.0, -2000.0]]))


@case("divergence_bits")
def divergence_by_hand(s):
    """(1/2, 1/4, 1/4) and (1/4, 1/2, 1/4): 1/2 - 1/4 + 0 = 1/4 bit"""
    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.5, 0.25])
    quarter = torch.tensor(0.25)
    close(s.divergence_bits(p, q), quarter, mistakes={"nats": quarter * np.log(2)})


@case("divergence_bits")
def divergence_is_not_symmetric(s):
    """(1/2, 1/2) and (1/4, 3/4): the order matters"""
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    want = torch.tensor(0.5 * np.log2(2) + 0.5 * np.log2(2 / 3), dtype=torch.float32)
    back = torch.tensor(0.25 * np.log2(0.5) + 0.75 * np.log2(1.5), dtype=torch.float32)
    close(s.divergence_bits(p, q), want, mistakes={"reversed": back, "nats": want * np.log(2)})


@case("divergence_bits", hint="zero")
def divergence_of_certainty(s):
    """P is certain, (1, 0), and Q a fair coin: one bit"""
    close(s.divergence_bits(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])), torch.tensor(1.0))


@case("expected_calibration_error")
def calibration_of_two_bins(s):
    """Three predictions at 0.9, two right, and one at 0.2, right: 3/4 * 0.2333 + 1/4 * 0.8 = 0.375"""
    confidence = torch.tensor([0.9, 0.9, 0.9, 0.2])
    correct = torch.tensor([1.0, 1.0, 0.0, 1.0])
    values = {"weights": (0.7 / 3 + 0.8) / 2, "signed": 0.1 / 4}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    got = s.expected_calibration_error(confidence, correct, 10)
    close(got, torch.tensor(0.375), mistakes=mistakes)


@case("expected_calibration_error", hint="signed")
def calibration_does_not_cancel(s):
    """Half of the predictions at 0.25, all right, half at 0.75, all wrong: 0.75"""
    confidence = torch.tensor([0.25, 0.25, 0.75, 0.75])
    correct = torch.tensor([1.0, 1.0, 0.0, 0.0])
    close(s.expected_calibration_error(confidence, correct, 2), torch.tensor(0.75))


@case("expected_calibration_error", hint="last")
def calibration_of_certainty(s):
    """Sure of everything and right half of the time: 0.5"""
    got = s.expected_calibration_error(torch.ones(4), torch.tensor([1.0, 0.0, 1.0, 0.0]), 5)
    close(got, torch.tensor(0.5))


QUESTIONS = (
    Question(
        name="changed_probability",
        points=2,
        hints={
            "linear": "Probabilities do not add up. Go to the logit, add there, and come back.",
            "probability": "The factor exp(w * delta) multiplies the odds p / (1 - p), not the probability.",
            "odds": "Odds are not yet a probability. An odds of 3 is a probability of 3/4.",
        },
    ),
    Question(
        name="stable_log_loss",
        points=2,
        hints={
            "overflow": "For a large logit exp(z) is infinite, and the logarithm of a probability of 0 is, too. Take the larger of 0 and z out of the logarithm first.",
            "swapped": "With the label 1 a large logit is good, so its loss is near zero.",
            "mean": "The loss is the mean over the examples.",
        },
    ),
    Question(
        name="ridge_gradient",
        points=2,
        hints={
            "bias": "The sum of the penalty ends before the last weight. A bias that is pulled to zero moves all predictions.",
            "mean": "The loss is a mean over the examples; the penalty is not.",
            "residual": "The residual compares the label with the probability, not with the logit.",
        },
    ),
    Question(
        name="irls_step",
        points=3,
        hints={
            "curvature": "The slope of the sigmoid at each example is p (1 - p). That weights the example in the Hessian.",
            "half": "The weight is p (1 - p), not p alone. Both factors are needed, or certain examples count fully.",
            "sign": "The step goes against the gradient.",
            "mean": "Either both the gradient and the Hessian are divided by n, or neither.",
        },
    ),
    Question(
        name="log_probabilities",
        points=2,
        hints={
            "overflow": "The exponential of 1000 is infinite. Subtract a number from all logits of a row first.",
            "common": "One number for the whole batch leaves nothing of a row that lies far below it. Each row has its own maximum.",
            "axis": "The probabilities of one example, a row, sum to one.",
            "vanish": "A probability of exp(-2000) is stored as 0, and its logarithm is minus infinity. Take the logarithm of the formula, not of the result.",
        },
    ),
    Question(
        name="divergence_bits",
        points=2,
        hints={
            "reversed": "The mean is taken over P, the distribution that events follow. The order of the two matters.",
            "nats": "The natural logarithm counts nats. A bit is log 2 of them.",
            "zero": "Zero times minus infinity is nan in floating-point numbers. What never happens costs nothing, so leave it out.",
        },
    ),
    Question(
        name="expected_calibration_error",
        points=3,
        hints={
            "weights": "A bin counts by its share of the predictions. Small bins must not count like large ones.",
            "signed": "Too much confidence in one bin does not make up for too little in another. Take the absolute value in each bin.",
            "last": "A confidence of exactly 1 belongs to the last bin.",
        },
    ),
)

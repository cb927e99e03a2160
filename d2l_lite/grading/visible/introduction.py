"""Visible cases of the exercise set `introduction`.

Generated from exercises/source/introduction.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import itertools

import numpy as np
import torch
from sklearn.linear_model import Perceptron

from d2l_lite.grading import case, close, equal, holds


def fired(X, w, b):
    """Return 0 or 1 for each row."""
    return (X.double() @ torch.as_tensor(w).double() + float(b) > 0).int().tolist()


def all_inputs(n):
    """Return every row of n zeros and ones."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)))


@case("at_least")
def two_of_three(s):
    """At least 2 of 3, on the inputs 000, 001, 011, 111: 0, 0, 1, 1"""
    X = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]])
    mistakes = {"strict": [0, 0, 0, 1], "sign": [1, 1, 1, 1]}
    equal(fired(X, *s.at_least(2, 3)), [0, 0, 1, 1], mistakes=mistakes)


@case("at_least", hint="strict")
def one_of_two_is_or(s):
    """At least 1 of 2 is OR"""
    equal(fired(all_inputs(2), *s.at_least(1, 2)), [0, 1, 1, 1])


ROWS = [[2.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]
SIGNS = [1.0, -1.0, -1.0]


@case("perceptron_epoch")
def epoch_by_hand(s):
    """From 0: (2, 1) added, (1, 1) subtracted, (-1, 1) is right with -1, so (1, 0)"""
    got = s.perceptron_epoch(torch.zeros(2), torch.tensor(ROWS), torch.tensor(SIGNS))[0]
    mistakes = {"tie": [0.0, 0], "stale": [2.0, -1], "label": [3.0, 2]}
    mistakes = {hint: torch.tensor(value) for hint, value in mistakes.items()}
    close(got, torch.tensor([1.0, 0.0]), mistakes=mistakes)


@case("perceptron_epoch", hint="stale")
def mistakes_by_hand(s):
    """Two of these three examples are mistaken"""
    got = s.perceptron_epoch(torch.zeros(2), torch.tensor(ROWS), torch.tensor(SIGNS))[1]
    equal(int(got), 2)


@case("mistake_bound")
def bound_by_hand(s):
    """Examples (3, 4) with +1 and (-1, 0) with -1, u = (2, 0): R = 5, margin 1, bound 25"""
    X, y = torch.tensor([[3.0, 4.0], [-1.0, 0.0]]), torch.tensor([1.0, -1.0])
    mistakes = {"unit": torch.tensor(6.25), "square": torch.tensor(5.0)}
    close(s.mistake_bound(X, y, torch.tensor([2.0, 0.0])), torch.tensor(25.0), mistakes=mistakes)


@case("mistake_bound", hint="mean")
def bound_of_unit_vectors(s):
    """Examples (1, 0) and (0, 1), u = (3, 4): the margins are 0.6 and 0.8, the bound 1 / 0.36"""
    got = s.mistake_bound(torch.eye(2), torch.ones(2), torch.tensor([3.0, 4.0]))
    want = torch.tensor(1 / 0.36)
    values = {"unit": 1 / 9, "mean": 1 / 0.49, "square": 1 / 0.6}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(got, want, mistakes=mistakes)


@case("q_step")
def step_by_hand(s):
    """From 2, half of the way to 1 + 0.9 * 10 = 10, so 6"""
    Q = torch.tensor([[0.0, 2.0], [10.0, 4.0]])
    got = s.q_step(Q, (0, 1, 1.0, 1), lr=0.5, discount=0.9)[0, 1]
    values = {"rate": 10.0, "best": 3.3, "discount": 6.5}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(got, torch.tensor(6.0), mistakes=mistakes)


GATES = [(0, 0, 0, 1), (0, 1, 1, 1), (0, 0, 1, 1), (1, 1, 1, 0)]


@case("predictions")
def row_two_is_one(s):
    """AND, OR, first input, NAND; row 2 is 1: OR and first input remain, or NAND"""
    got = s.predictions(GATES, {2: 1})
    mistakes = {"vote": [0, 1, 1, 1], "agree": [None, None, None, None]}
    equal(got, [None, None, 1, None], mistakes=mistakes)


@case("predictions", hint="vote")
def one_more_row(s):
    """With row 0 shown as 0 as well, the last row is decided, and row 1 is not"""
    equal(s.predictions(GATES, {2: 1, 0: 0}), [0, None, 1, 1])


@case("predictions", hint="empty")
def nothing_remains(s):
    """No gate of the list is 1 on row 0 and 0 on row 1"""
    equal(s.predictions(GATES, {0: 1, 1: 0}), [None, None, None, None])


XOR_ROWS = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
XOR_SIGNS = torch.tensor([-1.0, 1, 1, -1])


@case("pocket")
def pocket_on_a_line(s):
    """Examples 1, 1, 1, -5, all +1: after the first 1 is added three of four are right"""
    X, y = torch.tensor([[1.0], [1.0], [1.0], [-5.0]]), torch.ones(4)
    mistakes = {"last": torch.tensor([-4.0]), "undecided": torch.zeros(1)}
    close(s.pocket(X, y, 1), torch.tensor([1.0]), mistakes=mistakes)


@case("pocket", hint="ties")
def the_earliest_stays(s):
    """Examples 2, 1, -1, all +1: the first correction gives 2, and later equals stay outside"""
    X, y = torch.tensor([[2.0], [1.0], [-1.0]]), torch.ones(3)
    mistakes = {"ties": torch.tensor([1.0])}
    close(s.pocket(X, y, 1), torch.tensor([2.0]), mistakes=mistakes)


@case("pocket", hint="undecided")
def pocket_on_xor(s):
    """On XOR the run repeats after four corrections, and the first is the best, (0, 0, -1)"""
    got = s.pocket(XOR_ROWS, XOR_SIGNS, 3)
    mistakes = {"last": torch.zeros(3), "ties": torch.ones(3)}
    close(got, torch.tensor([0.0, 0.0, -1.0]), mistakes=mistakes)


def run_network(s, d):
    """Return the output of the submitted network on every input, in lexical order."""
    W, b, v, c = s.parity_network(d)
    hidden = (all_inputs(d) @ W + b > 0).float()
    return fired(hidden, v, c)


@case("parity_network")
def parity_of_two_is_xor(s):
    """Two inputs 00, 01, 10, 11: 0, 1, 1, 0"""
    mistakes = {"alternate": [0, 1, 1, 1], "strict": [0, 0, 0, 1], "output": [1, 1, 1, 1]}
    equal(run_network(s, 2), [0, 1, 1, 0], mistakes=mistakes)


@case("parity_network", hint="alternate")
def parity_of_three(s):
    """Three inputs: 0, 1, 1, 0, 1, 0, 0, 1"""
    equal(run_network(s, 3), [0, 1, 1, 0, 1, 0, 0, 1])


QUESTIONS = (
    Question(
        name="at_least",
        points=1,
        hints={
            "strict": "The unit fires where the sum is positive. With exactly m ones it must already be above zero.",
            "sign": "The bias has to hold the unit back until there are enough ones.",
        },
    ),
    Question(
        name="perceptron_epoch",
        points=2,
        hints={
            "tie": "An inner product of zero is undecided, and counts as a mistake. Otherwise weights of zero never change.",
            "stale": "Each example is judged by the weights after the corrections before it, not by those from the start of the epoch.",
            "label": "An example with the label -1 is subtracted.",
        },
    ),
    Question(
        name="mistake_bound",
        points=2,
        hints={
            "unit": "The margin is a distance. Divide the inner products by the length of u.",
            "mean": "The margin is the distance of the nearest example.",
            "square": "Both sides of the inequality are squared at the end.",
        },
    ),
    Question(
        name="q_step",
        points=2,
        hints={
            "rate": "The new estimate lies between the old one and the target, a part lr of the way.",
            "best": "What follows is worth what the best action there is worth, not the mean of both and not the same action again.",
            "discount": "The future counts less by the factor discount. The reward at once counts in full.",
        },
    ),
    Question(
        name="predictions",
        points=2,
        hints={
            "agree": "First leave out every hypothesis that contradicts a shown row. Only those that remain have a vote.",
            "vote": "One hypothesis of another opinion is enough for None. This is no majority vote.",
            "empty": "If nothing remains there is nothing to agree on.",
        },
    ),
    Question(
        name="pocket",
        points=3,
        hints={
            "last": "The weights at the end are those after the last correction, not the best ones.",
            "ties": "Equal counts do not replace what is in the pocket. Earlier weights stay.",
            "undecided": "Undecided examples, with an inner product of zero, are wrong. At the start all are.",
        },
    ),
    Question(
        name="parity_network",
        points=3,
        hints={
            "alternate": "When one more input is 1, one more hidden unit fires, and the output must flip. Its weights take turns in their signs.",
            "strict": "Hidden unit k (from 1 to d) fires if at least k inputs are 1.",
            "output": "The weights that have fired add up to 1 or to 0. The output's bias lies between.",
        },
    ),
)

"""Visible cases of the exercise set `gated_rnn`.

Generated from exercises/source/gated_rnn.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import math

import torch
from torch import nn

from d2l_lite.grading import case, close, equal


@case("forget_bias")
def bias_by_hand(s):
    """After two steps the gate must be the root of 1/2: odds 1 to (root of 2 minus 1)"""
    want = -math.log(math.sqrt(2) - 1)
    close(s.forget_bias(2), want, mistakes={"gate": math.sqrt(0.5), "approximate": math.log(2), "sign": -want})


@case("forget_bias")
def bias_of_one_step(s):
    """Half is left after one step at bias 0"""
    close(s.forget_bias(1), 0.0, atol=1e-12, mistakes={"gate": 0.5})


@case("kept")
def kept_by_hand(s):
    """One unit with gates 0.9, 0.5, 0.8: 0.4 of the first step is left, 0.8 of the second, all of the third"""
    forget = torch.tensor([[0.9], [0.5], [0.8]])
    wrong = {"own": [0.36, 0.4, 0.8], "start": [0.9, 0.45, 0.36]}
    mistakes = {hint: torch.tensor(values)[:, None] for hint, values in wrong.items()}
    want = torch.tensor([[0.4], [0.8], [1.0]])
    close(s.kept(forget), want, mistakes={**mistakes, "log": want.log()})


@case("kept")
def kept_by_open_gates(s):
    """Open gates keep everything"""
    close(s.kept(torch.ones(4, 2)), torch.ones(4, 2), mistakes={"log": torch.zeros(4, 2)})


@case("to_pytorch")
def order_by_hand(s):
    """Two units: rows 0 and 1 are the forget gate, 2 and 3 the input gate, and so on"""
    weight = torch.arange(8.0)[:, None]
    orders = {"swapped": [2, 3, 0, 1, 4, 5, 6, 7], "unchanged": list(range(8))}
    orders["rows"] = [1, 0, 3, 2, 5, 4, 7, 6]
    mistakes = {hint: weight[order] for hint, order in orders.items()}
    equal(s.to_pytorch(weight), weight[[2, 3, 0, 1, 6, 7, 4, 5]], mistakes=mistakes)


@case("last_states")
def ends_by_hand(s):
    """Lengths 1, 3 and 2 of states that are numbered 0 to 8"""
    H = torch.arange(9.0).reshape(3, 3, 1)
    lengths = torch.tensor([1, 3, 2])
    mistakes = {
        "padding": torch.tensor([[2.0], [5.0], [8.0]]),
        "index": torch.tensor([[1.0], [3.0], [8.0]]),
        "shape": H[:, lengths - 1],
    }
    close(s.last_states(H, lengths), torch.tensor([[0.0], [5.0], [7.0]]), mistakes=mistakes)


@case("both_ways")
def running_sums(s):
    """Running sums of 1, 2, 4 and of 8, 1, 1: forward 1, 3, 7 and 8, 9, 10, backward 7, 6, 4 and 10, 2, 1"""
    X = torch.tensor([[1.0, 2.0, 4.0], [8.0, 1.0, 1.0]])[:, :, None]
    ahead, back = X.cumsum(1), X.flip(1).cumsum(1)
    turned = torch.tensor([[7.0, 6.0, 4.0], [10.0, 2.0, 1.0]])[:, :, None]
    pairs = {"aligned": (ahead, back), "axis": (ahead, back.flip(0)), "order": (turned, ahead)}
    mistakes = {hint: torch.cat(pair, 2) for hint, pair in pairs.items()}
    close(s.both_ways(ahead, back), torch.cat([ahead, turned], 2), mistakes=mistakes)


def _lstm(i, f, g, o, C):
    """Return H and C after the sums that the gates and the candidate receive."""
    new = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o(new)) * torch.tanh(new), new


@case("peephole_step")
def peepholes_by_hand(s):
    """Z is 0 and the old cell 1: the gates get P alone, and the new cell is sigmoid(2)"""
    Z, C = torch.zeros(1, 4), torch.ones(1, 1)
    P = torch.tensor([[1.0], [2.0], [3.0]])
    i, f, g, o = Z.chunk(4, dim=1)
    mistakes = {
        "old": _lstm(i + P[0], f + P[1], g, lambda new: o + P[2] * C, C),
        "candidate": _lstm(i + P[0], f + P[1], g + P[0], lambda new: o + P[2] * new, C),
        "none": _lstm(i, f, g, lambda new: o, C),
    }
    close(s.peephole_step(Z, C, P), _lstm(i, f + P[1], g, lambda new: P[2] * new, C), mistakes=mistakes)


@case("peephole_step", hint="none")
def shut_peepholes(s):
    """With P = 0 it is PyTorch's LSTM"""
    Z, C = torch.linspace(-1, 1, 8).reshape(1, 8), torch.tensor([[0.5, -2.0]])
    cell = nn.LSTMCell(8, 2, bias=False)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(8))
        cell.weight_hh.zero_()
        close(s.peephole_step(Z, C, torch.zeros(3, 2)), cell(Z, (torch.zeros(1, 2), C)))


@case("cell_gradient")
def backward_by_hand(s):
    """Cell ln 3, whose tanh is 0.8: slope 0.36, times o = 1/2 and grad_H = 2, plus 1, times f = 1/4"""
    grad_H, grad_C, f, o = (torch.tensor([[v]]) for v in (2.0, 1.0, 0.25, 0.5))
    values = {"tanh": 0.5, "output": 0.43, "forget": 1.36, "sum": 0.09}
    mistakes = {hint: torch.tensor([[value]]) for hint, value in values.items()}
    C = torch.tensor([[math.log(3)]])
    close(s.cell_gradient(grad_H, grad_C, C, f, o), torch.tensor([[0.34]]), mistakes=mistakes)


@case("cell_gradient", hint="sum")
def backward_along_the_cell(s):
    """With a shut output gate the gradient of the next step is multiplied by the forget gate"""
    one = torch.ones(2, 3)
    close(s.cell_gradient(one, 4 * one, 0.3 * one, 0.5 * one, 0 * one), 2 * one)


QUESTIONS = (
    Question(
        name="forget_bias",
        points=2,
        hints={
            "gate": "That is the value of the gate. The bias is what the sigmoid turns into it.",
            "approximate": "The logarithm of the span is the approximation for long spans. Solve sigmoid(b) ** steps = 1/2.",
            "sign": "A longer memory needs a larger bias. Yours falls with the span.",
        },
    ),
    Question(
        name="kept",
        points=2,
        hints={
            "own": "A gate acts on the cell of the step before. The product for step t begins with the gate of step t + 1.",
            "start": "That is what is left of the start after each step. Ask what is left at the end of each step's cell.",
            "log": "The sum of logarithms is the logarithm of the product.",
        },
    ),
    Question(
        name="to_pytorch",
        points=2,
        hints={
            "swapped": "PyTorch's third part is the candidate, and its fourth the output gate.",
            "rows": "Each gate has h rows. Move whole blocks of h rows, not single rows.",
            "unchanged": "The order has not changed. PyTorch's begins with the input gate.",
        },
    ),
    Question(
        name="last_states",
        points=2,
        hints={
            "padding": "The last column is the state after the padding, for all but the longest sequences.",
            "index": "A sequence of length 1 ends at index 0.",
            "shape": "One state for each sequence, (n, h). Pair each row with its own step.",
        },
    ),
    Question(
        name="both_ways",
        points=2,
        hints={
            "aligned": "The backward states come out last step first. Turn them around before you concatenate.",
            "axis": "Turn around the time, axis 1, and nothing else.",
            "order": "The forward states come first.",
        },
    ),
    Question(
        name="peephole_step",
        points=3,
        hints={
            "old": "The output gate looks at the cell after its update.",
            "candidate": "The candidate has no peephole; there are three vectors for three gates.",
            "none": "Without the peepholes it is an ordinary LSTM. Each gate adds its vector times the cell.",
        },
    ),
    Question(
        name="cell_gradient",
        points=3,
        hints={
            "tanh": "The cell reaches the hidden state through tanh. Its slope is one minus the square of tanh.",
            "output": "The hidden state is the output gate times tanh of the cell. The gate belongs into the derivative.",
            "forget": "From the new cell to the old one the gradient passes the forget gate.",
            "sum": "The cell is used twice, by the hidden state and by the next step. Both gradients add up.",
        },
    ),
)

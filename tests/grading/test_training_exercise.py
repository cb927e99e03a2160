"""The exercise that grades a trained model: a fair task, and labels that stay on our side."""

import pytest
import torch

from d2l_lite.grading import MismatchError
from d2l_lite.grading.proving import exercise_set
from tools.exercise_source import read_source, source_path
from tools.repository import ROOT

SOURCE = read_source(source_path(ROOT, "mlp"))
CASES = {case.function.__name__: case for case in exercise_set(SOURCE, hidden=True).cases}
VISIBLE, HIDDEN = (CASES[f"trains_on_{name}_curves"].function for name in ("fresh", "other"))


class Learner:
    """A submission that notes everything it is given."""

    def __init__(self, *layers, lr=0.1, momentum=0.9):
        self.layers, self.options, self.given = layers, {"lr": lr, "momentum": momentum}, []

    def train_classifier(self, X, y):
        self.given += [X, y]
        net = torch.nn.Sequential(*(make() for make in self.layers))
        optimizer = torch.optim.SGD(net.parameters(), **self.options)
        for _ in range(15):
            for batch in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(net(X[batch]), y[batch]).backward()
                optimizer.step()
        return lambda X_new: self.given.append(X_new) or net(X_new).detach()


def network(width=64):
    return (
        lambda: torch.nn.Linear(32, width),
        torch.nn.ReLU,
        lambda: torch.nn.Linear(width, 10),
    )


def judged(learner, case, seed):
    """Return the message and hint of the case; two empty strings where it passes."""
    torch.manual_seed(seed)
    try:
        case(learner, torch.Generator().manual_seed(seed))
    except MismatchError as failure:
        return failure.message, failure.hint
    return "", ""


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("case", [VISIBLE, HIDDEN], ids=["visible", "hidden"])
def test_a_plain_recipe_passes_and_a_linear_model_stays_far_below(case, seed):
    assert judged(Learner(*network(), momentum=0), case, seed) == ("", "")
    message, hint = judged(Learner(lambda: torch.nn.Linear(32, 10)), case, seed)
    assert hint == "linear"
    assert float(message.split(" %")[0]) < 30


def test_labels_of_new_examples_never_reach_the_learner():
    learner = Learner(*network())
    judged(learner, VISIBLE, 0)
    X, y, *asked = learner.given
    assert y.tolist() == sorted(y.tolist())
    assert len(X) == len(y) == 2000
    assert len(asked) == 2
    assert all(one.dtype == torch.float32 and one.shape[1:] == (32,) for one in asked)


def test_new_examples_come_in_no_order_of_classes():
    learner = Learner(*network())
    judged(learner, VISIBLE, 0)
    new = learner.given[-1][:2000]
    net = learner.train_classifier(*learner.given[:2])
    classes = net(new).argmax(1).double()
    places = torch.stack([classes, torch.arange(2000.0)])
    assert abs(torch.corrcoef(places)[0, 1]) < 0.1


def test_both_cases_draw_other_curves_even_with_one_seed():
    first, second = Learner(*network()), Learner(*network())
    judged(first, VISIBLE, 0)
    judged(second, HIDDEN, 0)
    rows = first.given[0][:200].mean(0), second.given[0][:200].mean(0)
    assert not torch.allclose(*rows, atol=1e-3)
    X_first = {tuple(row) for row in first.given[0].tolist()}
    assert not X_first & {tuple(row) for row in second.given[0].tolist()}


def test_a_model_that_is_not_told_that_training_is_over_gets_its_hint():
    first, relu, last = network()
    learner = Learner(first, relu, lambda: torch.nn.Dropout(0.1), last)
    assert judged(learner, VISIBLE, 0)[1] == "eval"

"""Visible cases of the exercise set `pca_autoencoders`.

Generated from exercises/source/pca_autoencoders.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from d2l_lite.grading import case, close, equal, holds


def axes_with(*lengths):
    """Return centered points at plus and minus each length along its own axis."""
    diagonal = torch.diag(torch.tensor(lengths, dtype=torch.float64))
    return torch.cat([diagonal, -diagonal])


@case("num_components")
def components_by_hand(s):
    """Singular values as 4 : 3 : 1, so variances as 16 : 9 : 1; 90 percent need two, 60 percent one"""
    X = axes_with(4.0, 3.0, 1.0)
    equal(s.num_components(X, 0.9), 2, mistakes={"squares": 3, "count": 1})
    equal(s.num_components(X, 0.6), 1, mistakes={"squares": 2, "count": 0})


@case("num_components", hint="center")
def components_far_from_zero(s):
    """The same points moved by 100 along the last axis need the same number"""
    X = axes_with(4.0, 3.0, 1.0) + torch.tensor([0.0, 0.0, 100.0])
    equal(s.num_components(X, 0.9), 2, mistakes={"center": 1})


@case("reconstruct")
def rebuilt_by_hand(s):
    """A flat cloud around (10, 1), one component: the new point (12, 5) falls to (12, 1)"""
    X = torch.tensor([[7.0, 1.0], [13.0, 1.0], [10.0, 0.0], [10.0, 2.0]])
    want = torch.tensor([[12.0, 1.0]])
    mistakes = {
        "mean_back": torch.tensor([[2.0, 0.0]]),
        "leak": torch.tensor([[12.0, 5.0]]),
    }
    close(s.reconstruct(X, torch.tensor([[12.0, 5.0]]), 1), want, mistakes=mistakes)


@case("reconstruct", hint="rows")
def rebuilt_along_a_diagonal(s):
    """Points on the line through (1, 2, 2) are rebuilt exactly from one component"""
    line = torch.tensor([[1.0, 2.0, 2.0]])
    X = torch.tensor([[-1.0], [0.0], [3.0]]) * line
    close(s.reconstruct(X, 5 * line, 1), 5 * line, atol=1e-4)


@case("unmix", hint="subspace")
def unmix_two_axes(s):
    """Data with variances 9, 4 and 0.01 along the axes; the decoder holds (1, 1, 0) and (1, -2, 0)"""
    X = axes_with(3.0, 2.0, 0.1)
    decoder = torch.tensor([[1.0, 1.0, 0.0], [1.0, -2.0, 0.0]], dtype=torch.float64)
    want = torch.eye(3, 2, dtype=torch.float64)
    close(s.unmix(decoder, X).abs(), want, mistakes={"order": want.flip(1)})


@case("unmix", hint="orthonormal")
def unmix_is_orthonormal(s):
    """The directions have length 1 and are orthogonal"""
    X = axes_with(3.0, 2.0, 1.0)
    V = s.unmix(torch.tensor([[5.0, 0.0, 1.0], [4.0, 1.0, 0.0]], dtype=torch.float64), X)
    close(V.T @ V, torch.eye(2, dtype=torch.float64))


@case("tanh_contraction")
def contraction_by_hand(s):
    """Codes (0.5, 0), columns of squared length 4 and 1: 0.75² · 4 + 1 · 1 = 3.25"""
    H, W = torch.tensor([[0.5, 0.0]]), torch.tensor([[2.0, 0.6], [0.0, 0.8]])
    values = {"slope": 0.25, "square": 4.0, "sum": 1.625}
    mistakes = {hint: torch.tensor(value) for hint, value in values.items()}
    close(s.tanh_contraction(H, W), torch.tensor(3.25), mistakes=mistakes)


@case("tanh_contraction", hint="slope")
def contraction_of_saturated_units(s):
    """Units at plus or minus 1 do not move"""
    H = torch.tensor([[1.0, -1.0], [-1.0, -1.0]])
    close(s.tanh_contraction(H, torch.ones(3, 2)), torch.tensor(0.0))


@case("masked_loss")
def masked_identity(s):
    """The identity on ones, a quarter lost: the error is the share of lost entries"""
    X, g = torch.ones(40, 50), torch.Generator().manual_seed(3)
    lost = (torch.rand(40, 50, generator=torch.Generator().manual_seed(3)) < 0.25).float()
    kept = (1 - lost).mean()
    scaled = (((1 - lost) / 0.75 - 1) ** 2).mean()
    mistakes = {"target": torch.tensor(0.0), "kept": kept, "scale": scaled}
    close(s.masked_loss(torch.eye(50), X, 0.25, g), lost.mean(), mistakes=mistakes)


@case("masked_loss", hint="target")
def masked_silent_net(s):
    """A net that always answers 0 has the mean square of the clean batch as its loss"""
    X, g = torch.arange(1.0, 13.0).reshape(3, 4), torch.Generator().manual_seed(0)
    close(s.masked_loss(torch.zeros(4, 4), X, 0.5, g), (X**2).mean())


@case("auc_by_pairs")
def pairs_by_hand(s):
    """Normal 1, 2, 3, 3, anomalous 2, 3: of eight pairs three are won and three tied, so 4.5 / 8"""
    got = s.auc_by_pairs(torch.tensor([1.0, 2.0, 3.0, 3.0]), torch.tensor([2.0, 3.0]))
    mistakes = {"ties": 3 / 8, "direction": 3.5 / 8}
    mistakes = {hint: torch.tensor(value) for hint, value in mistakes.items()}
    close(torch.as_tensor(got).float(), torch.tensor(4.5 / 8), mistakes=mistakes)


@case("auc_by_pairs", hint="pairs")
def pairs_of_any_sizes(s):
    """Three normal and three anomalous scores in a bad order: 6, 4, 2 against 5, 3, 1 wins three of nine"""
    got = s.auc_by_pairs(torch.tensor([6.0, 4.0, 2.0]), torch.tensor([5.0, 3.0, 1.0]))
    close(torch.as_tensor(got).float(), torch.tensor(3 / 9))


@case("allocate_bits")
def bits_by_hand(s):
    """Variances 64, 16 and 0.01, three bits: the level is 4, so 2 and 1 bits; a fourth is shared"""
    variances = torch.tensor([64.0, 16.0, 0.01], dtype=torch.float64)
    got = s.allocate_bits(variances, 3.0)
    logs = 0.5 * torch.log2(variances)
    above = (0.5 * torch.log2(variances / variances.mean() * 4)).clamp(min=0)
    half = torch.tensor([2.5, 0.5, 0.0]).double()
    mistakes = {"half": half, "negative": logs - logs.mean() + 1, "total": above}
    close(got, torch.tensor([2.0, 1.0, 0.0]).double(), atol=1e-6, mistakes=mistakes)
    close(s.allocate_bits(variances, 4.0), torch.tensor([2.5, 1.5, 0.0]).double(), atol=1e-6)


@case("allocate_bits", hint="negative")
def bits_of_a_tiny_component(s):
    """No component gets less than zero bits"""
    bits = s.allocate_bits(torch.tensor([9.0, 1.0, 1e-6], dtype=torch.float64), 2.0)
    holds(bool((bits >= 0).all()), "bits must not be negative")


QUESTIONS = (
    Question(
        name="num_components",
        points=2,
        hints={
            "squares": "Variances are the squares of the singular values.",
            "center": "Subtract the mean of each column. Otherwise the first component spends itself on the mean.",
            "count": "With shares 0.5, 0.8, 1.0 and the demand 0.8, the answer is 2. Count the components, do not return an index.",
        },
    ),
    Question(
        name="reconstruct",
        points=2,
        hints={
            "mean_back": "The reconstruction lies near the example, not near zero. Add the mean at the end.",
            "leak": "New examples are centered with the mean of the data that the model was fitted to.",
            "rows": "torch.linalg.svd returns the transposed directions: its rows are the components.",
        },
    ),
    Question(
        name="unmix",
        points=3,
        hints={
            "orthonormal": "The rows of the decoder are a basis, but not an orthonormal one. Make one first, for instance by a QR decomposition.",
            "order": "The largest variance comes first. eigh returns eigenvalues in rising order.",
            "subspace": "An orthonormal basis of the subspace is not enough. Within it, find the axes along which the data vary most.",
        },
    ),
    Question(
        name="tanh_contraction",
        points=2,
        hints={
            "slope": "The slope of tanh is 1 - h ** 2. The product h * (1 - h) belongs to the sigmoid.",
            "square": "The penalty is a sum of squares, so the slope is squared as well as the weights.",
            "sum": "Sum over the units, and take the mean over the examples only.",
        },
    ),
    Question(
        name="masked_loss",
        points=2,
        hints={
            "target": "The target is the clean batch. A net that gives back the spoiled one has learned to copy.",
            "kept": "The share says how much is lost, not how much is kept.",
            "scale": "Masking here is plain. Dropout would divide the rest by the share that is kept, but nothing of the kind is asked.",
        },
    ),
    Question(
        name="auc_by_pairs",
        points=2,
        hints={
            "ties": "A pair with equal scores counts one half.",
            "direction": "The score of an anomaly should be the higher one. Below one half the ranking is upside down.",
            "pairs": "Compare each anomalous example with each normal one, not row by row.",
        },
    ),
    Question(
        name="allocate_bits",
        points=3,
        hints={
            "half": "A bit halves the error of a number, and so divides its squared error by four. That is the factor one half before the logarithm.",
            "negative": "A component below the water level gets zero bits, not a negative number of them.",
            "total": "The bits must add up to the total. Lower the water level if they are too few.",
        },
    ),
)

"""Visible cases of the exercise set `language_models`.

Generated from exercises/source/language_models.md by tools/exercises.py: edit that file.
"""

from d2l_lite.grading.cases import Question


import math
from collections import Counter

import numpy as np
import torch

from d2l_lite.grading import case, close, equal, holds


@case("batch_perplexity")
def two_batches(s):
    """Three tokens with loss log 2 and one with loss log 32: log 2 times (3 + 5) / 4"""
    got = s.batch_perplexity([math.log(2), math.log(32)], [3, 1])
    close(got, 4.0, mistakes={"size": 8.0, "order": 9.5, "bits": 2 ** (2 * math.log(2))})


@case("batch_perplexity", hint="order")
def uniform_guesses(s):
    """Every batch at log 40, whatever its size: a uniform guess among 40"""
    close(s.batch_perplexity([math.log(40)] * 3, [7, 1, 90]), 40.0)


@case("next_probability", hint="mass")
def counted_by_hand(s):
    """In "abracadabra" b follows a twice of four times; alpha 1, five symbols: 3 / 9"""
    got = s.next_probability("abracadabra", "a", "b", alpha=1, V=5)
    close(got, 3 / 9, mistakes={"mass": 3 / 5, "end": 3 / 10})


@case("next_probability", hint="overlap")
def overlapping_contexts(s):
    """In "aaaab" an a follows "aa" twice, and b once; alpha 0"""
    close(s.next_probability("aaaab", "aa", "a", alpha=0, V=2), 2 / 3)


@case("next_probability", hint="end")
def context_at_the_end(s):
    """In "xyx" the last x is followed by nothing; alpha 0"""
    close(s.next_probability("xyx", "x", "y", alpha=0, V=2), 1.0)


@case("continuation")
def pairs_by_hand(s):
    """Pairs of "abababcb": ab, ba, bc, cb; two end in b"""
    got = s.continuation("abababcb")
    counted = [2 / 7, 4 / 7, 1 / 7]
    close([got[x] for x in "abc"], [0.25, 0.5, 0.25], mistakes={"kinds": counted})


@case("continuation", hint="after")
def asymmetric_pairs(s):
    """Pairs of "abacad": ab, ba, ac, ca, ad; two of five end in a, and three begin with it"""
    close(s.continuation("abacad")["a"], 2 / 5)


@case("continuation", hint="first")
def only_at_the_beginning(s):
    """In "xaa" nothing comes before x"""
    equal(sorted(s.continuation("xaa")), ["a", "x"])
    close(s.continuation("xaa")["x"], 0.0)


@case("rnn_step", hint="transpose")
def step_by_hand(s):
    """Symbol 1 adds (1, 0); the state (1, 0) passes on (0, 2)"""
    W_xh, W_hh = torch.tensor([[5.0, 5.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.5, 0.0]])
    H, b = torch.tensor([[1.0, 0.0]]), torch.tensor([0.0, -1.0])
    got = s.rnn_step(torch.tensor([1]), H, W_xh, W_hh, b)
    mistakes = {
        "transpose": torch.tanh(torch.tensor([[1.0, -0.5]])),
        "squash": torch.tensor([[1.0, math.tanh(2.0) - 1]]),
    }
    close(got, torch.tanh(torch.tensor([[1.0, 1.0]])), mistakes=mistakes)


@case("rnn_step", hint="lookup")
def step_of_two_examples(s):
    """Symbols 2 and 0 with a zero state pick their rows"""
    W_xh = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    got = s.rnn_step(torch.tensor([2, 0]), torch.zeros(2, 2), W_xh, torch.eye(2), torch.zeros(2))
    close(got, torch.tanh(torch.tensor([[0.5, 0.6], [0.1, 0.2]])))


@case("nucleus")
def nucleus_by_hand(s):
    """Of 1/8, 1/2, 1/4 and 1/8 (about) with p = 0.7 the two largest stay: 2/3 and 1/3"""
    probs = torch.tensor([0.13, 0.5, 0.25, 0.12])
    want = torch.tensor([0.0, 2 / 3, 1 / 3, 0.0])
    mistakes = {
        "crossing": torch.tensor([0.0, 1.0, 0.0, 0.0]),
        "sum": torch.tensor([0.0, 0.5, 0.25, 0.0]),
        "order": torch.tensor([0.13, 0.5, 0.25, 0.0]) / 0.88,
    }
    close(s.nucleus(probs, 0.7), want, mistakes=mistakes)


@case("nucleus", hint="crossing")
def nucleus_keeps_one(s):
    """With p = 0.1 the most probable symbol alone is the set"""
    close(s.nucleus(torch.tensor([0.2, 0.7, 0.1]), 0.1), torch.tensor([0.0, 1.0, 0.0]))


@case("clip_together", hint="joint")
def clipped_by_hand(s):
    """The gradients (3) and (0, 4) have the joint norm 5; the limit 1 divides both by 5"""
    got = s.clip_together([torch.tensor([3.0]), torch.tensor([0.0, 4.0])], 1.0)
    want = torch.tensor([0.6, 0.0, 0.8])
    mistakes = {"joint": torch.tensor([1.0, 0.0, 1.0])}
    close(torch.cat(list(got)), want, mistakes=mistakes)


@case("clip_together", hint="value")
def direction_is_kept(s):
    """The gradient (6, 0.8, 0) with the limit 3.0265: every entry is halved"""
    limit = math.hypot(3.0, 0.4)
    close(s.clip_together([torch.tensor([6.0, 0.8, 0.0])], limit)[0], torch.tensor([3.0, 0.4, 0.0]))


@case("clip_together", hint="grow")
def small_gradients_stay(s):
    """A joint norm of 0.5 is below the limit 2"""
    got = s.clip_together([torch.tensor([0.3]), torch.tensor([0.4])], 2.0)
    close(torch.cat(list(got)), torch.tensor([0.3, 0.4]))


@case("jacobian_through_time", hint="transpose")
def jacobian_of_one_step(s):
    """At the state zero the slope is 1, and the Jacobian is the transpose of W_hh"""
    W = torch.tensor([[0.0, 2.0], [0.5, 0.0]])
    close(s.jacobian_through_time(torch.zeros(1, 2), W), W.T, mistakes={"transpose": W})


@case("jacobian_through_time", hint="order")
def jacobian_of_two_steps(s):
    """States (0, 1/2) and (1/2, 0) by hand"""
    W, half = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), 0.5
    one, two = torch.diag(torch.tensor([1.0, 0.75])) @ W.T, torch.diag(torch.tensor([0.75, 1.0])) @ W.T
    mistakes = {"order": one @ two, "slope": W.T @ W.T}
    close(s.jacobian_through_time(torch.tensor([[0.0, half], [half, 0.0]]), W), two @ one, mistakes=mistakes)


QUESTIONS = (
    Question(
        name="batch_perplexity",
        points=2,
        hints={
            "size": "A batch of ten tokens must not count as much as one of ninety. Weigh each mean by its number of tokens.",
            "order": "First the mean over all tokens, then the exponential, once.",
            "bits": "Losses in nats belong to the base e.",
        },
    ),
    Question(
        name="next_probability",
        points=2,
        hints={
            "overlap": "In \"aaaa\" the string \"aaa\" occurs twice. The method str.count leaves overlaps out.",
            "end": "A context at the very end of the text is followed by nothing. N(c) counts only contexts that something follows.",
            "mass": "All V symbols got alpha, so the total grew by alpha times V.",
        },
    ),
    Question(
        name="continuation",
        points=2,
        hints={
            "kinds": "A pair that occurs a hundred times counts once. Collect the pairs in a set first.",
            "after": "Count what stands before the symbol, not what follows it.",
            "first": "The dictionary has an entry for every symbol of the text, also for one that only stands at its beginning.",
        },
    ),
    Question(
        name="rnn_step",
        points=2,
        hints={
            "transpose": "Rows of H are examples and the book's W_hh has the shape (h, h) from old to new state. Nothing is transposed.",
            "squash": "The tanh belongs around the whole sum, not around the recurrent part alone.",
            "lookup": "A one-hot vector times W_xh is a row of W_xh.",
        },
    ),
    Question(
        name="nucleus",
        points=2,
        hints={
            "crossing": "The symbol that carries the total over p belongs to the set. Without it the total is below p.",
            "sum": "What is kept must sum to 1 again.",
            "order": "The most probable symbols come first, whatever their index.",
        },
    ),
    Question(
        name="clip_together",
        points=2,
        hints={
            "joint": "Scaling each tensor by its own norm changes the direction. There is one norm, of all entries of all tensors.",
            "grow": "A gradient below the limit is left alone, not blown up to it.",
            "value": "Cutting entries one by one changes the direction. Scale them all by the same factor.",
        },
    ),
    Question(
        name="jacobian_through_time",
        points=3,
        hints={
            "order": "The Jacobian of a later step stands further left.",
            "slope": "The derivative of tanh is 1 - h ** 2, in terms of its value, and multiplies the rows.",
            "transpose": "Row vectors are multiplied by W_hh from the right, so the Jacobian for columns holds its transpose.",
        },
    ),
)

"""The definitions of the chapter on language models against independent programs."""

import ast
import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import MultinomialNB
from torch import nn
from torch.nn import functional as F  # noqa: N812

import d2l_lite as d2l

V = 6


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def text(generator):
    """Symbols 1 to 5 with strong dependence on the symbol before; 0 never occurs."""
    steps = torch.randint(3, (400,), generator=generator)
    return (steps.cumsum(0) % (V - 1) + 1).numpy()


@pytest.fixture
def net(ch):
    torch.manual_seed(3)
    return ch["CharRNN"](V, 5).double()


def test_pairs_of_a_string_equal_counter(ch):
    text = "the theater"
    got = ch["count_pairs"](text)
    flat = Counter({a + b: n for a, row in got.items() for b, n in row.items()})
    assert flat == Counter(text[i : i + 2] for i in range(len(text) - 1))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_keys_are_numbers_in_base_v(ch, text, n):
    got = ch["make_keys"](text, n, V)
    digits = ["".join(map(str, text[i : i + n])) for i in range(len(text) - n + 1)]
    assert got.tolist() == [int(word, V) for word in digits]


def test_bigrams_equal_naive_bayes(ch, text):
    ours = ch["bigram_model"](text, V, 0.3)
    oracle = MultinomialNB(alpha=0.3).fit(np.eye(V)[text[1:]], text[:-1])
    np.testing.assert_allclose(ours[oracle.classes_], np.exp(oracle.feature_log_prob_))
    np.testing.assert_allclose(ours[0], 1 / V)


def test_perplexity_is_exp_of_the_mean_over_all_tokens(ch, generator):
    logits = torch.randn(40, V, generator=generator, dtype=torch.float64)
    y = torch.randint(V, (40,), generator=generator)
    log_p = torch.log_softmax(logits, 1)[torch.arange(40), y]
    np.testing.assert_allclose(ch["perplexity"](log_p), F.cross_entropy(logits, y).exp())
    assert ch["perplexity"](np.zeros(3)) == 1
    np.testing.assert_allclose(ch["perplexity"](np.full(9, -math.log(40))), 40)


def test_means_of_batches_leave_out_batches_without_tokens(ch):
    got = ch["batch_means"](np.array([1.0, 2, 3, 10]), np.array([0, 0, 2, 2]))
    assert got.tolist() == [1.5, 6.5]


def kneser_ney(text, context, x, discount=0.75):
    """Return P(x | context) by the definition: raw counts on top, continuation counts below."""

    def count(gram, is_top):
        places = [i for i in range(len(text)) if tuple(text[i : i + len(gram)]) == gram]
        if is_top:
            return len(places)
        spare = order - len(gram)  # how many symbols longer the longest n-grams are
        longer = {tuple(text[i - 1 : i + len(gram)]) for i in places if i >= spare > 0}
        return len(longer)

    order, p = len(context) + 1, 1 / V
    for k in range(len(context) + 1):
        c = context[len(context) - k :]
        counts = [count((*c, s), k == len(context)) for s in range(V)]
        if sum(counts):
            saved = discount * sum(n > 0 for n in counts)
            p = (max(counts[x] - discount, 0) + saved * p) / sum(counts)
    return p


def test_kneser_ney_equals_the_definition(ch, text):
    short = text[:60].tolist()
    model = ch["KneserNey"](short, 3, V)
    got = model.prob(np.arange(V * V)[:, None], np.arange(V))
    want = [
        [kneser_ney(short, context, x) for x in range(V)]
        for context in itertools.product(range(V), repeat=2)
    ]
    np.testing.assert_allclose(got, want)
    np.testing.assert_allclose(got.sum(1), 1)


def test_kneser_ney_in_loops_equals_the_tables(ch, text):
    letters = "".join("abcdef"[i] for i in text[:120])
    grams = Counter(letters[i : i + 4] for i in range(len(letters) - 3))
    model = ch["KneserNey"](text[:120], 4, V)
    for context in ("bcd", "fbd", "aaa", "cca"):
        key = int("".join(str("abcdef".index(a)) for a in context), V)
        slow = [ch["kneser_ney_loops"](grams, context, x, V) for x in "abcdef"]
        np.testing.assert_allclose(slow, model.prob(key, np.arange(V)))


def test_log_probs_of_ngrams_one_symbol_at_a_time(ch, text):
    model, held = ch["KneserNey"](text[:300], 3, V), text[300:]
    got = ch["ngram_log_probs"](model, held)
    padded = [0, *held]
    want = [math.log(model.prob(padded[i - 1] * V + padded[i], padded[i + 1]))
            for i in range(1, len(held))]  # fmt: skip
    np.testing.assert_allclose(got, want)


def test_added_alpha_equals_the_matrix_of_bigrams(ch, text):
    model, held = ch["KneserNey"](text[:300], 2, V), text[300:]
    got = ch["add_alpha_log_probs"](model, held, 0.2)
    matrix = ch["bigram_model"](text[:300], V, 0.2)
    np.testing.assert_allclose(got, np.log(matrix[held[:-1], held[1:]]))


def test_samples_of_ngrams_have_the_models_frequencies(ch, text):
    model = ch["KneserNey"](text, 2, V)
    start = np.full((20_000, 1), 2)
    drawn = ch["sample_ngram"](model, start, 2, np.random.default_rng(0))
    assert drawn.shape == (20_000, 3)
    matrix = model.prob(np.arange(V)[:, None], np.arange(V))
    want = matrix[2], matrix[2] @ matrix
    for column, p in zip(drawn.T[1:], want, strict=True):
        np.testing.assert_allclose(np.bincount(column, minlength=V) / len(drawn), p, atol=0.015)


def copied(net):
    """Return PyTorch's layer with the weights of a network of the chapter."""
    layer = nn.RNN(*net.W_xh.shape, batch_first=True, dtype=torch.float64)
    weights = {"weight_ih_l0": net.W_xh.T, "weight_hh_l0": net.W_hh.T, "bias_ih_l0": net.b}
    layer.load_state_dict({**weights, "bias_hh_l0": torch.zeros_like(net.b)})
    return layer


def test_rnn_equals_pytorchs_from_any_first_state(ch, net, generator):
    X = torch.randint(V, (3, 8), generator=generator)
    H = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    states, last = copied(net)(F.one_hot(X, V).double(), H[None])
    logits, got = net(X, H)
    torch.testing.assert_close(logits, net.output(states), atol=1e-6, rtol=0)
    torch.testing.assert_close(got, last[0], atol=1e-6, rtol=0)


def test_rnn_in_loops_equals_pytorchs(ch, net, generator):
    X = F.one_hot(torch.randint(V, (7,), generator=generator), V).double()
    with torch.no_grad():
        want = copied(net)(X[None])[0][0]
    looped = ch["rnn_loops"](*(part.tolist() for part in (X, net.W_xh, net.W_hh, net.b)))
    np.testing.assert_allclose(looped, want, atol=1e-6)


def test_recurrent_weights_start_orthogonal(ch):
    W = ch["CharRNN"](V, 16).W_hh.detach()
    torch.testing.assert_close(W @ W.T, torch.eye(16), atol=1e-5, rtol=0)


def test_bptt_equals_autograd_and_finite_differences(ch, generator):
    Z, G = torch.randn(2, 6, 3, 4, generator=generator, dtype=torch.float64)
    H_0 = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    W = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    leaves = [part.clone().requires_grad_() for part in (W, Z, H_0)]
    (G * ch["rnn"](leaves[1], leaves[0], leaves[2])).sum().backward()
    got = ch["bptt"](ch["rnn"](Z, W, H_0), G, W, H_0)
    for mine, leaf in zip(got, leaves, strict=True):
        torch.testing.assert_close(mine, leaf.grad, atol=1e-6, rtol=0)
    step = torch.zeros_like(W)
    step[1, 2] = 1e-5
    up, down = ((G * ch["rnn"](Z, W + sign * step, H_0)).sum() for sign in (1, -1))
    torch.testing.assert_close(got[0][1, 2], (up - down) / 2e-5, atol=1e-6, rtol=0)


def test_norms_back_equal_the_product_of_jacobians(ch, generator):
    W = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    Z = torch.randn(5, 1, 4, generator=generator, dtype=torch.float64)
    states = ch["rnn"](Z, W, torch.zeros(1, 4, dtype=torch.float64))
    J, want = torch.eye(4, dtype=torch.float64), [1.0]
    for H in states.flip(0):
        J = J @ torch.diag(1 - H[0] ** 2) @ W.T
        want.append((torch.ones(4, dtype=torch.float64) @ J).norm().item() / 2)
    np.testing.assert_allclose(ch["norms_back"](states, W, 5), want)


def test_norms_back_stay_below_the_bound(ch, generator):
    W = 0.9 * torch.linalg.qr(torch.randn(8, 8, generator=generator))[0]
    states = ch["rnn"](torch.randn(30, 1, 8, generator=generator), W, torch.zeros(1, 8))
    assert (ch["norms_back"](states, W, 30) <= 0.9 ** torch.arange(31) + 1e-6).all()


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_equals_pytorchs(ch, generator, limit):
    grads = [torch.randn(size, generator=generator) for size in ((3, 4), (5,))]
    ours, theirs = ([nn.Parameter(torch.zeros_like(g)) for g in grads] for _ in range(2))
    for p, g in zip(ours + theirs, grads + grads, strict=True):
        p.grad = g.clone()
    unused = nn.Parameter(torch.zeros(2))
    norm = ch["clip_gradients"]([*ours, unused], limit)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs, limit))
    for mine, p in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, p.grad, atol=1e-5, rtol=1e-5)


def trained(ch, carry, num_steps, text):
    """Return the losses and the network of a short training, with the chapter's own loop."""
    torch.manual_seed(5)
    net = ch["CharRNN"](V, 8)
    recipe = {"optimizer": torch.optim.SGD(net.parameters(), lr=0.5)}
    options = {"num_steps": num_steps, "carry": carry, "clip": math.inf}
    return ch["train_rnn"](net, torch.as_tensor(text), recipe, **options), net


def test_the_state_is_carried_and_the_gradient_cut(ch, generator):
    """The second window of a training against PyTorch's layer, its first state a constant."""
    text = torch.randint(V, (32 * 8 + 1,), generator=generator)
    windows = list(d2l.sequential_batches(text, batch_size=32, num_steps=4))
    for carry in (True, False):
        losses, _ = trained(ch, carry, 4, text)
        torch.manual_seed(5)
        net, H = ch["CharRNN"](V, 8), None
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        for (X, y), loss in zip(windows, losses, strict=True):
            layer = copied(net).float()
            for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
                getattr(layer, name).grad = None
            states, last = layer(F.one_hot(X, V).float(), H)
            ours = F.cross_entropy(net.output(states).transpose(1, 2), y)
            np.testing.assert_allclose(loss, ours.item(), rtol=1e-5)
            optimizer.zero_grad()
            ours.backward()
            net.W_xh.grad, net.W_hh.grad = layer.weight_ih_l0.grad.T, layer.weight_hh_l0.grad.T
            net.b.grad = layer.bias_ih_l0.grad
            optimizer.step()
            H = last.detach() if carry else None


def test_log_probs_of_the_network_read_each_piece_from_the_start(ch, net, text):
    text = torch.as_tensor(text)[:398]
    got = ch["rnn_log_probs"](net, text, num_pieces=4)
    length = (len(text) - 1) // 4
    want = []
    for i in range(4):
        piece = text[i * length : (i + 1) * length + 1]
        logits = net.output(copied(net)(F.one_hot(piece[None, :-1], V).double())[0])[0]
        want.append(-F.cross_entropy(logits, piece[1:], reduction="none"))
    torch.testing.assert_close(got, torch.cat(want).detach())


def cut_by_definition(logits, temperature, top_k, top_p):
    """Return the probabilities of one row, symbol by symbol in falling order."""
    p = np.exp(logits / temperature)
    order = np.argsort(-p, kind="stable")[:top_k]
    p, kept, total = p / p[order].sum(), np.zeros(len(logits)), 0.0
    for i in order:
        if total >= top_p:
            break
        kept[i], total = p[i], total + p[i]
    return kept / kept.sum()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [None, 1, 3])
@pytest.mark.parametrize("top_p", [0.3, 0.8, 1.0])
def test_the_next_symbols_probabilities(ch, generator, temperature, top_k, top_p):
    logits = 2 * torch.randn(3, 7, generator=generator, dtype=torch.float64)
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    got = ch["next_probs"](logits, **how)
    want = [cut_by_definition(row, temperature, top_k, top_p) for row in logits.numpy()]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_samples_at_temperature_zero_follow_the_largest_logit(ch, net):
    start = torch.tensor([[1, 2], [3, 3]])
    drawn = ch["sample_rnn"](net, start, 6, torch.Generator().manual_seed(0), top_k=1)
    for i in range(2, 8):
        logits = net(drawn[:, :i])[0][:, -1]
        assert drawn[:, i].tolist() == logits.argmax(1).tolist()


def test_a_string_is_one_token_on_every_python(ch):
    """From Python 3.12 on, tokenize splits f-strings, which nest."""
    source = """f('a', f"{b(c)}", f"{f'{d}'} {e!r:>{width}}") [0]\n"""
    assert " ".join(ch["skeleton"](source)) == "x ( s , s , s ) [ 0 ] \n"


def test_skeleton_is_python_of_the_same_shape(ch):
    source = "def f(a, *b):\n    # nothing\n    return {a: [1.5, 'x'], **b}\n"
    tokens = ch["skeleton"](source)
    lines = " ".join(tokens).split("\n")
    assert lines[0].strip() == "def x ( x , * x ) :"
    assert lines[1].strip() == "return { x : [ 0 , s ] , ** x }"
    ast.parse(lines[1].strip().replace("return", "y ="))


@pytest.mark.parametrize("length", range(1, 6))
def test_closing_equals_removing_pairs(ch, length):
    """All strings of brackets: a line closes if removing adjacent pairs leaves nothing."""
    for tokens in itertools.product("([)]x", repeat=length):
        rest = "".join(tokens).replace("x", "")
        while (shorter := re.sub(r"\(\)|\[\]", "", rest)) != rest:
            rest = shorter
        assert ch["closes"](tokens) == (not rest)
        opened = sum(map(tokens.count, "([")) - sum(map(tokens.count, ")]"))
        assert ch["open_brackets"](tokens) == opened


@pytest.mark.parametrize("length", [2, 4, 6])
def test_partners_are_where_the_brackets_between_close(ch, length):
    """The partner is the last opening bracket from which on the tokens close."""
    for tokens in itertools.product("([)]x", repeat=length):
        if not ch["closes"](tokens):
            continue
        want = [
            next((k for k in range(1, i + 1) if ch["closes"](tokens[i - k : i + 1])), None)
            if token in ")]"
            else 0
            for i, token in enumerate(tokens)
        ]
        assert ch["partner_distances"](tokens).tolist() == want


def test_lines_without_end_count_as_open(ch):
    vocab = d2l.Vocabulary(["(", ")", "x", "\n"])
    rows = [["\n", "(", ")", "\n", ")"], ["\n", "x", "x", "x", "x"], ["\n", "(", "\n", ")", "\n"]]
    assert ch["share_closed"]([vocab.encode(row) for row in rows], vocab) == pytest.approx(1 / 3)


def test_the_facts_of_the_syllabus(printed_by):
    assert printed_by("nn.RNN(10_000, 100").startswith("1,010,000 ")
    shown = printed_by("uniform over 40 symbols")
    assert re.findall(r"\d+\.\d+", shown) == ["1.00", "40.00", "4.00"]
    assert "four gradients equal autograd's" in printed_by("= bptt(")


def test_wrong_averages_differ_from_the_perplexity(printed_by):
    right, *rest = map(float, re.findall(r"\d+\.\d{3}", printed_by("mean of perplexities")))
    (tens, tens_mean), (lines, lines_mean) = rest[:2], rest[2:]
    assert abs(tens - right) < 0.01  # batches of equal size
    assert tens_mean > tens
    assert lines_mean > lines
    assert abs(lines - right) > 0.5


def test_frequencies_and_then_a_character_help_alike(printed_by):
    uniform, alone, pairs = numbers(printed_by("singles = np.bincount"))
    assert 1.5 < uniform / alone < 2 > alone / pairs > 1.5


def test_only_far_partners_favor_the_state(printed_by):
    rows = printed_by("groups = {").splitlines()
    _, beyond, inside = ([float(v) for v in re.findall(r"\d+\.\d+", row)] for row in rows)
    assert beyond[1] + beyond[2] < beyond[0]
    assert inside[0] < inside[1] - inside[2]


def test_a_matrix_without_spectral_radius_can_double_gradients(printed_by):
    at_zero, unequal = (
        [float(v) for v in row.split("norms")[1].split()]
        for row in printed_by("slopes 1 and").splitlines()
    )
    assert at_zero[2:] == [0] * 4
    assert unequal[2:] == [2 * v for v in unequal[1:-1]]


def test_random_weights_hold_half_of_the_depth_and_training_most_of_the_rest(printed_by):
    shown = re.findall(r"(\d\.\d+) ± (\d\.\d+)", printed_by("depth_r2(net)"))
    (trained, spread), (random, also) = (map(float, row) for row in shown)
    assert 0.5 < random + also < trained - spread
    assert trained - random > 0.5 * (1 - random)


def test_tables_spell_better_as_most_words_fit_into_a_run(printed_by):
    rows = printed_by("tables[-1][0]").splitlines()
    known, text, copied, short = (int(re.search(r"(\d+)%", row)[1]) for row in rows)
    network = int(re.search(r"(\d+)% known.* \{\}", printed_by("in (half, {}"))[1])
    assert network + 10 < known < text < known + 10
    assert copied > 80
    assert short > 50


def test_clipping_rescued_every_run_of_the_chapter(printed_by):
    shown = printed_by("sgd_run(s, lr, clip)").splitlines()
    rows = np.array([[float(v.strip("%")) for v in row.split()] for row in shown[1:]])
    small, large, clipped = np.split(rows, 3)
    assert large[:, 2].min() > 5 * small[:, 2].max()  # many times larger gradients
    assert large[:, -1].min() > 100 > small[:, -1].max() > clipped[:, -1].max()
    for column in (3, 4):  # both matrices were thrown far
        assert large[:, column].min() > 2 * max(small[:, column].max(), clipped[:, column].max())
    assert large[:, 5].min() > 99 > 1 > max(small[:, 5].max(), clipped[:, 5].max())


def test_a_watcher_is_called_after_each_window(ch):
    seen = []

    def watch(num_windows, norm):
        grads = torch.cat([p.grad.flatten() for p in net.parameters()])
        torch.testing.assert_close(grads.norm().item(), min(norm, 0.1), atol=0, rtol=1e-4)
        seen.append(num_windows)

    text = torch.randint(V, (32 * 8 + 1,), generator=torch.Generator().manual_seed(0))
    net = ch["CharRNN"](V, 8)
    recipe = {"optimizer": torch.optim.SGD(net.parameters(), lr=0.1)}
    how = {"num_epochs": 2, "num_steps": 4, "clip": 0.1, "watch": watch}
    losses = ch["train_rnn"](net, text, recipe, **how)
    assert seen == [1, 2, 3, 4]
    assert len(losses) == 4


def numbers(row):
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", row)]


def test_a_carried_state_helped_in_the_chapter(printed_by):
    carried, reset = map(numbers, printed_by("carry_run(s, carry)").splitlines())
    assert carried[0] + carried[1] < reset[2] - reset[3]


def test_no_held_out_line_stands_in_the_training_text(ch, printed_by):
    lines = [(str(i),) for i in range(103)]
    held, kept = ch["hold_out"](lines, np.random.default_rng(1))
    assert len(held) == 20
    assert sorted(held + kept) == sorted(lines)
    assert held != lines[:20]
    _, once = printed_by("hold_out(group").splitlines()
    assert numbers(once.replace(",", ""))[-1] == 0


def test_the_network_is_ahead_on_new_lines_by_little(printed_by):
    tables, net = printed_by("code_nets = [fit_rnn").splitlines()
    best, (learned, spread) = min(numbers(tables)[1::2]), numbers(net)
    assert 0.95 * best < learned + spread < best


def test_the_network_closed_more_lines_than_the_tables(printed_by):
    for row in printed_by("[closing(s, depth)").splitlines()[1:3]:
        _, lines, best, spread, longest, also, learned, last = numbers(row)
        assert lines >= 100
        assert learned - last > max(best + spread, longest + also)

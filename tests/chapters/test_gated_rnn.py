"""The definitions of the chapter on gated networks against PyTorch and differences."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from d2l_lite.scenes import gated as scene
from tests.chapters.loading import load_definitions

CELLS = {"RNN": "rnn_cell", "GRU": "gru_cell", "LSTM": "lstm_cell"}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


def layer_of(kind, **options):
    torch.manual_seed(3)
    return getattr(nn, kind)(3, 4, batch_first=True, **options).double()


def test_the_adding_problem_marks_one_number_in_each_half(ch, generator):
    X, y = ch["adding_problem"](400, 9, generator)
    numbers, marks = X.unbind(dim=2)
    assert X.shape == (400, 9, 2)
    assert marks[:, :4].sum(1).eq(1).all()
    assert marks[:, 4:].sum(1).eq(1).all()
    np.testing.assert_allclose(y, [a[m > 0].sum() for a, m in zip(numbers, marks, strict=True)])
    assert marks.sum(0).min() > 40  # no step is left out
    assert numbers.min() >= 0
    assert numbers.max() <= 1


def test_the_mean_errs_by_one_sixth(ch, generator):
    _, y = ch["adding_problem"](20_000, 10, generator)
    assert abs(((y - 1) ** 2).mean() - 1 / 6) < 0.006


def test_the_gate_of_a_number_is_pytorchs_sigmoid(ch):
    for z in (-800.0, -3.0, 0.0, 0.7, 800.0):
        assert abs(ch["gate_value"](z) - torch.sigmoid(torch.tensor(z)).item()) < 1e-7


def test_loops_equal_pytorchs_cell(ch, generator):
    cell = nn.LSTMCell(3, 2).double()
    x, h, c = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (3, 2, 2))
    bias = cell.bias_ih + cell.bias_hh
    parts = zip(cell.weight_ih.chunk(4), cell.weight_hh.chunk(4), bias.chunk(4), strict=True)
    gates = [(W.T.tolist(), U.T.tolist(), b.tolist()) for W, U, b in parts]
    got = ch["lstm_loops"](x.tolist(), h.tolist(), c.tolist(), gates)
    want = [part[0].tolist() for part in cell(x[None], (h[None], c[None]))]
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_cells_equal_pytorchs_layers_from_any_state(ch, generator, kind):
    layer, count = layer_of(kind), 2 if kind == "LSTM" else 1
    X = torch.randn(5, 6, 3, generator=generator, dtype=torch.float64)
    start = torch.randn(count, 1, 5, 4, generator=generator, dtype=torch.float64)
    state = tuple(part[0] for part in start)
    states = ch["unroll"](ch[CELLS[kind]], X, state, ch["torch_params"](layer))
    H, end = layer(X, tuple(start) if kind == "LSTM" else start[0])
    end = end if kind == "LSTM" else (end,)
    torch.testing.assert_close(torch.stack([s[0] for s in states], 1), H, atol=1e-12, rtol=0)
    for ours, theirs in zip(states[-1], end, strict=True):
        torch.testing.assert_close(ours, theirs[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", CELLS)
def test_the_comparison_sees_outputs_and_gradients(ch, generator, kind):
    X = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert ch["largest_error"](layer_of(kind), ch[CELLS[kind]], X) < 1e-12

    class Detached(type(layer_of(kind))):
        """The same outputs, and no gradient of the first biases."""

        @property
        def all_weights(self):
            W, U, b, b_h = super().all_weights[0]
            return [[W, U, b.detach() + 0 * b, b_h]]

    wrong = layer_of(kind)
    wrong.__class__ = Detached
    assert ch["largest_error"](wrong, ch[CELLS[kind]], X) > 1e-3


@pytest.mark.parametrize("kind", CELLS)
def test_jacobians_equal_differences(ch, generator, kind):
    """Disturb one number of the memory after step 2, and run the rest again."""
    cell, params = ch[CELLS[kind]], [p.detach() for p in ch["torch_params"](layer_of(kind))]
    X = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    states = ch["unroll"](cell, X, ch["starting_state"](cell, 2, 4), params)
    J = ch["memory_jacobians"](states)
    assert J.shape == (5, 2, 4, 4)
    H, C = (states[1][k].detach() for k in (0, -1))
    o = None
    if kind == "LSTM":
        o = H / torch.tanh(C)
    for k, example in itertools.product(range(4), range(2)):
        ends = []
        for sign in (1, -1):
            moved = C.clone()
            moved[example, k] += sign * 1e-6
            state = (moved,) if o is None else (o * torch.tanh(moved), moved)
            ends.append(ch["unroll"](cell, X[:, 2:], state, params)[-1][-1][example])
        slope = (ends[0] - ends[1]) / 2e-6
        torch.testing.assert_close(J[1, example, :, k], slope, atol=1e-8, rtol=0)
    torch.testing.assert_close(J[-1], torch.eye(4).double().expand(2, 4, 4))


def test_without_recurrent_weights_only_the_forget_gates_count(ch, generator):
    W, U, b, b_h = (p.detach() for p in ch["torch_params"](layer_of("LSTM")))
    X = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    state = ch["starting_state"](ch["lstm_cell"], 2, 4)
    states = ch["unroll"](ch["lstm_cell"], X, state, [W, 0 * U, b, b_h])
    gates = torch.sigmoid(X @ W + b + b_h)[:, 2:, 4:8].prod(1)
    torch.testing.assert_close(ch["memory_jacobians"](states)[1], torch.diag_embed(gates))


def test_norms_run_back_from_the_last_step(ch, generator):
    layer = nn.RNN(1, 3, batch_first=True).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0.copy_(torch.diag(torch.tensor([0.5, -0.25, 0.125])))
    norms = ch["fading"](layer, ch["rnn_cell"], torch.zeros(4, 6, 1))
    np.testing.assert_allclose(norms, 0.5 ** np.arange(6))


@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0, 6.0])
def test_half_is_left_after_the_half_life(ch, bias):
    kept = (1 / (1 + math.exp(-bias))) ** ch["half_life"](bias)
    assert abs(kept - 0.5) < 1e-12


def test_starts(ch):
    plain = nn.RNN(2, 5)
    ch["set_start"](plain, 0.0)
    torch.testing.assert_close(plain.weight_hh_l0 @ plain.weight_hh_l0.T, torch.eye(5))
    for kind in ("LSTM", "GRU"):
        layer = layer_of(kind)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.zero_()
            layer.bias_hh_l0[4:8] = 1.0  # PyTorch's second bias must not count
        ch["set_start"](layer, math.log(3))  # the gate is 3/4
        state = torch.full((1, 1, 4), 0.8).double()
        given = (torch.zeros_like(state), state) if kind == "LSTM" else state
        end = layer(torch.zeros(1, 2, 3).double(), given)[1]
        torch.testing.assert_close(end[-1] if kind == "LSTM" else end, state * 0.75**2)
        before = layer.bias_ih_l0.clone()
        ch["set_start"](layer, None)
        torch.testing.assert_close(layer.bias_ih_l0, before)


def test_networks_answer_from_the_last_steps(ch, generator):
    for kind in CELLS:
        net = ch["LastState"](kind, forget=1.0, width=4)
        X = torch.randn(3, 5, 2, generator=generator)
        want = net.head(net.layer(X)[0][:, 4])[:, 0]
        torch.testing.assert_close(net(X), want)
        copier, Z = ch["Copier"](kind), torch.randn(3, 9, 6, generator=generator)
        want = torch.stack([copier.head(copier.layer(Z)[0][:, t]) for t in (6, 7, 8)], 2)
        torch.testing.assert_close(copier(Z), want)


def test_fresh_batches_are_drawn_anew_in_each_epoch(ch):
    numbers = itertools.count()
    batches = ch["FreshBatches"](lambda: next(numbers), 3)
    assert [*batches, *batches] == [0, 1, 2, 3, 4, 5]


def test_the_copying_task_shows_blanks_and_a_signal(ch, generator):
    X, word = ch["copying_task"](50, 4, generator)
    assert X.shape == (50, 10, 6)
    symbols = X.argmax(dim=2)
    assert X.sum(2).eq(1).all()
    assert symbols[:, :3].equal(word)
    assert symbols[:, 3:].tolist() == [[4, 4, 4, 4, 5, 4, 4]] * 50
    assert word.unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("symbols", "length"), [(2, 2), (4, 3), (3, 4)])
def test_the_entropy_of_a_bag_by_counting(ch, symbols, length):
    """Among all words of one bag, how uncertain is the symbol at a place?"""
    bags = {}
    for word in itertools.product(range(symbols), repeat=length):
        bags.setdefault(tuple(sorted(word)), []).append(word)
    total = 0.0
    for words, place in itertools.product(bags.values(), range(length)):
        shares = np.array([*Counter(word[place] for word in words).values()]) / len(words)
        total -= len(words) * (shares * np.log(shares)).sum()
    assert abs(ch["bag_entropy"](symbols, length) - total / length / symbols**length) < 1e-6


def test_the_share_of_probability_that_moves(ch):
    class Logits(torch.nn.Module):
        def forward(self, X):
            return X.log()

    before = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1.0, 1.0]]).reshape(2, 3, 1)
    after = torch.tensor([[0.25, 0.5, 0.25], [2.0, 2.0, 2.0]]).reshape(2, 3, 1)
    assert abs(ch["moved"](Logits(), before, after) - 0.125) < 1e-7
    assert ch["moved"](Logits(), before, before) == 0


def test_windows_read_rows_in_order(ch):
    X = ch["windows"](torch.arange(16 * 7), num_steps=3)
    assert X.shape == (2, 16, 3)
    assert X[:, 0].flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert X[0, 1, 0] == 6


def test_the_widest_network_fits_and_the_next_does_not(ch):
    def make(width):
        return ch["Tagger"](7, 5, "GRU", width=width, bidirectional=True)

    def count(net):
        return sum(p.numel() for p in net.parameters())

    net = ch["widest"](make, 20_000, 4)
    assert count(net) <= 20_000 < count(make(net.layer.hidden_size + 1))
    assert net(torch.zeros(2, 3, dtype=torch.int64)).shape == (2, 5, 3)
    again = ch["widest"](make, 20_000, 4)
    torch.testing.assert_close(net.head.weight, again.head.weight)


def test_two_layers_and_two_directions_equal_pytorchs(ch, generator):
    X = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    two, both = layer_of("LSTM", num_layers=2), layer_of("LSTM", bidirectional=True)
    torch.testing.assert_close(ch["stacked"](two, X), two(X)[0])
    torch.testing.assert_close(ch["bidirectional"](both, X), both(X)[0])


def test_who_reads_the_future_is_seen():
    ch = load_definitions("gated_rnn")
    X = torch.arange(24.0).reshape(4, 1, 6)
    cases = {"past": lambda Z: Z.cumsum(2), "future": lambda Z: Z.flip(2).cumsum(2).flip(2)}
    found = {
        name: ch["reads_the_future"](net, X[:, 0], 3)
        for name, net in {name: (lambda Z, f=f: f(Z[:, None])) for name, f in cases.items()}.items()
    }
    assert found == {"past": False, "future": True}


def test_the_committed_notebook_proves_the_cells(printed):
    for name in ("LSTM", "GRU ", "RNN "):
        assert f"{name} equals nn.{name.strip()}: True" in printed
        assert f"{name} equals nn.{name.strip()}Cell: True" in printed
    assert "False" not in printed.replace("reads the future: False", "")


def test_the_committed_notebook_separates_plain_from_gated(printed):
    row = r"^{} +T = 10: ([\d.]+) ± [\d.]+;  T = 40: ([\d.]+) ± "

    def ends(name):
        return [float(v) for v in re.search(row.format(name), printed, re.M).groups()]

    assert ends("RNN, lr 0.003")[0] < 0.12
    for name in ("RNN, lr 0.003", "RNN, lr 0.01"):
        assert ends(name)[1] > 0.14  # the mean errs by 1/6
    for name in ("GRU", "LSTM, bias 1"):
        assert max(ends(name)) < 0.01
        assert ends(name)[1] < 0.013 * ends("RNN, lr 0.003")[1]  # a hundredth
    assert float(re.search(r"from 40 to 320: .* after ([\d.]+)", printed)[1]) < 0.02
    plain = re.search(r"from 10 to 40: before ([\d.]+) .* after ([\d.]+) ", printed).groups()
    assert float(plain[0]) > 1 / 6 > float(plain[1]) > 0.05


def test_the_committed_notebook_tells_fading_from_filling_up(printed):
    rows = re.findall(
        r"T = 320: error ([\d.]+), correlation .* ([\d.]+), mean answer (.*)", printed
    )
    (faded, gru, gru_mean), (wrong, lstm, lstm_mean) = [tuple(map(float, row)) for row in rows]
    assert gru < 0.7 < 0.85 < lstm
    assert gru_mean < 1.1 < 1.3 < lstm_mean
    assert faded < 1 / 6 < wrong


def test_the_committed_notebook_shows_what_unmarked_numbers_do(printed):
    row = r"^{} +T = +{}: mean answer ([\d.]+), unmarked halved ([\d.]+)"

    def left(name, num_steps):
        full, halved = re.search(row.format(name, num_steps), printed, re.M).groups()
        return float(halved) / float(full)

    for name, most in (("GRU", 0.65), ("LSTM, bias 1", 0.9)):
        assert left(name, 40) > 0.9
        assert left(name, 320) < min(most, left(name, 40))


def test_the_committed_notebook_explains_the_upturn(printed):
    slopes = [*map(float, re.search(r"slope at steps 1 to 6: (.*)", printed)[1].split())]
    last, norm = re.search(
        r"slope at step 40: ([\d.]+); norm of the matrix: (.*)", printed
    ).groups()
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[0] > 0.7 > 0.2 > float(last)
    assert float(norm) > 1


def test_the_slider_answers_what_the_chapter_asks():
    data = scene.example()["data"]
    start = {name: control.get("value") for name, control in scene.controls(data).items()}

    def kept(**values):
        states, slopes = scene.run({**start, "cell": "LSTM", **values}, data)
        return states[:, 0], slopes, slopes[-1] / slopes[0]  # the last: by the first cell, almost

    without = {**data, "inputs": [0.0, *data["inputs"][1:]]}
    for forget, low, high in ((2, 0, 0.1), (2.5, 0.1, 0.3), (3, 0.33, 0.4), (3.5, 0.5, 0.6)):
        cells, _, left = kept(forget=forget)
        noise = scene.run({**start, "cell": "LSTM", "forget": forget}, without)[0][:, 0]
        assert low < left < high
        assert low < (cells[-1] - noise[-1]) / cells[0] < high
    cells = kept(forget=3)[0]
    assert 0.45 < cells[-1] / cells[0] < 0.55
    best = max(kept(cell="RNN", recurrent=u / 10)[2] for u in range(1, 21))
    assert 0.8e-5 < best < 1.2e-5
    (admitted, dropped, _), (shut, held, _) = (kept(cell="GRU", forget=f) for f in (4, 8))
    assert dropped[0] < 0.1 < 0.7 < admitted[0]
    assert shut[0] < 0.15 < 0.8 < held[0]


def test_the_committed_notebook_shows_where_memory_ends(printed):
    rows = re.findall(r"^(?:RNN|GRU|LSTM|LSTM, 2 layers) +((?: +[\d.]+){7})$", printed, re.M)
    places = np.array([row.split() for row in rows], dtype=float)
    assert len(places) == 4
    assert (places[:, 6] >= places[:, 5]).all()
    assert (places[:, 4] <= places.min(axis=1) + 0.1).all()


def test_the_committed_notebook_weighs_the_direct_path(printed):
    row = r"^recurrent weights {}: +direct path up to ([\d.]+), rest up to ([\d.]+)"
    direct, rest = map(float, re.search(row.format("as they are"), printed, re.M).groups())
    assert 0.4 < rest / direct < 0.6
    assert float(re.search(row.format("zero"), printed, re.M)[2]) == 0


def test_the_committed_notebook_shows_small_gaps_on_text(printed):
    rows = re.findall(r"units, perplexity ([\d.]+) ± ([\d.]+), ([\d.]+) of the RNN's", printed)
    (plain, _, one), (_, _, gru), (lstm, spread, share), _ = [tuple(map(float, r)) for r in rows]
    assert one == 1
    assert plain - lstm > spread
    assert 0.9 < gru < share < 1


def test_the_committed_notebook_shows_bags(printed):
    row = r"^{} +another order ([\d.]+), another symbol ([\d.]+)"
    for name, gated in (("RNN, orthogonal", 0), ("GRU, bias 3", 1), ("LSTM, bias 3", 1)):
        order, symbol = map(float, re.search(row.format(name), printed, re.M).groups())
        assert (order < symbol / 3) == gated


def test_the_committed_notebook_shows_the_leak(printed):
    [leaked] = re.findall(r"perplexity per character, both ways: ([\d.]+)", printed)
    one, both = re.search(r"last step: one way ([\d.]+), both ways ([\d.]+)", printed).groups()
    assert float(leaked) < 2
    assert float(both) > float(one)

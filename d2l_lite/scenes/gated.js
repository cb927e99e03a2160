// A cell with one number as its state reads a sequence: LSTM, GRU or plain RNN, and how much of its first
// state is left in the derivative of the state now. Gates and weights stand in the order of PyTorch.
const gated = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const FLOOR = 1e-6; // of the axis of derivatives
  const BARS = 4; // the number of the inputs' color
  const MARGIN = 0.5; // steps, beside the first and the last
  const places = new WeakMap(); // theme of a drawing to its plots, for the pointer

  const sigmoid = (v) => 1 / (1 + Math.exp(-v));
  const subscript = (n) => String(n).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

  // One step of each cell. A state is {c, h, dc, dh}, where d is the derivative by the first state; in GRU and
  // plain RNN c and h are one. `kept` is the factor on the direct path from state to state.
  const lstm = (x, { c, h, dc, dh }, values, data) => {
    const biases = [values.input, values.forget, 0, values.output];
    const rates = data.weights.LSTM.map(([, u]) => u * dh);
    const [i, f, g, o] = data.weights.LSTM.map(([w, u], k) => {
      const sum = w * x + u * h + biases[k];
      return k === 2 ? Math.tanh(sum) : sigmoid(sum);
    });
    const next = f * c + i * g;
    const through = c * f * (1 - f) * rates[1] + g * i * (1 - i) * rates[0] + i * (1 - g * g) * rates[2];
    const dNext = f * dc + through;
    const t = Math.tanh(next);
    const dHidden = t * o * (1 - o) * rates[3] + o * (1 - t * t) * dNext;
    return { c: next, h: o * t, dc: dNext, dh: dHidden, gates: [f, i, o], kept: f };
  };

  const gru = (x, { h, dh }, values, data) => {
    const [[wr, ur], [wz, uz], [wn, un]] = data.weights.GRU;
    const r = sigmoid(wr * x + ur * h + values.input);
    const z = sigmoid(wz * x + uz * h + values.forget);
    const n = Math.tanh(wn * x + r * un * h);
    const next = (1 - z) * n + z * h;
    const candidate = (1 - z) * (1 - n * n) * un * (r + h * r * (1 - r) * ur);
    const dNext = (z + (h - n) * z * (1 - z) * uz + candidate) * dh;
    return { c: next, h: next, dc: dNext, dh: dNext, gates: [z, r], kept: z };
  };

  const rnn = (x, { h, dh }, values, data) => {
    const next = Math.tanh(data.weights.RNN[0] * x + values.recurrent * h);
    const kept = values.recurrent * (1 - next * next);
    return { c: next, h: next, dc: kept * dh, dh: kept * dh, gates: [kept], kept };
  };

  const CELLS = {
    LSTM: { step: lstm, start: 0, state: "c", gates: ["forget", "input", "output"], path: "forget gates" },
    GRU: { step: gru, start: 1, state: "h", gates: ["update", "reset"], path: "update gates" },
    RNN: { step: rnn, start: 1, state: "h", gates: ["factor u(1 − h²)"] },
  };

  // The states before and after each input; `direct` is the product of the factors `kept`.
  const run = (cell, values, data) => {
    const { step, start } = CELLS[cell];
    const states = [{ c: 0, h: 0, dc: 1, dh: start, gates: [], direct: 1 }];
    for (const x of data.inputs) {
      const last = states[states.length - 1];
      const next = step(x, last, values, data);
      states.push({ ...next, direct: last.direct * next.kept });
    }
    return states;
  };

  // The derivative of the state after so many inputs by the state after input 1, which has read the first of them.
  const sinceFirst = (cell, values, data, count) => {
    const [, first] = run(cell, values, data);
    const dh = cell === "LSTM" ? first.gates[2] * (1 - Math.tanh(first.c) ** 2) : 1;
    const rest = data.inputs.slice(1, count);
    return rest.reduce((state, x) => CELLS[cell].step(x, state, values, data), { ...first, dc: 1, dh }).dc;
  };

  // How much of a small change a derivative leaves, from the largest to the smallest size.
  const SHARES = [
    [1, "all"], [0.5, "at least half"], [0.1, "less than half"], [0.01, "less than a tenth"],
    [1e-3, "less than a hundredth"], [Number.MIN_VALUE, "less than a thousandth"], [0, "nothing"],
  ];

  const left = (derivative, change) => {
    const size = Math.abs(Number(derivative.toPrecision(3))); // as it is shown
    const turned = derivative < 0 ? ", with the other sign" : "";
    if (size > 1) return `${change} has grown${turned}`;
    const [, share] = SHARES.find(([from]) => size >= from);
    return `${share} of ${change} is left${turned}`;
  };

  const describe = (values, data) => {
    const { cell, step } = values;
    const { state, path } = CELLS[cell];
    const name = cell === "RNN" ? "plain RNN" : cell;
    if (!step) return `The ${name} has read nothing yet: its state is 0, the derivative by that state 1.`;
    const states = run(cell, values, data);
    const now = states[step];
    const show = (v) => core.number(v);
    const of = (s, from) => `∂${s}${subscript(step)}/∂${s}${subscript(from)}`;
    const first = step > 1 ? ` (after input 1: ${show(states[1].c)})` : "";
    const shown = cell === "LSTM" ? `; its output gate lets h = ${show(now.h)} through` : "";
    const then = `After input ${step} the state ${state} is ${show(now.c)}${first}${shown}.`;
    const factors = `, the product of ${step} ${step === 1 ? "factor" : "factors"} u(1 − h²)`;
    const alone = path ? `; the product of its ${path} alone is ${show(now.direct)}` : "";
    const before = `${of(state, 0)} = ${show(now.dc)}${path ? "" : factors}: `;
    const since = sinceFirst(cell, values, data, step);
    const later = step > 1 ? ` ${of(state, 1)} = ${show(since)}: ${left(since, `one in ${state}₁`)}.` : "";
    const plain = `In the plain RNN ${of("h", 0)} = ${show(run("RNN", values, data)[step].dc)}.`;
    return (
      `${then} ${before}${left(now.dc, `a small change in ${state}₀`)}${alone}.${later} ` +
      (path ? plain : "It has no gate that could keep more.")
    );
  };

  // Axes over the steps, below a legend of [label, number of its color] in one panel.
  const framed = (ctx, box, entries, head, theme) => {
    const dash = (i) => (entries[i][1] === BARS ? [] : theme.dash(entries[i][1]));
    const own = { color: (i) => theme.color(entries[i][1]), dash };
    ctx.save();
    ctx.translate(box.x, box.y);
    const top = core.legend(ctx, entries.map(([label]) => label), { ...theme, ...own, width: box.w });
    ctx.restore();
    const under = { ...box, y: box.y + top, h: box.h - top };
    return core.axes(ctx, under, { xscale: "linear", yscale: "linear", ...head }, theme);
  };

  const across = (data) => [-MARGIN, data.inputs.length + MARGIN];

  // Lines over the steps, each with a disk where it ends.
  const lines = (ctx, plot, first, columns, theme) => {
    core.clipped(ctx, plot, () =>
      columns.forEach(([i, ys]) => {
        core.polyline(ctx, plot, ys.map((_, k) => first + k), ys, theme.color(i), theme.dash(i));
        const last = ys.length - 1;
        if (last >= 0 && ys[last] !== null) {
          core.disk(ctx, plot.x(first + last), plot.y(ys[last]), 4, theme.color(i));
        }
      })
    );
  };

  const drawStates = (ctx, box, states, values, data, theme) => {
    const seen = states.slice(0, values.step + 1);
    const largest = Math.max(1, ...data.inputs.map(Math.abs), ...states.map((s) => Math.abs(s.c)));
    const reach = 1.1 * 2 ** Math.ceil(Math.log2(largest)); // powers of two, so that the axis seldom jumps
    const [xlim, ylim] = [across(data), [-reach, reach]];
    const own = values.cell === "LSTM";
    const entries = [["input", BARS], ...(own ? [["cell c", 0]] : []), ["hidden h", 1]];
    const plot = framed(ctx, box, entries, { xlim, ylim, ylabel: "state" }, theme);
    data.inputs.forEach((x, k) => {
      const color = k < values.step ? theme.color(BARS) : theme.muted;
      core.polyline(ctx, plot, [k + 1, k + 1], [0, x], color, [], k < values.step ? 3 : 1);
    });
    const columns = [...(own ? [[0, seen.map((s) => s.c)]] : []), [1, seen.map((s) => s.h)]];
    lines(ctx, plot, 0, columns, theme);
    return plot;
  };

  const drawGates = (ctx, box, states, values, data, theme) => {
    const { gates, path } = CELLS[values.cell];
    const ylim = [0, path ? 1.05 : Math.max(1.05, values.recurrent)];
    const head = { xlim: across(data), ylim, ylabel: path ? "gate" : "factor" };
    const plot = framed(ctx, box, gates.map((name, i) => [name, i]), head, theme);
    const seen = states.slice(1, values.step + 1);
    lines(ctx, plot, 1, gates.map((_, i) => [i, seen.map((s) => s.gates[i])]), theme);
    return plot;
  };

  const drawDerivatives = (ctx, box, states, values, data, theme) => {
    const { path } = CELLS[values.cell];
    const xlim = across(data);
    const labels = { xlabel: "inputs read", ylabel: "derivative by first state" };
    const head = { xlim, ylim: [FLOOR, 10], yscale: "log", ...labels };
    const gate = path ? [[values.cell, 0], [`product of ${path}`, 2]] : [];
    const plot = framed(ctx, box, [...gate, ["plain RNN", 1]], head, theme);
    const size = (v) => (Math.abs(v) > 1e-3 * FLOOR ? Math.abs(v) : null);
    const column = (from, key) => from.slice(0, values.step + 1).map((s) => size(s[key]));
    const own = path ? [[0, column(states, "dc")], [2, column(states, "direct")]] : [];
    lines(ctx, plot, 0, [...own, [1, column(run("RNN", values, data), "dc")]], theme);
    return plot;
  };

  const draw = (ctx, values, data, theme) => {
    const states = run(values.cell, values, data);
    const stacked = theme.width < STACKED_BELOW;
    const [w, h] = stacked ? [theme.width, theme.height / 3] : [theme.width / 2, theme.height / 2];
    const right = stacked ? { x: 0, y: 2 * h, w, h } : { x: w, y: 0, w, h: theme.height };
    places.set(theme, [
      drawStates(ctx, { x: 0, y: 0, w, h }, states, values, data, theme),
      drawGates(ctx, { x: 0, y: h, w, h }, states, values, data, theme),
      drawDerivatives(ctx, right, states, values, data, theme),
    ]);
  };

  // The step under a pointer on any of the plots.
  const drag = ([x, y], values, data, theme) => {
    const inside = (p) => x > p.left - 8 && x < p.right + 8 && y > p.top && y < p.bottom;
    const plot = (places.get(theme) || []).find(inside);
    if (!plot) return null;
    const [low, high] = across(data);
    return { step: low + ((high - low) * (x - plot.left)) / (plot.right - plot.left) };
  };

  return { describe, drag, draw, height: (width) => (width < STACKED_BELOW ? 660 : 400), run };
})();
if (typeof module !== "undefined") module.exports = gated;

// Sampling the next symbol from logits: softmax(logits / T), cut to the k most likely symbols and to the
// fewest that hold the share p, and the text that follows symbol after symbol.
const temperature = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const SAMPLED = 60; // symbols of text
  const REPEATED = 100; // draws of the next symbol
  const WIDEST = 3; // temperature at the right end of the axis
  const places = new WeakMap(); // theme of a drawing to its plots, for the pointer

  const softmax = (logits, t) => {
    const most = Math.max(...logits);
    const powers = logits.map((z) => Math.exp((z - most) / t));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((v) => v / sum);
  };

  // Indices from the largest number to the smallest; equal ones in their order.
  const order = (numbers) => numbers.map((_, i) => i).sort((i, j) => numbers[j] - numbers[i] || i - j);

  // The first of these indices that together hold the share; rounding must not add one more.
  const holding = (indices, p, share) => {
    let sum = 0;
    const end = indices.findIndex((i) => (sum += p[i]) >= share - 1e-12);
    return end < 0 ? indices : indices.slice(0, end + 1);
  };

  const renormalized = (p, kept) => {
    const sum = kept.reduce((total, i) => total + p[i], 0);
    return p.map((v, i) => (kept.includes(i) ? v / sum : 0));
  };

  // Probabilities at these settings: temperature first, then top-k, then top-p.
  const chances = (values, logits) => {
    const ranked = order(logits).slice(0, values.top_k);
    const p = renormalized(softmax(logits, values.temperature), ranked);
    return values.top_p < 1 ? renormalized(p, holding(ranked, p, values.top_p)) : p;
  };

  const entropy = (p) => p.reduce((sum, v) => (v > 0 ? sum - v * Math.log2(v) : sum), 0);

  // Mulberry32: uniform numbers in [0, 1) from a seed.
  const uniform = (seed) => {
    let state = seed | 0;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  };

  // The logits after a symbol; one row of logits stands for all symbols.
  const after = (i, data) => (Array.isArray(data.logits[0]) ? data.logits[i] : data.logits);
  const place = (values, data) => Math.max(0, data.symbols.indexOf(values.after));

  const pick = (p, number) => {
    let rest = number;
    const found = p.findIndex((v) => (rest -= v) < 0);
    return found < 0 ? order(p)[0] : found; // rounding can leave a rest
  };

  // Symbols drawn one after the other, and then how often each came in many draws of the first of them.
  const sample = (values, data) => {
    const next = uniform(values.draw);
    const table = data.symbols.map((_, i) => chances(values, after(i, data)));
    const start = place(values, data);
    const text = [];
    for (let i = start; text.length < SAMPLED; text.push(i)) i = pick(table[i], next());
    const counts = data.symbols.map(() => 0);
    for (let k = 0; k < REPEATED; k++) counts[pick(table[start], next())] += 1;
    return { text, counts };
  };

  const describe = (values, data) => {
    const { symbols } = data;
    const p = chances(values, after(place(values, data), data));
    const ranked = order(p);
    const show = (v) => core.number(v);
    const bits = entropy(p);
    const kept = p.filter((v) => v > 0).length;
    const where = values.after ? `After “${values.after}” the` : "The";
    const many = holding(ranked, p, 0.9).length;
    const text = sample(values, data).text.map((i) => symbols[i]).join("").split("␣").join(" ");
    const lost = symbols.length - kept;
    return (
      `${where} next symbol has entropy ${show(bits)} bits (uniform: ${show(Math.log2(symbols.length))}) ` +
      `and perplexity ${show(2 ** bits)}: ` +
      (p[ranked[0]] > 0.9995
        ? `the choice is greedy, ${kept > 1 ? "almost " : ""}always “${symbols[ranked[0]]}”. `
        : `as uncertain as that many equally likely symbols. The most likely is “${symbols[ranked[0]]}” ` +
          `with ${show(p[ranked[0]])}; ${many === 1 ? "1 symbol holds" : `${many} symbols hold`} 90\u00a0%. `) +
      (lost ? `${lost} of ${symbols.length} cannot be drawn.` : `All ${kept} can be drawn.`) +
      ` Sampled: “${text}”.`
    );
  };

  // Axes below a legend whose labels have the colors 0, 1, … in one panel.
  const framed = (ctx, box, labels, head, theme) => {
    ctx.save();
    ctx.translate(box.x, box.y);
    const top = core.legend(ctx, labels, { ...theme, width: box.w });
    ctx.restore();
    const under = { ...box, y: box.y + top, h: box.h - top };
    return core.axes(ctx, under, { xscale: "linear", yscale: "linear", ...head }, theme);
  };

  const drawBars = (ctx, box, values, data, theme) => {
    const logits = after(place(values, data), data);
    const none = [NaN, NaN]; // limits without a tick between them: the symbols take their place
    const head = { xlim: none, ylim: [0, 1], xlabel: "next symbol", ylabel: "probability" };
    const plot = framed(ctx, box, ["now", "T = 1, all symbols", `${REPEATED} draws`], head, theme);
    const [before, now] = [softmax(logits, 1), chances(values, logits)];
    const { counts } = sample(values, data);
    const wide = (plot.right - plot.left) / logits.length;
    let free = plot.left - 14;
    order(logits).forEach((i, rank) => {
      const x = plot.left + wide * rank;
      ctx.fillStyle = theme.color(0);
      ctx.fillRect(x + 0.15 * wide, plot.y(now[i]), 0.7 * wide, plot.bottom - plot.y(now[i]));
      ctx.strokeStyle = theme.color(1);
      ctx.lineWidth = 1.5;
      ctx.strokeRect(x + 0.05 * wide, plot.y(before[i]), 0.9 * wide, plot.bottom - plot.y(before[i]));
      if (counts[i]) core.disk(ctx, x + wide / 2, plot.y(counts[i] / REPEATED), 3, theme.color(2));
      const half = ctx.measureText(data.symbols[i]).width / 2;
      const middle = x + wide / 2;
      if (middle - half < free || middle + half > box.x + box.w) return;
      ctx.fillStyle = theme.ink;
      ctx.textAlign = "center";
      ctx.textBaseline = "top";
      ctx.fillText(data.symbols[i], middle, plot.bottom + 6);
      free = middle + half + 1;
    });
    return plot;
  };

  const drawEntropy = (ctx, box, values, data, theme) => {
    const logits = after(place(values, data), data);
    const end = Math.max(WIDEST, values.temperature);
    const most = Math.log2(logits.length);
    const labels = { xlabel: "temperature T", ylabel: "entropy in bits" };
    const head = { xlim: [0, end], ylim: [0, 1.1 * most], ...labels };
    const plot = framed(ctx, box, ["top-k and top-p", "all symbols"], head, theme);
    const ts = Array.from({ length: 60 }, (_, i) => (end * (i + 1)) / 60);
    const cut = (t) => entropy(chances({ ...values, temperature: t }, logits));
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, [0, end], [most, most], theme.muted, [], 1);
      core.polyline(ctx, plot, ts, ts.map((t) => entropy(softmax(logits, t))), theme.color(1), theme.dash(1));
      core.polyline(ctx, plot, ts, ts.map(cut), theme.color(0), theme.dash(0));
    });
    ctx.fillStyle = theme.ink;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText("uniform", plot.right, plot.y(most) - 1);
    core.disk(ctx, plot.x(values.temperature), plot.y(cut(values.temperature)), 5, theme.color(0));
    return plot;
  };

  const draw = (ctx, values, data, theme) => {
    const stacked = theme.width < STACKED_BELOW;
    const [w, h] = stacked ? [theme.width, theme.height / 2] : [theme.width / 2, theme.height];
    const second = stacked ? { x: 0, y: h, w, h } : { x: w, y: 0, w, h };
    places.set(theme, {
      bars: drawBars(ctx, { x: 0, y: 0, w, h }, values, data, theme),
      curve: drawEntropy(ctx, second, values, data, theme),
    });
  };

  // The part of a plot's width at a pointer, or null beside the plot.
  const part = ([x, y], { left, right, top, bottom }) =>
    x >= left && x <= right && y >= top && y <= bottom ? (x - left) / (right - left) : null;

  // A pointer on the curve sets the temperature; on the bars it sets how many of them top-k keeps.
  const drag = (point, values, data, theme) => {
    const plots = places.get(theme);
    if (!plots) return null;
    const [bar, along] = [part(point, plots.bars), part(point, plots.curve)];
    if (bar !== null) return { top_k: Math.max(1, Math.ceil(bar * data.symbols.length)) };
    return along === null ? null : { temperature: along * Math.max(WIDEST, values.temperature) };
  };

  const height = (width) => (width < STACKED_BELOW ? 540 : 300);
  return { chances, describe, drag, draw, entropy, height, sample, softmax, uniform };
})();
if (typeof module !== "undefined") module.exports = temperature;

// An activation function with its tangent at one input, and its derivative.
// At a kink the derivative is the one that PyTorch takes.
const activations = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const REACH = 6; // inputs shown on both sides of zero
  const FLAT = 0.01; // a slope below this saturates

  const sigmoid = (z) => 1 / (1 + Math.exp(-z));

  // The error function by a series whose terms have one sign, so that nothing cancels.
  const erf = (x) => {
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  };

  const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const below = (z) => 0.5 * (1 + erf(z * Math.SQRT1_2));
  const rectified = (slope) => [(z, a) => (z > 0 ? z : slope(a) * z), (z, a) => (z > 0 ? 1 : slope(a))];

  // Each function of z and α, and its derivative with respect to z.
  const FUNCTIONS = {
    sigmoid: [sigmoid, (z) => sigmoid(z) * sigmoid(-z)],
    tanh: [Math.tanh, (z) => 4 * sigmoid(2 * z) * sigmoid(-2 * z)],
    ReLU: rectified(() => 0),
    "leaky ReLU": rectified(() => 0.01),
    PReLU: rectified((a) => a),
    ELU: [(z, a) => (z > 0 ? z : a * Math.expm1(z)), (z, a) => (z > 0 ? 1 : a * Math.exp(z))],
    "SiLU (swish)": [(z) => z * sigmoid(z), (z) => sigmoid(z) * (1 + z * sigmoid(-z))],
    "hard-swish": [
      (z) => (z * Math.min(6, Math.max(0, z + 3))) / 6,
      (z) => (z <= -3 ? 0 : z < 3 ? z / 3 + 0.5 : 1),
    ],
    GELU: [(z) => z * below(z), (z) => below(z) + z * density(z)],
    softplus: [(z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), sigmoid],
  };

  const functionsOf = ({ activation, alpha }) => FUNCTIONS[activation].map((f) => (z) => f(z, alpha));

  // Value and slope at each input.
  const evaluate = (values, zs) => functionsOf(values).map((f) => zs.map(f));

  const grid = (low, high, count) =>
    Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);

  // The least and the greatest output; what still grows at a million has no bound.
  const range = (values) => {
    const [f] = functionsOf(values);
    const ends = [-1e6, 1e6].map(f).map((v) => (Math.abs(v) > 1e3 ? v * Infinity : v));
    const all = [...grid(-20, 20, 8000).map(f), ...ends];
    return [Math.min(...all), Math.max(...all)];
  };

  // The mean output for standard normal inputs, by the trapezoidal rule.
  const mean = (values) => {
    const [f] = functionsOf(values);
    return grid(-8, 8, 1600).reduce((sum, z) => sum + 0.01 * density(z) * f(z), 0);
  };

  // What the slope at the input does to a gradient on its way back.
  const finding = (values) => {
    const [, slope] = functionsOf(values);
    const { z } = values;
    const [here, left, right] = [z, z - 1e-7, z + 1e-7].map(slope);
    const outward = slope(z < 0 ? z - 1 : z + 1);
    const show = (v) => core.number(v);
    if (Math.abs(left - right) > 1e-4) {
      return `a kink, with slope ${show(left)} from the left and ${show(right)} from the right; PyTorch takes ${show(here)}`;
    }
    if (here === 0 && outward === 0) return "in the shaded part it is dead, no gradient passes back";
    if (Math.abs(here) < FLAT && Math.abs(outward) < FLAT) {
      return `in the shaded part it is saturated, only ${show(100 * here)} % of a gradient passes back`;
    }
    if (Math.abs(here) < FLAT) return "flat, because the function turns here";
    if (here < 0) return "falling, so the function is not monotonic";
    if (here > 1 + 1e-9) return "steeper than 1, so a gradient grows on its way back";
    return `${show(100 * here)} % of a gradient passes back`;
  };

  const describe = (values) => {
    const [value, slope] = evaluate(values, [values.z]).map((v) => core.number(v[0]));
    const [low, high] = range(values).map((v) => core.number(v));
    const middle = mean(values);
    const centered = Math.abs(middle) < 0.01 ? "zero-centered" : "not zero-centered";
    return (
      `${values.activation} at z = ${core.number(values.z)}: value ${value}, slope ${slope}: ${finding(values)}. ` +
      `Its outputs lie between ${low} and ${high}; for standard normal inputs their mean is ` +
      `${core.number(Math.abs(middle) < 1e-6 ? 0 : middle)}, so they are ${centered}.`
    );
  };

  // Limits of an axis that shows all the values, and some given ones.
  const around = (values, given) => {
    const all = [...values, ...given];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return [low - 0.06 * (high - low), high + 0.06 * (high - low)];
  };

  // Opens a gap where the derivative jumps.
  const broken = (ys) => ys.map((y, i) => (i && Math.abs(y - ys[i - 1]) > 0.08 ? null : y));

  const boxes = ({ width, height }) => {
    if (width < STACKED_BELOW) {
      return [0, height / 2].map((y) => ({ x: 0, y, w: width, h: height / 2 }));
    }
    return [0, width / 2].map((x) => ({ x, y: 0, w: width / 2, h: height }));
  };

  // The stretches of the axis on which the function is saturated or dead.
  const shadeFlat = (ctx, plot, zs, slopes, theme) => {
    ctx.fillStyle = theme.faint;
    const step = plot.x(zs[1]) - plot.x(zs[0]);
    let from = null;
    [...slopes, 1].forEach((slope, i) => {
      const flat = Math.abs(slope) < FLAT;
      if (flat && from === null) from = i;
      if (flat || from === null) return;
      if (i - from > 8) ctx.fillRect(plot.x(zs[from]), plot.top, (i - 1 - from) * step, plot.bottom - plot.top);
      from = null;
    });
  };

  const seen = {}; // where the panels lie, by width of the canvas

  const draw = (ctx, values, data, theme) => {
    const reach = Math.max(REACH, Math.abs(values.z));
    const zs = grid(-reach, reach, 480);
    const [ys, slopes] = evaluate(values, zs);
    const [[value], [slope]] = evaluate(values, [values.z]);
    const panels = boxes(theme);
    const shared = { xlim: [-reach, reach], xscale: "linear", yscale: "linear", xlabel: "z" };
    const heads = [
      { ...shared, ylim: around(ys, [0, 1]), ylabel: "value" },
      { ...shared, ylim: around(slopes, [0, 1]), ylabel: "slope" },
    ];
    const [left, right] = heads.map((head, i) => core.axes(ctx, panels[i], head, theme));
    seen[theme.width] = { left, right, panels, reach };
    core.clipped(ctx, left, () => {
      shadeFlat(ctx, left, zs, slopes, theme);
      core.polyline(ctx, left, zs, ys, theme.color(0));
      const tangent = [-reach, reach].map((z) => value + slope * (z - values.z));
      core.polyline(ctx, left, [-reach, reach], tangent, theme.color(1), theme.dash(1));
      core.disk(ctx, left.x(values.z), left.y(value), 6, theme.color(1));
    });
    core.clipped(ctx, right, () => {
      shadeFlat(ctx, right, zs, slopes, theme);
      core.polyline(ctx, right, zs, broken(slopes), theme.color(0));
      core.disk(ctx, right.x(values.z), right.y(slope), 6, theme.color(1));
    });
  };

  // The input under the pointer, in either panel.
  const drag = ([x, y], values, data, theme) => {
    const { left, right, panels, reach } = seen[theme.width] || { panels: [] };
    const at = panels.findIndex((box) => x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h);
    if (at < 0) return null;
    const plot = at ? right : left;
    const part = (x - plot.left) / (plot.right - plot.left);
    return { z: reach * (2 * Math.min(1, Math.max(0, part)) - 1) };
  };

  const height = (width) => (width < STACKED_BELOW ? 500 : 300);
  return { describe, drag, draw, erf, evaluate, finding, height, mean, range };
})();
if (typeof module !== "undefined") module.exports = activations;

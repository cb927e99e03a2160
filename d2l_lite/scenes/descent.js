// Gradient descent on the loss of linear regression in two parameters,
// L(w) = L* + ½ (w − w*)ᵀ H (w − w*), so that each step is w ← w − lr·H (w − w*).
const descent = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const seen = {}; // where the losses were drawn last, for each width of the canvas

  // Eigenvalues [small, large] of a symmetric 2×2 matrix and the unit eigenvector of the large one.
  const eigen = ([[a, b], [, d]]) => {
    const middle = (a + d) / 2;
    const radius = Math.hypot((a - d) / 2, b);
    const angle = 0.5 * Math.atan2(2 * b, a - d);
    return { small: middle - radius, large: middle + radius, axis: [Math.cos(angle), Math.sin(angle)] };
  };

  const excess = (H, wStar, w) => {
    const [x, y] = [w[0] - wStar[0], w[1] - wStar[1]];
    const loss = 0.5 * (H[0][0] * x * x + 2 * H[0][1] * x * y + H[1][1] * y * y);
    return Number.isNaN(loss) ? Infinity : loss; // ∞ − ∞ once a run has overflowed
  };

  // The points visited, and the loss above its minimum at each.
  const run = ({ H, w_star: wStar, w0 }, lr, steps) => {
    const path = [[...w0]];
    for (let k = 0; k < steps; k++) {
      const [u, v] = path[k];
      const [x, y] = [u - wStar[0], v - wStar[1]];
      path.push([u - lr * (H[0][0] * x + H[0][1] * y), v - lr * (H[1][0] * x + H[1][1] * y)]);
    }
    return { path, losses: path.map((w) => excess(H, wStar, w)) };
  };

  const verdict = (H, lr) => {
    const product = lr * eigen(H).large;
    if (Math.abs(product - 2) < 1e-6) return "balances";
    return product < 2 ? "converges" : "diverges";
  };

  const describe = (values, data) => {
    const { small, large } = eigen(data.H);
    const { losses } = run(data, values.lr, values.step);
    const show = (v) => core.number(v);
    const factors = `${show(1 - values.lr * large)} along the steep axis and ${show(1 - values.lr * small)} along the flat one`;
    const what = {
      converges: `below it, so the descent converges: each step multiplies the error by ${factors}`,
      diverges: `above it, so the descent diverges: each step multiplies the error by ${factors}`,
      balances: "exactly there: along the steep axis the error keeps its size and flips its sign",
    }[verdict(data.H, values.lr)];
    const count = `${values.step} ${values.step === 1 ? "step" : "steps"}`;
    return (
      `λmax = ${show(large)}, so 2/λmax = ${show(2 / large)}. The learning rate ${show(values.lr)} is ${what}. ` +
      `Loss above the minimum: ${show(losses[0])} at the start, ${show(losses[values.step])} after ${count}.`
    );
  };

  // Points of the ellipse on which the loss is this much above its minimum.
  const ellipse = ({ H, w_star: wStar }, level) => {
    const { small, large, axis } = eigen(H);
    const [long, short] = [Math.sqrt((2 * level) / small), Math.sqrt((2 * level) / large)];
    return Array.from({ length: 97 }, (_, i) => {
      const [c, s] = [short * Math.cos((i * Math.PI) / 48), long * Math.sin((i * Math.PI) / 48)];
      return [wStar[0] + c * axis[0] - s * axis[1], wStar[1] + c * axis[1] + s * axis[0]];
    });
  };

  const columns = (points) => [points.map((p) => p[0]), points.map((p) => p[1])];

  // The points up to the first that is far outside the picture.
  const visible = (path, plot) => {
    const far = path.findIndex((w) => !(Math.abs(plot.x(w[0])) < 1e4 && Math.abs(plot.y(w[1])) < 1e4));
    return far < 0 ? path : path.slice(0, far);
  };

  const drawPath = (ctx, box, path, data, theme) => {
    const reach = 1.3 * Math.max(...data.w0.map((w, i) => Math.abs(w - data.w_star[i])));
    const around = (i) => [data.w_star[i] - reach, data.w_star[i] + reach];
    const [xlabel, ylabel] = data.names || ["w₁", "w₂"];
    const head = { xlim: around(0), ylim: around(1), xlabel, ylabel, xscale: "linear", yscale: "linear" };
    const plot = core.axes(ctx, box, head, theme);
    const start = excess(data.H, data.w_star, data.w0);
    core.clipped(ctx, plot, () => {
      for (const part of [0.25, 0.5, 0.75, 1, 1.4, 1.9, 2.5, 3.2, 4, 5]) {
        const [xs, ys] = columns(ellipse(data, start * part * part));
        core.polyline(ctx, plot, xs, ys, theme.muted, [], 1);
      }
      const seen = visible(path, plot);
      core.polyline(ctx, plot, ...columns(seen), theme.color(1));
      seen.forEach((w) => core.disk(ctx, plot.x(w[0]), plot.y(w[1]), 3, theme.color(1)));
      if (seen.length === path.length) {
        const [x, y] = path[path.length - 1];
        core.disk(ctx, plot.x(x), plot.y(y), 6, theme.color(1));
      }
      core.cross(ctx, plot.x(data.w_star[0]), plot.y(data.w_star[1]), 6, theme.ink);
    });
  };

  const drawLosses = (ctx, box, losses, step, theme) => {
    const head = {
      xlim: [0, losses.length - 1], ylim: [losses[0] * 1e-6, losses[0] * 1e2],
      xscale: "linear", yscale: "log", xlabel: "step", ylabel: "loss above minimum",
    };
    const plot = core.axes(ctx, box, head, theme);
    seen[theme.width] = plot;
    const shown = losses.map((v) => (v > 0 && v < losses[0] * 1e12 ? v : null));
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, shown.map((_, k) => k), shown, theme.color(0));
      if (shown[step] !== null) core.disk(ctx, plot.x(step), plot.y(shown[step]), 6, theme.color(1));
    });
  };

  const draw = (ctx, values, data, theme) => {
    const { path, losses } = run(data, values.lr, data.steps);
    const stacked = theme.width < STACKED_BELOW;
    const [w, h] = stacked ? [theme.width, theme.height / 2] : [theme.width / 2, theme.height];
    drawPath(ctx, { x: 0, y: 0, w, h }, path.slice(0, values.step + 1), data, theme);
    const second = stacked ? { x: 0, y: h, w, h } : { x: w, y: 0, w, h };
    drawLosses(ctx, second, losses, values.step, theme);
  };

  // A pointer on the losses moves the step.
  const drag = ([x, y], values, data, theme) => {
    const { left, right, top, bottom } = seen[theme.width] || {};
    const part = (x - left) / (right - left);
    return part > -0.05 && part < 1.05 && y >= top && y <= bottom ? { step: part * data.steps } : null;
  };

  const height = (width) => (width < STACKED_BELOW ? 540 : 320);
  return { describe, drag, draw, eigen, ellipse, height, run, verdict };
})();
if (typeof module !== "undefined") module.exports = descent;

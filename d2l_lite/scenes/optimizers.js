// Eight optimizers on four surfaces: a path over contours, and the loss against the step.
// The updates are those of PyTorch, with its defaults for what the controls do not set.
const optimizers = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const VIEW = 2.2; // both coordinates are shown from −VIEW to VIEW
  const FAR = 100; // a path that leaves this range does not come back
  const STEPS = 120;
  const { exp, hypot, sqrt } = Math;

  const bump = (x, y, at) => exp(-2 * ((x - at) ** 2 + (y - at) ** 2));

  // Loss f, gradient, minima, the saddle point if there is one; bend spreads the contour levels.
  const SURFACES = {
    ravine: {
      f: (x, y) => 0.5 * (x * x + 25 * y * y),
      gradient: (x, y) => [x, 25 * y],
      minima: [[0, 0]],
      bend: 2,
    },
    Rosenbrock: {
      f: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
      gradient: (x, y) => [2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)],
      minima: [[1, 1]],
      bend: 3,
    },
    saddle: {
      f: (x, y) => x * x - y * y + y ** 4 / 4,
      gradient: (x, y) => [2 * x, y ** 3 - 2 * y],
      minima: [[0, sqrt(2)], [0, -sqrt(2)]],
      saddle: [0, 0],
      bend: 1.5,
    },
    "two minima": {
      f: (x, y) => 1 - bump(x, y, 1) - 0.5 * bump(x, y, -1),
      gradient: (x, y) =>
        [x, y].map((v) => 4 * (v - 1) * bump(x, y, 1) + 2 * (v + 1) * bump(x, y, -1)),
      minima: [[1, 1], [-1, -1]],
      bend: 1,
    },
  };

  const adam = (s, g, { lr, beta, t }) => {
    s.m = beta * s.m + (1 - beta) * g;
    s.v = 0.999 * s.v + 0.001 * g * g;
    return (lr * (s.m / (1 - beta ** t))) / (sqrt(s.v / (1 - 0.999 ** t)) + 1e-8);
  };

  const heavyBall = (s, g, { beta }) => {
    s.m = beta * s.m + g;
    return s.m;
  };

  // What each optimizer subtracts from a coordinate w with gradient g; s keeps its two averages.
  const UPDATES = {
    SGD: (s, g, { lr }) => lr * g,
    momentum: (s, g, hyper) => hyper.lr * heavyBall(s, g, hyper),
    Nesterov: (s, g, hyper) => hyper.lr * (g + hyper.beta * heavyBall(s, g, hyper)),
    AdaGrad: (s, g, { lr }) => {
      s.v += g * g;
      return (lr * g) / (sqrt(s.v) + 1e-8);
    },
    RMSProp: (s, g, { lr }) => {
      s.v = 0.99 * s.v + 0.01 * g * g;
      return (lr * g) / (sqrt(s.v) + 1e-8);
    },
    AdaDelta: (s, g, { lr }) => {
      s.v = 0.9 * s.v + 0.1 * g * g;
      const change = (g * sqrt(s.m + 1e-6)) / sqrt(s.v + 1e-6);
      s.m = 0.9 * s.m + 0.1 * change * change;
      return lr * change;
    },
    Adam: adam,
    AdamW: (s, g, hyper, w) => adam(s, g, hyper) + hyper.lr * 0.01 * w,
  };

  // The points visited in so many steps; the first that is far away ends the path.
  const run = (values, steps) => {
    const { gradient } = SURFACES[values.surface];
    const states = [0, 1].map(() => ({ m: 0, v: 0 }));
    const path = [[values.start_x, values.start_y]];
    for (let t = 1; t <= steps; t++) {
      const point = path[t - 1];
      const g = gradient(...point);
      const hyper = { lr: values.lr, beta: values.momentum, t };
      path.push(point.map((w, i) => w - UPDATES[values.optimizer](states[i], g[i], hyper, w)));
      if (!(hypot(...path[t]) < FAR)) break;
    }
    return path;
  };

  const lowest = ({ f, minima }) => Math.min(...minima.map((p) => f(...p)));
  const excess = (surface, point) => surface.f(...point) - lowest(surface);
  const distance = (p, q) => hypot(p[0] - q[0], p[1] - q[1]);

  const nearest = ({ minima }, point) =>
    minima.reduce((best, p) => (distance(p, point) < distance(best, point) ? p : best));

  const show = (v) => core.number(v);

  // What the path does at its last point.
  const verdict = (values, path) => {
    const surface = SURFACES[values.surface];
    const k = path.length - 1;
    const [here, before] = [path[k], path[k - 1]];
    if (!(hypot(...here) < FAR)) return `It has diverged: step ${k} ends more than ${FAR} away from the origin`;
    const slope = show(hypot(...surface.gradient(...here)));
    if (!k) return `It stands at the start, where the gradient has length ${slope}`;
    const moved = distance(here, before);
    const minimum = nearest(surface, here);
    if (distance(minimum, here) < 0.01 && moved < 1e-3) {
      return `It has converged to within 0.01 of it${excess(surface, minimum) > 0.1 ? ", but to the higher of the two minima" : ""}`;
    }
    if (surface.saddle && distance(here, surface.saddle) < 0.05 && moved < 0.01) {
      return `It sits at the saddle point, which is no minimum: the gradient has length ${slope}`;
    }
    const rises = surface.f(...here) > surface.f(...before) ? " and raised the loss" : "";
    const pace = moved < 1e-3 ? "It creeps" : "It is still moving";
    return `${pace}: its last step was ${show(moved)} long${rises}, and the gradient has length ${slope}`;
  };

  const describe = (values) => {
    const surface = SURFACES[values.surface];
    const path = run(values, values.step);
    const [first, last] = [path[0], path[path.length - 1]];
    const minimum = nearest(surface, last);
    const steps = `${path.length - 1} ${path.length === 2 ? "step" : "steps"}`;
    return (
      `Loss above the lowest point: ${show(excess(surface, first))} at the start, ` +
      `${show(excess(surface, last))} after ${steps}. The nearest minimum (${minimum.map(show).join(", ")}) ` +
      `is ${show(distance(minimum, last))} away. ${verdict(values, path)}.`
    );
  };

  // Where a plane through three corners (x, y, height) has this level: a segment [x, y, x, y], or nothing.
  const crossing = (corners, level) =>
    corners.flatMap((p, i) => {
      const q = corners[(i + 1) % 3];
      if (p[2] > level === q[2] > level) return [];
      const part = (level - p[2]) / (q[2] - p[2]);
      return [p[0] + part * (q[0] - p[0]), p[1] + part * (q[1] - p[1])];
    });

  const contours = {};

  // Segments of the contours, by marching over triangles; computed once for each surface.
  const contoursOf = (name, cells = 64) => {
    if (contours[name]) return contours[name];
    const surface = SURFACES[name];
    const places = Array.from({ length: cells + 1 }, (_, i) => VIEW * ((2 * i) / cells - 1));
    // The square root of the loss is nearly linear between neighbors, where the loss is nearly quadratic.
    const grid = places.map((x) => places.map((y) => [x, y, sqrt(Math.max(0, excess(surface, [x, y])))]));
    const top = Math.max(...grid.flat().map((p) => p[2] ** 2));
    const levels = Array.from({ length: 12 }, (_, k) => top * ((k + 1.5) / 13) ** surface.bend);
    const segments = [];
    for (let i = 0; i < cells; i++) {
      for (let j = 0; j < cells; j++) {
        const [a, b, c, d] = [grid[i][j], grid[i + 1][j], grid[i + 1][j + 1], grid[i][j + 1]];
        for (const corners of [[a, b, c], [a, c, d]]) {
          for (const level of levels) {
            const segment = crossing(corners, sqrt(level));
            if (segment.length) segments.push(segment);
          }
        }
      }
    }
    contours[name] = { segments, levels, top };
    return contours[name];
  };

  const drawContours = (ctx, plot, { segments }, theme) => {
    ctx.strokeStyle = theme.muted;
    ctx.lineWidth = 0.7;
    ctx.beginPath();
    for (const [x0, y0, x1, y1] of segments) {
      ctx.moveTo(plot.x(x0), plot.y(y0));
      ctx.lineTo(plot.x(x1), plot.y(y1));
    }
    ctx.stroke();
  };

  const seen = {}; // the map's plot, by width of the canvas

  const drawPath = (ctx, box, values, path, theme) => {
    const surface = SURFACES[values.surface];
    const lim = [-VIEW, VIEW];
    const head = { xlim: lim, ylim: lim, xscale: "linear", yscale: "linear", xlabel: "x", ylabel: "y" };
    const plot = core.axes(ctx, box, head, theme);
    seen[theme.width] = plot;
    const dot = ([x, y], radius, color) => core.disk(ctx, plot.x(x), plot.y(y), radius, color);
    core.clipped(ctx, plot, () => {
      drawContours(ctx, plot, contoursOf(values.surface), theme);
      surface.minima.forEach(([x, y]) => core.cross(ctx, plot.x(x), plot.y(y), 6, theme.ink));
      const near = path.filter((p) => hypot(...p) < 1e4);
      core.polyline(ctx, plot, near.map((p) => p[0]), near.map((p) => p[1]), theme.color(1));
      near.forEach((p) => dot(p, 2.5, theme.color(1)));
      dot(path[0], 5, theme.color(0));
      if (near.length === path.length) dot(path[path.length - 1], 6, theme.color(1));
    });
  };

  const drawLosses = (ctx, box, values, { path, steps }, theme) => {
    const surface = SURFACES[values.surface];
    const limits = [1e-6, 3 * contoursOf(values.surface).top];
    const head = {
      xlim: [0, steps], ylim: limits, xscale: "linear", yscale: "log",
      xlabel: "step", ylabel: "loss above the lowest",
    };
    const plot = core.axes(ctx, box, head, theme);
    const losses = path.map((p) => excess(surface, p)).map((v) => (v > 1e-30 && v < 1e12 ? v : null));
    const here = losses[values.step];
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, losses.map((_, k) => k), losses, theme.color(0));
    });
    const shown = here >= limits[0] && here <= limits[1];
    if (shown) core.disk(ctx, plot.x(values.step), plot.y(here), 6, theme.color(1));
  };

  const draw = (ctx, values, data, theme) => {
    const { width, height } = theme;
    const steps = data.steps || STEPS;
    const path = run(values, steps);
    const [w, h] = width < STACKED_BELOW ? [width, height / 2] : [width / 2, height];
    drawPath(ctx, { x: 0, y: 0, w, h }, values, path.slice(0, values.step + 1), theme);
    const second = width < STACKED_BELOW ? { x: 0, y: h, w, h } : { x: w, y: 0, w, h };
    drawLosses(ctx, second, values, { path, steps }, theme);
  };

  // The start goes to the pointer.
  const drag = ([x, y], values, data, theme) => {
    const { left, right, top, bottom } = seen[theme.width] || {};
    const parts = [(x - left) / (right - left), (bottom - y) / (bottom - top)];
    if (!parts.every((part) => part >= 0 && part <= 1)) return null;
    const [startX, startY] = parts.map((part) => VIEW * (2 * part - 1));
    return { start_x: startX, start_y: startY };
  };

  const height = (width) => (width < STACKED_BELOW ? 600 : 340);
  return { SURFACES, contoursOf, describe, drag, draw, height, run, verdict };
})();
if (typeof module !== "undefined") module.exports = optimizers;

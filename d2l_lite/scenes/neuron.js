// A threshold unit's line in the plane, alone or as one of two hidden units of a small network.
// A unit (w₁, w₂, b) fires where w₁x₁ + w₂x₂ + b > 0.
const neuron = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const TOP = 22; // height of the legend
  const SIDE = 264; // of the plane where the panels are stacked
  const CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]];
  const GATES = { AND: [0, 0, 0, 1], OR: [0, 1, 1, 1], XOR: [0, 1, 1, 0] };
  // Two groups that one line separates.
  const GROUPS = {
    points: [
      [0.1, 0.2], [0.4, 0.3], [0.6, 0.1], [0.2, 0.7], [0.9, 0.5], [0.7, 0.8], [1.1, 0.7], [0.4, 1],
    ],
    labels: [0, 0, 0, 0, 1, 1, 1, 1],
  };
  // One hidden unit moves, the other stays here: OR and AND, with which the network computes XOR.
  const HIDDEN = [[1, 1, -0.5], [1, 1, -1.5]];
  const STAYS = ["h₁ stays at x₁ + x₂ > 0.5", "h₂ stays at x₁ + x₂ > 1.5"];
  const OUTPUT = [1, -1, -0.5]; // fires where h₁ does and h₂ does not
  const UNIT = [-0.35, 1.45];

  const own = (data) => (data.points ? data : GROUPS);
  const setOf = ({ points }, data) => (GATES[points] ? { points: CORNERS, labels: GATES[points] } : own(data));
  const moved = ({ w1, w2, b }) => [w1, w2, b];
  const input = ([w1, w2, b], [x, y]) => w1 * x + w2 * y + b;
  const fires = (unit, point) => (input(unit, point) > 0 ? 1 : 0);

  // The place of the hidden unit that moves, −1 for one neuron alone.
  const place = ({ network }) => ["₁", "₂"].indexOf(network.slice(-1));

  const hidden = (values) => HIDDEN.map((unit, i) => (i === place(values) ? moved(values) : unit));
  const toHidden = (values, points) => points.map((p) => hidden(values).map((unit) => fires(unit, p)));

  // What the network gives at each point.
  const outputs = (values, points) =>
    place(values) < 0
      ? points.map((p) => fires(moved(values), p))
      : toHidden(values, points).map((h) => fires(OUTPUT, h));

  const errors = (values, { points, labels }) => outputs(values, points).map((output, i) => output !== labels[i]);

  // Between two directions in which points fall on each other the order along the direction stays,
  // so one direction between each two, and each threshold along it, are all that lines can do.
  const directions = (points) => {
    const across = (p, q) => (Math.atan2(q[0] - p[0], p[1] - q[1]) + 2 * Math.PI) % Math.PI;
    const angles = points.flatMap((p, i) => points.slice(i + 1).map((q) => across(p, q)));
    angles.sort((a, b) => a - b);
    return angles.map((a, i) => (a + (i + 1 < angles.length ? angles[i + 1] : angles[0] + Math.PI)) / 2);
  };

  // The fewest points on the wrong side of any line.
  const fewest = ({ points, labels }) => {
    const zeros = labels.filter((label) => !label).length;
    let best = Math.min(zeros, labels.length - zeros);
    for (const angle of directions(points)) {
      const along = points.map(([x, y], i) => [x * Math.cos(angle) + y * Math.sin(angle), labels[i]]);
      along.sort((p, q) => p[0] - q[0]);
      let wrong = zeros;
      along.forEach(([at, label], i) => {
        wrong += label ? 1 : -1;
        // No threshold passes between points that coincide along this direction.
        const next = i + 1 < along.length ? along[i + 1][0] : Infinity;
        if (next - at > 1e-9) best = Math.min(best, wrong, labels.length - wrong);
      });
    }
    return best;
  };

  const nearest = (unit, points) => {
    const size = Math.hypot(unit[0], unit[1]);
    if (!size) return `with w = 0 there is no line, and the unit ${unit[2] > 0 ? "always" : "never"} fires`;
    const distance = Math.min(...points.map((p) => Math.abs(input(unit, p)))) / size;
    return `the nearest point lies ${core.number(distance)} from the line`;
  };

  const describe = (values, data) => {
    const set = setOf(values, data);
    const of = `of ${set.points.length}`;
    const wrong = errors(values, set).filter(Boolean).length;
    const start = `Wrong: ${wrong} ${of} points; ${nearest(moved(values), set.points)}.`;
    if (place(values) >= 0) {
      const left = fewest({ points: toHidden(values, set.points), labels: set.labels });
      return `${start} In the hidden space ${left ? "no" : "one"} line separates the classes; ${STAYS[1 - place(values)]}.`;
    }
    const least = fewest(set);
    if (!least) return `${start} The classes are linearly separable.`;
    return `${start} One neuron ${wrong > least ? "can" : "cannot"} do better: the best line has ${least} ${of} wrong.`;
  };

  // The square of the plane that shows every set of points.
  const view = (data) => {
    const all = [...CORNERS, ...own(data).points].flat();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = 0.3 * (high - low);
    return [low - margin, high + margin];
  };

  // The part of a polygon on which a unit fires.
  const cut = (polygon, unit) =>
    polygon.flatMap((p, i) => {
      const q = polygon[(i + 1) % polygon.length];
      const [a, b] = [input(unit, p), input(unit, q)];
      const crossing = a > 0 !== b > 0 ? [p.map((v, k) => v + (a / (a - b)) * (q[k] - v))] : [];
      return a > 0 ? [p, ...crossing] : crossing;
    });

  const shade = (ctx, plot, [low, high], units, theme) => {
    const square = [[low, low], [high, low], [high, high], [low, high]];
    ctx.beginPath();
    units.reduce(cut, square).forEach(([x, y], i) => ctx[i ? "lineTo" : "moveTo"](plot.x(x), plot.y(y)));
    ctx.fillStyle = theme.color(1);
    ctx.globalAlpha = 0.18;
    ctx.fill();
    ctx.globalAlpha = 1;
  };

  // Draws the line of a unit, and w as an arrow on it if so wanted.
  const drawLine = (ctx, plot, unit, [low, high], color, dash, arrow) => {
    const size = Math.hypot(unit[0], unit[1]);
    if (!size) return;
    const [u, v] = [unit[0] / size, unit[1] / size];
    const middle = (low + high) / 2;
    const t = input(unit, [middle, middle]) / size;
    // Points given by how far they lie from the foot on the line, along w and across it.
    const line = (points, kind) => {
      const xs = points.map(([along, across]) => middle + (along - t) * u - across * v);
      const ys = points.map(([along, across]) => middle + (along - t) * v + across * u);
      core.polyline(ctx, plot, xs, ys, color, kind);
    };
    const span = high - low;
    line([[0, -2 * span], [0, 2 * span]], dash);
    const [tip, head] = [0.14 * span * size, 0.035 * span];
    if (arrow) line([[0, 0], [tip, 0], [tip - head, head / 2], [tip, 0], [tip - head, -head / 2]], []);
  };

  const ring = (ctx, x, y, radius, color) => {
    ctx.strokeStyle = color;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.stroke();
  };

  const mark = (ctx, x, y, [label, wrong], theme) => {
    if (label) core.disk(ctx, x, y, 5, theme.color(1));
    else if (label === 0) ring(ctx, x, y, 4.5, theme.color(0));
    if (wrong) ring(ctx, x, y, 9, theme.ink);
  };

  // Draws the points at these places; those that coincide stand above each other.
  const drawSet = (ctx, plot, places, values, set, theme) => {
    const wrong = errors(values, set);
    const taken = {};
    places.forEach(([x, y], i) => {
      const key = `${x.toFixed(6)} ${y.toFixed(6)}`;
      const k = taken[key] || 0;
      taken[key] = k + 1;
      mark(ctx, plot.x(x) + 18 * Math.floor(k / 3), plot.y(y) - 18 * (k % 3), [set.labels[i], wrong[i]], theme);
    });
  };

  const legend = (ctx, theme) => {
    ctx.font = theme.font;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    [["class 0", 0], ["class 1", 1], ["wrong", null, true]].forEach(([text, ...kind], i) => {
      mark(ctx, 14 + 85 * i, 11, kind, theme);
      ctx.fillStyle = theme.ink;
      ctx.fillText(text, 28 + 85 * i, 11);
    });
  };

  const boxes = ({ width, height }) => {
    const stacked = width < STACKED_BELOW;
    const side = stacked ? SIDE : Math.min(width / 2 - 64, height - TOP - 48);
    const plane = { x: 0, y: TOP, w: side + 64, h: side + 48 };
    if (stacked) return [plane, { x: 0, y: TOP + plane.h, w: width, h: 240 }];
    return [plane, { ...plane, x: plane.w, w: width - plane.w }];
  };

  const axes = (ctx, box, [xlim, ylim], [xlabel, ylabel], theme) =>
    core.axes(ctx, box, { xlim, ylim, xscale: "linear", yscale: "linear", xlabel, ylabel }, theme);

  const seen = {}; // the plane's plot, by width of the canvas

  const drawPlane = (ctx, box, values, data, theme) => {
    const [set, limits, at] = [setOf(values, data), view(data), place(values)];
    const plot = axes(ctx, box, [limits, limits], ["x₁", "x₂"], theme);
    seen[theme.width] = plot;
    const [first, second] = hidden(values);
    const region = at < 0 ? [moved(values)] : [first, second.map((v) => -v)];
    core.clipped(ctx, plot, () => {
      shade(ctx, plot, limits, region, theme);
      if (at >= 0) drawLine(ctx, plot, HIDDEN[1 - at], limits, theme.muted, theme.dash(1));
      drawLine(ctx, plot, moved(values), limits, theme.ink, [], true);
      drawSet(ctx, plot, set.points, values, set, theme);
    });
  };

  // One neuron makes each point one number; a point is right where it lies on the step.
  const drawStep = (ctx, box, values, set, theme) => {
    const sums = set.points.map((p) => input(moved(values), p));
    const reach = 2 ** Math.ceil(Math.log2(1.15 * Math.max(1, ...sums.map(Math.abs))));
    const plot = axes(ctx, box, [[-reach, reach], UNIT], ["w·x + b", "output and class"], theme);
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, [-reach, 0, 0, reach], [0, 0, 1, 1], theme.ink);
      drawSet(ctx, plot, sums.map((z, i) => [z, set.labels[i]]), values, set, theme);
    });
  };

  const drawHidden = (ctx, box, values, set, theme) => {
    const plot = axes(ctx, box, [UNIT, UNIT], ["h₁", "h₂"], theme);
    core.clipped(ctx, plot, () => {
      shade(ctx, plot, UNIT, [OUTPUT], theme);
      drawLine(ctx, plot, OUTPUT, UNIT, theme.ink, []);
      drawSet(ctx, plot, toHidden(values, set.points), values, set, theme);
    });
  };

  const draw = (ctx, values, data, theme) => {
    const [plane, second] = boxes(theme);
    legend(ctx, theme);
    drawPlane(ctx, plane, values, data, theme);
    (place(values) < 0 ? drawStep : drawHidden)(ctx, second, values, setOf(values, data), theme);
  };

  // The line keeps its direction and goes through the pointer.
  const drag = ([x, y], { w1, w2 }, data, theme) => {
    const { left, right, top, bottom } = seen[theme.width] || {};
    const at = [(x - left) / (right - left), (bottom - y) / (bottom - top)];
    if (!at.every((part) => part >= 0 && part <= 1) || !(w1 || w2)) return null;
    const [low, high] = view(data);
    return { b: -input([w1, w2, 0], at.map((part) => low + part * (high - low))) };
  };

  const height = (width) => (width < STACKED_BELOW ? TOP + SIDE + 288 : 350);
  return { cut, describe, drag, draw, errors, fewest, height, outputs, toHidden };
})();
if (typeof module !== "undefined") module.exports = neuron;

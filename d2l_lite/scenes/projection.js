// Points of the plane projected onto a line through their mean: what each direction keeps of the variance.
const projection = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const BINS = 24;
  const places = new WeakMap(); // theme of a drawing to its plots, for the pointer

  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const square = (values) => mean(values.map((v) => v * v));
  const direction = (degrees) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];

  // The points with mean 0, and if standardized with variance 1 in each feature.
  const prepare = (values, data) => {
    const columns = [0, 1].map((j) => {
      const column = data.points.map((p) => p[j]);
      const middle = mean(column);
      const centered = column.map((v) => v - middle);
      const unit = values.features === "standardized" ? Math.sqrt(square(centered)) : 1;
      return centered.map((v) => v / unit);
    });
    return columns[0].map((x, i) => [x, columns[1][i]]);
  };

  const project = (points, degrees) => {
    const [c, s] = direction(degrees);
    return points.map(([x, y]) => c * x + s * y);
  };

  // The variance of the projections, and the mean squared distance of the points from their projections.
  const split = (points, degrees) => {
    const [c, s] = direction(degrees);
    const along = project(points, degrees);
    const away = along.map((t, i) => Math.hypot(points[i][0] - c * t, points[i][1] - s * t));
    return { kept: square(along), lost: square(away) };
  };

  // Variances along the principal directions, and the angle of the first in degrees from 0 to 180.
  const principal = (points) => {
    const [a, d] = [0, 1].map((j) => square(points.map((p) => p[j])));
    const b = mean(points.map(([x, y]) => x * y));
    const radius = Math.hypot((a - d) / 2, b);
    const angle = (90 * Math.atan2(2 * b, a - d)) / Math.PI;
    return { first: (a + d) / 2 + radius, second: (a + d) / 2 - radius, angle: (angle + 180) % 180 };
  };

  const apart = (one, other) => Math.abs(((((one - other) % 180) + 270) % 180) - 90);

  const describe = (values, data) => {
    const points = prepare(values, data);
    const { kept, lost } = split(points, values.angle);
    const { first, second, angle } = principal(points);
    const total = first + second;
    const show = (v) => core.number(v);
    const percent = (v) => `${core.number((100 * v) / total)} %`;
    const away = apart(values.angle, angle);
    const found =
      first - second < 1e-9 * total
        ? "The variance is the same in every direction: no line is better than another."
        : away <= 0.5
          ? `No direction keeps more: the first principal direction is ${show(angle)}°.`
          : away >= 89.5
            ? `No direction keeps less: the first principal direction, ${show(angle)}°, is at a right angle.`
            : `The first principal direction, ${show(angle)}°, keeps ${percent(first)}.`;
    return (
      `The line at ${values.angle}° keeps variance ${show(kept)} (${percent(kept)}); the mean squared ` +
      `distance from it, the reconstruction error, is ${show(lost)} (${percent(lost)}). ` +
      `Their sum is ${show(kept + lost)} at every angle. ${found}`
    );
  };

  // Measures text as the canvas does and paints nothing.
  const silent = (ctx) =>
    new Proxy({}, {
      get: (_, name) => (name === "measureText" ? (text) => ctx.measureText(text) : () => {}),
      set: () => true,
    });

  // Axes on which a unit is equally long in both directions, so that right angles look right.
  const equalAxes = (ctx, box, reach, labels, theme) => {
    const head = { xscale: "linear", yscale: "linear", ...labels };
    let [xlim, ylim] = [[-reach, reach], [-reach, reach]];
    for (let pass = 0; pass < 2; pass++) { // the second with the margins that the first one's ticks need
      const { left, right, top, bottom } = core.axes(silent(ctx), box, { ...head, xlim, ylim }, theme);
      const unit = Math.min(right - left, bottom - top) / (2 * reach);
      [xlim, ylim] = [right - left, bottom - top].map((size) => [-size / 2 / unit, size / 2 / unit]);
    }
    return core.axes(ctx, box, { ...head, xlim, ylim }, theme);
  };

  const segments = (ctx, plot, pairs, color) => {
    const gaps = (j) => pairs.flatMap(([p, q]) => [p[j], q[j], null]);
    core.polyline(ctx, plot, gaps(0), gaps(1), color, [], 1);
  };

  const drawPoints = (ctx, box, points, values, data, theme) => {
    const reach = 1.05 * Math.max(...points.flat().map(Math.abs));
    const names = (data.names || ["x₁", "x₂"]).map((name) => `${name}, ${values.features}`);
    const plot = equalAxes(ctx, box, reach, { xlabel: names[0], ylabel: names[1] }, theme);
    const line = (degrees, i) => {
      const [c, s] = direction(degrees).map((v) => 4 * reach * v);
      core.polyline(ctx, plot, [-c, c], [-s, s], theme.color(i), theme.dash(i));
    };
    const [c, s] = direction(values.angle);
    const feet = project(points, values.angle).map((t) => [c * t, s * t]);
    core.clipped(ctx, plot, () => {
      segments(ctx, plot, points.map((p, i) => [p, feet[i]]), theme.muted);
      line(principal(points).angle, 1);
      line(values.angle, 0);
      points.forEach(([x, y]) => core.disk(ctx, plot.x(x), plot.y(y), 2.5, theme.ink));
      feet.forEach(([x, y]) => core.disk(ctx, plot.x(x), plot.y(y), 2.5, theme.color(0)));
    });
    return plot;
  };

  const drawShares = (ctx, box, points, angle, theme) => {
    const { first, second, angle: best } = principal(points);
    const head = { xlim: [0, 180], ylim: [0, 1], xscale: "linear", yscale: "linear" };
    const labels = { xlabel: "angle in degrees", ylabel: "variance kept" };
    const plot = core.axes(ctx, box, { ...head, ...labels }, theme);
    const share = (degrees) => split(points, degrees).kept / (first + second);
    const angles = Array.from({ length: 91 }, (_, i) => 2 * i);
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, [best, best], [0, 1], theme.color(1), theme.dash(1));
      core.polyline(ctx, plot, angles, angles.map(share), theme.color(0));
    });
    core.disk(ctx, plot.x(angle), plot.y(share(angle)), 5, theme.color(0));
    return plot;
  };

  // Numbers of values in equal bins from −reach to reach.
  const histogram = (values, reach) => {
    const counts = Array(BINS).fill(0);
    const bin = (v) => Math.min(BINS - 1, Math.floor((BINS * (v + reach)) / (2 * reach)));
    values.forEach((v) => { counts[bin(v)] += 1; });
    return counts;
  };

  const drawHistogram = (ctx, box, points, angle, theme) => {
    const reach = 1.001 * Math.max(...points.map((p) => Math.hypot(...p)));
    const all = Array.from({ length: 36 }, (_, i) => histogram(project(points, 5 * i), reach));
    const along = project(points, angle);
    const counts = histogram(along, reach);
    const ylim = [0, 1.1 * Math.max(...all.flat(), ...counts)];
    const head = { xlim: [-reach, reach], ylim, xscale: "linear", yscale: "linear" };
    const plot = core.axes(ctx, box, { ...head, xlabel: "projection", ylabel: "points" }, theme);
    const width = (plot.right - plot.left) / BINS;
    ctx.fillStyle = theme.color(0);
    counts.forEach((count, i) => {
      ctx.fillRect(plot.left + i * width + 0.5, plot.y(count), width - 1, plot.bottom - plot.y(count));
    });
    const foot = ylim[1] * 0.05;
    segments(ctx, plot, along.map((t) => [[t, 0], [t, foot]]), theme.ink);
  };

  const draw = (ctx, values, data, theme) => {
    const points = prepare(values, data);
    const top = core.legend(ctx, ["line", "first principal direction"], theme);
    const h = theme.height - top;
    const stacked = theme.width < STACKED_BELOW;
    const [w, half] = stacked ? [theme.width, 0.27 * h] : [theme.width / 2, h / 2];
    const first = { x: 0, y: top, w, h: stacked ? 0.46 * h : h };
    const second = stacked ? { x: 0, y: top + first.h, w, h: half } : { x: w, y: top, w, h: half };
    places.set(theme, {
      plane: drawPoints(ctx, first, points, values, data, theme),
      shares: drawShares(ctx, second, points, values.angle, theme),
    });
    drawHistogram(ctx, { ...second, y: second.y + half }, points, values.angle, theme);
  };

  const inside = ([x, y], plot) => x >= plot.left && x <= plot.right && y >= plot.top && y <= plot.bottom;

  // A pointer among the points turns the line towards it; on the curve it picks the angle.
  const drag = ([x, y], values, data, theme) => {
    const { plane, shares } = places.get(theme) || {};
    if (plane && inside([x, y], plane)) {
      const angle = (180 * Math.atan2(plane.y(0) - y, x - plane.x(0))) / Math.PI;
      return { angle: Math.round(angle + 180) % 180 };
    }
    if (!shares || !inside([x, y], shares)) return null;
    return { angle: (180 * (x - shares.left)) / (shares.right - shares.left) };
  };

  const height = (width) => (width < STACKED_BELOW ? 680 : 380);
  return { describe, drag, draw, height, prepare, principal, project, split };
})();
if (typeof module !== "undefined") module.exports = projection;

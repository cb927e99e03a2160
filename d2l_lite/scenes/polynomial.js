// Bias and variance of polynomials fitted by ridge regression to many training sets of one noisy function,
// min over c of (1/n) Σ (y − Σ cₖ Pₖ(x))² + λ Σ_{k ≥ 1} cₖ²,
// with Legendre polynomials Pₖ on the interval of the grid.
const polynomial = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const MAX_DEGREE = 12;
  const MARGIN = 0.3; // degrees, beside the first and the last
  const places = new WeakMap(); // theme of a drawing to its plot of errors, for the pointer

  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

  // P₀(u), …, P₁₂(u).
  const legendre = (u) => {
    const row = [1, u];
    for (let k = 1; k < MAX_DEGREE; k++) row.push(((2 * k + 1) * u * row[k] - k * row[k - 1]) / (k + 1));
    return row;
  };

  const basis = (xs, grid) => {
    const [low, high] = [grid[0], grid[grid.length - 1]];
    return xs.map((x) => legendre((2 * x - low - high) / (high - low)));
  };

  // Makes the first columns of [A | b] triangular by Householder reflections.
  const triangle = (rows) => {
    for (let k = 0; k <= MAX_DEGREE; k++) {
      const norm = Math.hypot(...rows.slice(k).map((row) => row[k]));
      const v = rows.map((row, i) => (i < k ? 0 : row[k]));
      v[k] += v[k] < 0 ? -norm : norm;
      const size = v.reduce((sum, a) => sum + a * a, 0);
      if (!size) continue;
      for (let j = k; j <= MAX_DEGREE + 1; j++) {
        const part = (2 * rows.reduce((sum, row, i) => sum + v[i] * row[j], 0)) / size;
        rows.forEach((row, i) => { row[j] -= part * v[i]; });
      }
    }
    return rows;
  };

  // Coefficients for every degree: the leading block of one triangle solves each of the nested problems.
  const solve = (xs, ys, grid, penalty) => {
    const weight = Math.sqrt(1 / xs.length);
    const rows = basis(xs, grid).map((row, i) => [...row, ys[i]].map((v) => weight * v));
    for (let k = 1; k <= MAX_DEGREE; k++) {
      rows.push(Array.from({ length: MAX_DEGREE + 2 }, (_, j) => (j === k ? Math.sqrt(penalty) : 0)));
    }
    const R = triangle(rows);
    return Array.from({ length: MAX_DEGREE + 1 }, (_, degree) => {
      const c = [];
      for (let i = degree; i >= 0; i--) {
        let rest = R[i][MAX_DEGREE + 1];
        for (let j = i + 1; j <= degree; j++) rest -= R[i][j] * c[j];
        c[i] = rest / R[i][i];
      }
      return c;
    });
  };

  const predict = (design, c) => design.map((row) => c.reduce((sum, v, k) => sum + v * row[k], 0));
  const distance = (a, b) => mean(a.map((v, i) => (v - b[i]) ** 2));

  // For each degree at this penalty: the fits on the grid, their mean, and the errors of all training sets.
  const study = (penalty, data) => {
    const onGrid = basis(data.grid, data.grid);
    const solved = data.x.map((xs, s) => [basis(xs, data.grid), solve(xs, data.y[s], data.grid, penalty)]);
    return Array.from({ length: MAX_DEGREE + 1 }, (_, degree) => {
      const fits = solved.map(([, c]) => predict(onGrid, c[degree]));
      const middle = data.grid.map((__, i) => mean(fits.map((fit) => fit[i])));
      const trains = solved.map(([design, c], s) => distance(predict(design, c[degree]), data.y[s]));
      const tests = fits.map((fit) => distance(fit, data.test));
      const [train, test] = [mean(trains), mean(tests)];
      const [bias, variance] = [distance(middle, data.truth), mean(fits.map((fit) => distance(fit, middle)))];
      return { fits, middle, trains, tests, train, test, bias, variance };
    });
  };

  const describe = (values, data) => {
    const studies = study(values.penalty, data);
    const at = studies[values.degree];
    const noise = data.noise ** 2;
    const show = (v) => core.number(v);
    const all = studies.map((one) => one.test);
    const best = all.indexOf(Math.min(...all));
    const s = values.training_set - 1;
    const lead = at.bias > at.variance
      ? "Bias² is larger than the variance: the fits agree on a wrong curve."
      : "The variance is larger than bias²: each training set gives another curve.";
    const least = best === values.degree
      ? "No other degree has a smaller test error at this λ."
      : `At this λ degree ${best} has the smallest test error, ${show(all[best])}.`;
    return (
      `Bias² ${show(at.bias)} + variance ${show(at.variance)} + noise ${show(noise)} = ` +
      `${show(at.bias + at.variance + noise)}. Measured: test error ${show(at.test)}, training error ` +
      `${show(at.train)} (means of ${at.fits.length} fits; set ${s + 1} alone ${show(at.tests[s])} and ` +
      `${show(at.trains[s])}). ${lead} ${least}`
    );
  };

  // Axes below a legend of [label, number of its color] in one panel.
  const framed = (ctx, box, entries, head, theme) => {
    const own = { color: (i) => theme.color(entries[i][1]), dash: (i) => theme.dash(entries[i][1]) };
    ctx.save();
    ctx.translate(box.x, box.y);
    const top = core.legend(ctx, entries.map(([label]) => label), { ...theme, ...own, width: box.w });
    ctx.restore();
    const under = { ...box, y: box.y + top, h: box.h - top };
    return core.axes(ctx, under, { xscale: "linear", yscale: "linear", ...head }, theme);
  };

  const drawFits = (ctx, box, at, s, data, theme) => {
    const { grid, truth } = data;
    const [low, high] = [Math.min(...data.y.flat()), Math.max(...data.y.flat())];
    const head = { xlim: [grid[0], grid[grid.length - 1]], ylim: [low, high], xlabel: "x", ylabel: "y" };
    const entries = [[`fit to set ${s + 1}`, 1], [`mean of ${at.fits.length}`, 0], ["true", 4]];
    const plot = framed(ctx, box, entries, head, theme);
    core.clipped(ctx, plot, () => {
      at.fits.forEach((fit) => core.polyline(ctx, plot, grid, fit, theme.faint, [], 1.5));
      core.polyline(ctx, plot, grid, truth, theme.color(4), theme.dash(4));
      core.polyline(ctx, plot, grid, at.middle, theme.color(0), theme.dash(0));
      core.polyline(ctx, plot, grid, at.fits[s], theme.color(1), theme.dash(1), 2.5);
      data.x[s].forEach((x, i) => core.disk(ctx, plot.x(x), plot.y(data.y[s][i]), 3.5, theme.color(1)));
    });
  };

  const drawErrors = (ctx, box, studies, degree, data, theme) => {
    const size = distance(data.truth, data.truth.map(() => mean(data.truth))) + data.noise ** 2;
    const [low, high] = [1e-3 * size, 1e2 * size];
    const limits = { xlim: [-MARGIN, MAX_DEGREE + MARGIN], ylim: [low, high] };
    const head = { ...limits, yscale: "log", xlabel: "degree", ylabel: "error" };
    const names = {
      test: ["test", 3], train: ["training", 2], bias: ["bias²", 0], variance: ["variance", 1],
    };
    const plot = framed(ctx, box, Object.values(names), head, theme);
    const degrees = studies.map((_, k) => k);
    core.clipped(ctx, plot, () => {
      core.polyline(ctx, plot, [degree, degree], [low, high], theme.muted, [], 1);
      for (const [key, [, i]] of Object.entries(names)) {
        const line = studies.map((one) => (one[key] > 1e-9 * low ? one[key] : null));
        core.polyline(ctx, plot, degrees, line, theme.color(i), theme.dash(i));
        if (line[degree] !== null) core.disk(ctx, plot.x(degree), plot.y(line[degree]), 4, theme.color(i));
      }
    });
    return plot;
  };

  const draw = (ctx, values, data, theme) => {
    const studies = study(values.penalty, data);
    const stacked = theme.width < STACKED_BELOW;
    const [w, h] = stacked ? [theme.width, theme.height / 2] : [theme.width / 2, theme.height];
    drawFits(ctx, { x: 0, y: 0, w, h }, studies[values.degree], values.training_set - 1, data, theme);
    const second = stacked ? { x: 0, y: h, w, h } : { x: w, y: 0, w, h };
    places.set(theme, drawErrors(ctx, second, studies, values.degree, data, theme));
  };

  // The degree under a pointer on the plot of errors.
  const drag = ([x, y], values, data, theme) => {
    const { left, right, top, bottom } = places.get(theme) || {};
    const inside = x > left - 14 && x < right + 14 && y > top && y < bottom;
    return inside ? { degree: ((MAX_DEGREE + 2 * MARGIN) * (x - left)) / (right - left) - MARGIN } : null;
  };

  return { describe, drag, draw, height: (width) => (width < STACKED_BELOW ? 600 : 340), solve, study };
})();
if (typeof module !== "undefined") module.exports = polynomial;

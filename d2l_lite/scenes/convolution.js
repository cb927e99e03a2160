// A convolution layer's sum on a small gray image: kernel, stride, padding, dilation.
const convolution = (() => {
  "use strict";
  const STACKED_BELOW = 560; // CSS pixels
  const TITLE = 22;

  const span = (k, dilation) => dilation * (k - 1) + 1;

  // ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1, or 0 where the kernel does not fit.
  const outputSize = (n, k, { stride, padding, dilation }) => {
    const room = n + 2 * padding - span(k, dilation);
    return room < 0 ? 0 : Math.floor(room / stride) + 1;
  };

  const shape = (rows) => [rows.length, rows[0].length];

  const outputShape = (values, data) => {
    const kernel = shape(data.kernels[values.kernel]);
    const [rows, cols] = shape(data.image).map((n, i) => outputSize(n, kernel[i], values));
    return rows && cols ? [rows, cols] : [0, 0];
  };

  // Calls visit(row, col, weight) for each tap of the kernel at one output cell, in coordinates of the image.
  const taps = (values, data, [row, col], visit) => {
    const { stride, padding, dilation } = values;
    data.kernels[values.kernel].forEach((weights, i) =>
      weights.forEach((weight, j) =>
        visit(row * stride - padding + i * dilation, col * stride - padding + j * dilation, weight)
      )
    );
  };

  const sumAt = (values, data, cell) => {
    let sum = 0;
    taps(values, data, cell, (row, col, weight) => {
      sum += weight * ((data.image[row] || [])[col] || 0);
    });
    return sum;
  };

  const convolve = (values, data) => {
    const [rows, cols] = outputShape(values, data);
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: cols }, (__, j) => sumAt(values, data, [i, j]))
    );
  };

  const cellOf = (values, data) => {
    const cols = outputShape(values, data)[1];
    return cols ? [Math.floor(values.position / cols), values.position % cols] : null;
  };

  const limits = (values, data) => {
    const [rows, cols] = outputShape(values, data);
    return { position: rows * cols };
  };

  const describe = (values, data) => {
    const { stride, padding, dilation } = values;
    const input = shape(data.image);
    const kernel = shape(data.kernels[values.kernel]);
    const output = outputShape(values, data);
    if (!output[0]) {
      const spans = kernel.map((k) => span(k, dilation)).join(" × ");
      const room = input.map((n) => n + 2 * padding).join(" × ");
      return `The kernel with dilation ${dilation} spans ${spans} cells, the padded input has only ${room}: it does not fit, and there is no output.`;
    }
    const formula = (i) =>
      `⌊(${input[i]} + 2·${padding} − ${dilation}·(${kernel[i]} − 1) − 1)/${stride}⌋ + 1 = ${output[i]}`;
    const square = input[0] === input[1] && kernel[0] === kernel[1];
    const size = square ? `${formula(0)} rows and columns` : `${formula(0)} rows, ${formula(1)} columns`;
    const [row, col] = cellOf(values, data);
    const sum = core.number(sumAt(values, data, [row, col]));
    return `Output size: ${size}. Row ${row}, column ${col}: the ${kernel[0] * kernel[1]} products sum to ${sum}.`;
  };

  const gray = (low, high) => (v) => {
    const level = Math.round(255 * (high > low ? (v - low) / (high - low) : 0.5));
    return [level, level, level];
  };

  // Blue below zero, white at zero, red above.
  const twoSided = (top) => (v) => {
    const part = top ? Math.min(1, Math.abs(v) / top) : 0;
    const end = v < 0 ? [0, 114, 178] : [213, 94, 0];
    return end.map((c) => Math.round(255 + part * (c - 255)));
  };

  const box = (ctx, panel, row, col, color, width) => {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    const inset = width / 2;
    const { x, y, cell } = panel;
    ctx.strokeRect(x + col * cell + inset, y + row * cell + inset, cell - width, cell - width);
  };

  // Draws a matrix of cells with a title; writes the numbers if there is room for all of them.
  const drawCells = (ctx, panel, rows, paint, theme) => {
    const { x, y, cell, title } = panel;
    ctx.fillStyle = theme.ink;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(title, x, y - TITLE / 2);
    ctx.textAlign = "center";
    const label = (value) => core.number(value, 2);
    const widest = Math.max(0, ...rows.flat().map((value) => ctx.measureText(label(value)).width));
    const written = cell >= 16 && widest <= cell - 2;
    rows.forEach((row, i) =>
      row.forEach((value, j) => {
        const [red, green, blue] = paint(value);
        ctx.fillStyle = `rgb(${red}, ${green}, ${blue})`;
        ctx.fillRect(x + j * cell, y + i * cell, cell, cell);
        box(ctx, panel, i, j, theme.faint, 1);
        if (!written) return;
        ctx.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? "#000" : "#fff";
        ctx.fillText(label(value), x + (j + 0.5) * cell, y + (i + 0.5) * cell);
      })
    );
  };

  const drawInput = (ctx, panel, values, data, theme) => {
    const { padding } = values;
    const [height, width] = shape(data.image).map((n) => n + 2 * padding);
    for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) box(ctx, panel, i, j, theme.faint, 1);
    const all = data.image.flat();
    const shift = padding * panel.cell;
    const inner = { ...panel, x: panel.x + shift, y: panel.y + shift, title: "" };
    drawCells(ctx, inner, data.image, gray(Math.min(...all), Math.max(...all)), theme);
    ctx.fillStyle = theme.ink;
    ctx.textAlign = "left";
    ctx.fillText(panel.title, panel.x, panel.y - TITLE / 2);
    const cell = cellOf(values, data);
    if (!cell) return;
    taps(values, data, cell, (row, col) => box(ctx, panel, row + padding, col + padding, theme.color(2), 3));
  };

  // Places input, kernel and output: side by side, or the input above the two others.
  const layout = (values, data, theme) => {
    const padded = shape(data.image).map((n) => n + 2 * values.padding);
    const kernel = shape(data.kernels[values.kernel]);
    const output = outputShape(values, data);
    const fit = (size, w, h, most) => Math.min(most, Math.floor(Math.min(w / size[1], h / size[0])));
    const panel = (name, size, x, y, cell) => ({ x, y: y + TITLE, cell, title: `${name} ${size.join(" × ")}` });
    const { width, height } = theme;
    const stacked = width < STACKED_BELOW;
    const [w, h] = stacked ? [width - 2, 0.55 * height - TITLE] : [0.44 * width, height - TITLE];
    const cell = fit(padded, w, h, 34);
    const input = panel(values.padding ? "padded input" : "input", padded, 1, 0, cell);
    const [left, top] = stacked ? [1, padded[0] * cell + TITLE + 12] : [w + 20, 0];
    const kernelWidth = Math.max(90, (stacked ? 0.3 : 0.16) * width);
    const below = height - top - TITLE;
    const rest = left + kernelWidth + 16;
    const outputCell = fit([output[0] || 1, output[1] || 1], width - rest - 2, below, 34);
    return {
      input,
      kernel: panel("kernel", kernel, left, top, fit(kernel, kernelWidth, below, 34)),
      output: panel("output", output, rest, top, outputCell),
    };
  };

  const draw = (ctx, values, data, theme) => {
    const panels = layout(values, data, theme);
    const kernel = data.kernels[values.kernel];
    const output = convolve(values, data);
    const largest = (rows) => Math.max(0, ...rows.flat().map(Math.abs));
    ctx.font = theme.font;
    drawInput(ctx, panels.input, values, data, theme);
    drawCells(ctx, panels.kernel, kernel, twoSided(largest(kernel)), theme);
    if (!output.length) panels.output.title = "no output";
    drawCells(ctx, panels.output, output, twoSided(largest(output)), theme);
    const cell = cellOf(values, data);
    if (cell) box(ctx, panels.output, cell[0], cell[1], theme.color(2), 3);
  };

  // A pointer on the output picks the cell below it.
  const drag = ([x, y], values, data, theme) => {
    const { x: left, y: top, cell } = layout(values, data, theme).output;
    const [rows, cols] = outputShape(values, data);
    const [row, col] = [(y - top) / cell, (x - left) / cell].map(Math.floor);
    return row >= 0 && row < rows && col >= 0 && col < cols ? { position: row * cols + col } : null;
  };

  const height = (width) => (width < STACKED_BELOW ? 520 : 320);
  return { convolve, describe, drag, draw, height, limits, outputSize };
})();
if (typeof module !== "undefined") module.exports = convolution;

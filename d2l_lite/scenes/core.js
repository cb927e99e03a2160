// The core of every explorable: axes and lines on a canvas, and controls that keep picture and text alive.
// It stands in each output once, inside a function, so that outputs share nothing and leave nothing global.
// A scene is an object with
//   load()                          optional: a promise; the picture is drawn again when it is kept
//   draw(ctx, values, data, theme)  paints; theme holds width, height, dark, ink, muted, faint, colors, dashes, font
//   describe(values, data)          returns the text that says what the picture shows
//   height(width)                   returns the height of the canvas in CSS pixels
//   limits(values, data)            optional: {name: number of values allowed now} for sliders that others bound
//   drag([x, y], values, data, theme)  optional: {name: number wanted} for a pointer at these CSS pixels, null where
//                                   nothing can be dragged; each number goes to the nearest value of its control
const core = (() => {
  "use strict";
  const { keepKeys, make } = page;
  const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#B0568A", "#000000"];
  const DARK = ["#56B4E9", "#F28E4B", "#2FC79A", "#E0A3C6", "#FFFFFF"];
  const DASHES = [[], [8, 4], [8, 3, 2, 3], [2, 3], [8, 3, 2, 3, 2, 3]];
  const FONT_SIZE = 12; // CSS pixels; 9 pt

  const superscript = (n) =>
    String(n).replace(/[-\d]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));

  // A number as text with the given significant digits: 0.25, −3, 1.2·10⁻⁷.
  const number = (value, digits = 3) => {
    if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "undefined";
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
      const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
      const factor = Number(mantissa) === 1 ? "" : `${Number(mantissa)}·`;
      return `${factor}10${superscript(Number(exponent))}`.replace("-", "−");
    }
    return String(Number(value.toPrecision(digits))).replace("-", "−");
  };

  const linearTicks = (low, high, count) => {
    const raw = (high - low) / count;
    const base = 10 ** Math.floor(Math.log10(raw));
    const step = base * ([1, 2, 5].find((m) => m * base >= raw * 0.999) || 10);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
      ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
  };

  const logTicks = (low, high, count) => {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    if (last - first < 1) {
      const near = [1, 2, 5, 10, 20, 50].map((m) => m * 10 ** (first - 1));
      const inside = near.filter((v) => v >= low * 0.999 && v <= high * 1.001);
      return inside.length > 1 ? inside : linearTicks(low, high, count);
    }
    const stride = Math.ceil((last - first + 1) / count);
    const ticks = [];
    for (let e = Math.ceil(first / stride) * stride; e <= last; e += stride) ticks.push(10 ** e);
    return ticks;
  };

  const scale = (low, high, from, to, log) => {
    const f = log ? Math.log10 : (v) => v;
    return (v) => from + ((f(v) - f(low)) / (f(high) - f(low))) * (to - from);
  };

  // Draws axes with ticks and labels into a box {x, y, w, h}; returns maps to pixels and the inner rectangle.
  const axes = (ctx, box, head, theme) => {
    const { xlim, ylim, xscale, yscale, xlabel, ylabel } = head;
    const ticksOf = (lim, kind, n) => (kind === "log" ? logTicks : linearTicks)(lim[0], lim[1], n);
    const tickText = (v, kind) =>
      kind === "log" && Number.isInteger(Math.log10(v)) && (v < 0.01 || v > 100)
        ? `10${superscript(Math.round(Math.log10(v)))}`
        : number(v, 6);
    ctx.font = theme.font;
    const yTicks = ticksOf(ylim, yscale, Math.max(2, Math.floor(box.h / 45)));
    const wide = Math.max(...yTicks.map((v) => ctx.measureText(tickText(v, yscale)).width));
    const left = box.x + wide + (ylabel ? 30 : 12);
    const right = box.x + box.w - 14;
    const top = box.y + 8;
    const bottom = box.y + box.h - (xlabel ? 40 : 22);
    const x = scale(xlim[0], xlim[1], left, right, xscale === "log");
    const y = scale(ylim[0], ylim[1], bottom, top, yscale === "log");
    const line = (x0, y0, x1, y1) => {
      ctx.beginPath();
      ctx.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
      ctx.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
      ctx.stroke();
    };
    ctx.lineWidth = 1;
    ctx.setLineDash([]);
    ctx.fillStyle = theme.ink;
    ctx.strokeStyle = theme.faint;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    for (const v of ticksOf(xlim, xscale, Math.max(2, Math.floor((right - left) / 60)))) {
      line(x(v), top, x(v), bottom);
      ctx.fillText(tickText(v, xscale), x(v), bottom + 6);
    }
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (const v of yTicks) {
      line(left, y(v), right, y(v));
      ctx.fillText(tickText(v, yscale), left - 6, y(v));
    }
    ctx.strokeStyle = theme.muted;
    line(left, top, left, bottom);
    line(left, bottom, right, bottom);
    ctx.textAlign = "center";
    if (xlabel) ctx.fillText(xlabel, (left + right) / 2, bottom + 30);
    if (ylabel) {
      ctx.save();
      ctx.translate(box.x + 8, (top + bottom) / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(ylabel, 0, 0);
      ctx.restore();
    }
    return { x, y, left, right, top, bottom };
  };

  // Runs paint with everything outside the plot's inner rectangle cut off.
  const clipped = (ctx, plot, paint) => {
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.left, plot.top - 2, plot.right - plot.left + 2, plot.bottom - plot.top + 4);
    ctx.clip();
    paint();
    ctx.restore();
  };

  // A line through points; null leaves a gap, a point between two gaps becomes a disk.
  const polyline = (ctx, plot, xs, ys, color, dash = [], width = 2) => {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.lineJoin = "round";
    ctx.setLineDash(dash);
    ctx.beginPath();
    const there = (i) => i >= 0 && i < xs.length && xs[i] !== null && ys[i] !== null;
    const alone = [];
    for (let i = 0; i < xs.length; i++) {
      if (!there(i)) continue;
      if (there(i - 1)) ctx.lineTo(plot.x(xs[i]), plot.y(ys[i]));
      else ctx.moveTo(plot.x(xs[i]), plot.y(ys[i]));
      if (!there(i - 1) && !there(i + 1)) alone.push(i);
    }
    ctx.stroke();
    ctx.setLineDash([]);
    for (const i of alone) disk(ctx, plot.x(xs[i]), plot.y(ys[i]), 3, color);
  };

  const disk = (ctx, x, y, radius, color) => {
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  };

  const cross = (ctx, x, y, size, color) => {
    ctx.strokeStyle = color;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(x - size, y - size);
    ctx.lineTo(x + size, y + size);
    ctx.moveTo(x - size, y + size);
    ctx.lineTo(x + size, y - size);
    ctx.stroke();
  };

  // Draws a legend from the top left corner of the canvas on, lines first, then disks; returns the height it took.
  const legend = (ctx, labels, theme, lines = labels.length) => {
    ctx.font = theme.font;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    let x = 8;
    let y = 10;
    labels.forEach((label, i) => {
      const width = 40 + ctx.measureText(label).width + 16;
      if (x > 8 && x + width > theme.width) {
        x = 8;
        y += 20;
      }
      const pixels = { x: (v) => v, y: (v) => v };
      if (i < lines) polyline(ctx, pixels, [x, x + 32], [y, y], theme.color(i), theme.dash(i));
      else disk(ctx, x + 16, y, 4, theme.color(i));
      ctx.fillStyle = theme.ink;
      ctx.fillText(label, x + 40, y);
      x += width;
    });
    return y + 12;
  };

  // The numbers of a stored array: as they are, or [codes, low, high, is_log] with 16 bits a number.
  const unpack = (stored) => {
    if (typeof stored[0] !== "string") return stored;
    const [text, low, high, isLog] = stored;
    const bytes = atob(text);
    return Array.from({ length: bytes.length / 2 }, (_, i) => {
      const code = bytes.charCodeAt(2 * i) + 256 * bytes.charCodeAt(2 * i + 1);
      const value = low + (code / 65534) * (high - low);
      return code === 65535 ? null : isLog ? 10 ** value : value;
    });
  };

  const drawCurves = (ctx, [head, labels, ...places], data, theme) => {
    const [series, points] = data.labels[labels];
    const names = [...series, ...points];
    const top = names.length > 1 ? legend(ctx, names, theme, series.length) : 0;
    const box = { x: 0, y: top, w: theme.width, h: theme.height - top };
    const plot = axes(ctx, box, data.heads[head], theme);
    const pairs = names.map((_, i) => [2 * i, 2 * i + 1].map((k) => unpack(data.arrays[places[k]])));
    clipped(ctx, plot, () => {
      pairs.slice(series.length).forEach(([xs, ys], i) =>
        xs.forEach((x, k) => {
          if (x === null || ys[k] === null) return;
          disk(ctx, plot.x(x), plot.y(ys[k]), 3, theme.color(series.length + i));
        })
      );
      series.forEach((_, i) => polyline(ctx, plot, ...pairs[i], theme.color(i), theme.dash(i)));
    });
  };

  // Where pixel (row, col) of a sheet's picture k lies. Pictures stand side by side on a grid, or they are woven:
  // one block for each pixel, with its value in every picture, and every other block mirrored.
  const onSheet = ({ size: [h, w], grid: [rows, cols], woven }, k, [row, col]) => {
    const [i, j] = [Math.floor(k / cols), k % cols];
    if (!woven) return [i * h + row, j * w + col];
    return [row * rows + (row % 2 ? rows - 1 - i : i), col * cols + (col % 2 ? cols - 1 - j : j)];
  };

  // Takes picture k out of the decoded sheet.
  const cut = (sheet, k, image) => {
    const [h, w] = sheet.size;
    const small = Object.assign(document.createElement("canvas"), { width: w, height: h });
    const ctx = small.getContext("2d");
    const copy = (row, col, height, width) => {
      const [y, x] = onSheet(sheet, k, [row, col]);
      ctx.drawImage(image, x, y, width, height, col, row, width, height);
    };
    if (!sheet.woven) copy(0, 0, h, w);
    else for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) copy(i, j, 1, 1);
    return small;
  };

  // Each pixel of the picture becomes a square of whole pixels, so that none is wider than its neighbor.
  const drawPicture = (ctx, picture, [height, width], theme) => {
    const fit = Math.min(theme.width / width, theme.height / height);
    const zoom = Math.floor(fit) || fit;
    const [w, h] = [width * zoom, height * zoom];
    ctx.imageSmoothingEnabled = fit < 1;
    ctx.drawImage(picture, Math.floor((theme.width - w) / 2), Math.floor((theme.height - h) / 2), w, h);
  };

  const decoded = async ({ webp }) => {
    const image = new Image();
    image.src = `data:image/webp;base64,${webp}`;
    await image.decode();
    return image;
  };

  // The scene of results that were computed on a grid: frames in row-major order of the controls' values.
  const frames = (spec) => {
    const { sheets, frames: all, texts } = spec.data;
    const images = []; // the decoded sheets; null where the browser could not
    const placeOf = (values) =>
      spec.controls.reduce((sum, c) => sum * c.values.length + c.values.indexOf(values[c.name]), 0);
    const listing = (values) =>
      spec.controls.map((c) => `${c.label} ${shown(values[c.name])}`).join(", ") + ".";
    const drawFromSheet = (ctx, frame, theme) => {
      let s = 0;
      for (; frame >= sheets[s].count; s++) frame -= sheets[s].count;
      if (images[s]) return drawPicture(ctx, cut(sheets[s], frame, images[s]), sheets[s].size, theme);
      Object.assign(ctx, { font: theme.font, fillStyle: theme.ink, textAlign: "left", textBaseline: "top" });
      if (images[s] === null) ctx.fillText("This browser cannot show the stored pictures.", 8, 8);
    };
    return {
      load: () =>
        Promise.all(sheets.map((sheet, s) =>
          decoded(sheet).catch(() => null).then((image) => { images[s] = image; })
        )),
      height: (width) => Math.max(230, Math.min(380, Math.round(width * 0.56))),
      describe: (values) => texts[placeOf(values)] || listing(values),
      draw: (ctx, values, data, theme) => {
        const frame = all[placeOf(values)];
        if (typeof frame === "number") drawFromSheet(ctx, frame, theme);
        else drawCurves(ctx, frame, data, theme);
      },
    };
  };

  const shown = (value) => (typeof value === "number" ? number(value, 6) : String(value));

  // Everything follows the color of the surrounding text, so any host's light or dark theme works.
  const themeOf = (root, width, height) => {
    const style = getComputedStyle(root);
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = style.color;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    const dark = 0.299 * r + 0.587 * g + 0.114 * b > 128;
    const colors = dark ? DARK : LIGHT;
    const fade = (alpha) => `rgba(${r}, ${g}, ${b}, ${alpha})`;
    return {
      width, height, dark, colors,
      ink: style.color, muted: fade(0.6), faint: fade(0.16),
      font: `${FONT_SIZE}px ${style.fontFamily}`,
      color: (i) => colors[i % colors.length],
      dash: (i) => DASHES[(i + Math.floor(i / colors.length)) % DASHES.length],
    };
  };

  // A native control over the indices of its values: a slider for numbers, a menu otherwise.
  const addControl = (bar, control) => {
    const label = make("label", bar);
    make("span", label, { textContent: control.label });
    const isSlider = typeof control.values[0] === "number";
    const input = keepKeys(make(isSlider ? "input" : "select", label, { name: control.name }));
    if (isSlider) {
      Object.assign(input, { type: "range", min: 0, max: control.values.length - 1, step: 1 });
      make("span", label, { className: "d2l-value" }).setAttribute("aria-hidden", "true");
    } else {
      control.values.forEach((value, i) => make("option", input, { textContent: shown(value), value: i }));
    }
    input.value = control.start;
    return input;
  };

  // Reads the controls; where the scene bounds a slider by the others, the bound is set first.
  const readControls = (inputs, scene, spec) => {
    const pick = (control, i) => [control.name, control.values[Number(inputs[i].value)]];
    const limits = scene.limits ? scene.limits(Object.fromEntries(spec.controls.map(pick)), spec.data) : {};
    spec.controls.forEach((control, i) => {
      if (control.name in limits) {
        inputs[i].max = Math.max(1, Math.min(limits[control.name], control.values.length)) - 1;
      }
      if (inputs[i].type !== "range") return;
      const value = shown(pick(control, i)[1]);
      inputs[i].setAttribute("aria-valuetext", value);
      inputs[i].nextElementSibling.textContent = value;
    });
    return Object.fromEntries(spec.controls.map(pick));
  };

  const bind = (root, scene, spec) => {
    root.querySelector(".d2l-dead").remove();
    const bar = make("div", root, { className: "d2l-controls" });
    const inputs = spec.controls.map((control) => addControl(bar, control));
    const canvas = make("canvas", root);
    canvas.setAttribute("role", "img");
    const text = make("p", root, { className: "d2l-text" });
    text.setAttribute("aria-live", "polite");
    if (spec.caption) make("p", root, { className: "d2l-caption", textContent: spec.caption });
    const ctx = canvas.getContext("2d");
    let values;
    let theme;

    const paint = () => {
      const width = root.clientWidth;
      if (!width) return; // hidden now; the observer calls again
      const height = scene.height(width);
      const zoom = window.devicePixelRatio || 1;
      if (!theme || width !== theme.width) text.style.minHeight = "";
      canvas.width = Math.round(width * zoom);
      canvas.height = Math.round(height * zoom);
      canvas.style.height = `${height}px`;
      theme = themeOf(root, width, height);
      root.style.colorScheme = theme.dark ? "dark" : "light";
      ctx.setTransform(zoom, 0, 0, zoom, 0, 0);
      scene.draw(ctx, values, spec.data, theme);
    };

    const update = () => {
      values = readControls(inputs, scene, spec);
      text.textContent = scene.describe(values, spec.data);
      canvas.setAttribute("aria-label", `${spec.label}. ${text.textContent}`);
      paint();
      text.style.minHeight = `${text.offsetHeight}px`; // what stands below does not jump back and forth
    };

    const put = (places) => {
      for (let pass = 0; pass < (scene.limits ? 2 : 1); pass++) { // the second sets what a bound held back
        inputs.forEach((input, i) => { if (places[i] !== undefined) input.value = places[i]; });
        update();
      }
    };

    inputs.forEach((input) => input.addEventListener("input", update));
    update();
    const clock = inputs[spec.controls.findIndex((control) => control.play)];
    let stop = () => {};
    if (clock) {
      const reset = () => put(spec.controls.map((control) => control.start));
      stop = addPlayer(make("span", bar, { className: "d2l-player" }), clock, text, update, reset);
    }
    if (scene.drag) {
      addDrag(canvas, text, {
        find: (point) => theme && scene.drag(point, values, spec.data, theme),
        move: (found) => put(spec.controls.map(({ name, values: all }) => nearest(all, found[name]))),
        grab: () => {
          stop();
          return inputs.map((input) => input.value);
        },
        put,
      });
    }
    if (scene.load) scene.load().then(paint);
    new ResizeObserver(paint).observe(root);
    root.addEventListener("transitionend", paint); // the style sheet makes a change of color a transition
  };

  // While the picture moves by itself or under a hand nothing is read aloud; the text where it ends is.
  const hush = (text) => text.setAttribute("aria-live", "off");
  const say = (text) => {
    if (text.getAttribute("aria-live") === "polite") return;
    text.setAttribute("aria-live", "polite");
    text.textContent = text.textContent; // a live region speaks when it changes
  };

  // The place of the value nearest to the one wanted; undefined where none is.
  const nearest = (values, wanted) => {
    if (values.includes(wanted)) return values.indexOf(wanted);
    const distances = values.map((value) => Math.abs(value - wanted));
    return Number.isFinite(wanted) ? distances.indexOf(Math.min(...distances)) : undefined;
  };

  // A pointer on the canvas moves what the scene lets it move. The page must stay scrollable under a finger that
  // starts on a tall canvas, so an upward or downward swipe scrolls (touch-action: pan-y), and what its touch moved
  // goes back; a swipe to the side drags, then in any direction, and a tap puts.
  const addDrag = (canvas, text, { find, move, grab, put }) => {
    let before = null;
    canvas.classList.add("d2l-drag");
    const follow = (event) => {
      const found = find([event.offsetX, event.offsetY]);
      if (found && event.type === "pointerdown" && event.isPrimary && event.button === 0) {
        before = grab();
        canvas.setPointerCapture(event.pointerId);
        hush(text);
      }
      if (found && before && event.isPrimary) move(found);
      canvas.style.cursor = before ? "grabbing" : found ? "grab" : "";
    };
    const end = (event) => {
      if (!before || !event.isPrimary) return;
      if (event.type === "pointercancel") put(before);
      before = null;
      canvas.style.cursor = "";
      say(text);
    };
    ["pointerdown", "pointermove"].forEach((type) => canvas.addEventListener(type, follow));
    ["pointerup", "pointercancel", "lostpointercapture"].forEach((type) => canvas.addEventListener(type, end));
  };

  // Play runs the clock to its end, from its start if it stands there; with reduced motion a press is one step.
  const addPlayer = (bar, clock, text, update, reset) => {
    const play = keepKeys(make("button", bar, { type: "button" }));
    const back = keepKeys(make("button", bar, { type: "button", textContent: "Reset" }));
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let timer = null;
    const atEnd = () => Number(clock.value) >= Number(clock.max);
    const stop = () => {
      clearInterval(timer);
      timer = null;
      say(text);
      play.textContent = still.matches ? "Step" : "Play";
    };
    const step = () => {
      clock.value = atEnd() ? 0 : Number(clock.value) + 1;
      update();
      if (atEnd() || !clock.isConnected) stop();
    };
    play.addEventListener("click", () => {
      const runs = timer !== null;
      stop();
      if (runs) return;
      if (!still.matches) {
        hush(text);
        play.textContent = "Pause";
        timer = setInterval(step, Math.max(60, Math.min(500, 5000 / Number(clock.max))));
      }
      step();
    });
    back.addEventListener("click", () => {
      stop();
      reset();
    });
    still.addEventListener("change", stop);
    stop();
    return stop;
  };

  const mount = (id, scene, spec) => page.mount(id, (root) => bind(root, scene, spec));

  return {
    axes, clipped, cross, disk, frames, legend, linearTicks, logTicks,
    mount, nearest, number, onSheet, polyline, scale, unpack,
  };
})();
if (typeof module !== "undefined") module.exports = core;

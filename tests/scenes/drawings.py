"""What a reader would see to be wrong in a scene's drawing, found without a browser."""

#: Draws every setting; reports numbers that are not finite, and texts cut or on one another.
_SCRIPT = """
const size = [given.width, scene.height(given.width)];
const broken = (v) => typeof v === "number" && !Number.isFinite(v);
const texts = (calls) => {
  const now = { x: 0, y: 0, turned: false, "set textAlign": "left", "set textBaseline": "top" };
  const stack = [];
  const boxes = [];
  for (const [name, ...args] of calls) {
    if (name === "save") stack.push({ ...now });
    if (name === "restore") Object.assign(now, stack.pop());
    if (name === "translate") { now.x += args[0]; now.y += args[1]; }
    if (name === "rotate") now.turned = true;
    if (name in now) now[name] = args[0];
    if (name !== "fillText" || args[0] === "") continue;
    const w = 7 * String(args[0]).length;
    const left = { left: 0, center: -w / 2, right: -w }[now["set textAlign"]];
    const top = { top: 0, middle: -6, bottom: -12, alphabetic: -10 }[now["set textBaseline"]];
    const [x, y] = [now.x + args[1], now.y + args[2]];
    const box = now.turned ? [x + top, y - w / 2, 12, w] : [x + left, y + top, w, 12];
    boxes.push([args[0], ...box]);
  }
  return boxes;
};
const faults = [];
for (const setting of given.settings) {
  const { ctx, calls } = recorder();
  scene.draw(ctx, setting, given.data, theme(...size));
  if (calls.length < 100) faults.push([setting, "draws little", calls.length]);
  for (const call of calls) {
    if (call.slice(1).some(broken)) faults.push([setting, "not finite", call]);
  }
  const boxes = texts(calls);
  boxes.forEach(([text, x, y, w, h], i) => {
    const cut = x < -1 || y < -1 || x + w > size[0] + 1 || y + h > size[1] + 1;
    if (cut) faults.push([setting, "cut", text, x, y, w]);
    for (const [other, x2, y2, w2, h2] of boxes.slice(0, i)) {
      const apart = x >= x2 + w2 || x2 >= x + w || y >= y2 + h2 || y2 >= y + h;
      if (!apart) faults.push([setting, "overlap", text, other]);
    }
  });
  const said = scene.describe(setting, given.data);
  if (!said || /NaN|undefined|Infinity|null/.test(said)) faults.push([setting, "says", said]);
}
return faults.slice(0, 10);
"""


def faults(node, scene, *, data, settings, width):
    """Return up to ten faults of a scene's drawings and texts at these settings."""
    return node(_SCRIPT, scene, data=data, settings=settings, width=width)

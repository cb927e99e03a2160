// What everything alive on a page shares: making elements, keeping keys, finding its place in the page.
const page = (() => {
  "use strict";
  const make = (tag, parent, properties = {}) =>
    Object.assign(parent.appendChild(document.createElement(tag)), properties);

  // Keys that a host takes for its own shortcuts (arrows in JupyterLab) stay with the control.
  const keepKeys = (element) => {
    element.setAttribute("data-lm-suppress-shortcuts", "true");
    return element;
  };

  // Binds every copy of an element; some hosts run the script before the element is in the page.
  const mount = (id, bind, tries = 100) => {
    const roots = document.querySelectorAll(`[id="${id}"]:not([data-ready])`);
    if (!roots.length && tries) setTimeout(() => mount(id, bind, tries - 1), 50);
    roots.forEach((root) => {
      root.dataset.ready = "";
      bind(root);
    });
  };

  return { keepKeys, make, mount };
})();
if (typeof module !== "undefined") module.exports = page;

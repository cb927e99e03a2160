// What the pages do for themselves: copy a command, and get ready for paper.
(() => {
  "use strict";
  // Where the clipboard may not be written, the command is selected, for the reader's own keys.
  const select = (element) => getSelection().selectAllChildren(element);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".d2l-copy");
    if (!button) return;
    const label = button.firstChild;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      label.textContent = "Copied";
    } catch {
      select(button.previousElementSibling);
      label.textContent = "Selected";
    }
    setTimeout(() => { label.textContent = "Copy"; }, 2000);
  });

  document.documentElement.classList.toggle("d2l-from-disk", location.protocol === "file:");

  // A browser does not save a file from the reader's own disk: there the link opens it.
  document.addEventListener("DOMContentLoaded", () => {
    if (location.protocol !== "file:") return;
    document.querySelectorAll("a.d2l-button[download]").forEach((link) => {
      link.textContent = "Open notebook file";
    });
  });

  // On paper nothing unfolds and the ground is white: answers open, and pictures are drawn anew in dark ink.
  const folded = ".bd-article details:not([open]):not(.hide)";
  let theme;
  let opened = [];
  const redraw = () =>
    document.querySelectorAll(".d2l-explorable").forEach((root) => {
      root.style.transition = "none"; // the color must have arrived when the picture is drawn
      root.dispatchEvent(new Event("transitionend"));
      root.style.transition = "";
    });
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    opened = [...document.querySelectorAll(folded)];
    opened.forEach((details) => { details.open = true; });
    redraw();
  });
  addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = theme;
    opened.forEach((details) => { details.open = false; });
    redraw();
  });
})();

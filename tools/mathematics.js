// Sets formulas with MathJax, without a browser.
// Standard input: {es5, fonts, macros, formulas: [[tex, display], …]}, with the folder of MathJax and the address
// of its fonts. Standard output: {css, formulas: [{html} or {error}, …]}, where css is what all of them need.
"use strict";
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", async () => {
  const given = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  const raise = (_, error) => {
    throw error;
  };
  const MathJax = await require(`${given.es5}/node-main.js`).init({
    loader: { load: ["input/tex", "output/chtml", "a11y/assistive-mml"] },
    tex: { packages: { "[-]": ["noundefined", "noerrors"] }, formatError: raise, macros: given.macros },
    chtml: { fontURL: given.fonts, adaptiveCSS: true },
  });
  const adaptor = MathJax.startup.adaptor;
  const formulas = [];
  for (const [tex, display] of given.formulas) {
    try {
      const node = await MathJax.tex2chtmlPromise(tex, { display });
      // On a phone a wide formula scrolls inside itself; the keyboard has to get there.
      if (display) adaptor.setAttribute(node, "tabindex", "0");
      formulas.push({ html: adaptor.outerHTML(node) });
    } catch (error) {
      formulas.push({ error: error.message });
    }
  }
  const css = adaptor.textContent(MathJax.chtmlStylesheet());
  process.stdout.write(JSON.stringify({ css, formulas }));
});

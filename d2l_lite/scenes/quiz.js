// A question that the reader answers in the page. Its explanations stand there from the start, in a list that
// unfolds where no script runs. Here they move into a region that is read aloud, hidden until one answers.
const quiz = (() => {
  "use strict";
  const { keepKeys, make } = page;

  const decimal = (text) => {
    const grouped = /^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(text);
    const plain = text.replace(grouped ? /,/g : ",", grouped ? "" : ".");
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
  };

  // Reads 0.25, 0,25, 65,536, 1/4, 2^16 and 2.5e-1; what cannot be read is not finite.
  const number = (text) => {
    const [a, op, b, more] = text.replace(/[\s_]/g, "").replace(/[−–]/g, "-").split(/([/^])/);
    const [x, y] = [decimal(a), op ? decimal(b) : 1];
    return more ? NaN : op === "^" ? Math.sign(x) * Math.abs(x) ** y : x / y;
  };

  // The index of the item that a number is taken for: the nearest within the tolerance, else `other`.
  const nearest = ({ values, tolerance }, value) => {
    const gaps = values.map((v) => (v === null ? Infinity : Math.abs(v - value)));
    const gap = Math.min(...gaps);
    return gap <= tolerance * (1 + 1e-9) ? gaps.indexOf(gap) : values.indexOf(null);
  };

  const judge = ({ right }, given) => {
    if (given.some((i) => !right.includes(i))) return "✗ Not yet.";
    return right.every((i) => given.includes(i)) ? "✓ Right." : "✗ Not yet: some are missing.";
  };

  const addNumber = (field) => {
    const label = make("label", field, { textContent: "Your answer" });
    return [make("input", label, { inputMode: "decimal", autocomplete: "off" })];
  };

  const addOptions = (field, list, type) => {
    const name = Math.random(); // copies of one quiz choose by themselves
    return [...field.appendChild(list).children].map((option) => {
      const text = [...option.childNodes];
      const label = make("label", option);
      const input = make("input", label, { type, name });
      make("span", label).append(...text);
      make("b", label.lastChild);
      return input;
    });
  };

  const bind = (root, spec) => {
    const find = (part) => root.querySelector(part);
    const field = make("fieldset", root);
    make("legend", field).append(find(".d2l-ask > :last-child"));
    const numeric = spec.kind === "number";
    const type = spec.kind === "one" ? "radio" : "checkbox";
    const inputs = numeric ? addNumber(field) : addOptions(field, find(".d2l-options"), type);
    const button = make("button", field, { type: "button", textContent: "Check" });
    [...inputs, button].forEach(keepKeys);
    const status = make("div", root);
    status.setAttribute("role", "status");
    const verdict = make("p", status);
    const whys = status.appendChild(find(".d2l-whys"));
    find("details").remove();
    root.dataset.kind = spec.kind;

    const say = (text, given = []) => {
      verdict.textContent = text;
      status.dataset.verdict = text[0];
      [...whys.children].forEach((why, i) => { why.hidden = !given.includes(i); });
    };

    const checkNumber = (text) => {
      const value = number(text);
      const given = [nearest(spec, value)];
      if (!isFinite(value)) say(`Write a number, like 0.25, 1/4 or 1e-3${text && `, not “${text}”`}.`);
      else say(judge(spec, given) + (`${value}` === text ? "" : ` Read as ${value}.`), given);
    };

    const checkOptions = () => {
      const given = inputs.flatMap((input, i) => (input.checked ? [i] : []));
      given.forEach((i) => {
        inputs[i].nextSibling.lastChild.textContent = spec.right.includes(i) ? "✓ right" : "✗ wrong";
      });
      say(given.length ? judge(spec, given) : "Choose an answer first.", given);
    };

    const check = () => (numeric ? checkNumber(inputs[0].value.trim()) : checkOptions());
    button.addEventListener("click", check);
    field.addEventListener("input", () => say(""));
    field.addEventListener("keydown", (event) => event.key === "Enter" && check());
    say("");
  };

  return { bind, judge, nearest, number };
})();
if (typeof module !== "undefined") module.exports = quiz;

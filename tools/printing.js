// What the printed book asks of JavaScript, answered one line of JSON for each line of JSON on standard input:
//   {op: "mathml", tex, display}   a formula as MathML
//   {op: "describe", script}       the text of an explorable, given the script that is stored with it
// The answer is {result} or {error}. The argument is the folder of MathJax.
"use strict";
const readline = require("readline");
const folder = process.argv[2];

// The script ends in core.mount(id, scene, spec); here the scene is asked for its text instead.
const describe = ({ script }) => {
  const call = /core\.mount\("[^"]*", ([^\n]*), spec\);\s*$/;
  const [, scene] = script.match(call);
  const start = "Object.fromEntries(spec.controls.map((c) => [c.name, c.values[c.start]]))";
  return new Function(script.replace(call, () => `return (${scene}).describe(${start}, spec.data);`))();
};

const answers = (MathJax) => ({
  mathml: ({ tex, display }) => MathJax.tex2mmlPromise(tex, { display }),
  describe,
});

const main = async () => {
  const raise = (_, error) => {
    throw error;
  };
  const MathJax = await require(`${folder}/node-main.js`).init({
    loader: { load: ["input/tex"] },
    tex: { packages: { "[-]": ["noundefined", "noerrors"] }, formatError: raise },
  });
  const known = answers(MathJax);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      answer = { result: await known[asked.op](asked) };
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
};
main();

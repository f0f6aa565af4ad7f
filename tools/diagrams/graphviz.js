// Reads a graph in the language of Graphviz from standard input and writes it as SVG. Exits with 1 if it is faulty.
const { readFileSync } = require("node:fs");
const { instance } = require("@viz-js/viz");

instance().then((viz) => process.stdout.write(viz.renderString(readFileSync(0, "utf-8"), { format: "svg" })));

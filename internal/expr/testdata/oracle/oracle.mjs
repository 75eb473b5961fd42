// Answers expressions with GitHub's own evaluator, the npm package
// @actions/expressions. Each line of stdin is {"expr": …, "set": n, "service":
// bool}; set counts the context sets in the file that is named as the argument,
// service asks for the rules of service.mjs. Each answer is a line: {"kind",
// "value", "text"}, or {"error": "lexing" | "parsing" | "evaluation", "message"},
// or {"empty": true} where there is no expression.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { Lexer, Parser, Evaluator, data } from "@actions/expressions";
import { adapt, ServiceEvaluator } from "./service.mjs";

const sets = JSON.parse(readFileSync(process.argv[2], "utf8")).map((set) =>
  JSON.parse(JSON.stringify(set), data.reviver));
const yes = (name) => ({ name, minArgs: 0, maxArgs: 255, call: () => new data.BooleanData(name !== "failure") });
const functions = ["success", "failure", "always"].map(yes);
const byName = new Map(functions.map((f) => [f.name, f]));
const kinds = ["String", "Array", "Object", "Boolean", "Number", "Object", "Null"];

// The package counts columns of a line, and loses count in texts of several
// lines; its lexer, and the service everywhere, counts from the start.
Lexer.prototype.pos = function () {
  return { line: 0, column: this.start };
};

function answer({ expr, set, service }) {
  const contexts = sets[set];
  const used = new Set();
  let kind = "lexing";
  try {
    const { tokens } = new Lexer(expr).lex();
    kind = "parsing";
    if (service) adapt(tokens, used);
    const tree = new Parser(tokens, contexts.pairs().map((p) => p.key), functions).parse();
    if (tree === undefined) return { empty: true };
    kind = "evaluation";
    const e = service ? new ServiceEvaluator(tree, contexts, byName, used) : new Evaluator(tree, contexts, byName);
    const v = e.evaluate();
    return { kind: kinds[v.kind], value: JSON.stringify(v, data.replacer), text: v.coerceString(), used: [...used] };
  } catch (e) {
    const where = e.pos === undefined ? "" : `. Located at position ${e.pos.column + 1} within expression: ${expr}`;
    return { error: kind, message: e.message + where, used: [...used] };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
}

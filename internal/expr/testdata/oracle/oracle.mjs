// Reads one JSON text (an expression) per line, answers one JSON line each:
// {"value": …, "kind": …} or {"error": "lexing" | "parsing" | "evaluation"}.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { Lexer, Parser, Evaluator, data } from "@actions/expressions";

const contexts = JSON.parse(readFileSync(process.argv[2], "utf8"), data.reviver);
const names = contexts.pairs().map((p) => p.key);
const yes = (name) => ({ name, minArgs: 0, maxArgs: 255, call: () => new data.BooleanData(name !== "failure") });
const functions = ["success", "failure", "always"].map(yes);
const byName = new Map(functions.map((f) => [f.name, f]));

function answer(src) {
  let kind = "lexing";
  try {
    const { tokens } = new Lexer(src).lex();
    kind = "parsing";
    const tree = new Parser(tokens, names, functions).parse();
    if (tree === undefined) return { error: "parsing" };
    kind = "evaluation";
    const v = new Evaluator(tree, contexts, byName).evaluate();
    return { value: JSON.stringify(v, data.replacer), text: v.coerceString() };
  } catch (e) {
    return { error: kind, message: String(e.message) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
}

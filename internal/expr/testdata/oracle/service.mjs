// GitHub's service, where its evaluator is known to differ from the npm package:
// the runner's published source is what is followed here. The package stays the
// reference; a difference from it counts as explained only where these few rules,
// and nothing else, make its answer the same as ours. Each rule that matters for
// an expression notes its name in `used`.
import { Evaluator, data } from "@actions/expressions";
import { TokenType } from "@actions/expressions/lexer";

// adapt changes the symbols: every '' is one quote (the package reads only the
// first), and a comma before ) is an error (the package ignores it).
export function adapt(tokens, used) {
  tokens.forEach((t, i) => {
    if (t.type === TokenType.STRING) {
      const text = t.lexeme.slice(1, -1).replaceAll("''", "'");
      if (text !== t.value) used.add("each '' is a quote");
      t.value = text;
    }
    if (t.type === TokenType.RIGHT_PAREN && i > 0 && tokens[i - 1].type === TokenType.COMMA) {
      used.add("no comma before )");
      t.type = TokenType.UNKNOWN;
    }
  });
}

// ServiceEvaluator evaluates only what decides the result, from left to right,
// and reads {0} in format strictly.
export class ServiceEvaluator extends Evaluator {
  constructor(tree, contexts, functions, used) {
    super(tree, contexts, functions);
    this.used = used;
    this.seen = new Map();
  }

  eval(n) {
    if (!this.seen.has(n)) this.seen.set(n, n.accept(this));
    return this.seen.get(n);
  }

  visitIndexAccess(ia) {
    const of = this.eval(ia.expr);
    if (ia.index.constructor.name === "Star") return super.visitIndexAccess(ia);
    if (of.primitive) {
      this.used.add("an index into a scalar is not evaluated");
      return new data.Null();
    }
    this.used.add("what is indexed is evaluated before the index, whose error stays as it is");
    this.eval(ia.index);
    return super.visitIndexAccess(ia);
  }

  visitFunctionCall(call) {
    const name = call.functionName.lexeme.toLowerCase();
    const arg = (i) => this.eval(call.args[i]);
    const skip = () => {
      this.used.add("an argument that does not matter is not evaluated");
      return new data.Null();
    };
    switch (name) {
      case "case": {
        this.used.add("case evaluates only what it needs");
        const last = call.args.length - 1;
        for (let i = 0; i < last; i += 2) {
          const v = arg(i);
          if (v.kind !== data.Kind.Boolean) throw new Error("case predicate must evaluate to a boolean value");
          if (v.value) return arg(i + 1);
        }
        return arg(last);
      }
      case "format":
        return this.format(call, arg);
      case "contains": {
        const v = arg(0);
        if (v.primitive || (v.kind === data.Kind.Array && v.values().length > 0)) break;
        skip();
        return new data.BooleanData(false);
      }
      case "startswith":
      case "endswith":
        if (arg(0).primitive) break;
        skip();
        return new data.BooleanData(false);
      case "join": {
        const v = arg(0);
        if (call.args.length === 1 || (v.kind === data.Kind.Array && v.values().length > 1)) break;
        skip();
        const first = v.kind === data.Kind.Array ? v.values()[0] : v.primitive ? v : undefined;
        return new data.StringData(first === undefined ? "" : first.coerceString());
      }
    }
    return super.visitFunctionCall(call);
  }

  format(call, arg) {
    const text = arg(0).coerceString();
    const invalid = () => new Error(`The following format string is invalid: ${text}`);
    this.used.add("format evaluates what it names, and reads {0} strictly");
    const pieces = [];
    for (let i = 0; i < text.length; ) {
      const c = text[i];
      if (c !== "{" && c !== "}") {
        pieces.push(() => c);
        i++;
        continue;
      }
      if (text[i + 1] === c) {
        pieces.push(() => c);
        i += 2;
        continue;
      }
      const m = /^\{([0-9]+)(?::((?:[^}]|\}\})*))?\}/.exec(text.slice(i));
      // The text of a format ends at the first } that is not doubled.
      if (m === null || (m[2] !== undefined && text[i + m[0].length] === "}")) throw invalid();
      const n = Number(m[1]) + 1;
      if (n >= call.args.length) throw new Error(`The following format string references more arguments than were supplied: ${text}`);
      pieces.push(() => {
        const v = arg(n);
        if (!m[2]) return v.coerceString();
        const kind = ["String", "Array", "Object", "Boolean", "Number", "Object", "Null"][v.kind];
        throw new Error(`The format specifiers '${m[2].replaceAll("}}", "}")}' are not valid for objects of type '${kind}'`);
      });
      i += m[0].length;
    }
    return new data.StringData(pieces.map((p) => p()).join(""));
  }
}

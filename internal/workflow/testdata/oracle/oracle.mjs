// Reads one JSON line per file, {"kind": "workflow" | "action", "src": …}, and
// answers each with one JSON line: the errors of GitHub's reader and converter
// with their places, and the converted model where there is no error.
import { createInterface } from "node:readline";
import { register } from "node:module";

// The package imports JSON without saying so, which Node refuses.
register("data:text/javascript," + encodeURIComponent(`
  import { readFileSync } from "node:fs";
  import { fileURLToPath } from "node:url";
  export async function load(url, context, next) {
    if (!url.endsWith(".json")) return next(url, context);
    return { format: "module", shortCircuit: true, source: "export default " + readFileSync(fileURLToPath(url), "utf8") };
  }`));
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await import("@actions/workflow-parser");
const { parseAction } = await import("@actions/workflow-parser/actions/action-parser");
const { TemplateContext, TemplateValidationErrors } = await import("@actions/workflow-parser/templates/template-context");
const { getWorkflowSchema } = await import("@actions/workflow-parser/workflows/workflow-schema");
const { convertActionTemplate } = await import("@actions/workflow-parser/actions/action-template");
const { FeatureFlags } = await import("@actions/expressions/features");

const flags = new FeatureFlags({ all: true });
const trace = new NoOperationTraceWriter();

// The reader asks its context for the features that are not in all editors yet.
function fresh() {
  const context = new TemplateContext(new TemplateValidationErrors(), getWorkflowSchema(), trace);
  context.state.featureFlags = flags;
  return context;
}

// A value of the file as plain JSON: {"expr": …} for an expression.
function plain(token) {
  if (token === undefined || token === null) return undefined;
  if (Array.isArray(token)) return token.map(plain);
  if (token.isExpression) return { expr: token.expression ?? "insert" };
  if (token.isScalar) return token.value ?? null;
  if (typeof token.count === "number" && typeof token.get === "function") {
    const items = [];
    for (let i = 0; i < token.count; i++) items.push(token.get(i));
    if (items.length && items[0] && items[0].key !== undefined) {
      return items.map((p) => [plain(p.key), plain(p.value)]);
    }
    return items.map(plain);
  }
  return token;
}

// What is only here for editors is left away: ids that nobody wrote, steps that steer others.
const own = (id) => (id.startsWith("__") ? "" : id);
const named = (v) => (Array.isArray(v) ? Object.fromEntries(v) : v === undefined ? undefined : { name: v });
const grouped = (v) => (Array.isArray(v) ? Object.fromEntries(v) : v === undefined ? undefined : { group: v });
const place = (v) => v && { name: v.name, url: v.url };
// Members of a parallel block run in the background, as the package's own words say.
const flat = (steps) => steps.flatMap((s) => (s.parallel ? flat(s.parallel).map((m) => ({ ...m, background: true })) : s.run || s.uses ? [s] : []));

const step = (s) => ({
  id: own(s.id), name: plain(s.name), if: plain(s.if), coe: plain(s["continue-on-error"]), env: plain(s.env), run: plain(s.run), uses: plain(s.uses),
  background: s.background === true,
});

const job = (j) => ({
  id: plain(j.id), name: plain(j.name), needs: (j.needs ?? []).map(plain), if: plain(j.if), env: plain(j.env), strategy: Array.isArray(plain(j.strategy)) ? Object.fromEntries(plain(j.strategy)) : plain(j.strategy),
  concurrency: grouped(plain(j.concurrency)), environment: place(named(plain(j.environment))), runsOn: plain(j["runs-on"]), container: plain(j.container),
  services: plain(j.services), outputs: plain(j.outputs), uses: plain(j.ref), with: plain(j["input-values"]), secrets: plain(j["secret-values"]),
  inherit: j["inherit-secrets"], steps: flat(j.steps ?? []).map(step),
});

async function answer({ kind, src }) {
  const file = { name: "f.yml", content: src };
  let context, model, schema = false, yaml = false;
  try {
    const parsed = kind === "action" ? parseAction(file, trace) : parseWorkflow(file, fresh());
    context = parsed.context;
    schema = context.errors.getErrors().length > 0;
    yaml = schema && parsed.value === undefined;
    if (parsed.value) {
      if (kind === "action") convertActionTemplate(context, parsed.value);
      else model = await convertWorkflowTemplate(context, parsed.value, undefined, { featureFlags: flags });
    }
  } catch (e) {
    return { crash: String(e.message) };
  }
  const errors = context.errors.getErrors().map((e) => ({
    message: e.rawMessage, line: e.range?.start.line ?? 0, col: e.range?.start.column ?? 0,
    endLine: e.range?.end.line ?? 0, endCol: e.range?.end.column ?? 0,
  }));
  if (errors.length || !model) return { errors, schema, yaml };
  return { errors, model: { events: model.events, env: plain(model.env), concurrency: grouped(plain(model.concurrency)), jobs: (model.jobs ?? []).map(job) } };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
}

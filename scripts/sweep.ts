/**
 * `pnpm sweep [--function NAME]... [--backend native|wasm]... [--stride N] [--state DIR] [--json]`: runs scalar
 * functions on onnxruntime over all 2^32 float32 arguments (one of every N with --stride) and measures them against the
 * published accuracy. It goes on where an interrupted sweep of the same function, backend and stride stopped.
 */
import { parseArgs } from "node:util";
import { type ScalarFunction, scalarFunctions, type ScalarName } from "@assay/numerics";
import { valueOf } from "../packages/numerics/test/samples.ts";
import { SCALAR_ATTRIBUTES, scalarModel } from "../packages/numerics/test/scalar-nodes.ts";
import { comparer, type Worst } from "./sweep/compare.ts";
import { type Backend, BACKENDS, Engine, versionOf } from "./sweep/engine.ts";
import { loadState, saveState, type SweepState } from "./sweep/state.ts";

const USAGE = `pnpm sweep [--function NAME]... [--backend native|wasm]... [--stride N] [--state DIR] [--json]

Runs scalar functions on onnxruntime over all 2^32 float32 arguments and measures them against the published accuracy.
  --function NAME  a unary function of the Scalar family (default: all)
  --backend NAME   native or wasm (default: both)
  --stride N       one of every N arguments (default 1: all)
  --state DIR      where unfinished sweeps are kept, to go on from (default .sweep)
  --json           findings as JSON on standard output; progress goes to standard error`;
const CHUNK = 1 << 21;
const unary = Object.entries<ScalarFunction>(scalarFunctions).filter(([, fn]) => (fn.arity ?? 1) === 1);

const { values: options } = parseArgs({
  options: {
    function: { type: "string", multiple: true },
    backend: { type: "string", multiple: true },
    stride: { type: "string", default: "1" },
    state: { type: "string", default: new URL("../.sweep", import.meta.url).pathname },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const stride = Number(options.stride);
if (!Number.isInteger(stride) || stride < 1 || stride > 2 ** 20) throw new Error("--stride is 1 to 2^20");
const backends = (options.backend ?? [...BACKENDS]) as Backend[];
for (const backend of backends)
  if (!BACKENDS.includes(backend)) throw new Error(`--backend is one of ${BACKENDS.join(", ")}`);
const names = options.function ?? unary.map(([name]) => name);
for (const name of names)
  if (!unary.some(([known]) => known === name))
    throw new Error(`--function is one of ${unary.map(([known]) => known).join(", ")}`);

/** Arguments from index `next` on: one of every `stride`, not always the same one. */
function fill(bits: Uint32Array, next: number): void {
  for (let i = 0; i < bits.length; i++) {
    const index = next + i;
    const scrambled = stride === 1 ? 0 : (Math.imul(index, 0x9e3779b1) >>> 0) % stride;
    bits[i] = index * stride + scrambled;
  }
}

async function sweep(name: ScalarName, backend: Backend): Promise<SweepState> {
  const fn: ScalarFunction = scalarFunctions[name];
  const total = Math.floor(2 ** 32 / stride);
  const state = loadState(options.state, { function: name, backend, version: versionOf(backend), stride });
  const count = Math.min(CHUNK, total);
  const { model, params } = scalarModel(name, SCALAR_ATTRIBUTES[name]?.[0] ?? {}, count);
  const engine = await Engine.load(backend, model);
  const compare = comparer(name, fn, params, state.findings);
  const bits = new Uint32Array(count);
  const x = new Float32Array(bits.buffer);
  let shown = Date.now();
  while (state.next < total) {
    const start = Date.now();
    // the last chunk overlaps the one before it rather than being shorter
    state.next = Math.min(state.next, total - count);
    fill(bits, state.next);
    const arguments_ = x.slice();
    compare(x, await engine.run(arguments_), bits);
    state.next += count;
    state.seconds += (Date.now() - start) / 1000;
    if (Date.now() - shown < 5000 && state.next < total) continue;
    shown = Date.now();
    saveState(options.state, state);
    const percent = ((100 * state.next) / total).toFixed(1);
    const rate = (state.findings.checked / state.seconds / 1e6).toFixed(1);
    const share = state.findings.share.value.toFixed(3);
    process.stderr.write(`\r${name} ${backend}: ${percent} %, ${rate} M/s, share ${share}   `);
  }
  await engine.close();
  process.stderr.write("\n");
  return state;
}

const shown = ({ value, x }: Worst): string => `${value.toPrecision(4)} at ${valueOf(x).toPrecision(8)}`;

const results: SweepState[] = [];
for (const backend of backends)
  for (const name of names) {
    const state = await sweep(name as ScalarName, backend);
    results.push(state);
    if (options.json) continue;
    const { checked, relative, absolute, share, refused, examples } = state.findings;
    console.log(`${name} (${backend} ${state.version}): ${checked} arguments, ${refused} refused`);
    console.log(`  share of the band ${shown(share)}`);
    console.log(`  error/(2^-23·|f|) ${shown(relative)}; absolute where |f| < 4: ${shown(absolute)}`);
    for (const example of examples) console.log(`  refused: ${example}`);
  }
if (options.json) console.log(JSON.stringify(results));
process.exitCode = results.some(({ findings }) => findings.refused > 0) ? 1 : 0;

/**
 * `pnpm sweep [--function NAME]... [--backend native|wasm]... [--stride N] [--state DIR] [--record] [--json]`: runs scalar
 * functions on onnxruntime over all 2^32 float32 arguments (one of every N with --stride) and measures them against the
 * published accuracy. It goes on where an interrupted sweep of the same function, backends and stride stopped.
 */
import { parseArgs } from "node:util";
import { type ScalarFunction, scalarFunctions, type ScalarName } from "@assay/numerics";
import { valueOf } from "../packages/numerics/test/samples.ts";
import { SCALAR_ATTRIBUTES, scalarModel } from "../packages/numerics/test/scalar-nodes.ts";
import { Comparer } from "./sweep/compare.ts";
import { type Backend, BACKENDS, Engine, versionOf } from "./sweep/engine.ts";
import type { Worst } from "./sweep/findings.ts";
import { BLOCK, Model } from "./sweep/model.ts";
import { record } from "./sweep/record.ts";
import { finished, loadState, recordsOf, saveState, type SweepState } from "./sweep/state.ts";

const USAGE = `pnpm sweep [--function NAME]... [--backend native|wasm]... [--stride N] [--state DIR] [--record] [--json]

Runs scalar functions on onnxruntime over all 2^32 float32 arguments and measures them against the published accuracy.
  --function NAME  a unary function of the Scalar family (default: all)
  --backend NAME   native or wasm (default: both, against one reference)
  --stride N       one of every N arguments, a power of two up to 256 (default 1: all)
  --state DIR      where sweeps are kept, to go on from (default .sweep)
  --record         sweeps nothing: writes what the state has finished to bench/sweep.json and docs/numerics/accuracy.md
  --json           findings as JSON on standard output; progress goes to standard error`;
/** Arguments are run in chunks of so many consecutive float32, in an order that soon has seen every magnitude. */
const CHUNK = 1 << 20;
const CHUNKS = 2 ** 32 / CHUNK;
const order = (index: number): number => (index * 2531) % CHUNKS;
const unary = Object.entries<ScalarFunction>(scalarFunctions).filter(([, fn]) => (fn.arity ?? 1) === 1);

const { values: options } = parseArgs({
  options: {
    function: { type: "string", multiple: true },
    backend: { type: "string", multiple: true },
    stride: { type: "string", default: "1" },
    state: { type: "string", default: new URL("../.sweep", import.meta.url).pathname },
    record: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const stride = Number(options.stride);
if (!(stride >= 1 && stride <= 256 && Number.isInteger(Math.log2(stride))))
  throw new Error("--stride is a power of two up to 256");
const backends = (options.backend ?? [...BACKENDS]) as Backend[];
for (const backend of backends)
  if (!BACKENDS.includes(backend)) throw new Error(`--backend is one of ${BACKENDS.join(", ")}`);
const names = options.function ?? unary.map(([name]) => name);
for (const name of names)
  if (!unary.some(([known]) => known === name))
    throw new Error(`--function is one of ${unary.map(([known]) => known).join(", ")}`);

/** Which arguments of a block are run: one of every `stride`, not always the same one. */
const offsets = Uint32Array.from({ length: BLOCK / stride }, (_, i) =>
  stride === 1 ? i : i * stride + ((Math.imul(i, 0x9e3779b1) >>> 0) % stride),
);

const cpuSeconds = ({ user, system } = process.cpuUsage()): number => (user + system) / 1e6;

async function sweep(name: ScalarName): Promise<SweepState> {
  const fn: ScalarFunction = scalarFunctions[name];
  const versions = Object.fromEntries(backends.map((backend) => [backend, versionOf(backend)]));
  const state = loadState(options.state, name, stride, versions);
  if (state.done) return state;
  const count = CHUNK / stride;
  const { model: onnx, params } = scalarModel(name, SCALAR_ATTRIBUTES[name]?.[0] ?? {}, count);
  const model = new Model(name, params, offsets);
  const runs = await Promise.all(
    backends.map(async (backend) => {
      const own = state.backends[backend]!;
      const compare = new Comparer(name, fn, params, model, own.findings);
      return { own, compare, engine: await Engine.load(backend, onnx) };
    }),
  );
  const bits = new Uint32Array(count);
  const x = new Float32Array(bits.buffer);
  let shown = Date.now();
  let clock = cpuSeconds();
  const save = () => {
    const since = clock;
    clock = cpuSeconds();
    for (const { own } of runs) own.seconds += (clock - since) / runs.length;
    saveState(options.state, state);
  };
  while (state.next < CHUNKS) {
    const first = order(state.next) * CHUNK;
    for (let at = 0, block = first; at < count; block += BLOCK)
      for (let i = 0; i < offsets.length; i++) bits[at++] = block + offsets[i]!;
    const results: Float32Array[] = [];
    for (const { own, engine } of runs) {
      results.push(await engine.run(x));
      own.findings.checked += count;
    }
    for (let base = 0, block = first; base < count; base += offsets.length, block += BLOCK) {
      if ((block & 0x7fffffff) >>> 0 >= 0x7f800000) {
        // infinities and NaN
        for (const [r, { compare }] of runs.entries()) {
          const infinity = block % 0x80000000 === 0x7f800000 && offsets[0] === 0 ? 1 : 0;
          if (infinity) compare.single(bits[base]!, results[r]![base]!);
          compare.absent(bits, results[r]!, base + infinity, base + offsets.length);
        }
        continue;
      }
      const pieces = model.block(block);
      for (const [r, { compare }] of runs.entries())
        for (const piece of pieces) compare.piece(piece, bits, results[r]!, base);
    }
    state.next++;
    if (Date.now() - shown < 5000) continue;
    shown = Date.now();
    save();
    const percent = ((100 * state.next) / CHUNKS).toFixed(1);
    const shares = runs.map(({ own }) => own.findings.share.value.toFixed(3)).join(", ");
    process.stderr.write(`\r${name} ${percent} %, share ${shares}   `);
  }
  for (const { engine, compare } of runs) {
    compare.finish();
    await engine.close();
  }
  state.done = true;
  save();
  process.stderr.write("\n");
  return state;
}

const shown = ({ value, x }: Worst): string => `${value.toPrecision(4)} at ${valueOf(x).toPrecision(8)}`;

if (options.record) record(finished(options.state));
else {
  const results: ReturnType<typeof recordsOf> = [];
  for (const name of names) {
    const found = recordsOf(await sweep(name as ScalarName));
    results.push(...found);
    if (options.json) continue;
    for (const { backend, version, seconds, findings } of found) {
      const { checked, relative, share, refused, examples } = findings;
      console.log(
        `${name} (${backend} ${version}): ${checked} arguments, ${refused} refused, ${seconds} CPU seconds`,
      );
      console.log(`  share of the band ${shown(share)}`);
      console.log(`  error/(2^-23·|f|) ${shown(relative)}`);
      for (const example of examples) console.log(`  refused: ${example}`);
    }
  }
  if (options.json) console.log(JSON.stringify(results));
  process.exitCode = results.some(({ findings }) => findings.refused > 0) ? 1 : 0;
}

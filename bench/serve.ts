/**
 * `pnpm bench:serve [--json] [--fast] [--workers n] [--seconds n] [--rounds n] [--slash] [--long minutes] [model.onnx…]`: what a gateway
 * serves, compared with plain onnxruntime-node at its best setting on the same machine. --fast gives every output a
 * tolerance and serves it by tolerant anchoring; --workers runs the models in n more processes on PostgreSQL; --slash
 * measures the way from a false claim to the slash instead, --long the memory of a gateway that serves for so many minutes.
 *
 * For each model the two take turns, so that what drifts hits both: plain onnxruntime (all optimisations, the number of
 * sessions, threads and inferences a run that gave the most), and signed orders over HTTP to a gateway with its executor
 * in a process of its own, which signs a receipt for every output and posts the claims in batches to a Hardhat chain
 * in this process. Orders are signed before the clock starts; the client's HTTP and the chain run on the same cores as
 * the gateway. Without arguments: an MLP, a CNN and a transformer from ../shared, or the shipped model without them.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readModel, writeTolerances } from "@assay/program";
import { approve, deposit, fundChannel, mintDevTokens } from "@assay/protocol";
import { DType } from "@assay/tensor";
import { openPostgres, type TestPostgres } from "../packages/service/test/postgres.ts";
import { type ServiceProcess, startService } from "../test/actors/processes.ts";
import type { ServiceArguments } from "../test/actors/service-process.ts";
import { openScene, type Scene, sceneArguments, until } from "../test/actors/scene.ts";
import { quantile } from "./interleave.ts";
import { cpuSeconds, residentMiB } from "./process-stats.ts";
import { longRun, type LongRun } from "./serve-long.ts";
import { Orders, PRICE, send } from "./serve-orders.ts";
import { measureSlash } from "./serve-slash.ts";
import type { PlainArguments, PlainMeasure } from "./serve-plain.ts";

const root = join(import.meta.dirname, "..");
const shared = join(process.env.ASSAY_SHARED ?? join(root, "../shared"), "models");
const SHARED_MODELS = ["policy-apollo", "super-resolution-10", "tribuo-tinybert"];
const unit = 10n ** 18n;

const { values: flags, positionals } = parseArgs({
  options: {
    json: { type: "boolean" },
    fast: { type: "boolean", default: false },
    workers: { type: "string", default: "0" },
    slash: { type: "boolean", default: false },
    long: { type: "string" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
  allowPositionals: true,
});
const SECONDS = Number(flags.seconds);
const ROUNDS = Number(flags.rounds);
const WORKERS = Number(flags.workers);
/** What --fast grants an output; the service compares a few runs at its start and uses the fast engine if a quarter is enough. */
const TOLERANCE = { absolute: 1e-2, relative: 1e-2 };
/** Milliseconds that an order waits for a batch: a sixth of the default, so that each round posts some. */
const BATCH_AGE = 10_000;
/** Orders on their way at a time. */
const CONCURRENCY = 16;

interface Served {
  model: string;
  plain: PlainMeasure;
  /** Orders a second. */
  perSecond: number;
  /** Median over rounds of the gateway's throughput divided by plain onnxruntime's next to it. */
  ratio: number;
  /**
   * Milliseconds of processor time: of one plain inference, and of one order in the gateway's processes alone, without the
   * client and the chain that share the cores; of that, in onnxruntime's processes.
   */
  cpu: { plain: number; order: number; engine: number };
  /** Share of the machine's processor time that client and chain took from the gateway. */
  others: number;
  /** Milliseconds, with `CONCURRENCY` orders on their way. */
  latency: { p50: number; p99: number };
  /** With one order at a time. */
  alone: { p50: number; p99: number };
  /** All of them are on the chain at the end. */
  orders: number;
  batches: number;
  /** Resident memory of the gateway's process, MiB: after warming up, and at the end. */
  memory: { first: number; last: number };
}

async function startPlain(given: PlainArguments): Promise<{ child: ChildProcess; first: PlainMeasure }> {
  const child = fork(join(import.meta.dirname, "serve-plain.ts"), [JSON.stringify(given)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  return { child, first: await message(child) };
}

function message(child: ChildProcess): Promise<PlainMeasure> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new Error(`plain onnxruntime ended with ${code}`));
    child.once("exit", gone);
    child.once("message", (value) => {
      child.off("exit", gone);
      resolve(value as PlainMeasure);
    });
  });
}

interface Serving {
  gateway: ServiceProcess;
  url: string;
  /** Of all its processes. */
  pids: number[];
  close(): Promise<void>;
}

/** A gateway with its executor, in one process or with workers on PostgreSQL. */
async function serve(scene: Scene, onnx: string, shapes: Record<string, number[]>): Promise<Serving> {
  const postgres: TestPostgres | undefined = WORKERS === 0 ? undefined : await openPostgres();
  const given: ServiceArguments = {
    role: postgres === undefined ? "gateway" : "poster",
    ...sceneArguments(scene),
    addressIndex: 3,
    onnx,
    shapes,
    dataDir: join(scene.folder, "gateway"),
    port: 0,
    pollInterval: 1_000, // as by default
    fast: flags.fast,
    ...(postgres && { databaseUrl: await postgres.database(), blobs: join(scene.folder, "blobs") }),
    gateway: {
      port: 0,
      price: String(PRICE),
      addressRate: 1_000_000,
      limits: {
        strangers: { each: { burst: 1e6, perSecond: 1e6 }, all: { burst: 1e6, perSecond: 1e6 } },
        signer: { burst: 1e6, perSecond: 1e6 },
      },
      batches: { age: BATCH_AGE },
    },
  };
  const gateway = startService(given);
  const { gateway: _, ...common } = given;
  const workers = Array.from({ length: WORKERS }, (_, i) =>
    startService({ ...common, role: "worker", dataDir: join(scene.folder, `worker-${i}`) }),
  );
  return {
    gateway,
    url: await gateway.url,
    pids: [gateway, ...workers].map(({ pid }) => pid),
    async close() {
      await Promise.all([gateway, ...workers].map(({ kill }) => kill()));
      await postgres?.close();
    },
  };
}

/** The model with a tolerance for every output. */
async function tolerantModel(path: string, folder: string): Promise<string> {
  const bytes = await readFile(path);
  const outputs = readModel(bytes).outputs.filter(({ dtype }) => dtype === DType.float32);
  const tolerances = new Map(outputs.map(({ name }) => [name, TOLERANCE]));
  const file = join(folder, "tolerant.onnx");
  await writeFile(file, writeTolerances(bytes, tolerances));
  return file;
}

interface Health {
  waiting: number;
  pending: number;
  batches: { sealed?: number; posted?: number };
}

async function health(url: string): Promise<Health> {
  return (await (await fetch(`${url}/v1/health`)).json()) as Health;
}

interface Opened {
  scene: Scene;
  serving: Serving;
  orders: Orders;
  shapes: Record<string, number[]>;
}

/** A chain with the model on it, a gateway that serves it, and orders to come. */
async function open(path: string): Promise<Opened> {
  const ports = readModel(await readFile(path)).inputs.map(
    ({ name, dims }) => [name, dims?.map((dim) => dim ?? 1) ?? []] as const,
  );
  const shapes = Object.fromEntries(ports);
  const scene = await openScene();
  const { deployment, people } = scene;
  const onnx = flags.fast ? await tolerantModel(path, scene.folder) : path;
  const published = await scene.publish("served", { onnx, shapes });
  const { executor, requester } = people;
  // Stake for a million claims.
  const stake = 10n ** 8n * unit;
  await mintDevTokens(executor.client, { deployment, to: executor.account.address, amount: stake });
  await approve(executor.client, { deployment, amount: stake });
  await deposit(executor.client, { deployment, amount: stake });
  const amount = 10n * unit;
  await approve(requester.client, { deployment, amount });
  await fundChannel(requester.client, { deployment, executor: executor.account.address, amount });
  return {
    scene,
    shapes,
    serving: await serve(scene, onnx, shapes),
    orders: new Orders(scene, published),
  };
}

async function measure(path: string): Promise<Served> {
  const { scene, serving, orders, shapes } = await open(path);
  try {
    const plain = await startPlain({ onnx: path, shapes });
    const { url, gateway } = serving;
    const warm = await send(url, await orders.sign(20), 4, SECONDS);
    const ready = Math.ceil(warm.perSecond * SECONDS * 2) + CONCURRENCY;
    const first = residentMiB(gateway.pid);
    const ratios: number[] = [];
    const latencies: number[] = [];
    const speeds: number[] = [];
    const cpu = { plain: [] as number[], order: [] as number[], engine: [] as number[] };
    const others: number[] = [];
    const used = () => {
      const all = serving.pids.map(cpuSeconds);
      const sum = (of: (each: (typeof all)[0]) => number) => all.reduce((sum, each) => sum + of(each), 0);
      return { total: sum(({ total }) => total), engine: sum(({ own, total }) => total - own) };
    };
    let count = 20;
    for (let round = 0; round < ROUNDS; round++) {
      const signed = await orders.sign(ready);
      const measured = message(plain.child);
      const idle = cpuSeconds(plain.child.pid!).total;
      plain.child.send(SECONDS);
      const { perSecond: best, runs } = await measured;
      cpu.plain.push((cpuSeconds(plain.child.pid!).total - idle) / runs);
      const [before, here, since] = [used(), process.cpuUsage(), performance.now()];
      const served = await send(url, signed, CONCURRENCY, SECONDS);
      const after = used();
      const { user, system } = process.cpuUsage(here);
      others.push((user + system) / (1000 * (performance.now() - since) * availableParallelism()));
      cpu.order.push((after.total - before.total) / served.latencies.length);
      cpu.engine.push((after.engine - before.engine) / served.latencies.length);
      ratios.push(served.perSecond / best);
      speeds.push(served.perSecond);
      latencies.push(...served.latencies);
      count += served.latencies.length;
    }
    const alone = await send(url, await orders.sign(30), 1, SECONDS);
    count += alone.latencies.length;
    await until("the last batch", async () => {
      const { waiting, batches } = await health(url);
      return waiting === 0 && !batches.sealed;
    });
    const { batches } = await health(url);
    const last = residentMiB(gateway.pid);
    await serving.close();
    plain.child.kill();
    return {
      model: basename(dirname(path)),
      plain: plain.first,
      perSecond: quantile(speeds, 0.5),
      ratio: quantile(ratios, 0.5),
      cpu: {
        plain: 1000 * quantile(cpu.plain, 0.5),
        order: 1000 * quantile(cpu.order, 0.5),
        engine: 1000 * quantile(cpu.engine, 0.5),
      },
      others: quantile(others, 0.5),
      latency: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
      alone: { p50: quantile(alone.latencies, 0.5), p99: quantile(alone.latencies, 0.99) },
      orders: count,
      batches: batches.posted ?? 0,
      memory: { first, last },
    };
  } finally {
    await scene.close();
  }
}

/** Memory of a gateway that serves for a while. */
async function measureLong(path: string): Promise<LongRun> {
  const { scene, serving, orders } = await open(path);
  try {
    return await longRun({ ...serving, orders, minutes: Number(flags.long), concurrency: CONCURRENCY });
  } finally {
    await serving.close();
    await scene.close();
  }
}

if (flags.slash) {
  const slash = await measureSlash();
  if (flags.json) process.stdout.write(`${JSON.stringify(slash, null, 2)}\n`);
  else
    for (const { what, after, transactions, gas } of slash)
      console.log(
        `${what.padEnd(30)} ${after.toFixed(2).padStart(7)} s  ${transactions} transactions, ${gas} gas`,
      );
  process.exit(0);
}
const given =
  positionals.length > 0 ? positionals : SHARED_MODELS.map((name) => join(shared, name, "model.onnx"));
const paths = given.filter((path) => existsSync(path));
if (paths.length === 0) paths.push(join(root, "models/digits/digits.onnx"));
if (flags.long !== undefined) {
  const run = await measureLong(paths[0]!);
  if (flags.json) process.stdout.write(`${JSON.stringify(run, null, 2)}\n`);
  else
    for (const { minute, orders, resident } of run)
      console.log(
        `minute ${String(minute).padStart(3)}  ${String(orders).padStart(7)} orders  ${resident} MiB`,
      );
  process.exit(0);
}
const results: Served[] = [];
for (const path of paths) {
  process.stderr.write(`${path}\n`);
  results.push(await measure(path));
}
const machine = { cores: availableParallelism(), load: loadavg()[0]!, fast: flags.fast, workers: WORKERS };
if (flags.json) process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`);
else {
  console.log(`${machine.cores} cores, load ${machine.load.toFixed(1)} (this benchmark's own included)`);
  for (const each of results) {
    const { plain, cpu, others, latency, alone, memory } = each;
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
    console.log(
      [
        "",
        each.model,
        `  plain onnxruntime  ${plain.perSecond.toFixed(1)}/s with ${plain.lanes} × ${plain.threads} threads, ${plain.batch} a run`,
        `  gateway            ${each.perSecond.toFixed(1)}/s, ${percent(each.ratio)} of plain`,
        `  processor time     ${ms(cpu.order)} of the gateway's processes an order, ${ms(cpu.engine)} of it onnxruntime's; ${ms(cpu.plain)} of plain onnxruntime an inference: ${percent(cpu.plain / cpu.order)}`,
        `  client and chain   took ${percent(others)} of the machine`,
        `  latency            p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)} with ${CONCURRENCY} at a time; alone p50 ${ms(alone.p50)}, p99 ${ms(alone.p99)}`,
        `  posted             ${each.orders} claims in ${each.batches} batches`,
        `  memory             ${memory.first} → ${memory.last} MiB`,
      ].join("\n"),
    );
  }
}
process.exit(0);

/**
 * Plain onnxruntime-node in a process of its own, for `bench:serve`: finds the setting with the highest throughput for a
 * model, then runs it on demand. `node serve-plain.ts '<JSON of PlainArguments>'`, over IPC. onnxruntime-node runs a
 * session on the thread that asks: sessions side by side are processes, started by this one.
 */
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { randomInputs } from "@assay/execution";
import { readModel } from "@assay/program";
import { DType } from "@assay/tensor";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";

export interface PlainArguments {
  onnx: string;
  shapes: Record<string, number[]>;
  /** Runs it like this, in this process; default: as is found to be best. */
  setting?: Setting;
}

/** A way to run it: sessions side by side, threads of each, inferences in one run. */
export interface Setting {
  lanes: number;
  threads: number;
  batch: number;
}

export interface PlainMeasure extends Setting {
  perSecond: number;
  /** Inferences that were measured. */
  runs: number;
}

const BATCHES = [1, 4, 16];

const given = JSON.parse(process.argv[2]!) as PlainArguments;
const { onnx, shapes } = given;
const model = new Uint8Array(await readFile(onnx));
const inputs = readModel(model).inputs;

/** Feeds of `batch` inferences at once; undefined where the model fixes its first dimension. */
function feedsOf(batch: number): Record<string, OrtTensor> | undefined {
  if (
    batch > 1 &&
    !inputs.every(({ dims, name }) => (dims?.[0] ?? undefined) === undefined && shapes[name]![0] === 1)
  )
    return undefined;
  const specs = inputs.map(({ name, dtype }) => {
    const [first = 1, ...rest] = shapes[name]!;
    return {
      name,
      dtype: (dtype ?? DType.float32) as DType,
      dims: shapes[name]!.length === 0 ? [] : [first * batch, ...rest],
    };
  });
  return Object.fromEntries(
    Object.entries(randomInputs(specs, 1)).map(([name, { dtype, dims, data }]) => {
      const { buffer } = data;
      const value =
        dtype === DType.int64
          ? new OrtTensor("int64", new BigInt64Array(buffer as ArrayBuffer), dims)
          : dtype === DType.int32
            ? new OrtTensor("int32", new Int32Array(buffer as ArrayBuffer), dims)
            : new OrtTensor("float32", new Float32Array(buffer as ArrayBuffer), dims);
      return [name, value];
    }),
  );
}

interface Runner {
  /** Runs it for about `seconds`. */
  measure(seconds: number): Promise<Pick<PlainMeasure, "perSecond" | "runs">>;
  release(): Promise<void>;
}

async function runHere({ threads, batch }: Setting): Promise<Runner | undefined> {
  const feeds = feedsOf(batch);
  if (feeds === undefined) return undefined;
  const session = await InferenceSession.create(model, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await session.run(feeds);
  return {
    async measure(seconds) {
      const started = performance.now();
      let runs = 0;
      for (; performance.now() - started < seconds * 1000; runs += batch) await session.run(feeds);
      return { perSecond: runs / ((performance.now() - started) / 1000), runs };
    },
    release: () => session.release(),
  };
}

async function runSideBySide(setting: Setting): Promise<Runner | undefined> {
  if (feedsOf(setting.batch) === undefined) return undefined;
  const one = JSON.stringify({ ...given, setting: { ...setting, lanes: 1 } } satisfies PlainArguments);
  const children = Array.from({ length: setting.lanes }, () =>
    fork(import.meta.filename, [one], { execArgv: ["--disable-warning=ExperimentalWarning"] }),
  );
  const answers = () =>
    Promise.all(
      children.map(
        (child) => new Promise<PlainMeasure>((done) => child.once("message", (m) => done(m as PlainMeasure))),
      ),
    );
  await answers(); // they are ready
  return {
    async measure(seconds) {
      const measured = answers();
      for (const child of children) child.send(seconds);
      const all = await measured;
      return {
        perSecond: all.reduce((sum, { perSecond }) => sum + perSecond, 0),
        runs: all.reduce((sum, { runs }) => sum + runs, 0),
      };
    },
    async release() {
      for (const child of children) child.kill();
    },
  };
}

const runner = (setting: Setting) => (setting.lanes === 1 ? runHere(setting) : runSideBySide(setting));

async function best(): Promise<Setting> {
  const cores = availableParallelism();
  const ways = [
    { lanes: 1, threads: 1 },
    { lanes: 1, threads: cores },
    { lanes: cores, threads: 1 },
  ];
  let found: { setting: Setting; perSecond: number } | undefined;
  for (const batch of BATCHES)
    for (const way of ways) {
      const setting = { ...way, batch };
      const run = await runner(setting).catch(() => undefined);
      if (run === undefined) continue;
      const { perSecond } = await run.measure(0.7);
      await run.release();
      if (found === undefined || perSecond > found.perSecond) found = { setting, perSecond };
    }
  return found!.setting;
}

const setting = given.setting ?? (await best());
const run = (await runner(setting))!;
process.on("message", (seconds: number) => {
  void run
    .measure(seconds)
    .then((measured) => process.send!({ ...setting, ...measured } satisfies PlainMeasure));
});
process.on("disconnect", () => void run.release().then(() => process.exit(0)));
process.send!({ ...setting, ...(await run.measure(0.7)) } satisfies PlainMeasure);

/**
 * Plain onnxruntime-node in a process of its own, for `bench:serve`: finds the setting with the highest throughput for a
 * model, then runs it on demand. `node serve-plain.ts '<JSON of PlainArguments>'`, over IPC.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { randomInputs } from "@assay/execution";
import { readModel } from "@assay/program";
import { DType } from "@assay/tensor";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";

export interface PlainArguments {
  onnx: string;
  shapes: Record<string, number[]>;
}

/** A way to run it: sessions side by side, threads of each, inferences in one run. */
export interface Setting {
  lanes: number;
  threads: number;
  batch: number;
}

export interface PlainMeasure extends Setting {
  perSecond: number;
}

const BATCHES = [1, 4, 16];

const { onnx, shapes } = JSON.parse(process.argv[2]!) as PlainArguments;
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

async function runner({ lanes, threads, batch }: Setting) {
  const feeds = feedsOf(batch);
  if (feeds === undefined) return undefined;
  const sessions: InferenceSession[] = [];
  for (let lane = 0; lane < lanes; lane++)
    sessions.push(
      await InferenceSession.create(model, {
        executionProviders: ["cpu"],
        graphOptimizationLevel: "all",
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      }),
    );
  await sessions[0]!.run(feeds);
  return {
    /** Inferences a second over about `seconds`. */
    async measure(seconds: number): Promise<number> {
      const started = performance.now();
      let done = 0;
      await Promise.all(
        sessions.map(async (session) => {
          while (performance.now() - started < seconds * 1000) {
            await session.run(feeds);
            done += batch;
          }
        }),
      );
      return done / ((performance.now() - started) / 1000);
    },
    release: () => Promise.all(sessions.map((session) => session.release())),
  };
}

const cores = availableParallelism();
let best: { setting: Setting; perSecond: number } | undefined;
const ways = [
  { lanes: 1, threads: 1 },
  { lanes: 1, threads: cores },
  { lanes: cores, threads: 1 },
];
for (const batch of BATCHES)
  for (const way of ways) {
    const setting = { ...way, batch };
    const run = await runner(setting).catch(() => undefined);
    if (run === undefined) continue;
    const perSecond = await run.measure(0.7);
    await run.release();
    if (best === undefined || perSecond > best.perSecond) best = { setting, perSecond };
  }
const { setting } = best!;
const run = (await runner(setting))!;
process.on("message", (seconds: number) => {
  void run
    .measure(seconds)
    .then((perSecond) => process.send!({ ...setting, perSecond } satisfies PlainMeasure));
});
process.send!({ ...setting, perSecond: best!.perSecond } satisfies PlainMeasure);

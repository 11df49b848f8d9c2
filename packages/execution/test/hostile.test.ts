// Models that abort their process, never end or eat memory: each costs its own run, and nothing else.
import { float32Tensor, float32Values } from "@assay/tensor";
import { afterEach, expect, it } from "vitest";
import { buildOnnx, subgraph } from "../../program/test/onnx-builder.ts";
import { compileModel, ModelRunner, OnnxWorker } from "../src/index.ts";
import { shippedFile, digitInputs, shippedSamples } from "./models.ts";

const MiB = 2 ** 20;
const x = float32Tensor([4], [1, -2, 3, -4]);

const kind = buildOnnx({ inputs: { x: [4] }, nodes: [["Abs", ["x"], ["y"]]], outputs: ["y"] });

/** onnxruntime-node has no array for int4: reading such an output aborts the process. */
const aborting = buildOnnx({
  opset: 21,
  inputs: { x: [4] },
  nodes: [["Cast", ["x"], ["y"], { to: 22 }]],
  outputs: ["y"],
});

/** 2^62 iterations. */
const endless = buildOnnx({
  inputs: { x: [4] },
  constants: {
    count: { dims: [], int64: true, values: [2 ** 62] },
    go: { dims: [], bool: true, values: [1] },
  },
  nodes: [
    [
      "Loop",
      ["count", "go", "x"],
      ["y"],
      {
        body: subgraph({
          inputs: { i: 7, on: 9, v: 0 },
          nodes: [
            ["Identity", ["on"], ["still"]],
            ["Neg", ["v"], ["w"]],
          ],
          outputs: ["still", "w"],
        }),
      },
    ],
  ],
  outputs: ["y"],
});

/** 4 TB of one number: more than any machine has; and 3 GB, which is there to be had. */
const greedy = (rows: number) =>
  buildOnnx({
    inputs: { x: [4] },
    constants: { shape: { dims: [2], int64: true, values: [rows, 4] } },
    nodes: [
      ["Expand", ["x", "shape"], ["e"]],
      ["ReduceSum", ["e"], ["y"], { keepdims: 0 }],
    ],
    outputs: ["y"],
  });

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

function workerWith(models: Record<string, Uint8Array>, limits: ConstructorParameters<typeof OnnxWorker>[0]) {
  const worker = new OnnxWorker(limits);
  open.push(worker);
  for (const [name, model] of Object.entries(models)) worker.register(name, model);
  return worker;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: { code?: string }) => error.code,
  );

it.each([
  ["aborts", aborting, {}, "WORKER_CRASHED"],
  ["loops", endless, { timeoutMs: 3000 }, "WORKER_TIMEOUT"],
  ["asks for 4 TB", greedy(2 ** 38), {}, "ONNXRUNTIME"],
  ["takes 3 GB", greedy(3 * 2 ** 26), { memoryBytes: 700 * MiB }, /^(WORKER_MEMORY|ONNXRUNTIME)$/],
])("a model that %s fails alone: what waits behind it is run", async (_, hostile, limits, code) => {
  const worker = workerWith({ hostile, kind }, limits);
  const bad = codeOf(worker.run("hostile", { x }, ["y"]));
  const good = await Promise.all([1, 2, 3].map(() => worker.run("kind", { x }, ["y"])));
  expect(await bad).toMatch(code);
  for (const { y } of good) expect([...float32Values(y!)]).toEqual([1, 2, 3, 4]);
});

it.each([
  ["aborts", aborting, {}],
  ["loops", endless, { timeoutMs: 3000 }],
  ["takes 3 GB", greedy(3 * 2 ** 26), { memoryBytes: 700 * MiB }],
])("a model that %s cannot be compiled, and says why", async (_, hostile, limits) => {
  await expect(compileModel(hostile, limits)).rejects.toMatchObject({ name: "AssayError" });
});

it("dies with the process that started it, in the middle of a run", async () => {
  const { spawn } = await import("node:child_process");
  const script = `
    import { OnnxWorker } from ${JSON.stringify(new URL("../src/worker.ts", import.meta.url).href)};
    import { float32Tensor } from ${JSON.stringify(import.meta.resolve("@assay/tensor"))};
    const worker = new OnnxWorker();
    worker.register("endless", Buffer.from(${JSON.stringify(Buffer.from(endless).toString("base64"))}, "base64"));
    worker.run("endless", { x: float32Tensor([4], [1, 2, 3, 4]) }, ["y"]);
    setTimeout(() => console.log(worker.pid), 3000);
  `;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once("data", (text: Buffer) => resolve(Number(text.toString()))),
  );
  process.kill(pid, 0); // it is there
  parent.kill("SIGKILL");
  const end = Date.now() + 10_000;
  const gone = () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };
  while (!gone() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(gone()).toBe(true);
});

it("several processes share the runs of one model", async () => {
  const model = await compileModel(shippedFile("digits/digits.onnx"), { shapes: { pixels: [1, 1, 8, 8] } });
  const runner = new ModelRunner(model, { processes: 2 });
  open.push(runner);
  const inputs = shippedSamples().slice(0, 6).map(digitInputs);
  const together = await Promise.all(inputs.map((each) => runner.run(each)));
  for (const [i, each] of inputs.entries()) expect(await runner.run(each)).toEqual(together[i]);
});

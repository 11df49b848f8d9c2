// The process that holds onnxruntime. A model can bring a native library down; it must not take the node with it.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cutInput } from "@assay/program";
import type { Tensor } from "@assay/tensor";
import * as ort from "onnxruntime-node";
import { PINNED_CONFIGURATION } from "./configuration.ts";
import { fromOrt, shapeOf, toOrt } from "./ort-tensor.ts";
import type { WorkerReply, WorkerRequest } from "./worker.ts";

const sessions = new Map<string, ort.InferenceSession>();

async function canonicalise(model: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "assay-"));
  try {
    const path = join(folder, "canonical.onnx");
    const session = await ort.InferenceSession.create(new Uint8Array(model), {
      ...PINNED_CONFIGURATION.session,
      graphOptimizationLevel: PINNED_CONFIGURATION.canonicalLevel,
      optimizedModelFilePath: path,
    });
    await session.release();
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a run's output has other bytes than what was given for it. */
function differs(output: ort.Tensor, { data }: Tensor): boolean {
  const { buffer, byteOffset, byteLength } = output.data as unknown as ArrayBufferView;
  return Buffer.compare(Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength), data) !== 0;
}

async function answer(request: WorkerRequest): Promise<unknown> {
  switch (request.kind) {
    case "version":
      return ort.env.versions.node;
    case "canonicalise":
      return canonicalise(request.model);
    case "load": {
      const session = await ort.InferenceSession.create(
        new Uint8Array(request.model),
        PINNED_CONFIGURATION.session,
      );
      await sessions.get(request.session)?.release();
      sessions.set(request.session, session);
      return;
    }
    case "run": {
      const session = sessions.get(request.session)!;
      const feeds = Object.fromEntries(
        Object.entries(request.inputs).map(([name, t]) => [
          name,
          toOrt((type, data, dims) => new ort.Tensor(type as "float32", data as Float32Array, dims), t),
        ]),
      );
      const results = await session.run(feeds, request.outputs);
      const read = request.read === "shapes" ? shapeOf : fromOrt;
      return Object.fromEntries(
        Object.entries(results)
          .filter(([name, t]) => request.read !== "differing" || differs(t, request.inputs[cutInput(name)]!))
          .map(([name, t]) => [name, read(name, t)]),
      );
    }
  }
}

process.on("message", (message: { id: number; request: WorkerRequest }) => {
  answer(message.request).then(
    (value) => process.send!({ id: message.id, value } satisfies WorkerReply),
    (error: unknown) =>
      process.send!({
        id: message.id,
        error: error instanceof Error ? error.message : String(error),
      } satisfies WorkerReply),
  );
});
// The parent is gone: so is the reason to run.
process.on("disconnect", () => process.exit(0));

// The process that holds onnxruntime. A model can bring a native library down; it must not take the node with it.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cutInput, type ValueSource } from "@assay/program";
import { dtypeSize, fromStored, storedIndices, toStored } from "@assay/tensor";
import * as ort from "onnxruntime-node";
import { FAST_SESSION, PINNED_CONFIGURATION } from "./configuration.ts";
import { fromOrt, shapeOf, toOrt } from "./ort-tensor.ts";
import { Mailbox, type Region } from "./mailbox.ts";
import { storedBatch } from "./values.ts";
import {
  MAILBOX_FDS,
  type Tensors,
  type ValueElements,
  type WorkerMessage,
  type WorkerReply,
  type WorkerRequest,
} from "./worker.ts";

interface Session {
  readonly model: ort.InferenceSession;
  readonly committed: readonly ValueSource[];
  /** For each committed value that is stored in another order: room for it in ONNX's, kept from replay to replay. */
  readonly logical: (Uint8Array | undefined)[];
}

const sessions = new Map<string, Session>();

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

/** A run's outputs, by name. */
async function run(model: ort.InferenceSession, inputs: Tensors, outputs: readonly string[]) {
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, t]) => [
      name,
      toOrt((type, data, dims) => new ort.Tensor(type as "float32", data as Float32Array, dims), t),
    ]),
  );
  return model.run(feeds, outputs);
}

/** What `read` makes of a run's results, by name. */
function readAll<T>(results: ort.InferenceSession.ReturnType, read: (name: string, t: ort.Tensor) => T) {
  return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, read(name, t)]));
}

/** Stored bytes of every committed value. */
async function trace({ model, committed }: Session, inputs: Tensors): Promise<Uint8Array[]> {
  const names = new Set(committed.map(({ name }) => name).filter((name) => inputs[name] === undefined));
  const results = await run(model, inputs, [...names]);
  return committed.map(({ name, layout }) => toStored(inputs[name] ?? fromOrt(name, results[name]!), layout));
}

/** Where what a cut graph computes on the values of a trace has other bytes than that trace. */
async function replay(session: Session, inputs: Tensors, given: readonly Uint8Array[]) {
  const { model, committed, logical } = session;
  const operands = committed.map(({ dtype, dims, layout }, i) => {
    const operand = fromStored(given[i]!, dtype, dims, layout, logical[i]);
    if (operand.data !== given[i]) logical[i] = operand.data;
    return operand;
  });
  const cuts = Object.fromEntries(committed.map(({ name }, i) => [cutInput(name), operands[i]!]));
  const names = committed.map(({ name }) => name);
  const results = await run(model, { ...inputs, ...cuts }, names);
  const differing: ValueElements[] = [];
  for (const [index, { name, dtype, layout }] of committed.entries()) {
    const computed = fromOrt(name, results[name]!);
    if (Buffer.compare(computed.data, operands[index]!.data) === 0) continue;
    const elements = differences(computed.data, operands[index]!.data, dtypeSize(dtype));
    differing.push({ index, elements: new Uint8Array(storedIndices(layout, elements).buffer) });
  }
  return differing;
}

/** Bytes compared at once; a multiple of every element's size. */
const BLOCK = 4096;

/** Elements of `size` bytes that are not the same in two arrays of one length. */
function differences(a: Uint8Array, b: Uint8Array, size: number): number[] {
  const found: number[] = [];
  for (let start = 0; start < b.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, b.length);
    if (Buffer.compare(a.subarray(start, end), b.subarray(start, end)) === 0) continue;
    for (let at = start; at < end; at += size)
      for (let byte = at; byte < at + size; byte++)
        if (a[byte] !== b[byte]) {
          found.push(at / size);
          break;
        }
  }
  return found;
}

async function answer(request: WorkerRequest): Promise<unknown> {
  switch (request.kind) {
    case "version":
      return ort.env.versions.node;
    case "canonicalise":
      return canonicalise(request.model);
    case "load": {
      const { session: name, committed, configuration } = request;
      const model = await ort.InferenceSession.create(
        new Uint8Array(request.model),
        configuration.engine === "pinned"
          ? PINNED_CONFIGURATION.session
          : { ...FAST_SESSION, intraOpNumThreads: configuration.threads },
      );
      await sessions.get(name)?.model.release();
      sessions.set(name, { model, committed, logical: [] });
      return;
    }
    case "run": {
      const results = await run(sessions.get(request.session)!.model, request.inputs, request.outputs);
      return request.read === "shapes" ? readAll(results, shapeOf) : readAll(results, fromOrt);
    }
    case "runStored": {
      const { session, inputs, outputs, count } = request;
      const names = outputs.map(({ name }) => name);
      const results = await run(sessions.get(session)!.model, inputs, names);
      return storedBatch(outputs, readAll(results, fromOrt), count);
    }
    case "trace":
      return trace(sessions.get(request.session)!, request.inputs);
    case "replay":
      return replay(sessions.get(request.session)!, request.inputs, request.trace);
  }
}

const [requests, replies] = MAILBOX_FDS.map((fd) => new Mailbox(fd)) as [Mailbox, Mailbox];
const regions = new Map<number, Region>();
/** Where requests are read to, one after the other; as long as the longest so far. */
let desk = new Uint8Array();
let queue = Promise.resolve();

async function serve({ id, request }: Extract<WorkerMessage, { id: number }>): Promise<void> {
  try {
    const length = request.region?.length ?? 0;
    if (desk.length < length) desk = new Uint8Array(length);
    const value = replies.put(await answer(requests.take(request, desk) as WorkerRequest));
    if (value.region) regions.set(id, value.region);
    process.send!({ id, value } satisfies WorkerReply);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.send!({ id, error: message } satisfies WorkerReply);
  }
}

process.on("message", (message: WorkerMessage) => {
  if ("taken" in message) {
    replies.free(regions.get(message.taken));
    regions.delete(message.taken);
  } else queue = queue.then(() => serve(message));
});
// The parent is gone: so is the reason to run.
process.on("disconnect", () => process.exit(0));

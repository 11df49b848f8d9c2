import type { blobOpening, commitBlob, sidecarProofs } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { Worker } from "node:worker_threads";

/** What is computed in the thread; each takes a second a blob, or several. */
export interface KzgFunctions {
  commitBlob: typeof commitBlob;
  blobOpening: typeof blobOpening;
  sidecarProofs: typeof sidecarProofs;
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

let worker: Worker | undefined;
let calls = 0;
const waiting = new Map<number, Waiting>();

/** The SDK's KZG functions in a thread of their own, so that a service goes on answering meanwhile. */
export const kzg: KzgFunctions = {
  commitBlob: (...args) => inThread("commitBlob", args),
  blobOpening: (...args) => inThread("blobOpening", args),
  sidecarProofs: (...args) => inThread("sidecarProofs", args),
};

function inThread<Result>(name: keyof KzgFunctions, args: unknown[]): Promise<Result> {
  const thread = (worker ??= startWorker());
  const id = calls++;
  thread.ref();
  return new Promise<Result>((resolve, reject) => {
    waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
    thread.postMessage({ id, name, args });
  });
}

function startWorker(): Worker {
  const thread = new Worker(new URL("./kzg-worker.ts", import.meta.url));
  const failed = (cause: unknown) => {
    if (worker === thread) worker = undefined;
    for (const { reject } of waiting.values())
      reject(new AssayError("KZG_FAILED", "the thread that computes KZG proofs has ended", { cause }));
    waiting.clear();
  };
  thread.on("message", ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) thread.unref(); // nothing of it keeps the process alive
    if (error === undefined) call?.resolve(result);
    else call?.reject(new AssayError("KZG_FAILED", error));
  });
  thread.on("error", failed);
  thread.on("exit", failed);
  return thread;
}

import type { Program } from "@assay/program";
import {
  type BlobStore,
  outputFault,
  outputSizes,
  rootOf,
  split,
  type StoredValues,
  tracedOutputs,
} from "@assay/service";
import { tensorRoot } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import type { JobStorage } from "./jobs.ts";
import { readPayload } from "./payloads.ts";
import type { Job, StoredTensor } from "./state.ts";

/** Folder of a job's trace among the blobs: it goes when the claim is settled, long before inputs and outputs. */
export function traceFolder(id: Hex): string {
  return `traces/${id}`;
}

/** A trace's root, and where it is in the blob store. */
export interface StoredTrace {
  traceRoot: Hex;
  trace: StoredTensor[];
}

export async function storeTrace(blobs: BlobStore, id: Hex, values: StoredValues): Promise<StoredTrace> {
  const trace: StoredTensor[] = [];
  for (const bytes of values)
    trace.push({
      hash: await blobs.put(traceFolder(id), bytes),
      root: toHex(tensorRoot(bytes)),
      size: bytes.length,
    });
  return { traceRoot: rootOf(values), trace };
}

/** Whether a trace shows a job's claimed outputs to be wrong. */
export async function contradicts(
  { store, blobs }: Pick<JobStorage, "store" | "blobs">,
  job: Job,
  program: Program,
  trace: StoredValues,
): Promise<boolean> {
  const traced = tracedOutputs(program, trace);
  if (rootOf(traced) === job.outputRoot) return false;
  const claimed = split(await readPayload(store, blobs, job.id, "outputs"), outputSizes(program))!;
  return outputFault(program, claimed, traced) !== undefined;
}

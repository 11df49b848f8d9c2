import { randomBytes } from "node:crypto";
import type { Program } from "@assay/program";
import { join, outputSizes, rootOf, split, type StoredValues } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { addJobs, type JobStorage, type JobWatch } from "./jobs.ts";
import { readPayload } from "./payloads.ts";

/** Milliseconds that a run at a worker may take, waiting for one included. */
const PATIENCE = 600_000;

/** Has a worker run a program: stored bytes in, stored bytes out. Throws `RUN_FAILED` with the worker's reason. */
export async function runJob(
  storage: JobStorage & { watch: JobWatch },
  program: Program,
  inputs: StoredValues,
  programRoot: Hex,
): Promise<Uint8Array[]> {
  const { store, blobs, watch } = storage;
  const id = toHex(randomBytes(32));
  await addJobs(storage, [
    { id, kind: "order", programRoot, inputRoot: rootOf(inputs), inputs: join(inputs) },
  ]);
  const { state, reason } = await watch.until(id, ["computed", "failed", "ignored"], PATIENCE);
  if (state !== "computed") throw new AssayError("RUN_FAILED", `the model could not be run: ${reason}`);
  return split(await readPayload(store, blobs, id, "outputs"), outputSizes(program))!;
}

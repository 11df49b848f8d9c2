/** The thread of kzg.ts. */
import { blobOpening, commitBlob, sidecarProofs } from "@assay/protocol";
import { parentPort } from "node:worker_threads";
import type { KzgFunctions } from "./kzg.ts";

const functions: KzgFunctions = { commitBlob, blobOpening, sidecarProofs };

parentPort!.on("message", ({ id, name, args }: { id: number; name: keyof KzgFunctions; args: never[] }) => {
  const compute = functions[name] as (...args: never[]) => Promise<unknown>;
  compute(...args).then(
    (result) => parentPort!.postMessage({ id, result }),
    (error: unknown) => parentPort!.postMessage({ id, error: (error as Error).message }),
  );
});

import type { Hex } from "viem";

/** Root and stored size of a committed tensor. */
export interface TensorEntry {
  root: Hex;
  size: number;
}

/**
 * `GET <claim>`: what an executor says of a claim; sizes in bytes. `<claim>/inputs` and `<claim>/outputs` are the
 * stored bytes one after the other, `<claim>/trace/<index>` those of one trace value. Everything can be checked against
 * roots that the chain has, so nothing of it has to be believed.
 */
export interface ClaimManifest {
  claimId: Hex;
  requestId: Hex;
  programRoot: Hex;
  inputRoot: Hex;
  outputRoot: Hex;
  /** Null until a challenge made the executor compute it. */
  traceRoot: Hex | null;
  inputs: TensorEntry[];
  outputs: TensorEntry[];
  trace: TensorEntry[] | null;
}

/** Path of a claim under an executor's address. */
export function claimPath(claimId: Hex): string {
  return `/v1/claims/${claimId}`;
}

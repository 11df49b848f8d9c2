import type { Program } from "@assay/program";
import { hexToBytes } from "viem";
import type { RequestSeen } from "./chain.ts";
import { fetchBytes } from "./fetch.ts";
import { checkedInputs, inputSizes } from "./values.ts";

/** A request's inputs, from its event or its URI, checked against its input root. Throws `INPUTS_MISMATCH`. */
export async function inputsOf(
  request: RequestSeen,
  program: Program,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  const limit = inputSizes(program).reduce((sum, size) => sum + size, 0);
  const bytes =
    request.inputs === "0x"
      ? await fetchBytes(request.inputsUri, { limit, ...(signal === undefined ? {} : { signal }) })
      : hexToBytes(request.inputs);
  return checkedInputs(program, request.inputRoot, bytes);
}

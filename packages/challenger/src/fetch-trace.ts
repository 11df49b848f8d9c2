import type { Program } from "@assay/program";
import { type ClaimManifest, fetchBytes, type StoredValues, traceSizes, trimSlash } from "@assay/service";
import { AssayError, RootTree, tensorRoot } from "@assay/tensor";
import { hexToBytes, isHex, toHex, type Hex } from "viem";

export interface FetchTraceOptions {
  /** Address of the claim at its executor, as revealed. */
  uri: string;
  program: Program;
  traceRoot: Hex;
  /** Values already at hand, by tensor root: what the executor's trace shares with ours need not be fetched. */
  own?: StoredValues;
  /** Tensor roots of `own`, where they have been computed already. */
  ownRoots?: readonly Uint8Array[];
  /** Milliseconds for each tensor. Default 60,000. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Bytes of JSON that a manifest may have, for each tensor in it. */
const MANIFEST_BYTES = 256;

/**
 * Fetches a whole trace from its executor and checks every tensor of it against the trace root. Throws
 * `FETCH_FAILED`, `TRACE_INCOMPLETE` or `TRACE_MISMATCH`: then the executor has not given what it committed to.
 */
export async function fetchTrace(options: FetchTraceOptions): Promise<Uint8Array[]> {
  const { program, traceRoot } = options;
  const { signal, timeout } = options;
  const common = { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) };
  const uri = trimSlash(options.uri);
  const sizes = traceSizes(program);
  const limit = MANIFEST_BYTES * (1 + sizes.length + program.inputs.length + program.outputs.length);
  const roots = manifestRoots(await fetchBytes(uri, { limit, ...common }), uri, sizes.length);
  if (toHex(new RootTree(roots.map((root) => hexToBytes(root))).root) !== traceRoot)
    throw new AssayError(
      "TRACE_MISMATCH",
      `${uri} lists tensor roots that do not lead to trace root ${traceRoot}`,
    );

  const own = new Map(
    (options.own ?? []).map((bytes, i) => [toHex(options.ownRoots?.[i] ?? tensorRoot(bytes)), bytes]),
  );
  const trace: Uint8Array[] = [];
  for (const [index, root] of roots.entries()) {
    const size = sizes[index]!;
    const shared = own.get(root);
    const bytes =
      shared?.length === size
        ? shared
        : await fetchBytes(`${uri}/trace/${index}`, { limit: size, ...common });
    if (bytes.length !== size || (bytes !== shared && toHex(tensorRoot(bytes)) !== root))
      throw new AssayError(
        "TRACE_MISMATCH",
        `${uri}/trace/${index} is not the tensor that the trace root commits to`,
      );
    trace.push(bytes);
  }
  return trace;
}

function manifestRoots(bytes: Uint8Array, uri: string, count: number): Hex[] {
  let manifest: Partial<ClaimManifest> | null;
  try {
    manifest = JSON.parse(Buffer.from(bytes).toString()) as Partial<ClaimManifest> | null;
  } catch (cause) {
    throw new AssayError("TRACE_INCOMPLETE", `${uri} is not JSON`, { cause });
  }
  const trace: unknown = manifest?.trace;
  if (!Array.isArray(trace) || trace.length !== count)
    throw new AssayError("TRACE_INCOMPLETE", `${uri} does not list the program's ${count} trace values`);
  return trace.map((entry: unknown) => {
    const root = (entry as { root?: unknown } | null)?.root;
    if (!isHex(root) || root.length !== 66)
      throw new AssayError("TRACE_INCOMPLETE", `${uri} lists something that is no tensor root`);
    return root.toLowerCase() as Hex;
  });
}

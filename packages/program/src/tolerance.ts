import { AssayError, DType } from "@assay/tensor";
import { metadataEntries, withMetadata } from "./onnx/metadata.ts";
import type { Port, Tolerance } from "./types.ts";

/**
 * Where a model holds the tolerances of its outputs: an entry of its metadata, a JSON object
 * `{"output": [absolute, relative]}`.
 */
export const TOLERANCE_KEY = "assay.tolerance";

/** Tolerances by the ONNX names of outputs. */
export type Tolerances = ReadonlyMap<string, Tolerance>;

/** The tolerances that a model carries; throws `TOLERANCE_MALFORMED`. */
export function readTolerances(metadata: readonly { key: string; value: string }[]): Tolerances {
  const entries = metadataEntries(metadata, TOLERANCE_KEY, malformed);
  return new Map(
    entries.map(([name, pair]) => {
      if (!Array.isArray(pair) || pair.length !== 2)
        throw malformed(`that of "${name}" is no pair [absolute, relative]`);
      return [name, requireTolerance(name, { absolute: pair[0] as number, relative: pair[1] as number })];
    }),
  );
}

/** The model with tolerances in its metadata, in the place of any that it had; an empty map removes them. */
export function writeTolerances(bytes: Uint8Array, tolerances: Tolerances): Uint8Array {
  const pairs = [...tolerances].map(([name, tolerance]) => {
    const { absolute, relative } = requireTolerance(name, tolerance);
    return [name, [absolute, relative]] as const;
  });
  return withMetadata(bytes, TOLERANCE_KEY, Object.fromEntries(pairs));
}

/** The outputs with their tolerances. Throws `TOLERANCE_UNKNOWN` for a name that is no float32 output. */
export function tolerant(outputs: readonly Port[], tolerances: Tolerances): Port[] {
  for (const name of tolerances.keys())
    if (!outputs.some((port) => port.name === name && port.dtype === DType.float32))
      throw new AssayError("TOLERANCE_UNKNOWN", `the model has no float32 output "${name}"`, {
        hint: `its outputs: ${outputs.map((port) => port.name).join(", ")}`,
      });
  return outputs.map((port) => {
    const tolerance = tolerances.get(port.name);
    return tolerance === undefined ? port : { ...port, tolerance };
  });
}

/** A tolerance as the contracts take it: float32 bits, 0 when there is none. */
export function toleranceBits(tolerance: Tolerance | undefined): { absolute: number; relative: number } {
  const [absolute = 0, relative = 0] = new Uint32Array(
    Float32Array.of(tolerance?.absolute ?? 0, tolerance?.relative ?? 0).buffer,
  );
  return { absolute, relative };
}

function requireTolerance(name: string, { absolute, relative }: Tolerance): Tolerance {
  const numbers = [absolute, relative].every((part) => typeof part === "number" && part >= 0);
  if (!numbers || !Number.isFinite(Math.fround(absolute)) || Math.fround(relative) > 1)
    throw malformed(
      `that of "${name}" is out of range: absolute finite, relative at most 1, neither negative`,
    );
  const rounded = { absolute: Math.fround(absolute), relative: Math.fround(relative) };
  if (rounded.absolute === 0 && rounded.relative === 0)
    throw malformed(`that of "${name}" is 0: leave it out`);
  return rounded;
}

function malformed(reason: string): AssayError {
  return new AssayError("TOLERANCE_MALFORMED", `the model's ${TOLERANCE_KEY} is malformed: ${reason}`, {
    hint: "assay model tolerate writes it",
  });
}

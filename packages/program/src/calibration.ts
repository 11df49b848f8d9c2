import { AssayError, DType, elementCount } from "@assay/tensor";
import { Family, NormalizationOp, ReductionOp } from "@assay/numerics";
import { metadataEntries, withMetadata } from "./onnx/metadata.ts";
import type { Instruction, Program } from "./types.ts";

/** Integrity multipliers λ in 1/256, by the ONNX name of the value that the instruction writes. */
export type Calibration = ReadonlyMap<string, number>;

/** Where a canonical graph holds its calibration: an entry of its metadata, a JSON object of λ in 1/256 by value. */
export const CALIBRATION_KEY = "assay.lambda";
/** Contraction's kernels count no larger multiplier. */
export const MAX_LAMBDA = 2 ** 20;

/** Which word of an instruction's parameters is λ; undefined: its family, operation or type has none. */
function lambdaWord({ family, op, dtype, params }: Instruction): number | undefined {
  if (family === Family.Contraction) return 6;
  if (family === Family.Normalization) return op <= NormalizationOp.LogSumExp ? 0 : 1;
  const sum = op === ReductionOp.L1 || op === ReductionOp.SumSquare || op === ReductionOp.L2;
  if (family === Family.Reduction && sum && dtype === DType.float32 && params.length > 0) return 0;
  return undefined;
}

/** An instruction's integrity multiplier in 1/256, where it has one. */
export function lambdaOf(instruction: Instruction): number | undefined {
  const word = lambdaWord(instruction);
  if (word === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = instruction.params;
  return new DataView(buffer, byteOffset, byteLength).getUint32(32 * word + 28);
}

/** The instruction with another integrity multiplier; it must have one. */
export function withLambda(instruction: Instruction, lambda: number): Instruction {
  const word = lambdaWord(instruction);
  if (word === undefined) throw new AssayError("CALIBRATION_UNKNOWN", "the instruction has no λ");
  const params = instruction.params.slice();
  new DataView(params.buffer).setUint32(32 * word + 28, lambda);
  return { ...instruction, params };
}

/** Terms of the sum that λ·√K speaks of. */
export function termsOfBand(instruction: Instruction): number {
  return elementCount(instruction.reduction);
}

/** The calibration that a canonical graph carries; throws `CALIBRATION_MALFORMED`. */
export function readCalibration(metadata: readonly { key: string; value: string }[]): Calibration {
  return new Map(
    metadataEntries(metadata, CALIBRATION_KEY, malformed).map(([name, lambda]) => {
      if (typeof lambda !== "number" || !Number.isInteger(lambda) || lambda < 1 || lambda > MAX_LAMBDA)
        throw malformed(`the λ of "${name}" is no integer from 1 to ${MAX_LAMBDA}`);
      return [name, lambda] as const;
    }),
  );
}

function malformed(reason: string): AssayError {
  return new AssayError("CALIBRATION_MALFORMED", `the model's ${CALIBRATION_KEY} is malformed: ${reason}`, {
    hint: "assay model calibrate writes it",
  });
}

/** The model with a calibration in its metadata, in the place of any that it had; an empty one removes it. */
export function writeCalibration(bytes: Uint8Array, calibration: Calibration): Uint8Array {
  return withMetadata(bytes, CALIBRATION_KEY, Object.fromEntries(calibration));
}

/**
 * A program's instructions with the multipliers of a calibration; those that it does not name keep theirs. Throws
 * `CALIBRATION_UNKNOWN` for a name that no instruction with a λ writes.
 */
export function calibrated(
  { instructions, trace }: Pick<Program, "instructions" | "trace">,
  calibration: Calibration,
): Instruction[] {
  if (calibration.size === 0) return [...instructions];
  const unused = new Set(calibration.keys());
  const result = instructions.map((instruction, i) => {
    const { name } = trace[i]!;
    const lambda = calibration.get(name);
    if (lambda === undefined || lambdaOf(instruction) === undefined) return instruction;
    unused.delete(name);
    return withLambda(instruction, lambda);
  });
  for (const name of unused)
    throw new AssayError(
      "CALIBRATION_UNKNOWN",
      `the model's ${CALIBRATION_KEY} names "${name}", which no instruction with an integrity multiplier writes`,
      { hint: "calibrate the canonical graph that is compiled: assay model calibrate" },
    );
  return result;
}

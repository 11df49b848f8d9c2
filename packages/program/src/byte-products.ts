import { Family, QuantisedOp } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { encode } from "./onnx/protobuf.ts";
import type { Program } from "./types.ts";

const BYTES: readonly number[] = [DType.uint8, DType.int8];

/**
 * Whether a program adds products of unsigned by signed bytes: where onnxruntime computes them with `vpmaddubsw`, it clamps pairs of
 * them to 16 bits (docs/numerics/quantised.md).
 */
export function multipliesMixedBytes({ instructions }: Pick<Program, "instructions">): boolean {
  return instructions.some(({ family, op, operands }) => {
    if (family !== Family.Quantised || (op !== QuantisedOp.Requantise && op < QuantisedOp.Dot)) return false;
    const [a, b] = [operands[0], operands[op === QuantisedOp.Requantise ? 3 : 1]].map(
      (operand) => operand?.dtype ?? DType.float32,
    );
    return a !== b && BYTES.includes(a!) && BYTES.includes(b!);
  });
}

/** What the output `y` of {@link mixedBytesProbe} is when `a` is 255 twice and `b` 127 twice, and nothing clamps. */
export const MIXED_BYTES_SUM = 2 * 255 * 127;

/** A graph that multiplies `a`, uint8 [1, 2], by `b`, int8 [2, 1]. */
export function mixedBytesProbe(): Uint8Array {
  const port = (name: string, elemType: DType, dims: number[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  return encode("ModelProto", {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "probe",
      input: [port("a", DType.uint8, [1, 2]), port("b", DType.int8, [2, 1])],
      output: [port("y", DType.int32, [1, 1])],
      node: [{ opType: "MatMulInteger", domain: "", name: "y", input: ["a", "b"], output: ["y"] }],
    },
  });
}

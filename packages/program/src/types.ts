import type { DType, Layout, Tensor } from "@assay/tensor";
import type { Family } from "@assay/numerics";

/** Where the value behind an operand is committed; the order is the Solidity enum's. */
export const Origin = { Input: 0, Constant: 1, Trace: 2 } as const;
export type Origin = (typeof Origin)[keyof typeof Origin];

/** One axis of an access map; see `Axis` in contracts/program/Program.sol. */
export interface Axis {
  size: number;
  stride: number;
  base: number;
  divisor: number;
  /** 0, or 1 + the number of an earlier operand that holds indices. */
  lookup: number;
  /** Over the output coordinates, then the reduction coordinates. */
  coefficients: number[];
}

export interface Operand {
  origin: Origin;
  /** Leaf in its origin's tree. */
  index: number;
  dtype: DType;
  /** Elements of the whole value. */
  length: number;
  /** One element per point of the reduction box, or a single one. */
  reduced: boolean;
  /** Bits that padding reads as. */
  fill: bigint;
  axes: Axis[];
}

export interface Instruction {
  family: Family;
  op: number;
  dtype: DType;
  /** Output coordinates in stored order. */
  dims: number[];
  reduction: number[];
  operands: Operand[];
  params: Uint8Array;
}

/** A program input or output as ONNX names it, and its commitment layout. */
export interface Port {
  name: string;
  dtype: DType;
  dims: number[];
  layout: Layout;
  /** Inputs: leaf of the input root; outputs: the instruction that writes it. */
  index: number;
  /** By how much a claimed float32 output may differ from the trace's; absent: bit for bit. */
  tolerance?: Tolerance;
}

/** |claimed - traced| <= absolute + relative·|traced|; both are float32, not negative, and not both 0; relative <= 1. */
export interface Tolerance {
  absolute: number;
  relative: number;
}

/** A value of the canonical graph that the program commits to: its ONNX name and commitment layout. */
export interface ValueSource {
  name: string;
  dtype: DType;
  dims: number[];
  layout: Layout;
  /** Of a constant that is the compiler's own and no initialiser of the canonical graph. */
  value?: Tensor;
}

/**
 * A compiled program. `instructions[i]` writes trace value `i`, which is the canonical graph's value `trace[i].name`
 * in layout `trace[i].layout`; constant `i` is the canonical graph's initialiser `constants[i].name`.
 */
export interface Program {
  version: number;
  accuracyProfile: number;
  inputs: Port[];
  outputs: Port[];
  instructions: Instruction[];
  trace: ValueSource[];
  constants: ValueSource[];
  /** For people: the ONNX nodes folded into each instruction, e.g. `["Conv:conv1", "Relu:relu1"]`. */
  nodes: string[][];
}

import type { DType } from "@assay/tensor";

/** Kernel families of instruction set version 1; the order is the Solidity enum's. */
export const Family = {
  Contraction: 0,
  Elementwise: 1,
  Reduction: 2,
  Normalization: 3,
  Movement: 4,
  Indexed: 5,
  Ordering: 6,
  Quantised: 7,
  Scalar: 8,
  Integer: 9,
} as const;
export type Family = (typeof Family)[keyof typeof Family];

/** What the contract says of one output element. */
export const Verdict = { Acceptable: 0, Imprecise: 1, Fraudulent: 2 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/**
 * A verdict with the integers it rests on, in units of 2^scale; the twin of Solidity's `Judgement`.
 * When a rule about NaN or infinities decided, `exact`, both bands and `scale` are 0.
 */
export interface Judgement {
  verdict: Verdict;
  exact: bigint;
  provable: bigint;
  integrity: bigint;
  scale: bigint;
}

/** Everything a kernel may look at; the twin of Solidity's `KernelInput`. */
export interface KernelInput {
  op: number;
  /** Element type of the output. */
  dtype: DType;
  /** Element type of each operand. */
  dtypes: DType[];
  /** The instruction's parameter bytes (ABI-encoded). */
  params: Uint8Array;
  /** Bits of the claimed output element, zero-extended. */
  claimed: bigint;
  /** Of each operand: points of its box that are not padding. */
  valid: number[];
  /** Dense little-endian elements, in the order of the reduction box. */
  operands: Uint8Array[];
  /** The prover's help (Contraction: emax). */
  hint: Uint8Array;
}

/** One family's arithmetic: `judge` is bit-identical to its contract, `hint` finds the best help for a proof. */
export interface Kernel {
  judge(input: KernelInput): Judgement;
  hint(input: Omit<KernelInput, "hint">): Uint8Array;
}

/** A family whose elements can be judged segment by segment; the twin of Solidity's `IStreamingKernel`. */
export interface StreamingKernel extends Kernel {
  /** The state after one more segment of the reduction box; an empty state is that of none. */
  fold(part: KernelInput, state: Uint8Array): Uint8Array;
  /** The judgement from the state after the last segment. */
  conclude(part: KernelInput, state: Uint8Array): Judgement;
}

export function isStreaming(kernel: Kernel): kernel is StreamingKernel {
  return "fold" in kernel;
}

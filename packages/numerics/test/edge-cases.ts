import { ElementwiseOp, type KernelInput } from "@assay/numerics";
import { contractionInput, NEUTRAL, ONE } from "./contraction-cases.ts";
import { elementwiseInput } from "./samples.ts";

// Edges of the rules: verdict-edges.test.ts judges them here, test/kernels-edges.test.ts on-chain.
const [INF, NEGATIVE_INF, NAN] = [0x7f800000, 0xff800000, 0x7fc00000];

function clamped(a: number[], low: number, high: number, claimed: number, valid = a.length): KernelInput {
  const params = { ...NEUTRAL, activation: 1, low, high };
  const ones = a.map(() => ONE);
  return contractionInput({ kind: "edge", params, a, b: ones, bias: undefined, valid }, claimed);
}
const relu = (bits: number, claimed: number) => elementwiseInput(ElementwiseOp.Relu, bits, 0, claimed);

/** [what, input, acceptable] */
export const CONTRACTION_EDGES: readonly (readonly [string, KernelInput, boolean])[] = [
  ["both bounds +Inf, the bound", clamped([ONE, ONE], INF, INF, INF), true],
  ["both bounds -Inf, the bound", clamped([ONE, ONE], NEGATIVE_INF, NEGATIVE_INF, NEGATIVE_INF), true],
  ["both bounds +Inf, the other infinity", clamped([ONE, ONE], INF, INF, NEGATIVE_INF), false],
  ["both bounds +Inf, a NaN", clamped([ONE, ONE], INF, INF, NAN), false],
  ["Relu of a finite sum, +Inf", clamped([ONE, ONE], 0, INF, INF), false],
  ["Relu6 of NaN, NaN", clamped([NAN, ONE], 0, 0x40c00000, NAN), true],
  ["Relu6 of NaN, the lower bound", clamped([NAN, ONE], 0, 0x40c00000, 0x80000000), true],
  ["Relu6 of NaN, the upper bound", clamped([NAN, ONE], 0, 0x40c00000, 0x40c00000), true],
  ["Relu6 of NaN, a number between", clamped([NAN, ONE], 0, 0x40c00000, 0x40a00000), false],
  ["Relu6 of NaN, a number outside", clamped([NAN, ONE], 0, 0x40c00000, 0x7149f2ca), false],
  ["Relu6 of NaN, an infinity", clamped([NAN, ONE], 0, 0x40c00000, INF), false],
  ["Relu of Inf, Inf", clamped([INF, ONE], 0, INF, INF), true],
  ["Relu of Inf, a number", clamped([INF, ONE], 0, INF, 0x40a00000), false],
  ["Relu of a negative subnormal, itself", clamped([0x80000001], 0, INF, 0x80000001), true],
  ["Relu of a negative number, a negative subnormal", clamped([0xbf800000], 0, INF, 0x80000001), false],
  ["Clip of 1 to at most 0, a negative subnormal", clamped([ONE], NEGATIVE_INF, 0, 0x80000001), false],
  ["Relu of NaN, a subnormal", clamped([NAN], 0, INF, 1), false],
  ["Relu of a negative number, a negative normal", clamped([0x80800000], 0, INF, 0x80800000), false],
];

export const ELEMENTWISE_EDGES: readonly (readonly [string, KernelInput, boolean])[] = [
  ["Relu of NaN, NaN", relu(NAN, 0xffc00001), true],
  ["Relu of NaN, 0", relu(NAN, 0), false],
  ["Relu of NaN, -0", relu(NAN, 0x80000000), false],
  ["Relu of NaN, +Inf", relu(NAN, INF), false],
  ["Relu of a negative subnormal, itself", relu(0x80000001, 0x80000001), true],
  ["Relu of a negative subnormal, another", relu(0x80000001, 0x80000002), false],
  ["Relu of a negative normal, itself", relu(0x80800000, 0x80800000), false],
];

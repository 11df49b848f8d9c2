import { Family, ScalarOp } from "@assay/numerics";
import { type Axis, type Instruction, Origin, type Program } from "@assay/program";
import { DType, elementCount, rowMajor } from "@assay/tensor";
import { encodeAbiParameters, hexToBytes } from "viem";

/** A one-instruction program with values, and the element that will be tampered with. */
export interface GasCase {
  name: string;
  program: Program;
  inputs: Uint8Array[];
  constants: Uint8Array[];
  /** Output of the instruction, with `element` wrong. */
  trace: Uint8Array;
  element: number;
}

/** Deterministic numbers in [−1, 1) (mulberry32): the snapshot must not depend on chance. */
export function randomValues(count: number, seed: number, scale = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1) * scale;
  });
}

export const bytes = (values: ArrayBufferView) => new Uint8Array(values.buffer as ArrayBuffer);

const ONE = 0x3f800000;

export function words(...values: number[]): Uint8Array {
  return hexToBytes(
    encodeAbiParameters(
      values.map(() => ({ type: "uint256" })),
      values.map(BigInt),
    ),
  );
}

export function axis(size: number, stride: number, coefficients: number[], base = 0): Axis {
  return { size, stride, base, divisor: 1, lookup: 0, coefficients };
}

function oneInstruction(
  instruction: Instruction,
  inputDims: number[],
  constantDims: number[] | undefined,
): Program {
  const port = (name: string, dims: number[]) => ({
    name,
    dtype: DType.float32,
    dims,
    layout: rowMajor(dims),
    index: 0,
  });
  return {
    version: 1,
    accuracyProfile: 1,
    inputs: [port("x", inputDims)],
    outputs: [port("y", instruction.dims)],
    instructions: [instruction],
    trace: [port("y", instruction.dims)],
    constants: constantDims === undefined ? [] : [port("w", constantDims)],
    nodes: [["bench"]],
  };
}

/** y[i, j] = Σ x[i, k]·w[j, k], the right operand stored transposed. */
function matMul(k: number): GasCase {
  const [m, n] = [8, 64];
  const x = randomValues(m * k, 1);
  const w = randomValues(n * k, 2, 0.05);
  const instruction: Instruction = {
    family: Family.Contraction,
    op: 1,
    dtype: DType.float32,
    dims: [m, n],
    reduction: [k],
    operands: [
      operand(Origin.Input, m * k, true, [axis(m * k, 1, [k, 0, 1])]),
      operand(Origin.Constant, n * k, true, [axis(n * k, 1, [0, k, 1])]),
    ],
    params: words(ONE, ONE, 1, 0, 0, 0, 1024),
  };
  const y = Float32Array.from({ length: m * n }, (_, e) => {
    let sum = 0;
    const [i, j] = [Math.floor(e / n), e % n];
    for (let p = 0; p < k; p++) sum += x[i * k + p]! * w[j * k + p]!;
    return sum;
  });
  const program = oneInstruction(instruction, [m, k], [n, k]);
  return tampered(`MatMul K=${k}`, program, x, [w], y, 3 * n + 41, k > 4096 ? 100 : 0.25);
}

function operand(origin: Origin, length: number, reduced: boolean, axes: Axis[]) {
  return { origin, index: 0, dtype: DType.float32, length, reduced, fill: 0n, axes };
}

/** 3×3 convolution over 512 channels, activations channels-last, weights [O][kh][kw][C], padding 1. */
function convolution(): GasCase {
  const [h, w, c, o] = [14, 14, 512, 16];
  const x = randomValues(h * w * c, 3);
  const weights = randomValues(o * 9 * c, 4, 0.02);
  const bias = randomValues(o, 5, 0.1);
  const instruction: Instruction = {
    family: Family.Contraction,
    op: 3,
    dtype: DType.float32,
    dims: [h, w, o],
    // (kernel row, kernel column × channel): a kernel row is one run of 3·C elements.
    reduction: [3, 3 * c],
    operands: [
      operand(Origin.Input, h * w * c, true, [
        axis(h, w * c, [1, 0, 0, 1, 0], -1),
        axis(w * c, 1, [0, c, 0, 0, 1], -c),
      ]),
      operand(Origin.Constant, o * 9 * c, true, [axis(o * 9 * c, 1, [0, 0, 9 * c, 3 * c, 1])]),
      { ...operand(Origin.Constant, o, false, [axis(o, 1, [0, 0, 1, 0, 0])]), index: 1 },
    ],
    params: words(ONE, ONE, 1, 1, 0, 0x7f800000, 1024),
  };
  const y = Float32Array.from({ length: h * w * o }, (_, e) => {
    const [row, column, channel] = [Math.floor(e / (w * o)), Math.floor(e / o) % w, e % o];
    let sum = bias[channel]!;
    for (let kh = 0; kh < 3; kh++)
      for (let kw = 0; kw < 3; kw++) {
        const [r, q] = [row + kh - 1, column + kw - 1];
        if (r < 0 || r >= h || q < 0 || q >= w) continue;
        for (let p = 0; p < c; p++)
          sum += x[(r * w + q) * c + p]! * weights[((channel * 3 + kh) * 3 + kw) * c + p]!;
      }
    return Math.max(0, sum);
  });
  const program = oneInstruction(instruction, [1, c, h, w], [o, c, 3, 3]);
  program.inputs[0]!.layout = { factors: [1, c, h, w], order: [0, 2, 3, 1] };
  program.outputs[0]!.dims = [1, o, h, w];
  program.outputs[0]!.layout = { factors: [1, o, h, w], order: [0, 2, 3, 1] };
  program.constants.push({ name: "b", dtype: DType.float32, dims: [o], layout: rowMajor([o]) });
  return tampered(
    "Conv 3×3×512 channels-last, bias, Relu",
    program,
    x,
    [weights, bias],
    y,
    (5 * w + 6) * o + 7,
  );
}

function softmax(length: number): GasCase {
  const x = randomValues(length, 6, 8);
  const whole = [axis(length, 1, [0, 1])];
  const one = [axis(length, 1, [1, 0])];
  const instruction: Instruction = {
    family: Family.Normalization,
    op: 0,
    dtype: DType.float32,
    dims: [length],
    reduction: [length],
    operands: [operand(Origin.Input, length, true, whole), operand(Origin.Input, length, false, one)],
    params: words(1024),
  };
  const largest = Math.max(...x);
  const exponentials = Array.from(x, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  const y = Float32Array.from(exponentials, (e) => e / sum);
  return tampered(`Softmax ${length}`, oneInstruction(instruction, [length], undefined), x, [], y, 7);
}

/** y = f(x) for one element of a vector. */
function elementwise(name: string, family: Family, op: number, f: (x: number) => number): GasCase {
  const length = 1024;
  const x = randomValues(length, 7, 4);
  const instruction: Instruction = {
    family,
    op,
    dtype: DType.float32,
    dims: [length],
    reduction: [],
    operands: [operand(Origin.Input, length, true, [axis(length, 1, [1])])],
    params: new Uint8Array(),
  };
  const program = oneInstruction(instruction, [length], undefined);
  return tampered(`${name}, 1 element of ${length}`, program, x, [], Float32Array.from(x, f), 100);
}

function maxPool(): GasCase {
  const [h, w, c] = [28, 28, 8];
  const x = randomValues(h * w * c, 8);
  const dims = [h / 2, w / 2, c];
  const instruction: Instruction = {
    family: Family.Reduction,
    op: 0,
    dtype: DType.float32,
    dims,
    reduction: [2, 2],
    operands: [
      {
        ...operand(Origin.Input, h * w * c, true, [axis(h * w * c, 1, [2 * w * c, 2 * c, 1, w * c, c])]),
        fill: 0xff800000n,
      },
    ],
    params: new Uint8Array(),
  };
  const y = Float32Array.from({ length: elementCount(dims) }, (_, e) => {
    const [row, column, channel] = [Math.floor(e / ((w / 2) * c)), Math.floor(e / c) % (w / 2), e % c];
    const at = (r: number, q: number) => x[((2 * row + r) * w + 2 * column + q) * c + channel]!;
    return Math.max(at(0, 0), at(0, 1), at(1, 0), at(1, 1));
  });
  return tampered("MaxPool 2×2", oneInstruction(instruction, [h, w, c], undefined), x, [], y, 500);
}

function tampered(
  name: string,
  program: Program,
  x: Float32Array,
  constants: Float32Array[],
  y: Float32Array,
  element: number,
  change = 0.25,
): GasCase {
  y[element] = y[element]! * 1.5 + change;
  return {
    name,
    program,
    inputs: [bytes(x)],
    constants: constants.map((values) => bytes(values)),
    trace: bytes(y),
    element,
  };
}

/** The cases of the gas table, smallest memory first. */
export function gasCases(): GasCase[] {
  return [
    matMul(256),
    matMul(1024),
    matMul(4096),
    matMul(14_336),
    convolution(),
    softmax(10),
    softmax(1000),
    softmax(25_000),
    elementwise("Exp", Family.Scalar, ScalarOp.Exp, Math.exp),
    elementwise("Tanh", Family.Scalar, ScalarOp.Tanh, Math.tanh),
    elementwise("Relu", Family.Elementwise, 4, (x) => Math.max(0, x)),
    maxPool(),
    // in steps
    matMul(40_000),
    softmax(60_000),
  ];
}

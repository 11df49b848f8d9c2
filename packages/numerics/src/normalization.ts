import { AssayError, DType } from "@assay/tensor";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  unknownOp,
} from "./checks.ts";
import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import { decode32, elements32, INFINITY, isFinite32, isNaN32, NEGATIVE_INFINITY } from "./float32.ts";
import { exp2Short, log2eTimes } from "./scalar-math.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

/** Operations of the Normalization family. */
export const NormalizationOp = { Softmax: 0 } as const;

const SCALE = -149;
const MAX_LENGTH = 1 << 20;
const JUST_ABOVE_ONE = 0x3f802000;
const ROUNDINGS = 13n;

/** Softmax of a row; the twin of contracts/kernels/NormalizationKernel.sol. It needs no hint. */
export const normalization: Kernel = { judge, hint: () => new Uint8Array() };

function judge(input: KernelInput): Judgement {
  if (input.op !== NormalizationOp.Softmax) throw unknownOp(input.op);
  requireDtypes(input, DType.float32);
  requireOperandCount(input.operands, 2);
  const bytes = input.operands[0]!;
  if (bytes.length === 0 || bytes.length % 4 !== 0)
    requireOperandLength(input.operands, 0, bytes.length - (bytes.length % 4) + 4);
  if (bytes.length >> 2 > MAX_LENGTH)
    throw new AssayError("ROW_TOO_LONG", `softmax over ${bytes.length >> 2} elements; at most ${MAX_LENGTH}`);
  requireOperandLength(input.operands, 1, 4);
  requireParamsLength(input, 32);
  const row = elements32(bytes);
  const x = elements32(input.operands[1]!)[0]!;
  const claimed = Number(input.claimed);

  const largest = row.some(isNaN32) ? undefined : row.reduce((a, b) => (key(b) > key(a) ? b : a));
  if (largest === undefined || largest === INFINITY || largest === NEGATIVE_INFINITY)
    return acceptIf(isNaN32(claimed) || claimed <= JUST_ABOVE_ONE || claimed === 0x80000000);
  if (isNaN32(x) || key(x) > key(largest))
    throw new AssayError("ELEMENT_NOT_IN_ROW", "the element is larger than every element of its row");
  if (!isFinite32(claimed)) return acceptIf(false);

  const top = log2eTimes(largest);
  const t = log2eTimes(x);
  const [r, n] = exp2Short(t);
  const exact = (((r >> 80n) << 149n) / (sum(row, top >> 60n) >> 80n)) >> ((top >> 60n) - n);
  const { provable, integrity } = bands(exact, top - t, BigInt(row.length), lambdaOf(input.params));

  const { negative, mantissa, exponent } = decode32(claimed);
  const units = mantissa << BigInt(Math.min(exponent - SCALE, 200));
  const difference = (negative ? -units : units) - exact;
  const error = difference < 0n ? -difference : difference;
  const verdict =
    error <= integrity ? Verdict.Acceptable : error <= provable ? Verdict.Imprecise : Verdict.Fraudulent;
  return { verdict, exact, provable, integrity, scale: BigInt(SCALE) };
}

function lambdaOf(params: Uint8Array): bigint {
  const view = new DataView(params.buffer, params.byteOffset, params.byteLength);
  for (let i = 0; i < 28; i++)
    if (params[i] !== 0) throw new AssayError("PARAMS_MALFORMED", "lambda is not an ABI-encoded uint32");
  return BigInt(view.getUint32(28));
}

/** Orders all float32 but NaN, -0 below +0. */
const key = (bits: number): number => (bits >>> 31 === 1 ? ~bits : bits | 0x80000000) >>> 0;

/** Σ e^x_i in units of 2^(nmax - 180), each term floored. */
function sum(row: Uint32Array, nmax: bigint): bigint {
  let total = 0n;
  for (const x of row) {
    const t = log2eTimes(x);
    const depth = nmax - (t >> 60n);
    if (depth < 200n) total += exp2Short(t)[0] >> depth; // deeper terms are 0
  }
  return total;
}

function bands(
  exact: bigint,
  depth: bigint,
  length: bigint,
  lambda: bigint,
): { provable: bigint; integrity: bigint } {
  const deepest = 185n << 60n;
  const shallow = depth > deepest ? deepest : depth;
  const constantPart =
    ((((shallow >> 52n) + 2n) * 178n) >> 8n) + 1n + BigInt(bitLength(length - 1n)) * 178n + (ROUNDINGS << 8n);
  const terms = length << 8n;
  const square = length << 16n;
  const floor = squareRootFloor(square);
  const root = floor * floor === square ? floor : floor + 1n;
  const calibrated = ((lambda * root) >> 8n) + 1n;
  const provable = band(exact, constantPart + terms);
  return { provable, integrity: calibrated < terms ? band(exact, constantPart + calibrated) : provable };
}

function band(exact: bigint, t: bigint): bigint {
  return (exact * t) / ((1n << 32n) - t) + (1n << 25n) + 4n;
}

import {
  elementwise,
  ElementwiseOp,
  indexed,
  IndexedOp,
  integer,
  type Kernel,
  type KernelInput,
  movement,
  ordering,
  OrderingOp,
} from "@assay/numerics";
import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import {
  ALL_DTYPES,
  floatBits,
  numberOf as numberOfAny,
  randomBits as randomElement,
  specials,
  typedInput,
} from "../../packages/numerics/test/elements.ts";
import {
  elementwiseOperations,
  inputOf,
  integerOperations,
  operandSamples,
} from "../../packages/numerics/test/operations.ts";
import { exactValue, ranking } from "../../packages/numerics/test/reference/exact.ts";
import {
  type Flush,
  integerResult,
  machineCast,
  machineFloat,
  machineInteger,
  storeInteger,
} from "../../packages/numerics/test/reference/machine.ts";
import {
  bitsFor,
  edgesOf,
  type FloatDtype,
  FLOATS,
  isFloat,
  numberOf,
  randomBits,
} from "../../packages/numerics/test/typed-samples.ts";
import { type Claims, claimsOn, type Drawn, type Next, pick } from "./drawn.ts";

const FLUSHES: readonly Flush[] = ["none", "operands", "results", "both"];
const ELEMENTWISE = elementwiseOperations();
const INTEGER = integerOperations();
const isNaN = (dtype: DType, bits: bigint): boolean => isFloat(dtype) && Number.isNaN(numberOf(dtype, bits));
const same = (dtype: DType, a: bigint, b: bigint): boolean => a === b || (isNaN(dtype, a) && isNaN(dtype, b));
/** Zero or subnormal. */
const isTiny = (dtype: FloatDtype, bits: bigint): boolean =>
  Math.abs(numberOf(dtype, bits)) < FLOATS[dtype].smallestNormal;
const anything = (dtype: DType, claims: Claims, next: Next): Drawn[] =>
  [pick(edgesOf(dtype), next), randomBits(dtype, next)].map(claims.free);

export function drawElementwise(next: Next): Drawn[] {
  const operation = pick(ELEMENTWISE, next);
  const [operands] = operandSamples(operation.operands, 1, next);
  const claims = claimsOn(inputOf(operation, operands!, 0n));
  const { output } = operation;
  const what = operation.name.split(" ")[0]!;
  const drawn = anything(output, claims, next);
  const judged = (right: bigint) => {
    // Engines that merge masked halves flush what is subnormal, and lose the sign of a zero.
    if (isFloat(output) && isTiny(output, right)) return void drawn.push(claims.right(right));
    for (const bits of [right, right ^ 1n, randomBits(output, next)])
      drawn.push(same(output, bits, right) ? claims.right(bits) : claims.wrong(bits));
  };
  if (what === "Cast") drawn.push(...castClaims(operation.operands[0]!, output, operands![0]!, claims));
  else if (what === "BitCast") {
    if (!isFloat(output)) judged(operands![0]!);
  } else if (what === "Select") judged(operands![operands![0] === 1n ? 1 : 2]!);
  else if (what === "IsInf") {
    const value = numberOf(operation.operands[0] as FloatDtype, operands![0]!);
    const mask = Number(operation.params!.at(-1));
    judged((value === -Infinity && mask & 1) || (value === Infinity && mask & 2) ? 1n : 0n);
  } else if (operation.params === undefined && operation.op !== ElementwiseOp.BitCast)
    drawn.push(...floatClaims(what, operation.operands[0] as FloatDtype, output, operands!, claims));
  return drawn;
}

function floatClaims(
  what: string,
  dtype: FloatDtype,
  output: DType,
  operands: readonly bigint[],
  claims: Claims,
): Drawn[] {
  const exact = machineFloat(what, dtype, operands);
  if (exact === undefined) throw new Error(`no reference for ${what}`);
  const drawn = FLUSHES.map((flush) => claims.right(machineFloat(what, dtype, operands, flush)!));
  const { smallestNormal } = FLOATS[dtype];
  // with a subnormal in sight results differ from hardware to hardware
  if (operands.some((bits) => numberOf(dtype, bits) !== 0 && isTiny(dtype, bits))) return drawn;
  if (output === DType.bool) return [...drawn, claims.wrong(1n - exact), claims.wrong(2n)];
  const value = numberOf(dtype, exact);
  const vanishing = value !== 0 && Math.abs(value) <= smallestNormal;
  if (vanishing || what === "Reciprocal" || operands.some((bits) => isNaN(dtype, bits))) return drawn;
  if (what === "PRelu" && numberOf(dtype, operands[0]!) === 0) return drawn;
  const width = 8 * dtypeSize(dtype);
  for (const other of [exact + 1n, exact - 1n, exact ^ (1n << BigInt(width - 1)), bitsFor(dtype, 1.5)]) {
    const bits = BigInt.asUintN(width, other);
    const equal = Object.is(numberOf(dtype, bits), value) || numberOf(dtype, bits) === value;
    if (!equal) drawn.push(claims.wrong(bits));
  }
  return drawn;
}

function castClaims(from: DType, to: DType, bits: bigint, claims: Claims): Drawn[] {
  const expected = machineCast(from, to, bits);
  const width = 8 * dtypeSize(to);
  if (expected === undefined) return [0n, 1n << BigInt(width - 1)].map(claims.right);
  const drawn = [claims.right(expected)];
  if (from === DType.float64 && to === DType.float16) {
    // by way of float32
    return [...drawn, claims.right(bitsFor(to, Math.fround(numberOf(from, bits))))];
  }
  const wrong = BigInt.asUintN(width, expected + 1n);
  const maybeZero =
    to === DType.bool && isFloat(from) && Math.abs(numberOf(from, bits)) < FLOATS[from].smallestNormal;
  if (isFloat(to) ? Number.isFinite(numberOf(to, expected)) : !maybeZero) drawn.push(claims.wrong(wrong));
  return drawn;
}

export function drawInteger(next: Next): Drawn[] {
  const operation = pick(INTEGER, next);
  const [operands] = operandSamples(operation.operands, 1, next);
  const claims = claimsOn(inputOf(operation, operands!, 0n));
  const drawn = anything(operation.output, claims, next);
  const dtype = operation.operands[0]!;
  const what = operation.name;
  if (what === "Pow") return drawn;
  const [a, b = 0n, c = 0n] = operands!.map((bits) => machineInteger(dtype, bits)) as [
    bigint,
    bigint?,
    bigint?,
  ];
  const result = integerResult(what, dtype, a, b, c);
  if (result === undefined) return drawn;
  drawn.push(claims.right(storeInteger(operation.output, result)));
  // one fmod for all types rounds its operands to float64 first
  const large = [a, b].some((x) => x < -(2n ** 53n) || x > 2n ** 53n);
  const neighbour = what === "Sign" ? result + 5n : result + 1n;
  // of int64 onnxruntime compares halves, so that another operand may win
  const halves = dtype === DType.int64 && [a, b, c].includes(neighbour);
  if (!(what === "Fmod" && large) && !halves)
    drawn.push(claims.wrong(storeInteger(operation.output, neighbour)));
  return drawn;
}

export function drawMovement(next: Next): Drawn[] {
  const dtype = pick(ALL_DTYPES, next);
  const bits = next() % 2 ? randomElement(dtype, next) : pick(edgesOf(dtype), next);
  const claims = claimsOn(typedInput(0, dtype, [[bits]], 0n));
  const top = 1n << BigInt(8 * dtypeSize(dtype) - 1);
  const others = [bits ^ 1n, bits ^ top, randomElement(dtype, next), pick(edgesOf(dtype), next)];
  return [bits, ...others].map((claim) => (same(dtype, claim, bits) ? claims.right : claims.wrong)(claim));
}

export function drawOrdering(next: Next): Drawn[] {
  const dtype = pick(ALL_DTYPES, next);
  const { int64 } = DType;
  const pool = Array.from({ length: 1 + (next() % 6) }, () => randomElement(dtype, next));
  const row = Array.from({ length: 1 + (next() % 40) }, () => pick(pool, next));
  const clear = row.every((bits) => exactValue(dtype, bits) !== undefined);
  const readings = isFloatDtype(dtype) ? [false, true] : [false];
  const ranked = (options: { smallest?: boolean; last?: boolean }, place: number) =>
    clear ? readings.map((flush) => ranking(dtype, row, { ...options, flush })[place]) : [];
  const op = next() % 8;
  const judged = (input: KernelInput, places: readonly bigint[], honest: readonly (bigint | undefined)[]) => {
    const claims = claimsOn(input);
    return places.map((claim) =>
      (!clear ? claims.free : honest.includes(claim) ? claims.right : claims.wrong)(claim),
    );
  };
  // wrong indices too: before the row, behind it, far away
  const places = [next() % row.length, next() % row.length, row.length, next()]
    .map(BigInt)
    .concat(2n ** 64n - 1n);
  if (op <= OrderingOp.ArgMinLast) {
    const honest = ranked({ smallest: op % 2 === 1, last: op > 1 }, 0).map((at) => BigInt(at!));
    const input = typedInput(op, int64, [row], 0n, { dtypes: [dtype] });
    return judged(input, [...honest, ...places], honest);
  }
  if (op === OrderingOp.TopLargest || op === OrderingOp.TopSmallest) {
    const place = next() % row.length;
    const honest = ranked({ smallest: op % 2 === 1 }, place).map((at) => BigInt(at!));
    const input = (at: bigint) => typedInput(op, int64, [row, [at]], 0n, { dtypes: [dtype, int64] });
    const outside = claimsOn(input(BigInt(row.length + (next() % 3))));
    return [...judged(input(BigInt(place)), [...honest, ...places], honest), outside.free(0n)];
  }
  if (op === OrderingOp.Hardmax) {
    const own = next() % row.length;
    const one = isFloatDtype(dtype) ? floatBits(dtype, 1) : 1n;
    const honest = ranked({}, 0).map((at) => (at === own ? one : 0n));
    const input = typedInput(op, dtype, [row, [BigInt(own)]], 0n, { dtypes: [dtype, int64] });
    return judged(input, [0n, one, one + 1n], honest);
  }
  const positions = row.map((_, i) => (next() % 3 === 0 ? 2n ** 64n - 1n : BigInt(5 * i)));
  const offset = BigInt(next());
  const claims = claimsOn(
    typedInput(op, int64, [row, positions, [offset]], 0n, { dtypes: [dtype, int64, int64] }),
  );
  const kept = [...row.keys()].filter((at) => positions[at]! < 2n ** 63n);
  const inside = kept.map((at) => row[at]!);
  // only a window that holds something above the lowest value has a position of its own
  const above = clear && inside.some((bits) => aboveLowest(dtype, bits));
  const honest = readings.map((flush) =>
    above ? offset + 5n * BigInt(kept[ranking(dtype, inside, { flush })[0]!]!) : undefined,
  );
  return row.slice(0, 6).map((_, at) => {
    const claim = offset + 5n * BigInt(at);
    return (!above ? claims.free : honest.includes(claim) ? claims.right : claims.wrong)(claim);
  });
}

/** Above the type's lowest number, by a value that no reading as zero changes. */
function aboveLowest(dtype: DType, bits: bigint): boolean {
  const value = exactValue(dtype, bits);
  if (value === "+infinity") return true;
  if (value === undefined || value === "-infinity") return false;
  const width = BigInt(8 * dtypeSize(dtype));
  if (isFloatDtype(dtype)) return bits !== specials(dtype).negative - 1n;
  const signed = [DType.int8, DType.int16, DType.int32, DType.int64].some((code) => code === dtype);
  return value.units > (signed ? -(1n << (width - 1n)) : 0n);
}

export function drawIndexed(next: Next): Drawn[] {
  const dtype = pick(ALL_DTYPES, next);
  const { Overwrite, Sum, Mul, Product, Max, Min } = IndexedOp;
  const op = dtype === DType.bool ? Overwrite : next() % 7;
  const element = () => randomElement(dtype, next);
  const before = element();
  const selecting = Array.from({ length: next() % 6 }, element);
  const padding = Array.from({ length: (selecting.length === 0 ? 1 : 0) + (next() % 5) }, () => 0n);
  const operands = op < Sum ? [[...selecting, ...padding], [before]] : [[...selecting, ...padding]];
  const valid = [selecting.length, 1].slice(0, operands.length);
  const claims = claimsOn(typedInput(op, dtype, operands, 0n, { valid }));
  const width = 8 * dtypeSize(dtype);
  const candidates = [before, ...selecting, 0n, element()];
  if (op === Overwrite || (op < Sum && selecting.length === 0)) {
    const honest = selecting.length === 0 ? [before] : selecting;
    return candidates.map((claim) =>
      (honest.some((bits) => same(dtype, bits, claim)) ? claims.right : claims.wrong)(claim),
    );
  }
  if (isFloatDtype(dtype)) {
    const terms = op < Sum ? [before, ...selecting] : selecting;
    const result = foldNumbers(
      op,
      terms.map((bits) => numberOfAny(dtype, bits)),
    );
    const bits = floatBits(dtype, result);
    const near = [bits, bits + 1n, bits - 1n].map((claim) => BigInt.asUintN(width, claim));
    // the same fold in float64, rounded once, is one honest way
    const drawn = [...candidates, ...near.slice(1)].map(claims.free);
    const fold = op !== Max && op !== Min;
    drawn.push((fold && dtype !== DType.float64 ? claims.honest : claims.free)(bits));
    return drawn;
  }
  const values = (op < Sum ? [before, ...selecting] : selecting).map((bits) => machineInteger(dtype, bits));
  const start = op === Product ? 1n : 0n;
  const result =
    op === Max || op === Min
      ? values.reduce((a, b) => (a < b === (op === Max) ? b : a))
      : values.reduce(
          (a, b) => (op === Mul || op === Product ? a * b : a + b),
          op < Sum && op === Mul ? 1n : start,
        );
  const right = storeInteger(dtype, BigInt.asIntN(64, result));
  return [right, right ^ 1n, ...candidates].map((claim) =>
    (claim === right ? claims.right : claims.wrong)(claim),
  );
}

function foldNumbers(op: number, values: readonly number[]): number {
  const { Mul, Product, Max, Min } = IndexedOp;
  if (op === Max) return Math.max(...values);
  if (op === Min) return Math.min(...values);
  const times = op === Mul || op === Product;
  return values.reduce((a, b) => (times ? a * b : a + b), times ? 1 : 0);
}

export const EXACT_FAMILIES: Record<string, { kernel: Kernel; draw: (next: Next) => Drawn[] }> = {
  Elementwise: { kernel: elementwise, draw: drawElementwise },
  Integer: { kernel: integer, draw: drawInteger },
  Movement: { kernel: movement, draw: drawMovement },
  Ordering: { kernel: ordering, draw: drawOrdering },
  Indexed: { kernel: indexed, draw: drawIndexed },
};

import {
  Family,
  IndexedOp,
  IntegerOp,
  NormalizationOp,
  OrderingOp,
  QuantisedOp,
  ReductionOp,
} from "@assay/numerics";
import { type Axis, type Instruction, Origin } from "@assay/program";
import { DType, elementCount, rowMajor } from "@assay/tensor";
import { axis, bytes, type GasCase, randomValues, words } from "./gas-cases.ts";

/** An operand that reads an input of its own. */
interface Source {
  values: Float32Array | Int8Array | Uint8Array | BigInt64Array | Int32Array;
  axes: Axis[];
  /** Shows the whole reduction box, not one element. */
  reduced: boolean;
}

interface Case {
  family: Family;
  op: number;
  dims: number[];
  reduction?: number[];
  params?: Uint8Array;
  /** Inputs, in order; a number stands for an earlier one that is read once more. */
  operands: (Source | { again: number; axes: Axis[]; reduced: boolean })[];
  element: number;
  /** A wrong element and its type. */
  claim: Float32Array | Int8Array | Uint8Array | BigInt64Array | Int32Array;
}

function dtypeOf(values: Source["values"]): DType {
  if (values instanceof Float32Array) return DType.float32;
  if (values instanceof BigInt64Array) return DType.int64;
  if (values instanceof Int32Array) return DType.int32;
  return values instanceof Int8Array ? DType.int8 : DType.uint8;
}

/** The claim is wrong; the other elements of the output are anything, for nobody looks at them. */
function gasCase(name: string, c: Case): GasCase {
  const sources: Source[] = [];
  const operands = c.operands.map((o) => {
    const index = "again" in o ? o.again : sources.push(o) - 1;
    const { values } = sources[index]!;
    const dtype = dtypeOf(values);
    const common = { origin: Origin.Input, index, dtype, length: values.length, fill: 0n };
    return { ...common, reduced: o.reduced, axes: o.axes };
  });
  const dtype = dtypeOf(c.claim);
  const instruction: Instruction = {
    family: c.family,
    op: c.op,
    dtype,
    dims: c.dims,
    reduction: c.reduction ?? [],
    operands,
    params: c.params ?? new Uint8Array(),
  };
  const port = (port: string, type: DType, dims: number[], index: number) => ({
    name: port,
    dtype: type,
    dims,
    layout: rowMajor(dims),
    index,
  });
  const trace = bytes(
    randomValues(Math.ceil((elementCount(c.dims) * c.claim.BYTES_PER_ELEMENT) / 4), 99),
  ).slice(0, elementCount(c.dims) * c.claim.BYTES_PER_ELEMENT);
  trace.set(bytes(c.claim), c.element * c.claim.BYTES_PER_ELEMENT);
  return {
    name,
    program: {
      version: 1,
      accuracyProfile: 1,
      inputs: sources.map(({ values }, i) => port(`x${i}`, dtypeOf(values), [values.length], i)),
      outputs: [port("y", dtype, c.dims, 0)],
      instructions: [instruction],
      trace: [port("y", dtype, c.dims, 0)],
      constants: [],
      nodes: [["bench"]],
    },
    inputs: sources.map(({ values }) => bytes(values)),
    constants: [],
    trace,
    element: c.element,
  };
}

const floats = (...values: number[]) => Float32Array.from(values);
const smallIntegers = (count: number, seed: number) => Int8Array.from(randomValues(count, seed, 127));

/** 4 rows of `k`; element 7 of the third. */
function layerNorm(k: number): GasCase {
  const vector = (seed: number) => ({
    values: randomValues(k, seed),
    axes: [axis(k, 1, [0, 1, 0])],
    reduced: false,
  });
  return gasCase(`LayerNormalization ${k}`, {
    family: Family.Normalization,
    op: NormalizationOp.Standardise,
    dims: [4, k],
    reduction: [k],
    params: words(0x3727c5ac, 1024),
    operands: [
      { values: randomValues(4 * k, 11), axes: [axis(4 * k, 1, [k, 0, 1])], reduced: true },
      { again: 0, axes: [axis(4 * k, 1, [k, 1, 0])], reduced: false },
      vector(12),
      vector(13),
    ],
    element: 2 * k + 7,
    claim: floats(100),
  });
}

function reduce(name: keyof typeof ReductionOp, k: number): GasCase {
  const op = ReductionOp[name];
  return gasCase(`Reduce${name} ${k}`, {
    family: Family.Reduction,
    op,
    dims: [4],
    reduction: [k],
    params: op > ReductionOp.Min ? words(1024) : new Uint8Array(),
    operands: [{ values: randomValues(4 * k, 14), axes: [axis(4 * k, 1, [k, 1])], reduced: true }],
    element: 2,
    claim: floats(-7),
  });
}

/** The claimed element is the row's first, which is not its largest. */
function ordering(name: string, op: number, k: number): GasCase {
  const row = randomValues(k, 15);
  row[0] = 0;
  const place = { values: BigInt64Array.of(3n), axes: [axis(1, 1, [0, 0])], reduced: false };
  return gasCase(`${name} ${k}`, {
    family: Family.Ordering,
    op,
    dims: [1],
    reduction: [k],
    operands: [{ values: row, axes: [axis(k, 1, [0, 1])], reduced: true }].concat(
      op >= OrderingOp.TopLargest ? [place as never] : [],
    ),
    element: 0,
    claim: BigInt64Array.of(0n),
  });
}

/** uint8 by int8 products, with the scales and zero points of QLinearMatMul or none. */
function quantised(name: string, op: number, k: number): GasCase {
  const factor = (seed: number) => ({
    values: smallIntegers(8 * k, seed),
    axes: [axis(8 * k, 1, [k, 1])],
    reduced: true,
  });
  const one = (values: Source["values"]) => ({ values, axes: [axis(1, 1, [0, 0])], reduced: false });
  const [a, b] = [factor(16), factor(17)];
  const scaled = op === QuantisedOp.Requantise;
  const zero = () => one(Int8Array.of(3));
  return gasCase(`${name} ${k}`, {
    family: Family.Quantised,
    op,
    dims: [8],
    reduction: [k],
    operands: scaled
      ? [
          a,
          one(floats(0.01)),
          zero(),
          b,
          one(floats(0.02)),
          zero(),
          one(floats(0.5)),
          zero(),
          one(Int32Array.of(7)),
        ]
      : [a, b],
    element: 5,
    claim: scaled ? Int8Array.of(-128) : Int32Array.of(2 ** 30),
  });
}

function gather(rows: number, columns: number): GasCase {
  return gasCase(`Gather from ${rows} × ${columns}`, {
    family: Family.Movement,
    op: 1, // one table of indices
    dims: [16, columns],
    operands: [
      {
        values: BigInt64Array.from({ length: 16 }, (_, i) => BigInt((i * 37) % rows)),
        axes: [axis(16, 1, [1, 0])],
        reduced: false,
      },
      {
        values: randomValues(rows * columns, 18),
        axes: [{ ...axis(rows, columns, [0, 0]), lookup: 1 }, axis(columns, 1, [0, 1])],
        reduced: false,
      },
    ],
    element: 3 * columns + 5,
    claim: floats(100),
  });
}

function transpose(rows: number, columns: number): GasCase {
  return gasCase(`Transpose ${rows} × ${columns}`, {
    family: Family.Movement,
    op: 0,
    dims: [columns, rows],
    operands: [
      {
        values: randomValues(rows * columns, 19),
        axes: [axis(rows, columns, [0, 1]), axis(columns, 1, [1, 0])],
        reduced: false,
      },
    ],
    element: 2 * rows + 5,
    claim: floats(100),
  });
}

/** `k` updates of one row, all added to the same element: the dearest case. */
function scatterAdd(k: number): GasCase {
  const rows = 16;
  const element = 5;
  const selected = { size: rows, stride: 0, base: 0, divisor: Math.floor(2 ** 52 / rows), lookup: 1 };
  return gasCase(`ScatterElements add ${k}`, {
    family: Family.Indexed,
    op: IndexedOp.Add,
    dims: [rows],
    reduction: [k],
    operands: [
      { values: new BigInt64Array(k).fill(BigInt(element)), axes: [axis(k, 1, [0, 1])], reduced: true },
      {
        values: randomValues(k, 31),
        axes: [axis(k, 1, [0, 1]), { ...selected, coefficients: [-1, 0] }],
        reduced: true,
      },
      { values: randomValues(rows, 32), axes: [axis(rows, 1, [1, 0])], reduced: false },
    ],
    element,
    claim: floats(1e6),
  });
}

/** The last of `k` running sums. */
function cumSum(k: number): GasCase {
  return gasCase(`CumSum ${k}`, {
    family: Family.Indexed,
    op: IndexedOp.Sum,
    dims: [k],
    reduction: [k],
    operands: [
      { values: randomValues(k, 33), axes: [{ ...axis(k, 1, [1, 1]), base: 1 - k }], reduced: true },
    ],
    element: k - 1,
    claim: floats(1e6),
  });
}

function integerAdd(length: number): GasCase {
  const operand = (seed: number) => ({
    values: Int32Array.from(randomValues(length, seed, 2 ** 30)),
    axes: [axis(length, 1, [1])],
    reduced: false,
  });
  return gasCase(`Add of int32, 1 element of ${length}`, {
    family: Family.Integer,
    op: IntegerOp.Add,
    dims: [length],
    operands: [operand(21), operand(22)],
    element: 100,
    claim: Int32Array.of(1),
  });
}

/** Families that gas-cases.ts has nothing of, each at several sizes. */
export function familyCases(): GasCase[] {
  return [
    layerNorm(384),
    layerNorm(4096),
    reduce("Max", 1024),
    reduce("Max", 25_000),
    reduce("L2", 4096),
    gather(1024, 64),
    gather(30_000, 384),
    transpose(1024, 64),
    ordering("ArgMax", OrderingOp.ArgMax, 1000),
    ordering("ArgMax", OrderingOp.ArgMax, 25_000),
    ordering("TopK", OrderingOp.TopLargest, 1000),
    quantised("MatMulInteger", QuantisedOp.Dot, 1024),
    quantised("QLinearMatMul", QuantisedOp.Requantise, 1024),
    quantised("QLinearMatMul", QuantisedOp.Requantise, 14_336),
    integerAdd(1024),
    scatterAdd(256),
    scatterAdd(2129), // as many as one transaction shows
    cumSum(1024),
    cumSum(8203), // likewise
    // in steps
    layerNorm(100_000),
    reduce("Max", 100_000),
    ordering("ArgMax", OrderingOp.ArgMax, 100_000),
    quantised("MatMulInteger", QuantisedOp.Dot, 200_000),
    scatterAdd(10_000),
    cumSum(20_000),
  ];
}

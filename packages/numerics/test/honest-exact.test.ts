import { elementwise, integer, type Kernel, Verdict } from "@assay/numerics";
import { DType, dtypeName, dtypeSize } from "@assay/tensor";
import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { fromOrt, toOrt } from "../../execution/src/ort-tensor.ts";
import { encodeAttribute, type AttributeValue } from "../../program/src/onnx/make.ts";
import { encode } from "../../program/src/onnx/protobuf.ts";
import { operandSamples } from "./operations.ts";
import { random } from "./samples.ts";
import { bitsFor, elementBytes, elementInput, words } from "./typed-samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
wasm.env.wasm.numThreads = 1;
const engines = { "onnxruntime-node": native, "onnxruntime-web (WASM)": wasm };
type Engine = keyof typeof engines;

const {
  float32: f32,
  float16: f16,
  float64: f64,
  int8,
  uint8,
  int16,
  uint16,
  int32,
  int64,
  uint32,
  uint64,
  bool,
} = DType;

/** An ONNX operator on given types, and the kernel operation that judges it. */
interface Case {
  operator: string;
  types: DType[];
  output: DType;
  kernel: Kernel;
  op: number;
  attributes?: Record<string, AttributeValue>;
  params?: Uint8Array;
  /** The kernel's operands are the operator's in the opposite order. */
  swapped?: boolean;
  opset?: number;
}

const floats = [f32, f16, f64];
const integers = [int8, uint8, int16, uint16, int32, uint32, int64, uint64];
const one = (
  types: readonly DType[],
  operator: string,
  op: number,
  kernel: Kernel,
  more: Partial<Case> = {},
): Case[] => types.map((t) => ({ operator, types: [t], output: t, kernel, op, ...more }));
const two = (
  types: readonly DType[],
  operator: string,
  op: number,
  kernel: Kernel,
  more: Partial<Case> = {},
): Case[] => types.map((t) => ({ operator, types: [t, t], output: t, kernel, op, ...more }));
const test = { output: bool };

const CASES: Case[] = [
  ...["Add", "Sub", "Mul", "Div"].flatMap((name, op) => two(floats, name, op, elementwise)),
  ...["Min", "Max"].flatMap((name, i) => two(floats, name, 14 + i, elementwise)),
  ...two(floats, "Mod", 16, elementwise, { attributes: { fmod: 1 } }),
  ...two([f32, f16], "PRelu", 17, elementwise),
  ...["Relu", "Neg", "Sqrt", "Abs", "Sign", "Floor", "Ceil", "Round", "Reciprocal"].flatMap((name, i) =>
    one(floats, name, [4, 6, 7, 8, 9, 10, 11, 12, 13][i]!, elementwise),
  ),
  ...[...floats, int8, uint8, int32, int64, uint32, uint64].map((t) => {
    const float = floats.includes(t as typeof f32);
    return {
      operator: "Clip",
      types: [t, t, t],
      output: t,
      kernel: float ? elementwise : integer,
      op: float ? 5 : 8,
    };
  }),
  ...["Equal", "Less", "LessOrEqual"].flatMap((name, i) => two(floats, name, 18 + i, elementwise, test)),
  ...["Greater", "GreaterOrEqual"].flatMap((name, i) =>
    two(floats, name, 19 + i, elementwise, { ...test, swapped: true }),
  ),
  ...one([f32, f16, f64], "IsNaN", 21, elementwise, test),
  ...one([f32, f16, f64], "IsInf", 22, elementwise, { ...test, params: words(3n) }),
  ...one([f32, f64], "IsInf", 22, elementwise, {
    ...test,
    attributes: { detect_positive: 0 },
    params: words(1n),
  }),
  ...[f32, f64, uint8, int32, int64].map((t) => ({
    operator: "Where",
    types: [bool, t, t],
    output: t,
    kernel: elementwise,
    op: 23,
  })),
  ...[...floats, ...integers, bool].flatMap((from) =>
    [...floats, ...integers, bool].map((to) => ({
      operator: "Cast",
      types: [from],
      output: to,
      kernel: elementwise,
      op: 24,
      attributes: { to },
    })),
  ),
  ...["Add", "Sub", "Mul"].flatMap((name, op) => two(integers, name, op, integer)),
  ...["Min", "Max"].flatMap((name, i) =>
    two([int8, uint8, int32, uint32, int64, uint64], name, 6 + i, integer),
  ),
  ...one([int8, int16, int32, int64], "Neg", 9, integer),
  ...one(integers, "Abs", 10, integer),
  ...one(integers, "Sign", 11, integer),
  ...one([int8, int32], "Relu", 12, integer),
  ...["And", "Or", "Xor"].flatMap((name, i) => [
    ...two([bool], name, 14 + i, integer),
    ...two(integers, `Bitwise${name}`, 14 + i, integer),
  ]),
  ...one([bool], "Not", 17, integer),
  ...one(integers, "BitwiseNot", 17, integer),
  ...["Equal", "Less", "LessOrEqual"].flatMap((name, i) => two(integers, name, 20 + i, integer, test)),
  ...two([bool], "Equal", 20, integer, test),
];

/** Divisions trap on zero, shifts beyond the width are undefined, powers grow: these draw their second operand. */
const GUARDED: (Case & { second: (next: () => number) => bigint })[] = [
  ...["Div", "Mod", "Mod"].flatMap((name, i) =>
    two(integers, name, 3 + i, integer, i === 2 ? { attributes: { fmod: 1 } } : {}).map((c) => ({
      ...c,
      second: (next: () => number) => BigInt(1 + (next() % 100)),
    })),
  ),
  ...["LEFT", "RIGHT"].flatMap((direction, i) =>
    two([uint8, uint32, uint64], "BitShift", 18 + i, integer, { attributes: { direction } }).map((c) => ({
      ...c,
      second: (next: () => number) => BigInt(next() % (8 * dtypeSize(c.types[0]!))),
    })),
  ),
  ...two([int32, int64], "Pow", 13, integer).map((c) => ({
    ...c,
    second: (next: () => number) => BigInt(next() % 9),
  })),
  ...[int32, int64].map((t) => ({
    operator: "Pow",
    types: [t, f32],
    output: t,
    kernel: integer,
    op: 13,
    second: (next: () => number) => bitsFor(f32, (next() % 24) / 4 - 1),
  })),
];

function modelOf({ operator, types, output, attributes = {}, opset = 20 }: Case, count: number): Uint8Array {
  const type = (dtype: DType, dims: number[]) => ({
    tensorType: { elemType: dtype, shape: { dim: dims.map((dimValue) => ({ dimValue })) } },
  });
  // Clip's bounds are scalars
  const dims = (i: number) => (operator === "Clip" && i > 0 ? [] : [count]);
  return encode("ModelProto", {
    irVersion: 9,
    opsetImport: [{ domain: "", version: opset }],
    graph: {
      name: "one",
      input: types.map((t, i) => ({ name: `x${i}`, type: type(t, dims(i)) })),
      output: [{ name: "y", type: type(output, [count]) }],
      initializer: [],
      node: [
        {
          opType: operator,
          name: "n",
          input: types.map((_, i) => `x${i}`),
          output: ["y"],
          attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
        },
      ],
    },
  });
}

async function run(engine: Engine, c: Case, columns: bigint[][]): Promise<bigint[] | undefined> {
  const ort = engines[engine] as typeof native;
  const count = columns[0]!.length;
  let session: native.InferenceSession;
  try {
    session = await ort.InferenceSession.create(modelOf(c, count), {
      executionProviders: [engine === "onnxruntime-node" ? "cpu" : "wasm"],
      graphOptimizationLevel: "disabled",
      intraOpNumThreads: 1,
      logSeverityLevel: 4,
    });
  } catch (error) {
    if (/NOT_IMPLEMENTED|Could not find an implementation|not implemented/i.test(String(error)))
      return undefined;
    throw error;
  }
  const feeds = Object.fromEntries(
    columns.map((column, i) => {
      const data = Uint8Array.from(column.flatMap((bits) => [...elementBytes(c.types[i]!, bits)]));
      const dims = c.operator === "Clip" && i > 0 ? [] : [count];
      const tensor = { dtype: c.types[i]!, dims, data };
      return [`x${i}`, toOrt((t, d, s) => new ort.Tensor(t as "float32", d as Float32Array, s), tensor)];
    }),
  );
  const { y } = await session.run(feeds);
  const { data } = fromOrt("y", y as never);
  await session.release();
  const size = dtypeSize(c.output);
  return Array.from({ length: count }, (_, i) =>
    data.slice(i * size, (i + 1) * size).reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n),
  );
}

describe.each(Object.keys(engines) as Engine[])("what %s computes is Acceptable", (engine) => {
  const unimplemented: string[] = [];
  const label = ({ operator, types, output }: Case) =>
    `${operator} of ${types.map(dtypeName).join()} to ${dtypeName(output)}`;
  it.each([...CASES, ...GUARDED].map((c) => [label(c), c] as const))("%s", async (what, c) => {
    const next = random(c.op * 64 + c.types[0]! * 4 + c.output);
    const count = 400 * FUZZ;
    const rows = [...operandSamples(c.types, count, next)];
    if ("second" in c) for (const row of rows) row[1] = (c as (typeof GUARDED)[number]).second(next);
    const columns = c.types.map((_, i) => rows.map((row) => row[i]!));
    if (c.operator === "Clip") for (const i of [1, 2]) columns[i] = [columns[i]![0]!];
    const results = await run(engine, c, columns);
    if (!results) {
      unimplemented.push(what);
      return;
    }
    results.forEach((claimed, row) => {
      const operands = columns.map(
        (column, i) => [c.types[i]!, column.length === 1 ? column[0]! : column[row]!] as const,
      );
      const input = elementInput(
        c.op,
        c.swapped ? operands.toReversed() : operands,
        [c.output, claimed],
        c.params,
      );
      const { verdict } = c.kernel.judge(input);
      if (verdict !== Verdict.Acceptable)
        expect.fail(
          `${what} of ${operands.map(([, bits]) => bits.toString(16)).join()}: ${claimed.toString(16)} is ${verdict}`,
        );
    });
  });
  it("most operators are implemented", () => {
    console.log(`${engine} has no ${unimplemented.join("; ")}`);
    expect(unimplemented.length).toBeLessThan(40);
  });
});

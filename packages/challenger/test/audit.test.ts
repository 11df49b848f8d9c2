import { float32Input, scalarInput } from "../../numerics/test/samples.ts";
import { readFile } from "node:fs/promises";
import { contraction } from "../../numerics/src/contraction.ts";
import { encodeContractionParams } from "../../numerics/src/contraction-params.ts";
import { Family, kernelOf, ScalarOp, Verdict } from "@assay/numerics";
import { Origin, type Instruction } from "@assay/program";
import { loadModel, type Model, ModelBackend } from "@assay/service";
import { float32Tensor, toStored } from "@assay/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nudge } from "../../../test/actors/backends.ts";
import { generator } from "../../../test/actors/random.ts";
import { audit } from "../src/audit.ts";
import { estimator, fromBits, toBits } from "../src/estimate.ts";
import { operandReaders, type Values } from "../src/reader.ts";

const digits = new URL("../../../models/digits/", import.meta.url);
let model: Model;
let values: Values;
let backend: ModelBackend;
afterAll(() => backend.close());
afterAll(() => backend.close());

beforeAll(async () => {
  model = await loadModel({
    onnx: new URL("digits.onnx", digits).pathname,
    shapes: { pixels: [1, 1, 8, 8] },
  });
  const samples = JSON.parse(await readFile(new URL("samples.json", digits), "utf8")) as {
    pixels: number[];
  }[];
  const port = model.program.inputs[0]!;
  const pixels = samples[7]!.pixels.map((x) => x / 16);
  const inputs = [toStored(float32Tensor(port.dims, pixels), port.layout)];
  backend = new ModelBackend(model);
  const trace = await backend.trace(inputs);
  values = { inputs, constants: model.constants.trees.map(({ stored }) => stored), trace };
});

test("an honest trace has nothing wrong, judged element by element", async () => {
  const report = await audit({ program: model.program, values });
  expect(report.findings).toEqual([]);
  expect(report.identical).toBe(0);
  expect(report.screened).toBeGreaterThan(report.judged);
});

test("one's own trace is not judged at all", async () => {
  const report = await audit({ program: model.program, values, own: values.trace });
  expect(report).toEqual({
    findings: [],
    identical: model.program.instructions.length,
    screened: 0,
    judged: 0,
  });
});

test.each([true, false])(
  "a wrong element of any instruction is found (rest consistent: %s)",
  async (recompute) => {
    for (const instruction of model.program.instructions.keys()) {
      const trace = nudge(model.program, values, { instruction, element: 3, recompute });
      for (const own of [undefined, values.trace]) {
        const report = await audit({
          program: model.program,
          values: { ...values, trace },
          ...(own && { own }),
        });
        expect(report.findings).toMatchObject([
          { instruction, element: 3, judgement: { verdict: Verdict.Fraudulent } },
        ]);
      }
    }
  },
);

test("a replay on the trace's own operands leaves only what is wrong to be judged", async () => {
  const { instructions } = model.program;
  for (const instruction of instructions.keys()) {
    // What follows is computed again by another machine: nothing of it need be bit-identical to our own trace.
    const trace = nudge(model.program, values, { instruction, element: 3, recompute: true });
    const differing = await backend.replay(values.inputs, trace);
    const report = await audit({
      program: model.program,
      values: { ...values, trace },
      differing,
      all: true,
    });
    expect(report.findings).toMatchObject([{ instruction, element: 3 }]);
    const honest = await audit({
      program: model.program,
      values,
      differing: await backend.replay(values.inputs, values.trace),
    });
    expect(honest).toEqual({ findings: [], identical: instructions.length, screened: 0, judged: 0 });
  }
});

test("with `all`, everything wrong is reported; a fraudulent element is preferred to an imprecise one", async () => {
  const twice = nudge(model.program, values, { instruction: 0, element: 3, recompute: true });
  const trace = nudge(
    model.program,
    { ...values, trace: twice },
    { instruction: 2, element: 5, recompute: true },
  );
  const report = await audit({ program: model.program, values: { ...values, trace }, all: true });
  expect(report.findings.map(({ instruction, element }) => [instruction, element])).toEqual([
    [0, 3],
    [2, 5],
  ]);
});

test("what the float64 estimate waves through, the contraction kernel accepts", () => {
  const next = generator(1);
  let cleared = 0;
  for (let round = 0; round < 3000; round++) {
    const terms = [1, 2, 5, 27, 200][round % 5]!;
    const op = round % 4;
    const clamped = next() < 0.5;
    const wide = () => (next() * 2 - 1) * 2 ** Math.floor(next() * 20 - 10);
    const params = encodeContractionParams({
      alpha: next() < 0.5 ? toBits(1) : toBits(wide()),
      beta: next() < 0.5 ? toBits(1) : toBits(wide()),
      divisor: [1, 0, 7][Math.floor(next() * 3)]!,
      activation: clamped ? 1 : 0,
      low: toBits(0),
      high: toBits(next() < 0.5 ? Infinity : 6),
      lambda: Math.floor(next() * 2000),
    });
    const lengths = [terms, ...(op & 1 ? [terms] : []), ...(op & 2 ? [1] : [])];
    const instruction: Instruction = {
      family: Family.Contraction,
      op,
      dtype: 1,
      dims: [1],
      reduction: [terms],
      params,
      operands: lengths.map((length, index) => ({
        origin: Origin.Constant,
        index,
        dtype: 1,
        length,
        reduced: index === 0 || (index === 1 && (op & 1) === 1),
        fill: 0n,
        axes: [
          {
            size: length,
            stride: 1,
            base: 0,
            divisor: 1,
            lookup: 0,
            coefficients: [0, length === 1 ? 0 : 1],
          },
        ],
      })),
    };
    const constants = lengths.map((n) => float32Tensor([n], Array.from({ length: n }, wide)).data);
    const readers = operandReaders(instruction, { inputs: [], constants, trace: [] })!;
    const valid = readers.map((reader) => reader.load([0]))[0]!;
    const estimate = estimator(instruction, readers)!;
    const near = toBits(estimate.value(valid));
    // From the estimate outwards, past the edge of every band.
    for (let distance = 0; distance < 2 ** 20; distance = distance * 2 + 1)
      for (const claimed of [near + distance, near - distance]) {
        if (claimed < 0 || !Number.isFinite(fromBits(claimed)) || !estimate.clear(claimed, valid)) continue;
        cleared++;
        const operands = readers.map((reader) => new Uint8Array(reader.bits.slice().buffer));
        const input = float32Input({ op, params, claimed, valid: operands.map(() => valid), operands });
        const { verdict } = contraction.judge({ ...input, hint: contraction.hint(input) });
        expect(verdict, `round ${round}, distance ${distance}`).toBe(Verdict.Acceptable);
      }
  }
  expect(cleared).toBeGreaterThan(5000);
});

/** Parameters of the scalar functions that have any. */
const SCALAR_PARAMETERS: Partial<Record<ScalarOp, number[]>> = {
  [ScalarOp.Swish]: [1.702],
  [ScalarOp.Elu]: [0.5],
  [ScalarOp.Selu]: [1.67, 1.05],
  [ScalarOp.Celu]: [2],
  [ScalarOp.HardSigmoid]: [0.2, 0.5],
};

test.each([
  [Family.Elementwise, [0, 1, 2, 3, 4, 5, 6, 7]],
  [Family.Scalar, Object.values(ScalarOp)],
  [Family.Reduction, [0, 1]],
  [Family.Normalization, [0]],
  [Family.Movement, [0]],
])("what the float64 estimate waves through, the kernel of family %s accepts", (family, ops) => {
  const next = generator(family);
  for (const op of ops) {
    let cleared = 0;
    for (let round = 0; round < 300; round++) {
      const box = family === Family.Reduction || family === Family.Normalization ? 6 : 1;
      const values = Array.from({ length: box }, () => (next() * 2 - 1) * 2 ** Math.floor(next() * 12 - 6));
      if (family === Family.Elementwise && op === 7) values[0] = Math.abs(values[0]!);
      const power = family === Family.Scalar && op === ScalarOp.Pow;
      const binary = power || (family === Family.Elementwise && op < 4);
      const second = binary ? [next() * 8 - 4] : [values[0]!];
      const params = new Uint8Array(family === Family.Elementwise && op === 5 ? 64 : 32);
      const view = new DataView(params.buffer);
      if (family === Family.Normalization) view.setUint32(28, 1024);
      else if (params.length === 64) {
        view.setUint32(28, toBits(-1));
        view.setUint32(60, toBits(2));
      }
      const two = family === Family.Normalization || binary;
      const scalars = SCALAR_PARAMETERS[op as ScalarOp] ?? [];
      const instruction: Instruction = {
        family,
        op,
        dtype: 1,
        dims: [1],
        reduction: box > 1 ? [box] : [],
        params:
          family === Family.Scalar
            ? scalarInput(op, 0, 0, scalars.map(toBits)).params
            : family === Family.Normalization || params.length === 64
              ? params
              : new Uint8Array(),
        operands: [values, ...(two ? [second] : [])].map(({ length }, index) => ({
          origin: Origin.Constant,
          index,
          dtype: 1,
          length,
          reduced: index === 0 && box > 1,
          fill: 0n,
          axes: [
            {
              size: length,
              stride: 1,
              base: 0,
              divisor: 1,
              lookup: 0,
              coefficients: [0, length > 1 ? 1 : 0],
            },
          ],
        })),
      };
      const constants = [values, ...(two ? [second] : [])].map((x) => float32Tensor([x.length], x).data);
      const readers = operandReaders(instruction, { inputs: [], constants, trace: [] })!;
      const valid = readers.map((reader) => reader.load([0]))[0]!;
      const estimate = estimator(instruction, readers)!;
      const near = toBits(estimate.value(valid));
      for (let distance = 0; distance < 2 ** 18; distance = distance * 2 + 1)
        for (const claimed of [near + distance, near - distance]) {
          if (claimed < 0 || claimed > 2 ** 32 - 1 || !estimate.clear(claimed, valid)) continue;
          cleared++;
          const operands = readers.map((reader) => new Uint8Array(reader.bits.slice().buffer));
          const input = float32Input({ op, params: instruction.params, claimed, operands });
          const kernel = kernelOf(family);
          const { verdict } = kernel.judge({ ...input, hint: kernel.hint(input) });
          expect(verdict, `op ${op}, round ${round}, distance ${distance}`).toBe(Verdict.Acceptable);
        }
    }
    expect(cleared, `op ${op}`).toBeGreaterThan(50);
  }
});

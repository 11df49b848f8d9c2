import { audit } from "@assay/challenger";
import { compileModel, ModelRunner, storedInputs } from "@assay/execution";
import { WasmRunner } from "@assay/execution/wasm";
import { Verdict } from "@assay/numerics";
import { DEFAULT_LAMBDA, lambdaOf, readModel } from "@assay/program";
import { describe, expect, test } from "vitest";
import { digitInputs, shippedFile, shippedSamples } from "../../execution/test/models.ts";
import { decode, encode } from "../../program/src/onnx/protobuf.ts";
import { applyCalibration, measureCalibration } from "../src/index.ts";

const plain = await compileModel(shippedFile("digits/digits.onnx"), { shapes: { pixels: [1, 1, 8, 8] } });
const inputs = shippedSamples().map(digitInputs);
const samples = inputs.slice(0, 6);
const report = await measureCalibration({ model: plain, samples });
const model = await applyCalibration(plain, report.calibration);

describe("a calibrated model", () => {
  test("compiles from its own canonical graph to itself", async () => {
    const again = await compileModel(model.canonical);
    expect(again.canonical).toEqual(model.canonical);
    expect(again.root).toEqual(model.root);
    expect(model.root).not.toEqual(plain.root);
    expect(model.constants.root).toEqual(plain.constants.root);
  });

  test("calibrated again with the same samples stays what it is", async () => {
    const again = await measureCalibration({ model, samples });
    expect(again).toEqual(report);
    expect((await applyCalibration(model, again.calibration)).canonical).toEqual(model.canonical);
  });

  test("keeps other metadata, of which onnxruntime keeps no order", async () => {
    const proto = decode("ModelProto", model.canonical);
    for (const key of ["zebra", "author", "licence"]) proto.metadataProps.push({ key, value: key });
    const once = await compileModel(encode("ModelProto", proto));
    expect(once.root).toEqual(model.root);
    expect(readModel(once.canonical).metadata).toHaveLength(4);
    expect((await compileModel(once.canonical)).canonical).toEqual(once.canonical);
  });

  test("has no multiplier above the default, and a much smaller one for the deepest sum", () => {
    const found = report.instructions.map(({ terms, lambda, measured }) => ({ terms, lambda, measured }));
    expect(found.length).toBe(5);
    for (const { lambda, measured } of found) {
      expect(lambda).toBeLessThanOrEqual(DEFAULT_LAMBDA);
      expect(lambda).toBeGreaterThanOrEqual(measured);
    }
    const deepest = found.reduce((a, b) => (a.terms > b.terms ? a : b));
    expect(deepest.terms).toBe(256);
    expect(deepest.lambda).toBeLessThan(DEFAULT_LAMBDA / 2);
    const stored = model.program.instructions.map(lambdaOf).filter((lambda) => lambda !== undefined);
    expect(stored).toEqual(found.map(({ lambda }) => lambda));
  });

  test("finds fresh honest runs acceptable, native and WebAssembly", async () => {
    const runners = [new ModelRunner(model), new WasmRunner(model)];
    const constants = model.constants.trees.map(({ stored }) => stored);
    for (const tensors of inputs.slice(6))
      for (const runner of runners) {
        const values = {
          inputs: storedInputs(model.program, tensors),
          constants,
          trace: await runner.trace(tensors),
        };
        expect((await audit({ program: model.program, values, all: true })).findings).toEqual([]);
      }
    for (const runner of runners) await runner.close();
  });

  test("voids what the default band lets pass", async () => {
    const runner = new ModelRunner(model);
    const [tensors] = samples;
    const trace = await runner.trace(tensors!);
    await runner.close();
    const index = report.instructions.find(({ terms }) => terms === 256)!.index;
    const output = new Float32Array(trace[index]!.slice().buffer);
    const element = output.findIndex((x) => x > 0.5);
    expect(element).toBeGreaterThanOrEqual(0);
    const constants = model.constants.trees.map(({ stored }) => stored);
    const verdictOf = async (program: typeof model.program, change: number) => {
      const changed = output.slice();
      changed[element]! += change;
      const values = {
        inputs: storedInputs(program, tensors!),
        constants,
        trace: trace.with(index, new Uint8Array(changed.buffer)),
      };
      const { findings } = await audit({ program, values, all: true });
      return findings.find((finding) => finding.instruction === index)?.judgement.verdict;
    };
    // Grow the change until the calibrated program objects: the default one does not yet.
    let change = 2 ** -23;
    while ((await verdictOf(model.program, change)) === undefined) change *= 1.25;
    expect(await verdictOf(model.program, change)).toBe(Verdict.Imprecise);
    expect(await verdictOf(plain.program, change)).toBeUndefined();
  });
});

test("what cannot be calibrated is refused", async () => {
  await expect(measureCalibration({ model: plain, samples: [] })).rejects.toMatchObject({
    code: "NO_SAMPLES",
  });
  await expect(measureCalibration({ model: plain, samples, safety: 0.5 })).rejects.toMatchObject({
    code: "SAFETY_INVALID",
  });
  await expect(applyCalibration(plain, new Map([["nothing", 5]]))).rejects.toMatchObject({
    code: "CALIBRATION_UNKNOWN",
  });
});

import { compile } from "@assay/program";
import { expect } from "vitest";
import { canonicalGraph, type OnnxWorker, type Tensors } from "../src/index.ts";
import { outputsOfTrace, storedConstants, storedInputs, storedOutputs } from "../src/index.ts";
import { exposeTrace, traceNames } from "../src/runner.ts";
import { storedTrace } from "../src/values.ts";
import { audit, type StoredRun } from "./audit.ts";

/** Compiles a small model, runs it, judges its trace element by element, and compares trace and outputs bit for bit. */
export async function checkSmallModel(
  worker: OnnxWorker,
  onnx: Uint8Array,
  inputsFor: (run: { program: StoredRun["program"] }) => Tensors,
  most = 400,
) {
  const { model: canonical, shapes } = await canonicalGraph(onnx, {}, worker);
  const program = compile(canonical, shapes);
  const inputs = inputsFor({ program });
  worker.register("plain", canonical);
  worker.register("exposed", exposeTrace({ canonical, program }));
  const outputs = await worker.run(
    "plain",
    inputs,
    program.outputs.map(({ name }) => name),
  );
  const values = { ...inputs, ...(await worker.run("exposed", inputs, traceNames(program))) };
  const run: StoredRun = {
    program,
    inputs: storedInputs(program, inputs),
    constants: storedConstants(program, canonical),
    trace: storedTrace(program, values),
  };
  expect(storedOutputs(program, outputs)).toEqual(outputsOfTrace(program, run.trace));
  expect(audit(run, most)).toEqual([]);
  return { program, outputs, run };
}

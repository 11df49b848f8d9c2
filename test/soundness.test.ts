/**
 * Honest is safe: every element of honest runs of real models on real inputs is acceptable, in the pinned native
 * configuration and on onnxruntime's WebAssembly build, whose kernels sum in another order.
 */
import { audit } from "@assay/challenger";
import { ModelRunner, storedInputs } from "@assay/execution";
import { WasmRunner } from "@assay/execution/wasm";
import { Verdict } from "@assay/numerics";
import { loadModel } from "@assay/service";
import { elementCount } from "@assay/tensor";
import { afterAll, expect, test } from "vitest";
import { judge, sample } from "../packages/execution/test/audit.ts";
import { digits, shared } from "./actors/models.ts";

/** Elements of every instruction and run that go to the kernels without the audit's float64 screen before them. */
const RAW = 100;

const models = [
  digits(20),
  ...shared("mnist-8", "mnist-12", "ezkl-accuracy", "tract-keras-mlp", "ezkl-4l-relu-conv-fc"),
];
const counts = { elements: 0, exact: 0, raw: 0, differing: 0 };
afterAll(() =>
  console.log(
    `soundness: ${counts.elements} elements acceptable, ${counts.exact} of them by the exact kernels after the ` +
      `screen and ${counts.raw} without it; native and WebAssembly differ in ${counts.differing} tensors`,
  ),
);

test.each(models)("every element of honest runs of $name is acceptable", async (real) => {
  const model = await loadModel(real);
  const { program } = model;
  const constants = model.constants.trees.map(({ stored }) => stored);
  const perRun = program.instructions.reduce((sum, { dims }) => sum + elementCount(dims), 0);
  const engines = [new ModelRunner(model), new WasmRunner(model)];
  try {
    expect(real.samples.length).toBeGreaterThan(0);
    for (const tensors of real.samples) {
      const inputs = storedInputs(program, tensors);
      const traces = await Promise.all(engines.map((engine) => engine.trace(tensors)));
      counts.differing += traces[0]!.filter((bytes, i) => Buffer.compare(bytes, traces[1]![i]!) !== 0).length;
      for (const trace of traces) {
        const values = { inputs, constants, trace };
        const report = await audit({ program, values, all: true });
        expect(report.findings).toEqual([]);
        expect(report).toMatchObject({ identical: 0 });
        expect(report.screened + report.judged).toBe(perRun);
        counts.elements += perRun;
        counts.exact += report.judged;

        const run = { program, ...values };
        for (const [index, { dims }] of program.instructions.entries())
          for (const element of sample(elementCount(dims), RAW)) {
            const { verdict } = judge(run, index, element);
            expect(verdict, `${program.nodes[index]!.join("+")}[${element}]`).toBe(Verdict.Acceptable);
            counts.raw++;
          }
      }
    }
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
});

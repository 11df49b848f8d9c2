/** The benchmark's attacker: it stays inside the bands, and its gradients are worth something. */
import { audit } from "@assay/challenger";
import { compileModel, ModelRunner, storedInputs } from "@assay/execution";
import { Verdict } from "@assay/numerics";
import { expect, test } from "vitest";
import { Attack, numbers } from "../bench/attack-run.ts";
import { digits } from "./actors/models.ts";

test("an attacker with gradients stays inside the bands and outdoes random signs", async () => {
  const { onnx, shapes, samples } = digits(1);
  const model = await compileModel(onnx, { shapes });
  const { program } = model;
  const runner = new ModelRunner(model);
  const run = {
    inputs: storedInputs(program, samples[0]!),
    constants: model.constants.trees.map(({ stored }) => stored),
    trace: await runner.trace(samples[0]!),
  };
  await runner.close();
  // The logits: the softmax after them saturates.
  const [instruction, element] = [program.instructions.length - 2, 1];
  const dtype = program.instructions[instruction]!.dtype;
  const logit = (trace: readonly Uint8Array[]) => numbers(trace[instruction]!, dtype)[element]!;
  const attack = new Attack(program, run);
  const change = (adjoints: readonly Float64Array[], worst: Verdict) =>
    logit(attack.trace(adjoints, worst)) - logit(run.trace);

  const down = attack.gradients({ instruction, weights: new Map([[element, 1]]) });
  const up = down.map((values) => values.map((g) => -g));
  const provable = change(down, Verdict.Imprecise);
  expect(provable).toBeLessThan(0);
  expect(change(up, Verdict.Imprecise)).toBeGreaterThan(-0.9 * provable);
  const integrity = change(down, Verdict.Acceptable);
  expect(integrity).toBeLessThan(0);
  expect(integrity).toBeGreaterThan(0.7 * provable);

  let seed = 1;
  const coin = () => ((seed = Math.imul(seed, 48271) % 2147483647) & 64) === 0;
  const random = down.map((values) => values.map((g) => (coin() ? g : -g)));
  expect(Math.abs(change(random, Verdict.Imprecise))).toBeLessThan(-0.5 * provable);

  for (const worst of [Verdict.Acceptable, Verdict.Imprecise]) {
    const values = { ...run, trace: attack.trace(down, worst) };
    const { findings, screened, judged } = await audit({ program, values, all: true });
    expect(findings.every(({ judgement }) => judgement.verdict <= worst)).toBe(true);
    expect(screened + judged).toBeGreaterThan(1000);
    if (worst === Verdict.Imprecise) expect(findings.length).toBeGreaterThan(100);
  }
});

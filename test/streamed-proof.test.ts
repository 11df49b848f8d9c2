/**
 * An element computed from more products than one transaction can show: proven in several, by the challenger's own code,
 * through the real referee, verifier and kernel.
 */
import { audit, elementProof, worstFinding } from "@assay/challenger";
import { randomInputs, storedInputs } from "@assay/execution";
import { Verdict } from "@assay/numerics";
import {
  buildProofSteps,
  type CommittedRun,
  instructionTree,
  type Program,
  type ProofStep,
} from "@assay/program";
import { getClaim, proveSegment, TRANSACTION_GAS_CAP } from "@assay/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildOnnx } from "../packages/program/test/onnx-builder.ts";
import { nudge } from "./actors/backends.ts";
import { commit, post, send, SLASHED, watchEverybody } from "./actors/claims.ts";
import { openScene, type Published, type Scene } from "./actors/scene.ts";

const K = 40_000;
const UPDATES = 90;

let scene: Scene;
let wide: Published;
let scatter: Published;
beforeAll(async () => {
  scene = await openScene();
  const values = Array.from({ length: K }, (_, k) => Math.sin(k));
  const nodes = [["MatMul", ["x", "w"], ["y"]]] as const;
  const onnx = buildOnnx({
    inputs: { x: [1, K] },
    constants: { w: { dims: [K, 1], values } },
    nodes,
    outputs: ["y"],
  });
  wide = await scene.publish("wide", { onnx });

  // a third of the updates for element [1, 2]
  const tuples = Array.from({ length: UPDATES }, (_, i) => (i % 3 === 0 ? [1, 2] : [i % 4, (i >> 2) % 4]));
  const scattering = buildOnnx({
    inputs: { x: [4, 4], u: [UPDATES] },
    constants: { i: { dims: [UPDATES, 2], values: tuples.flat(), int64: true } },
    nodes: [["ScatterND", ["x", "i", "u"], ["y"], { reduction: "add" }]],
    outputs: ["y"],
  });
  scatter = await scene.publish("scatter", { onnx: scattering });
});
afterAll(() => scene?.close());

test("a wrong sum of 40,000 products is slashed by a proof in steps, which a copier cannot take", async () => {
  const { deployment, people } = scene;
  const { program, constants } = wide.model;
  const inputs = storedInputs(program, randomInputs(program.inputs, 3));
  const stored = constants.trees.map((tree) => tree.stored);
  const honest = await wide.backend.trace(inputs);
  const wrong = nudge(
    program,
    { inputs, constants: stored, trace: honest },
    { instruction: 0, element: 0, change: (x) => x + 1000, recompute: true },
  );
  const values = { inputs, constants: stored, trace: wrong };
  expect((await audit({ program, values: { ...values, trace: honest } })).findings).toEqual([]);
  const finding = worstFinding((await audit({ program, values })).findings)!;
  expect(finding).toMatchObject({ instruction: 0, element: 0, judgement: { verdict: Verdict.Fraudulent } });

  const money = await watchEverybody(scene);
  const posted = await post(scene, { of: wide, inputs, trace: wrong });
  const proof = elementProof(program, instructionTree(program), posted.run, 0, 0);
  if (proof.kind !== "steps") throw new Error("one transaction would do");
  expect(proof.args.length).toBeGreaterThan(2);

  const salt = await commit(scene, people.challenger, posted.claimId, proof);
  const first = proof.args[0]!;
  const segment = { first: BigInt(first.segment.first), count: BigInt(first.segment.count) };
  const step = { deployment, claimId: posted.claimId, proof: first.proof, segment, state: "0x" } as const;
  const { receipt, state } = await proveSegment(people.challenger.client, { ...step, salt });
  expect(receipt.gasUsed).toBeLessThan(TRANSACTION_GAS_CAP);

  // A copier that saw the first step proves it all before the challenger goes on: for the challenger.
  const copy = await commit(scene, people.other, posted.claimId, proof);
  await expect(
    proveSegment(people.other.client, {
      ...step,
      salt: copy,
      segment: { ...segment, first: segment.count },
      state: state!,
    }),
  ).rejects.toMatchObject({ code: "SegmentOutOfOrder" });
  await send(scene, people.other, posted.claimId, copy, proof);
  expect((await getClaim(people.owner.client, { deployment, claimId: posted.claimId })).phase).toBe(
    "Slashed",
  );
  expect(await money()).toEqual(SLASHED);
});

test("an interrupted proof goes on where it stands", async () => {
  const { deployment, people } = scene;
  const { program, constants } = wide.model;
  const inputs = storedInputs(program, randomInputs(program.inputs, 4));
  const honest = await wide.backend.trace(inputs);
  const run = { inputs, constants: constants.trees.map((tree) => tree.stored), trace: honest };
  const wrong = nudge(program, run, { instruction: 0, element: 0, change: (x) => -x, recompute: true });
  const posted = await post(scene, { of: wide, inputs, trace: wrong });
  const proof = elementProof(program, instructionTree(program), posted.run, 0, 0);
  if (proof.kind !== "steps") throw new Error("one transaction would do");
  const salt = await commit(scene, people.challenger, posted.claimId, proof);
  // The process dies after the second step.
  let state: `0x${string}` = "0x";
  for (const { proof: shown, segment } of proof.args.slice(0, 2)) {
    const bounds = { first: BigInt(segment.first), count: BigInt(segment.count) };
    const step = { deployment, claimId: posted.claimId, salt, proof: shown, segment: bounds, state };
    state = (await proveSegment(people.challenger.client, step)).state!;
  }
  const receipt = await send(scene, people.challenger, posted.claimId, salt, proof);
  expect(receipt.status).toBe("success");
  expect((await getClaim(people.owner.client, { deployment, claimId: posted.claimId })).phase).toBe(
    "Slashed",
  );
});

test("a wrong sum of a third of 90 updates is slashed in any steps; wrong steps are refused, and right ones go on", async () => {
  const { deployment, people } = scene;
  const { program, constants } = scatter.model;
  const inputs = storedInputs(program, randomInputs(program.inputs, 5));
  const stored = constants.trees.map((tree) => tree.stored);
  const honest = await scatter.backend.trace(inputs);
  expect((await audit({ program, values: { inputs, constants: stored, trace: honest } })).findings).toEqual(
    [],
  );
  const element = 6;
  const change = (x: number) => x + 0.01;
  const run = { inputs, constants: stored, trace: honest };
  const wrong = nudge(program, run, { instruction: 0, element, change, recompute: true });
  const finding = worstFinding((await audit({ program, values: { ...run, trace: wrong } })).findings)!;
  expect(finding).toMatchObject({ element, judgement: { verdict: Verdict.Fraudulent } });

  const money = await watchEverybody(scene);
  const posted = await post(scene, { of: scatter, inputs, trace: wrong });
  const proof = inSteps(program, posted.run, element);
  const salt = await commit(scene, people.challenger, posted.claimId, proof);
  const take = (number: number, state: Hex, how: Partial<ProofStep> = {}) => {
    const { proof: shown, segment } = { ...proof.args[number]!, ...how };
    const bounds = { first: BigInt(segment.first), count: BigInt(segment.count) };
    const step = { deployment, claimId: posted.claimId, salt, proof: shown, segment: bounds, state };
    return proveSegment(people.challenger.client, step);
  };
  const { state } = await take(0, "0x");
  const [first, second] = proof.args as [ProofStep, ProofStep];
  // An update that is another number, the first segment once more, one that is said to be another, and another state.
  const opening = second.proof.openings.findIndex(
    ({ chunks }) => chunks.length === Math.min(...second.proof.openings.map((o) => o.chunks.length)),
  );
  const openings = second.proof.openings.map((o, i) =>
    i === opening ? { ...o, chunks: flipped(o.chunks) } : o,
  );
  await expect(take(1, state!, { proof: { ...second.proof, openings } })).rejects.toMatchObject({
    code: "RootMismatch",
  });
  await expect(take(1, state!, first)).rejects.toMatchObject({ code: "StateMismatch" });
  await expect(take(1, state!, { proof: first.proof })).rejects.toMatchObject({ code: "ChunkNotOpened" });
  await expect(take(1, flipped(state!))).rejects.toMatchObject({ code: "StateMismatch" });

  // Whoever sent the first step goes on where it stands.
  await send(scene, people.challenger, posted.claimId, salt, proof);
  expect((await getClaim(people.owner.client, { deployment, claimId: posted.claimId })).phase).toBe(
    "Slashed",
  );
  expect(await money()).toEqual(SLASHED);
});

test("a right sum of updates cannot be proven wrong in steps", async () => {
  const { deployment, people } = scene;
  const { program } = scatter.model;
  const inputs = storedInputs(program, randomInputs(program.inputs, 6));
  const posted = await post(scene, { of: scatter, inputs, trace: await scatter.backend.trace(inputs) });
  const proof = inSteps(program, posted.run, 6);
  const salt = await commit(scene, people.challenger, posted.claimId, proof);
  await expect(send(scene, people.challenger, posted.claimId, salt, proof)).rejects.toMatchObject({
    code: "ElementAcceptable",
  });
  expect((await getClaim(people.owner.client, { deployment, claimId: posted.claimId })).phase).toBe(
    "Provable",
  );
});

/** One transaction would do; the chain takes them in any cut. */
function inSteps(program: Program, run: CommittedRun, element: number) {
  const segments = [0, 30, 70].map((first, i) => ({ first, count: [30, 40, 20][i]! }));
  const args = buildProofSteps(program, instructionTree(program), run, 0, element, segments);
  return { kind: "steps", args } as const;
}

/** Another last byte. */
const flipped = (bytes: Hex): Hex => `${bytes.slice(0, -2)}${bytes.endsWith("00") ? "01" : "00"}` as Hex;

/**
 * Between the bands: an element that the calibrated integrity band excludes and the provable band does not. It voids the
 * claim once the proof window is over, unless something fraudulent is proven before.
 */
import { audit, worstFinding } from "@assay/challenger";
import { type Judgement, Verdict } from "@assay/numerics";
import { buildElementProof, instructionTree } from "@assay/program";
import { eventIn, finalise, getClaim, reclaimBond, settleImprecise } from "@assay/protocol";
import { elementCount } from "@assay/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judge } from "../packages/execution/test/audit.ts";
import { type Nudge, nudge } from "./actors/backends.ts";
import {
  commit,
  post,
  type Posted,
  prove,
  send,
  SLASHED,
  UNCHANGED,
  watchEverybody,
} from "./actors/claims.ts";
import { openScene, ROYALTY, type Scene, TERMS } from "./actors/scene.ts";

const unit = 10n ** 18n;
/** Sums of 256 products in the digits model: 4·√256 roundings for the integrity band, 257 for the provable one. */
const DENSE = 3;

let scene: Scene;
let inputs: Uint8Array[];
let constants: Uint8Array[];
let honest: Uint8Array[];

beforeAll(async () => {
  scene = await openScene();
  inputs = scene.inputs(1);
  constants = scene.model.constants.trees.map(({ stored }) => stored);
  honest = await scene.backend.trace(inputs);
});
afterAll(() => scene?.close());

const judgeIn = (trace: readonly Uint8Array[], index: number, element: number): Judgement =>
  judge({ program: scene.model.program, inputs, constants, trace }, index, element);

const changed = (trace: readonly Uint8Array[], how: Omit<Nudge, "recompute">) =>
  nudge(scene.model.program, { inputs, constants, trace }, { ...how, recompute: true });

/** An honest trace with one element half-way between its bands. */
function betweenBands(): { element: number; trace: Uint8Array[] } {
  for (let element = 0; element < elementCount(scene.model.program.instructions[DENSE]!.dims); element++) {
    const { exact, provable, integrity, scale } = judgeIn(honest, DENSE, element);
    const claimed = Number(exact + (provable + integrity) / 2n) * 2 ** Number(scale);
    const trace = changed(honest, { instruction: DENSE, element, change: () => claimed });
    // Relu leaves nothing of a negative sum to be imprecise about.
    if (exact > provable && judgeIn(trace, DENSE, element).verdict === Verdict.Imprecise)
      return { element, trace };
  }
  throw new Error("no element of the digits model has room between its bands");
}

function proofOf({ run }: Posted, index: number, element: number) {
  const { program } = scene.model;
  const args = buildElementProof(program, instructionTree(program), run, index, element);
  return { kind: "element" as const, args };
}

async function phaseOf(claimId: Posted["claimId"]) {
  return (await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId })).phase;
}

async function reclaimAll({ claimId }: Posted) {
  const { deployment, people } = scene;
  for (const { account } of [people.challenger, people.other])
    await reclaimBond(people.owner.client, { deployment, claimId, challenger: account.address });
}

test.each([
  [12n * unit, TERMS.voidCostCap],
  [2n * unit, unit],
])("with a fee of %s the claim is void and the prover gets %s", async (fee, cost) => {
  const { deployment, people } = scene;
  const { challenger, other } = people;
  const { element, trace } = betweenBands();
  const before = await scene.money(people.executor);
  const changes = await watchEverybody(scene);
  const posted = await post(scene, { inputs, trace, fee, challengers: [other, challenger] });
  const { claimId } = posted;

  const values = { inputs, constants, trace };
  const finding = worstFinding((await audit({ program: scene.model.program, values })).findings);
  expect(finding).toMatchObject({ instruction: DENSE, element, judgement: { verdict: Verdict.Imprecise } });
  const proof = proofOf(posted, DENSE, element);
  const late = await commit(scene, other, claimId, proof);
  const { exact, provable, integrity, scale } = finding!.judgement;
  const { args } = eventIn(await prove(scene, challenger, claimId, proof), "ElementJudged");
  expect(args).toMatchObject({ verdict: Verdict.Imprecise, instruction: DENSE, element: BigInt(element) });
  expect(args).toMatchObject({ exact, provable, integrity, scale });

  // The claim stays open to worse: nothing is settled, and a second prover of the same earns nothing.
  expect(await phaseOf(claimId)).toBe("Provable");
  const early = settleImprecise(other.client, { deployment, claimId });
  await expect(early).rejects.toMatchObject({ code: "WrongPhase" });
  await expect(send(scene, other, claimId, late, proof)).rejects.toMatchObject({ code: "AlreadyImprecise" });

  await scene.pass(TERMS.proofWindow);
  expect(await phaseOf(claimId)).toBe("Voidable");
  const finalising = finalise(people.executor.client, { deployment, claimId });
  await expect(finalising).rejects.toMatchObject({ code: "WrongPhase" });
  const { receipt } = await settleImprecise(people.owner.client, { deployment, claimId });
  expect(eventIn(receipt, "ClaimVoided").args).toEqual({
    claimId,
    requestId: posted.requestId,
    prover: challenger.account.address,
    cost,
    requester: people.requester.account.address,
    refund: fee - cost + ROYALTY,
  });
  await reclaimAll(posted);
  expect(await phaseOf(claimId)).toBe("Voided");
  expect(await changes()).toEqual({ ...UNCHANGED, challenger: cost, requester: -cost });
  const { free, locked } = await scene.money(people.executor);
  expect({ free, locked }).toEqual({ free: before.free + TERMS.collateral, locked: before.locked });
  await expect(commit(scene, other, claimId, proof)).rejects.toMatchObject({ code: "WrongPhase" });
});

test("an imprecise element proven first does not save a fraudulent one: slashed, for its prover", async () => {
  const { challenger, other } = scene.people;
  const { element, trace: imprecise } = betweenBands();
  const trace = changed(imprecise, { instruction: DENSE + 1, element: 4 });
  const changes = await watchEverybody(scene);
  const posted = await post(scene, { inputs, trace, challengers: [other, challenger] });
  const mild = await prove(scene, other, posted.claimId, proofOf(posted, DENSE, element));
  expect(eventIn(mild, "ElementJudged").args.verdict).toBe(Verdict.Imprecise);

  const values = { inputs, constants, trace };
  const finding = worstFinding((await audit({ program: scene.model.program, values })).findings);
  expect(finding).toMatchObject({
    instruction: DENSE + 1,
    element: 4,
    judgement: { verdict: Verdict.Fraudulent },
  });
  const receipt = await prove(scene, challenger, posted.claimId, proofOf(posted, DENSE + 1, 4));
  expect(eventIn(receipt, "ElementJudged").args.verdict).toBe(Verdict.Fraudulent);
  expect(eventIn(receipt, "ClaimSlashed").args).toMatchObject({
    claimId: posted.claimId,
    beneficiary: challenger.account.address,
    bounty: TERMS.bounty,
  });
  await reclaimAll(posted);
  expect(await changes()).toEqual(SLASHED);
});

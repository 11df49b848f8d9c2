/**
 * One wrong number, one transaction: of every instruction of real models in turn, one element of the output is changed,
 * all that follows from it is computed again, the result is claimed, and the audit's first finding is proven against the
 * claim through the real referee, verifier and kernels.
 */
import { audit, type Finding } from "@assay/challenger";
import { storedInputs } from "@assay/execution";
import { Verdict } from "@assay/numerics";
import { buildElementProof, buildOutputProof, elementBits, instructionTree } from "@assay/program";
import { eventIn, getClaim, reclaimBond, TRANSACTION_GAS_CAP } from "@assay/protocol";
import { elementCount } from "@assay/tensor";
import type { TransactionReceipt } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judge } from "../packages/execution/test/audit.ts";
import { nudge } from "./actors/backends.ts";
import { type Posted, post, prove, SLASHED, watchEverybody } from "./actors/claims.ts";
import { digits, type RealModel, shared } from "./actors/models.ts";
import { generator } from "./actors/random.ts";
import { openScene, type Published, type Scene, TERMS } from "./actors/scene.ts";

const unit = 10n ** 18n;
const fee = 5n * unit;
const royalty = unit;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

/** The next float32 away from zero. */
function next(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  view.setUint32(0, view.getUint32(0) + 1);
  return view.getFloat32(0);
}

/** The claim is slashed in favour of the challenger, by amounts that the events and the ledger agree on. */
async function expectSlashed(posted: Posted, receipt: TransactionReceipt): Promise<void> {
  const { deployment, people } = scene;
  expect(receipt.gasUsed).toBeLessThan(TRANSACTION_GAS_CAP);
  expect(eventIn(receipt, "ClaimSlashed").args).toEqual({
    claimId: posted.claimId,
    requestId: posted.requestId,
    executor: people.executor.account.address,
    beneficiary: people.challenger.account.address,
    bounty: TERMS.bounty,
    requester: people.requester.account.address,
    compensation: TERMS.compensation,
    refund: fee + royalty,
    burned: TERMS.burned,
  });
  const { phase, request } = await getClaim(people.other.client, { deployment, claimId: posted.claimId });
  expect([phase, request.status]).toEqual(["Slashed", "Refunded"]);
}

const models: RealModel[] = [digits(), ...shared("mnist-12", "ezkl-accuracy")];
const CHANGES = ["a few times the provable band", "a gross amount"] as const;

describe.each(models)("$name", (real) => {
  let of: Published;
  let inputs: Uint8Array[];
  let constants: Uint8Array[];
  let honest: Uint8Array[];

  beforeAll(async () => {
    of = real.name === "digits" ? scene : await scene.publish(real.name, real);
    inputs = storedInputs(of.model.program, real.samples[0]!);
    constants = of.model.constants.trees.map(({ stored }) => stored);
    honest = await of.backend.trace(inputs);
  });

  test.each(CHANGES)("every instruction, changed by %s: found, proven, slashed", async (amount) => {
    const { deployment, people } = scene;
    const { program } = of.model;
    const random = generator(CHANGES.indexOf(amount) + 1);
    for (const [index, { dims }] of program.instructions.entries()) {
      const element = Math.floor(random() * elementCount(dims));
      const { provable, scale } = judge({ program, inputs, constants, trace: honest }, index, element);
      const sign = random() < 0.5 ? -1 : 1;
      const distance = sign * 4 * Number(provable) * 2 ** Number(scale);
      const slightly = (x: number) => (Math.fround(x + distance) === x ? next(x) : x + distance);
      const trace = nudge(
        program,
        { inputs, constants, trace: honest },
        {
          instruction: index,
          element,
          recompute: true,
          ...(amount === CHANGES[0] && { change: slightly }),
        },
      );

      // Every other claim is lazy: challenged by two before its trace is known.
      const challengers = index % 2 === 0 ? [] : [people.other, people.challenger];
      const changes = await watchEverybody(scene);
      const posted = await post(scene, { of, inputs, trace, fee, challengers });
      const { findings } = await audit({ program, values: { inputs, constants, trace }, all: true });
      expect(findings).toMatchObject([
        { instruction: index, element, judgement: { verdict: Verdict.Fraudulent } },
      ]);
      const [{ judgement }] = findings as [Finding];
      const proof = buildElementProof(program, instructionTree(program), posted.run, index, element);
      const receipt = await prove(scene, people.challenger, posted.claimId, { kind: "element", args: proof });

      const { exact, provable: band, integrity, scale: unitOf } = judgement;
      expect(eventIn(receipt, "ElementJudged").args).toEqual({
        claimId: posted.claimId,
        prover: people.challenger.account.address,
        verdict: Verdict.Fraudulent,
        instruction: index,
        element: BigInt(element),
        claimed: BigInt(elementBits(program.instructions[index]!, element, trace[index]!)),
        exact,
        provable: band,
        integrity,
        scale: unitOf,
      });
      await expectSlashed(posted, receipt);
      for (const { account } of challengers)
        await reclaimBond(people.other.client, {
          deployment,
          claimId: posted.claimId,
          challenger: account.address,
        });
      expect(await changes()).toEqual(SLASHED);
    }
  });

  test("an output that the trace does not have: proven, slashed", async () => {
    const { program } = of.model;
    const { index } = program.outputs[0]!;
    const element = elementCount(program.outputs[0]!.dims) - 1;
    const outputs = [
      nudge(
        program,
        { inputs, constants, trace: honest },
        { instruction: index, element, change: next, recompute: false },
      )[index]!,
    ];
    const changes = await watchEverybody(scene);
    const posted = await post(scene, { of, inputs, trace: honest, outputs, fee });
    expect((await audit({ program, values: { inputs, constants, trace: honest } })).findings).toEqual([]);
    const proof = buildOutputProof(program, posted.outputTensors, posted.run.trace, 0);
    const receipt = await prove(scene, scene.people.challenger, posted.claimId, {
      kind: "output",
      args: proof,
    });
    expect(eventIn(receipt, "OutputJudged").args).toMatchObject({
      claimId: posted.claimId,
      output: 0,
      instruction: index,
      claimedRoot: proof.claimedRoot,
      tracedRoot: proof.tracedRoot,
    });
    await expectSlashed(posted, receipt);
    expect(await changes()).toEqual(SLASHED);
  });
});

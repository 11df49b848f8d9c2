/** Claims and their disputes step by step through the SDK, with no service in between. */
import { commitmentOf, type Proof } from "@assay/challenger";
import { type CommittedRun, CommittedTensors } from "@assay/program";
import {
  challenge,
  type Claim,
  commitProof,
  deposit,
  postClaim,
  proveElement,
  proveInSteps,
  proveOutput,
  proveOutputElement,
  revealTrace,
  signClaim,
  stakeManagerAbi,
  stakeOf,
  ZERO_ROOT,
} from "@assay/protocol";
import { join, type StoredValues, tracedOutputs } from "@assay/service";
import { type Hex, toHex, type TransactionReceipt } from "viem";
import { readContract } from "viem/actions";
import { type Ask, type Person, type Scene, TERMS, watchMoney } from "./scene.ts";

export interface PostOptions extends Ask {
  inputs: StoredValues;
  /** What the executor says that it computed. */
  trace: StoredValues;
  /** Default: those that the trace ends in. */
  outputs?: StoredValues;
  /** Who challenges, in this order, before the trace is revealed. Default: nobody, the trace root is in the claim. */
  challengers?: readonly Person[];
}

/** A claim whose trace root is on the chain. */
export interface Posted {
  claimId: Hex;
  requestId: Hex;
  claim: Claim;
  signature: Hex;
  /** Inline outputs. */
  outputs: Uint8Array;
  run: CommittedRun;
  outputTensors: CommittedTensors;
}

/** Asks, answers as the scene's executor, and gets the trace on the chain, eagerly or on a challenge. */
export async function post(scene: Scene, options: PostOptions): Promise<Posted> {
  const { deployment, people } = scene;
  const { of = scene, inputs, trace, outputs, challengers = [], ...ask } = options;
  const { client, account } = people.executor;
  await deposit(client, { deployment, amount: TERMS.collateral });
  const requestId = await scene.ask({ ...ask, of, inputs });
  const run = {
    inputs: new CommittedTensors(inputs),
    constants: of.model.constants,
    trace: new CommittedTensors(trace),
  };
  const outputTensors = new CommittedTensors(outputs ?? tracedOutputs(of.model.program, trace));
  const traceRoot = toHex(run.trace.root);
  const claim: Claim = {
    requestId,
    programRoot: of.model.programRoot,
    inputRoot: toHex(run.inputs.root),
    outputRoot: toHex(outputTensors.root),
    traceRoot: challengers.length === 0 ? traceRoot : ZERO_ROOT,
    executor: account.address,
  };
  const inline = join(outputTensors.trees.map(({ stored }) => stored));
  const { claimId, signature } = await signClaim(client, { deployment, claim });
  await postClaim(client, { deployment, claim, signature, outputs: inline });
  for (const challenger of challengers) await challenge(challenger.client, { deployment, claimId });
  if (challengers.length > 0) await revealTrace(client, { deployment, claimId, traceRoot, uri: "" });
  return { claimId, requestId, claim, signature, outputs: inline, run, outputTensors };
}

let salts = 0;

/** A salt that no other commitment of this process has. */
export function freshSalt(): Hex {
  return toHex(++salts, { size: 32 });
}

/** Commits `prover` to a proof and waits until the proof may follow; returns the salt. */
export async function commit(scene: Scene, prover: Person, claimId: Hex, proof: Proof): Promise<Hex> {
  const salt = freshSalt();
  const commitment = commitmentOf(claimId, prover.account.address, salt, proof);
  await commitProof(prover.client, { deployment: scene.deployment, claimId, commitment });
  await scene.pass(1);
  return salt;
}

/** Sends a proof that was committed to. */
export async function send(
  scene: Scene,
  prover: Person,
  claimId: Hex,
  salt: Hex,
  proof: Proof,
): Promise<TransactionReceipt> {
  const common = { deployment: scene.deployment, claimId, salt };
  const { client } = prover;
  switch (proof.kind) {
    case "element":
      return (await proveElement(client, { ...common, proof: proof.args })).receipt;
    case "steps":
      return (await proveInSteps(client, { ...common, steps: proof.args })).receipt;
    case "output":
      return (await proveOutput(client, { ...common, proof: proof.args })).receipt;
    case "outputElement":
      return (await proveOutputElement(client, { ...common, proof: proof.args })).receipt;
  }
}

/** Commits to a proof and sends it. */
export async function prove(
  scene: Scene,
  prover: Person,
  claimId: Hex,
  proof: Proof,
): Promise<TransactionReceipt> {
  return send(scene, prover, claimId, await commit(scene, prover, claimId, proof), proof);
}

/** What everybody's tokens and the burned ones change by. Once all is settled the changes add up to nothing. */
export async function watchEverybody(scene: Scene) {
  const { deployment, people } = scene;
  const { client } = people.other;
  const burnAddress = await readContract(client, {
    address: deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "BURN_ADDRESS",
  });
  const burned = async () => (await stakeOf(client, { deployment, account: burnAddress })).payout;
  const before = await burned();
  const changes = await watchMoney(scene, "executor", "requester", "challenger", "other", "owner");
  return async () => ({ ...(await changes()), burned: (await burned()) - before });
}

const nothing = { executor: 0n, requester: 0n, challenger: 0n, other: 0n, owner: 0n, burned: 0n };

/** What a slash changes when `challenger` proves and all bonds are back. */
export const SLASHED = {
  ...nothing,
  executor: -TERMS.collateral,
  requester: TERMS.compensation,
  challenger: TERMS.bounty,
  burned: TERMS.burned,
};
export const UNCHANGED = nothing;

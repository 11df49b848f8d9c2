import { setTimeout as sleep } from "node:timers/promises";
import {
  type AssayClient,
  challenge,
  commitProof,
  type Deployment,
  elementCommitment,
  getClaim,
  proveElement,
} from "@assay/protocol";
import { buildElementProof, CommittedTensors, instructionTree } from "@assay/program";
import { type Model, ModelBackend } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Hex, toHex } from "viem";

/**
 * Challenges an honest claim and then tries to pass an element that is right off as wrong. Everything in its proof is
 * genuine but the accusation.
 *
 * @returns the contract's answer
 */
export async function accuseFalsely(
  client: AssayClient,
  deployment: Deployment,
  model: Model,
  claimId: Hex,
  inputs: Uint8Array[],
): Promise<string> {
  await challenge(client, { deployment, claimId });
  while ((await getClaim(client, { deployment, claimId })).phase !== "Provable") await sleep(200);

  const backend = new ModelBackend(model);
  const trace = await backend.trace(inputs);
  await backend.close();
  const run = {
    inputs: new CommittedTensors(inputs),
    constants: model.constants,
    trace: new CommittedTensors(trace),
  };
  const proof = buildElementProof(model.program, instructionTree(model.program), run, 1, 77);
  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const prover = client.account!.address;
  const commitment = elementCommitment({ claimId, prover, salt, proof });
  await commitProof(client, { deployment, claimId, commitment });
  await sleep(2100);
  try {
    await proveElement(client, { deployment, claimId, salt, proof });
  } catch (error) {
    if (error instanceof AssayError && error.code === "ElementAcceptable") return error.code;
    throw error;
  }
  throw new Error("the contract took an acceptable element for a wrong one");
}

import { type Abi, type AbiFunction, type Address, encodeAbiParameters, type Hash, keccak256 } from "viem";
import { refereeAbi } from "./abi/referee.ts";
import type { ElementProofArgs, OutputElementProofArgs, OutputProofArgs } from "./types.ts";

export interface CommitmentParameters<proof> {
  claimId: Hash;
  /** Who will send the proof; nobody else can. */
  prover: Address;
  /** Secret until the proof is sent, so that the commitment hides which proof it is for. */
  salt: Hash;
  proof: proof;
}

/** abi.encode of a proof struct, whose type is the third argument of `functionName`. */
function encodeProof(
  functionName: "proveElement" | "proveOutput" | "proveOutputElement",
  proof: unknown,
): Hash {
  const item = (refereeAbi as Abi).find(
    (candidate): candidate is AbiFunction => candidate.type === "function" && candidate.name === functionName,
  )!;
  return encodeAbiParameters([item.inputs[2]!], [proof]);
}

function commitment({ claimId, prover, salt }: CommitmentParameters<unknown>, proof: Hash): Hash {
  const types = [{ type: "bytes32" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }] as const;
  return keccak256(encodeAbiParameters(types, [claimId, prover, salt, keccak256(proof)]));
}

/**
 * What `commitProof` needs before `proveElement`.
 *
 * @example
 * const commitment = elementCommitment({ claimId, prover: client.account.address, salt, proof });
 */
export function elementCommitment(parameters: CommitmentParameters<ElementProofArgs>): Hash {
  return commitment(parameters, encodeProof("proveElement", parameters.proof));
}

/** What `commitProof` needs before the first `proveSegment` of an element. */
export function segmentCommitment(
  parameters: CommitmentParameters<Pick<ElementProofArgs, "index" | "element">>,
): Hash {
  const { index, element } = parameters.proof;
  return commitment(
    parameters,
    encodeAbiParameters([{ type: "uint32" }, { type: "uint64" }], [index, element]),
  );
}

/** What `commitProof` needs before `proveOutput`. */
export function outputCommitment(parameters: CommitmentParameters<OutputProofArgs>): Hash {
  return commitment(parameters, encodeProof("proveOutput", parameters.proof));
}

/** What `commitProof` needs before `proveOutputElement`. */
export function outputElementCommitment(parameters: CommitmentParameters<OutputElementProofArgs>): Hash {
  return commitment(parameters, encodeProof("proveOutputElement", parameters.proof));
}

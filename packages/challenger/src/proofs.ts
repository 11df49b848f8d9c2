import {
  type ElementProofArgs,
  elementCommitment,
  outputCommitment,
  type OutputProofArgs,
  refereeAbi,
} from "@assay/protocol";
import {
  type AbiFunction,
  type AbiParameter,
  type Address,
  decodeAbiParameters,
  encodeAbiParameters,
  getAbiItem,
  type Hex,
} from "viem";

/** A proof ready to be committed to. */
export type Proof = { kind: "element"; args: ElementProofArgs } | { kind: "output"; args: OutputProofArgs };

function parameter(kind: Proof["kind"]): readonly [AbiParameter] {
  const name = kind === "element" ? "proveElement" : "proveOutput";
  return [(getAbiItem({ abi: refereeAbi, name }) as AbiFunction).inputs[2]!];
}

/** abi.encode of a proof: how it is kept until it is sent. */
export function encodeProof({ kind, args }: Proof): Hex {
  return encodeAbiParameters(parameter(kind), [args]);
}

export function decodeProof(kind: Proof["kind"], encoded: Hex): Proof {
  return { kind, args: decodeAbiParameters(parameter(kind), encoded)[0] } as Proof;
}

/** What the prover commits to before it shows the proof. */
export function commitmentOf(claimId: Hex, prover: Address, salt: Hex, { kind, args }: Proof): Hex {
  const common = { claimId, prover, salt };
  return kind === "element"
    ? elementCommitment({ ...common, proof: args })
    : outputCommitment({ ...common, proof: args });
}

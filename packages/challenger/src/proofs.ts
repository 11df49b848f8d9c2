import { type ElementProofArgs, type OutputProofArgs, refereeAbi } from "@assay/protocol";
import type { Program } from "@assay/program";
import type { StoredValues } from "@assay/service";
import { RootTree, tensorRoot } from "@assay/tensor";
import {
  type AbiParameter,
  type Address,
  decodeAbiParameters,
  encodeAbiParameters,
  getAbiItem,
  type Hex,
  keccak256,
  parseAbiParameters,
  toHex,
} from "viem";

/** A proof ready to be committed to. */
export type Proof =
  | { kind: "element"; args: ElementProofArgs }
  | { kind: "output"; args: OutputProofArgs };

function parameter(kind: Proof["kind"]): readonly [AbiParameter] {
  const name = kind === "element" ? "proveElement" : "proveOutput";
  return [getAbiItem({ abi: refereeAbi, name }).inputs[2]];
}

/** abi.encode of the proof, as the referee hashes it. */
export function encodeProof({ kind, args }: Proof): Hex {
  return encodeAbiParameters(parameter(kind), [args]);
}

export function decodeProof(kind: Proof["kind"], encoded: Hex): Proof {
  return { kind, args: decodeAbiParameters(parameter(kind), encoded)[0] } as Proof;
}

/** What the prover commits to before it shows the proof. */
export function commitmentOf(claimId: Hex, prover: Address, salt: Hex, encodedProof: Hex): Hex {
  return keccak256(
    encodeAbiParameters(parseAbiParameters("bytes32, address, bytes32, bytes32"), [
      claimId,
      prover,
      salt,
      keccak256(encodedProof),
    ]),
  );
}

/** Shows that output `output` of a claim is not the value that its trace has for it. */
export function proveOutput(
  program: Program,
  output: number,
  claimed: StoredValues,
  trace: StoredValues,
): OutputProofArgs {
  const claimedRoots = claimed.map(tensorRoot);
  const tracedRoots = trace.map(tensorRoot);
  const { index } = program.outputs[output]!;
  const path = (roots: readonly Uint8Array[], leaf: number) =>
    new RootTree(roots).path(leaf).map((node) => toHex(node));
  return {
    output,
    claimedRoot: toHex(claimedRoots[output]!),
    claimedPath: path(claimedRoots, output),
    tracedRoot: toHex(tracedRoots[index]!),
    tracedPath: path(tracedRoots, index),
  };
}

import { buildProofSteps, type CommittedRun, type Program } from "@assay/program";
import {
  type ElementProofArgs,
  elementCommitment,
  outputCommitment,
  outputElementCommitment,
  type OutputElementProofArgs,
  type OutputProofArgs,
  type ProofStepArgs,
  refereeAbi,
  segmentCommitment,
} from "@assay/protocol";
import type { RootTree } from "@assay/tensor";
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
export type Proof =
  | { kind: "element"; args: ElementProofArgs }
  /** An element whose proof takes several transactions. */
  | { kind: "steps"; args: readonly ProofStepArgs[] }
  | { kind: "output"; args: OutputProofArgs }
  /** An element of an output that has a tolerance. */
  | { kind: "outputElement"; args: OutputElementProofArgs };

const FUNCTIONS = {
  element: "proveElement",
  steps: "proveSegment",
  output: "proveOutput",
  outputElement: "proveOutputElement",
} as const;

function parameter(kind: Proof["kind"]): readonly [AbiParameter] {
  const { inputs } = getAbiItem({ abi: refereeAbi, name: FUNCTIONS[kind] }) as AbiFunction;
  if (kind === "steps") return [{ type: "tuple[]", components: [inputs[2]!, inputs[3]!] }];
  return [inputs[2]!];
}

/** The proof that an element is wrong, in one transaction or in steps. */
export function elementProof(
  program: Program,
  instructions: RootTree,
  run: CommittedRun,
  index: number,
  element: number,
): Proof {
  const steps = buildProofSteps(program, instructions, run, index, element);
  return steps.length === 1 ? { kind: "element", args: steps[0]!.proof } : { kind: "steps", args: steps };
}

/** abi.encode of a proof: how it is kept until it is sent. */
export function encodeProof({ kind, args }: Proof): Hex {
  return encodeAbiParameters(parameter(kind), [args]);
}

export function decodeProof(kind: Proof["kind"], encoded: Hex): Proof {
  return { kind, args: decodeAbiParameters(parameter(kind), encoded)[0] } as Proof;
}

/** What the prover commits to before it shows the proof. */
export function commitmentOf(claimId: Hex, prover: Address, salt: Hex, proof: Proof): Hex {
  const { kind, args } = proof;
  const common = { claimId, prover, salt };
  switch (kind) {
    case "element":
      return elementCommitment({ ...common, proof: args });
    case "steps":
      return segmentCommitment({ ...common, proof: args[0]!.proof });
    case "output":
      return outputCommitment({ ...common, proof: args });
    case "outputElement":
      return outputElementCommitment({ ...common, proof: args });
  }
}

import { Family, type Judgement, type Verdict } from "@assay/numerics";
import { decodeContractError, toAssayError, TRANSACTION_GAS_CAP, verifierAbi } from "@assay/protocol";
import type { ElementProof, ProofStep } from "@assay/program";
import { AssayError } from "@assay/tensor";
import {
  type Abi,
  type Address,
  createWalletClient,
  custom,
  decodeFunctionResult,
  type EIP1193Provider,
  encodeFunctionData,
  type Hash,
  type Hex,
  isHex,
  publicActions,
} from "viem";
import { hardhat as chain } from "viem/chains";
import { developmentAccount } from "./accounts.ts";
import { hardhatWithContracts } from "./hardhat.ts";

/** What a proof is checked against; `Roots` of contracts/proof/IVerifier.sol. */
export interface ProofRoots {
  instructionsRoot: Hash;
  instructionCount: number;
  constantsRoot: Hash;
  constantCount: number;
  inputRoot: Hash;
  inputCount: number;
  traceRoot: Hash;
}

/** The deployed Verifier with its kernels, on a chain inside this process. */
export interface ContractJudge {
  /** The contract's verdict; throws what it reverts with. */
  judge(roots: ProofRoots, proof: ElementProof): Promise<Judgement>;
  /** The same of a proof in one step or several. */
  judgeSteps(roots: ProofRoots, steps: readonly ProofStep[]): Promise<Judgement>;
  /** Gas and calldata of a transaction that does nothing but judge. */
  cost(roots: ProofRoots, proof: ElementProof): Promise<ProofCost>;
  /** The same of the first step of a proof, the dearest of `several`. */
  costOfStep(roots: ProofRoots, step: ProofStep, several: boolean): Promise<ProofCost>;
  /** Kernel contracts, in the order of the Solidity enum Family. */
  readonly kernels: readonly Address[];
  /** Deploys a further contract of this repository, for measurements and checks. */
  deploy(name: string): Promise<{ address: Address; abi: Abi }>;
  /** Calls a contract. */
  call(to: Address, data: Hex): Promise<Hex>;
  close(): Promise<void>;
}

export interface ProofCost {
  /** gasUsed of the receipt: intrinsic gas, calldata (with EIP-7623's floor) and execution. */
  gas: number;
  calldataBytes: number;
}

/** In the order of the Solidity enum Family. */
const KERNELS = Object.keys(Family).map((family) => `${family}Kernel`);

/**
 * Starts a chain without any port and deploys the Verifier.
 *
 * @param options.callGas gas of {@link ContractJudge.call}, where many elements are judged at once; default: that of a
 * transaction
 */
export async function startContractJudge(options: { callGas?: bigint } = {}): Promise<ContractJudge> {
  const hre = await hardhatWithContracts();
  const { callGas } = options;
  const connection = await hre.network.create({
    network: "hardhat",
    ...(callGas && { override: { blockGasLimit: callGas, transactionGasCap: callGas } }),
  });
  const client = createWalletClient({
    account: developmentAccount(0),
    chain,
    transport: custom(connection.provider as unknown as EIP1193Provider, { retryCount: 0 }),
    pollingInterval: 10,
  }).extend(publicActions);

  const deploy = async (name: string, args: readonly unknown[] = []): Promise<Address> => {
    const { abi, bytecode } = await hre.artifacts.readArtifact(name);
    const hash = await client.deployContract({
      abi: abi as Abi,
      bytecode: bytecode as Hex,
      args,
      gas: TRANSACTION_GAS_CAP,
    });
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success" || !receipt.contractAddress)
      throw new AssayError("DEPLOYMENT_FAILED", `${name} could not be deployed`);
    return receipt.contractAddress;
  };
  const kernels: Address[] = [];
  for (const name of KERNELS) kernels.push(await deploy(name));
  const verifier = await deploy("Verifier", [kernels]);

  const calldata = (roots: ProofRoots, proof: ElementProof) =>
    encodeFunctionData({ abi: verifierAbi, functionName: "judge", args: [roots, proof] });

  const foldCalldata = (roots: ProofRoots, { proof, segment }: ProofStep, state: Hex) => {
    const bounds = { first: BigInt(segment.first), count: BigInt(segment.count) };
    return encodeFunctionData({
      abi: verifierAbi,
      functionName: "fold",
      args: [roots, proof, bounds, state],
    });
  };
  const ask = async (data: Hex): Promise<Hex> => {
    try {
      return (await client.call({ to: verifier, data, gas: TRANSACTION_GAS_CAP })).data ?? "0x";
    } catch (error) {
      throw asContractError(error);
    }
  };
  const price = async (data: Hex): Promise<ProofCost> => {
    try {
      const hash = await client.sendTransaction({ to: verifier, data, gas: TRANSACTION_GAS_CAP });
      const { gasUsed } = await client.waitForTransactionReceipt({ hash });
      return { gas: Number(gasUsed), calldataBytes: (data.length - 2) / 2 };
    } catch (error) {
      throw asContractError(error);
    }
  };
  const judge = async (roots: ProofRoots, proof: ElementProof): Promise<Judgement> => {
    const data = await ask(calldata(roots, proof));
    return judgementOf(decodeFunctionResult({ abi: verifierAbi, functionName: "judge", data }));
  };

  return {
    judge,
    async judgeSteps(roots, steps) {
      if (steps.length === 1) return judge(roots, steps[0]!.proof);
      let state: Hex = "0x";
      let judgement: Judgement | undefined;
      for (const step of steps) {
        const data = await ask(foldCalldata(roots, step, state));
        const answer = decodeFunctionResult({ abi: verifierAbi, functionName: "fold", data });
        state = answer[0];
        if (answer[1]) judgement = judgementOf(answer[2]);
      }
      if (!judgement) throw new AssayError("PROOF_INCOMPLETE", "the steps do not reach the end of the box");
      return judgement;
    },
    cost: (roots, proof) => price(calldata(roots, proof)),
    costOfStep: (roots, step, several) =>
      price(several ? foldCalldata(roots, step, "0x") : calldata(roots, step.proof)),
    kernels,
    async deploy(name) {
      const { abi } = await hre.artifacts.readArtifact(name);
      return { address: await deploy(name), abi: abi as Abi };
    },
    async call(to, data) {
      const answer = await client.call({ to, data, gas: callGas ?? TRANSACTION_GAS_CAP });
      return answer.data ?? "0x";
    },
    close: () => connection.close(),
  };
}

function judgementOf(answer: { verdict: number } & Omit<Judgement, "verdict">): Judgement {
  const { verdict, exact, provable, integrity, scale } = answer;
  return { verdict: verdict as Verdict, exact, provable, integrity, scale };
}

/** In-process, the provider's own error carries the revert data. */
function asContractError(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { data } = cause as { data?: unknown };
    const bytes = typeof data === "object" && data !== null ? (data as { data?: unknown }).data : data;
    if (isHex(bytes) && bytes !== "0x") return decodeContractError(bytes, error);
  }
  return toAssayError(error);
}

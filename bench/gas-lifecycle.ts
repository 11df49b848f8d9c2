import {
  buildProofSteps,
  CommittedTensors,
  encodeHeader,
  instructionTree,
  programRoot,
} from "@assay/program";
import {
  type Claim,
  claimTypedData,
  Data,
  decodeEvents,
  elementCommitment,
  type PageArgs,
  ROOTS,
  segmentCommitment,
} from "@assay/protocol";
import { pageAnswer, pageArgs } from "@assay/service";
import { artifacts, network } from "hardhat";
import {
  type Abi,
  type Address,
  encodeFunctionData,
  type Hex,
  keccak256,
  type PublicClient,
  toHex,
  type TransactionReceipt,
  type WalletClient,
  zeroAddress,
  zeroHash,
} from "viem";
import Assay from "../ignition/modules/Assay.ts";
import type { GasCase } from "./gas-cases.ts";

const ZERO_SALT: Hex = zeroHash;
const FEE = 10n ** 18n;
const STAKE = 10n ** 24n;

interface Contract {
  address: Address;
  abi: Abi;
}
type Contracts = Record<
  "token" | "modelRegistry" | "stakeManager" | "market" | "referee" | "verifier",
  Contract
>;

/** Gas that a transaction used, from its receipt, and the bytes of its calldata. */
export interface Measured {
  gas: number;
  calldata: number;
}

/** A whole deployment on an in-process chain, with a requester, an executor and a challenger. */
export class Lifecycle {
  readonly #contracts: Contracts;
  readonly #client: PublicClient;
  readonly #wallets: { requester: WalletClient; executor: WalletClient; challenger: WalletClient };
  readonly #advance: (seconds: number) => Promise<void>;

  private constructor(
    contracts: Contracts,
    client: PublicClient,
    wallets: { requester: WalletClient; executor: WalletClient; challenger: WalletClient },
    advance: (seconds: number) => Promise<void>,
  ) {
    this.#contracts = contracts;
    this.#client = client;
    this.#wallets = wallets;
    this.#advance = advance;
  }

  static async create(): Promise<Lifecycle> {
    const { viem, ignition, networkHelpers } = await network.create();
    const deployed = (await ignition.deploy(Assay)) as unknown as Record<string, { address: Address }>;
    const names = {
      token: "DevToken",
      modelRegistry: "ModelRegistry",
      stakeManager: "StakeManager",
      market: "InferenceMarket",
      referee: "Referee",
      verifier: "Verifier",
    };
    const contracts: Record<string, Contract> = {};
    for (const [key, name] of Object.entries(names))
      contracts[key] = {
        address: deployed[key]!.address,
        abi: (await artifacts.readArtifact(name)).abi as Abi,
      };
    const [requester, executor, challenger] = await viem.getWalletClients();
    const lifecycle = new Lifecycle(
      contracts as Contracts,
      await viem.getPublicClient(),
      { requester: requester!, executor: executor!, challenger: challenger! },
      async (seconds) => void (await networkHelpers.time.increase(seconds)),
    );
    for (const wallet of [requester!, executor!, challenger!]) {
      await lifecycle.#send("token", "mint", [wallet.account.address, STAKE], wallet);
      const spender = lifecycle.#contracts.stakeManager.address;
      await lifecycle.#send("token", "approve", [spender, STAKE], wallet);
    }
    await lifecycle.#send("stakeManager", "deposit", [STAKE / 2n], executor!);
    return lifecycle;
  }

  /** Publishes a case's program and takes one claim from request to slash; gas of every step. */
  async dispute(test: GasCase): Promise<Record<string, Measured>> {
    const steps: Record<string, Measured> = {};
    const { claimId, run } = await this.#claim(test, steps);
    const { challenger, executor } = this.#wallets;
    await this.#measure(steps, "challenge", "referee", "challenge", [claimId], challenger);
    const reveal = [claimId, toHex(run.trace.root), "http://127.0.0.1:8000/v1/claims/"];
    await this.#measure(steps, "reveal", "referee", "revealTrace", reveal, executor);

    const parts = buildProofSteps(test.program, instructionTree(test.program), run, 0, test.element);
    const { proof } = parts[0]!;
    const of = { claimId, prover: challenger.account!.address, salt: ZERO_SALT, proof };
    const commitment = parts.length === 1 ? elementCommitment(of) : segmentCommitment(of);
    await this.#measure(steps, "commit", "referee", "commitProof", [claimId, commitment], challenger);
    await this.#advance(1);
    if (parts.length === 1) {
      const args = [claimId, ZERO_SALT, proof];
      await this.#measure(steps, "prove and settle", "referee", "proveElement", args, challenger);
    }
    let state: Hex = "0x";
    for (const [i, part] of (parts.length === 1 ? [] : parts).entries()) {
      const segment = { first: BigInt(part.segment.first), count: BigInt(part.segment.count) };
      const args = [claimId, ZERO_SALT, part.proof, segment, state];
      const step = `prove, step ${i + 1} of ${parts.length}`;
      const receipt = await this.#measure(steps, step, "referee", "proveSegment", args, challenger);
      for (const { eventName, args: advanced } of decodeEvents(receipt.logs))
        if (eventName === "ProofAdvanced") state = advanced.state;
    }
    const phase = Number(await this.#read("market", "phaseOf", [claimId]));
    if (phase !== SLASHED) throw new Error(`${test.name}: the claim is in phase ${phase}, not slashed`);
    return steps;
  }

  /** Takes one claim from request to finalisation; gas of every step. */
  async honest(test: GasCase): Promise<Record<string, Measured>> {
    const steps: Record<string, Measured> = {};
    const { claimId } = await this.#claim(test, steps);
    await this.#advance(24 * 3600);
    await this.#measure(steps, "finalise", "market", "finalise", [claimId], this.#wallets.executor);
    const payout = [this.#wallets.executor.account!.address];
    await this.#measure(
      steps,
      "collect payout",
      "stakeManager",
      "claimPayout",
      payout,
      this.#wallets.executor,
    );
    return steps;
  }

  /** Demands a page of the input's chunks, whole if it is large enough, and of the trace's roots; gas of every step. */
  async demands(test: GasCase): Promise<Record<string, Measured>> {
    const steps: Record<string, Measured> = {};
    const { claimId, run } = await this.#claim(test, steps);
    const { challenger, executor } = this.#wallets;
    const tensor = test.inputs.findIndex(({ length }) => length >= 2 ** 15);
    const exchange = async (page: PageArgs, tensors: CommittedTensors) => {
      const { nodes, path } = pageAnswer(tensors, page);
      const name = `page of ${(nodes.length - 2) / 64} nodes`;
      const demand = [claimId, page, "0x", [], STAKE];
      await this.#measure(steps, `demand: ${name}`, "referee", "demandData", demand, challenger);
      const answer = [claimId, page, nodes, path];
      await this.#measure(steps, `answer: ${name}`, "referee", "answerData", answer, executor);
    };
    await exchange(pageArgs(Data.Input, tensor, { height: 0, index: 0 }), run.inputs);
    await exchange(pageArgs(Data.Output, ROOTS, { height: 0, index: 0 }), run.trace);
    return steps;
  }

  async #claim(test: GasCase, steps: Record<string, Measured>) {
    const { requester, executor } = this.#wallets;
    const run = {
      inputs: new CommittedTensors(test.inputs),
      constants: new CommittedTensors(test.constants),
      trace: new CommittedTensors([test.trace]),
    };
    const header = encodeHeader(test.program, run.constants.root);
    const root = toHex(programRoot(header));
    const salt = keccak256(toHex(`${test.name} ${++this.#count}`));
    if (!this.#published.has(root))
      await this.#measure(
        steps,
        "publish program",
        "modelRegistry",
        "publishProgram",
        [toHex(header)],
        requester,
      );
    this.#published.add(root);
    const model = [salt, "bench", "", 0n];
    await this.#measure(steps, "create model", "modelRegistry", "createModel", model, requester);
    const modelId = await this.#read("modelRegistry", "modelIdOf", [requester.account!.address, salt]);
    const version = [modelId, root, keccak256(salt), ""];
    await this.#measure(steps, "add version", "modelRegistry", "addVersion", version, requester);

    const now = (await this.#client.getBlock()).timestamp;
    const params = {
      modelId,
      programRoot: root,
      inputRoot: toHex(run.inputs.root),
      inputs: "0x",
      inputsUri: "http://127.0.0.1:8000/inputs",
      fee: FEE,
      maxRoyalty: 0n,
      executor: executor.account!.address,
      deadline: now + 3600n,
      outputsInline: false,
      callback: zeroAddress,
      callbackGas: 0,
    };
    const requestId = await this.#read("market", "requestIdOf", [requester.account!.address, params]);
    await this.#measure(steps, "request (inputs by URI)", "market", "request", [params], requester);
    // The trace's only value is the claim's only output.
    const claim = {
      requestId: requestId as Hex,
      programRoot: root,
      inputRoot: params.inputRoot,
      outputRoot: toHex(run.trace.root),
      traceRoot: zeroHash,
      executor: params.executor,
    };
    const signature = await this.#sign(claim);
    await this.#measure(steps, "claim", "market", "postClaim", [claim, signature, "0x"], executor);
    const claimId = (await this.#read("market", "claimIdOf", [claim])) as Hex;
    return { claimId, run };
  }

  #count = 0;
  readonly #published = new Set<Hex>();

  async #sign(claim: Claim): Promise<Hex> {
    const chainId = await this.#client.getChainId();
    return this.#wallets.executor.signTypedData({
      account: this.#wallets.executor.account!,
      ...claimTypedData({ chainId, inferenceMarket: this.#contracts.market.address }, claim),
    });
  }

  async #measure(
    steps: Record<string, Measured>,
    step: string,
    contract: keyof Contracts,
    functionName: string,
    args: unknown[],
    wallet: WalletClient,
  ): Promise<TransactionReceipt> {
    const receipt = await this.#send(contract, functionName, args, wallet);
    const data = encodeFunctionData({ abi: this.#contracts[contract].abi, functionName, args });
    steps[step] = { gas: Number(receipt.gasUsed), calldata: (data.length - 2) / 2 };
    return receipt;
  }

  async #send(
    contract: keyof Contracts,
    functionName: string,
    args: unknown[],
    wallet: WalletClient,
  ): Promise<TransactionReceipt> {
    const { address, abi } = this.#contracts[contract];
    const hash = await wallet.writeContract({
      address,
      abi,
      functionName,
      args,
      account: wallet.account!,
      chain: null,
      // EIP-7825: no transaction may have more.
      gas: 2n ** 24n,
    });
    const receipt = await this.#client.getTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${functionName} reverted in ${hash}`);
    return receipt;
  }

  async #read(contract: keyof Contracts, functionName: string, args: unknown[]): Promise<unknown> {
    const { address, abi } = this.#contracts[contract];
    return this.#client.readContract({ address, abi, functionName, args });
  }
}

/** `Phase.Slashed` of contracts/protocol/ClaimLife.sol. */
const SLASHED = 10;

/** A deployment with governance on an in-process chain, and what it takes to get a proposal through. */
import { artifacts } from "hardhat";
import {
  type Abi,
  type AbiFunction,
  type Address,
  decodeEventLog,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  sha256,
  toHex,
  zeroAddress,
  zeroHash,
} from "viem";
import Assay from "../../ignition/modules/Assay.ts";
import { DEFAULT_GOVERNANCE, DEFAULT_TERMS } from "../../ignition/defaultTerms.ts";
import { connect, ignitionOptions } from "./node.ts";

export interface Contract {
  readonly address: Address;
  readonly abi: Abi;
}

const NAMES = {
  token: "DevToken",
  modelRegistry: "ModelRegistry",
  stakeManager: "StakeManager",
  market: "InferenceMarket",
  referee: "Referee",
  verifier: "Verifier",
  kernelVersions: "KernelVersions",
  accessManager: "AccessManager",
  timelock: "TimelockController",
  governor: "AssayGovernor",
  votes: "AssayVotes",
} as const;

export type Name = keyof typeof NAMES;
export type Parliament = Awaited<ReturnType<typeof openParliament>>;

export interface Action {
  readonly target: Contract;
  readonly functionName: string;
  readonly args: readonly unknown[];
}

export const TERMS = { ...DEFAULT_TERMS };

/** @param sameTime whether two blocks may have one timestamp, as on chains that are faster than a second */
export async function openParliament({ sameTime = false } = {}) {
  const connection = await connect({ allowBlocksWithSameTimestamp: sameTime });
  const { viem, ignition, networkHelpers } = connection;
  const deployed = (await ignition.deploy(Assay, ignitionOptions())) as unknown as Record<
    Name,
    { address: Address }
  >;
  const contracts = {} as Record<Name, Contract>;
  for (const [key, name] of Object.entries(NAMES) as [Name, string][])
    contracts[key] = {
      address: deployed[key].address,
      abi: (await artifacts.readArtifact(name)).abi as Abi,
    };
  const client = await viem.getPublicClient();
  const [holder, voter, stranger, executor, requester, prover] = await viem.getWalletClients();
  type Wallet = NonNullable<typeof holder>;
  const people = {
    holder: holder!,
    voter: voter!,
    stranger: stranger!,
    executor: executor!,
    requester: requester!,
    prover: prover!,
  };

  const read = (contract: Contract, functionName: string, args: readonly unknown[] = []): Promise<unknown> =>
    client.readContract({ ...contract, functionName, args });
  const send = async (wallet: Wallet, { target, functionName, args }: Action) => {
    const hash = await wallet.writeContract({
      ...target,
      functionName,
      args: [...args],
      chain: null,
      account: wallet.account,
    });
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
    return receipt;
  };
  const pass = async (seconds: number) => void (await networkHelpers.time.increase(seconds));

  /** Arguments of the governor's queue and execute. */
  const ballot = (actions: readonly Action[], description: string) => [
    actions.map(({ target }) => target.address),
    actions.map(() => 0n),
    actions.map(({ target: { abi }, functionName, args }) => encodeFunctionData({ abi, functionName, args })),
    keccak256(toHex(description)),
  ];
  const governor = contracts.governor;
  const onGovernor = (functionName: string, args: readonly unknown[]): Action => ({
    target: governor,
    functionName,
    args,
  });
  /** Proposes, votes for it and waits until it can be queued. */
  const vote = async (actions: readonly Action[], description: string) => {
    const args = ballot(actions, description);
    await send(people.voter, onGovernor("propose", [...args.slice(0, 3), description]));
    const id = await read(governor, "hashProposal", args);
    await pass(DEFAULT_GOVERNANCE.votingDelay + 1);
    await send(people.voter, onGovernor("castVote", [id, 1]));
    await pass(DEFAULT_GOVERNANCE.votingPeriod + 1);
    return args;
  };
  /** The whole way; execution is a stranger's. */
  const enact = async (actions: readonly Action[], description: string) => {
    const args = await vote(actions, description);
    await send(people.stranger, onGovernor("queue", args));
    await pass(DEFAULT_GOVERNANCE.timelockDelay + 1);
    return send(people.stranger, onGovernor("execute", args));
  };

  /** All the votes there are: the majority that may be malicious. */
  const supply = await read(contracts.votes, "totalSupply");
  await send(people.holder, {
    target: contracts.votes,
    functionName: "transfer",
    args: [people.voter.account.address, supply],
  });
  await send(people.voter, {
    target: contracts.votes,
    functionName: "delegate",
    args: [people.voter.account.address],
  });
  // Votes count that were there the second before.
  await pass(2);
  for (const wallet of [people.executor, people.requester, people.prover]) {
    const amount = 10n ** 24n;
    await send(wallet, {
      target: contracts.token,
      functionName: "mint",
      args: [wallet.account.address, amount],
    });
    await send(wallet, {
      target: contracts.token,
      functionName: "approve",
      args: [contracts.stakeManager.address, amount],
    });
  }
  await send(people.executor, {
    target: contracts.stakeManager,
    functionName: "deposit",
    args: [50n * TERMS.collateral],
  });

  /** A program of one instruction, which nobody could run; the contracts do not know. */
  const publish = async (version: number) => {
    const port = (name: string) => ({
      name,
      dtype: 1,
      dims: [2n],
      order: [0],
      factors: [2n],
      index: 0,
      toleranceAbsolute: 0,
      toleranceRelative: 0,
    });
    const decode = contracts.modelRegistry.abi.find(
      (item): item is AbiFunction => item.type === "function" && item.name === "decodeHeader",
    )!;
    const header = encodeAbiParameters(decode.outputs, [
      {
        version,
        accuracyProfile: 1,
        instructionsRoot: toHex("instructions", { size: 32 }),
        instructionCount: 1,
        constantsRoot: zeroHash,
        constantCount: 0,
        inputs: [port("x")],
        outputs: [port("y")],
      },
    ]);
    await send(people.holder, {
      target: contracts.modelRegistry,
      functionName: "publishProgram",
      args: [header],
    });
    const programRoot = sha256(header);
    const salt = toHex(`model ${version}`, { size: 32 });
    await send(people.holder, {
      target: contracts.modelRegistry,
      functionName: "createModel",
      args: [salt, "model", "", 0n],
    });
    const modelId = (await read(contracts.modelRegistry, "modelIdOf", [
      people.holder.account.address,
      salt,
    ])) as Hex;
    await send(people.holder, {
      target: contracts.modelRegistry,
      functionName: "addVersion",
      args: [modelId, programRoot, toHex("artifact", { size: 32 }), ""],
    });
    return { programRoot, modelId };
  };

  const ask = async ({ programRoot, modelId }: { programRoot: Hex; modelId: Hex }) => {
    const { timestamp } = await client.getBlock();
    const params = {
      modelId,
      programRoot,
      inputRoot: zeroHash,
      inputs: "0x",
      inputsUri: "ipfs://input",
      fee: 10n ** 18n,
      maxRoyalty: 0n,
      executor: zeroAddress,
      deadline: timestamp + 29n * 86_400n,
      outputsInline: false,
      callback: zeroAddress,
      callbackGas: 0,
    };
    const requestId = (await read(contracts.market, "requestIdOf", [
      people.requester.account.address,
      params,
    ])) as Hex;
    await send(people.requester, { target: contracts.market, functionName: "request", args: [params] });
    return { requestId, programRoot };
  };

  /** Eager: proofs are possible at once. */
  const claim = async ({ requestId, programRoot }: { requestId: Hex; programRoot: Hex }, eager = true) => {
    const message = {
      requestId,
      programRoot,
      inputRoot: zeroHash,
      outputRoot: toHex("output", { size: 32 }),
      traceRoot: eager ? toHex("trace", { size: 32 }) : zeroHash,
      executor: people.executor.account.address,
    };
    const claimId = (await read(contracts.market, "claimIdOf", [message])) as Hex;
    const word = (name: string) => ({ name, type: "bytes32" }) as const;
    const signature = await people.executor.signTypedData({
      account: people.executor.account,
      domain: {
        name: "Assay",
        version: "1",
        chainId: await client.getChainId(),
        verifyingContract: contracts.market.address,
      },
      types: {
        Claim: [
          ...["requestId", "programRoot", "inputRoot", "outputRoot", "traceRoot"].map(word),
          { name: "executor", type: "address" },
        ],
      },
      primaryType: "Claim",
      message,
    });
    await send(people.executor, {
      target: contracts.market,
      functionName: "postClaim",
      args: [message, signature, "0x"],
    });
    return claimId;
  };

  return {
    ...contracts,
    contracts,
    client,
    people,
    read,
    send,
    pass,
    vote,
    enact,
    onGovernor,
    publish,
    ask,
    claim,
    deploy: async (name: string): Promise<Address> => {
      const { address } = (await viem.deployContract(name as never)) as { address: Address };
      return address;
    },
    event: (
      receipt: { logs: readonly { address: Address; data: Hex; topics: readonly Hex[] }[] },
      of: Contract,
      name: string,
    ) =>
      receipt.logs.flatMap(({ address, data, topics }) => {
        if (address.toLowerCase() !== of.address.toLowerCase()) return [];
        const log = decodeEventLog({
          abi: of.abi,
          data,
          topics: [...topics] as [Hex, ...Hex[]],
          strict: false,
        });
        return log.eventName === name ? [log.args as unknown] : [];
      }),
    provider: connection.provider,
    close: () => connection.close(),
  };
}

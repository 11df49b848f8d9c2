import {
  type ArtifactResolver,
  deploy,
  DeploymentResultType,
  type EIP1193Provider,
} from "@nomicfoundation/ignition-core";
import type { AssayClient, Deployment } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { type Address, getAddress, type Hex, numberToHex } from "viem";
import { getBlockNumber, getChainId, sendTransaction } from "viem/actions";
import assayModule from "../../../ignition/modules/Assay.ts";
import assayOnTokenModule from "../../../ignition/modules/AssayOnToken.ts";
import { hardhatWithContracts } from "./hardhat.ts";

/** Amounts in token units, times in seconds; see ignition/defaultTerms.ts for the defaults. */
export interface DeploymentTerms {
  collateral?: bigint;
  challengeBond?: bigint;
  voidCostCap?: bigint;
  bountyBps?: number;
  compensationBps?: number;
  challengeWindow?: number;
  revealWindow?: number;
  proofWindow?: number;
  dataPrice?: bigint;
  answerWindow?: number;
  demandInterval?: number;
  withdrawalDelay?: number;
  callbackGasCap?: number;
  votesHolder?: Address;
  votesSupply?: bigint;
  votingDelay?: number;
  votingPeriod?: number;
  timelockDelay?: number;
  proposalThreshold?: bigint;
  quorumPercent?: number;
  /** Of claims in batches; the windows are the same. */
  batchCollateral?: bigint;
  batchChallengeBond?: bigint;
  batchVoidCostCap?: bigint;
  batchDataPrice?: bigint;
  closeDelay?: number;
  priceUnit?: bigint;
  claimDelay?: number;
  filingWindow?: number;
  inclusionWindow?: number;
}

export interface DeployAssayOptions extends DeploymentTerms {
  /** An ERC-20 that exists; default: a worthless development token is deployed. */
  token?: Address;
}

/**
 * Deploys all contracts with Hardhat Ignition (ignition/modules) and wires them.
 *
 * @example
 * const deployment = await deployAssay(walletClient, { challengeWindow: 120 });
 */
export async function deployAssay(
  client: AssayClient,
  options: DeployAssayOptions = {},
): Promise<Deployment> {
  const account = client.account;
  if (account === undefined)
    throw new AssayError("ACCOUNT_MISSING", "a deployment needs an account to send from");
  const { token, ...terms } = options;
  const [hre, block, chainId] = await Promise.all([
    hardhatWithContracts(),
    getBlockNumber(client),
    getChainId(client),
  ]);
  const parameters = Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
  const common = {
    provider: provider(client),
    artifactResolver: {
      loadArtifact: async (name) => await hre.artifacts.readArtifact(name),
      getBuildInfo: async () => undefined,
    } satisfies ArtifactResolver,
    accounts: [account.address],
    defaultSender: account.address,
    // A development chain has a block for every transaction and no reorgs.
    ...(chainId === 31337 && { config: { requiredConfirmations: 1, blockPollingInterval: 50 } }),
  };
  const result =
    token === undefined
      ? await deploy({
          ...common,
          ignitionModule: assayModule,
          deploymentParameters: { Assay: parameters },
        })
      : await deploy({
          ...common,
          ignitionModule: assayOnTokenModule,
          deploymentParameters: { AssayOnToken: { ...parameters, token } },
        });
  if (result.type !== DeploymentResultType.SUCCESSFUL_DEPLOYMENT)
    throw new AssayError("DEPLOYMENT_FAILED", `the deployment failed: ${describeFailure(result)}`, {
      hint: "the account needs the chain's own currency, and terms must be within the ranges in contracts/protocol/Terms.sol",
    });
  const addresses = Object.fromEntries(
    // "Assay#BatchReferee": the contract's name, or what the module calls a second one of that name.
    Object.values(result.contracts).map(({ id, address }) => [id.split("#")[1]!, getAddress(address)]),
  );
  return {
    chainId,
    block: Number(block),
    token: token ?? addresses.DevToken!,
    modelRegistry: addresses.ModelRegistry!,
    stakeManager: addresses.StakeManager!,
    inferenceMarket: addresses.InferenceMarket!,
    referee: addresses.Referee!,
    verifier: addresses.Verifier!,
    governance: {
      kernelVersions: addresses.KernelVersions!,
      accessManager: addresses.AccessManager!,
      timelock: addresses.TimelockController!,
      governor: addresses.AssayGovernor!,
      votes: addresses.AssayVotes!,
    },
    batchMarket: addresses.BatchMarket!,
    batchReferee: addresses.BatchReferee!,
    receiptFaults: addresses.ReceiptFaults!,
    baitRegistry: addresses.BaitRegistry!,
  };
}

/** What Ignition reports of each step that went wrong. */
function describeFailure(result: object): string {
  const { errors, exceptions, failed } = result as {
    errors?: Record<string, string[]>;
    exceptions?: Record<string, string[]>;
    failed?: { futureId: string; error: string }[];
  };
  const lists = [...Object.entries(errors ?? {}), ...Object.entries(exceptions ?? {})];
  return [
    ...lists.map(([id, texts]) => `${id}: ${texts.join(", ")}`),
    ...(failed ?? []).map(({ futureId, error }) => `${futureId}: ${error}`),
  ].join("; ");
}

/** The client as an EIP-1193 provider that signs with the client's account. */
function provider(client: AssayClient): EIP1193Provider {
  return {
    async request({ method, params }) {
      const account = client.account!;
      if (method === "eth_accounts") return [account.address];
      if (method === "eth_sendTransaction") {
        const [transaction] = params as [Record<string, Hex>];
        const amount = (key: string) =>
          transaction[key] === undefined ? {} : { [key]: BigInt(transaction[key]) };
        return sendTransaction(client, {
          account,
          chain: null,
          to: transaction.to ?? null,
          data: transaction.data ?? "0x",
          ...amount("gas"),
          ...amount("value"),
          ...amount("maxFeePerGas"),
          ...amount("maxPriorityFeePerGas"),
          ...(transaction.nonce !== undefined && { nonce: Number(transaction.nonce) }),
        } as never);
      }
      if (method === "eth_chainId") return numberToHex(await getChainId(client));
      return client.request({ method, params } as never);
    },
  };
}

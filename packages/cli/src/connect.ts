import { type Deployment, MOST_ANSWER_BYTES, readDeployment, toAssayError } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import {
  type Account,
  type Chain,
  createClient,
  defineChain,
  http,
  type LocalAccount,
  publicActions,
} from "viem";
import { getChainId } from "viem/actions";
import { hardhat } from "viem/chains";
import { accountOf, DEVELOPMENT_CHAIN } from "./accounts.ts";
import type { AccountOptions, ChainOptions } from "./options.ts";

/** The chain behind an RPC server; asks it for its id. */
export async function chainAt(rpc: string): Promise<Chain> {
  const transport = http(rpc, { timeout: 30_000, retryCount: 1 });
  let id: number;
  try {
    id = await getChainId(createClient({ transport }));
  } catch (error) {
    const known = toAssayError(error);
    throw known instanceof AssayError && known.code === "RPC_UNREACHABLE"
      ? new AssayError("RPC_UNREACHABLE", `no RPC server answers at ${withoutSecrets(rpc)}`, {
          hint: "start a local chain with `assay chain`, or name the server with --rpc",
          cause: error,
        })
      : known;
  }
  if (id === DEVELOPMENT_CHAIN) return hardhat;
  return defineChain({
    id,
    name: `chain ${id}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpc] } },
  });
}

/** RPC addresses often carry an API key. */
function withoutSecrets(rpc: string): string {
  return new URL(rpc).origin;
}

function clientFor(rpc: string, chain: Chain, account?: Account) {
  return createClient({
    chain,
    transport: http(rpc, { timeout: 60_000, maxResponseBodySize: MOST_ANSWER_BYTES }),
    pollingInterval: chain.id === DEVELOPMENT_CHAIN ? 200 : 4_000,
    ...(account !== undefined && { account }),
  }).extend(publicActions);
}

/** A client that can only read, and the deployment; checks that they are about the same chain. */
export async function connect(options: ChainOptions) {
  const [chain, deployment] = await Promise.all([chainAt(options.rpc), readDeployment(options.deployment)]);
  await checkDeployment(options, chain, deployment);
  return { client: clientFor(options.rpc, chain), chain, deployment };
}

/** As {@link connect}, with an account to send from. */
export async function connectAccount(options: ChainOptions & AccountOptions) {
  const { chain, deployment } = await connect(options);
  const account = await accountOf(options, chain.id);
  return { client: clientFor(options.rpc, chain, account), chain, deployment, account };
}

/** An account on a chain without a deployment yet. */
export async function connectToDeploy(options: { rpc: string } & AccountOptions) {
  const chain = await chainAt(options.rpc);
  const account: LocalAccount = await accountOf(options, chain.id);
  return { client: clientFor(options.rpc, chain, account), chain, account };
}

async function checkDeployment(options: ChainOptions, chain: Chain, deployment: Deployment): Promise<void> {
  if (deployment.chainId !== chain.id)
    throw new AssayError(
      "WRONG_CHAIN",
      `${options.deployment} is about chain ${deployment.chainId}, the RPC server serves chain ${chain.id}`,
      { hint: "name another file with --deployment, or another server with --rpc" },
    );
  const code = await clientFor(options.rpc, chain).getCode({ address: deployment.inferenceMarket });
  if (code === undefined)
    throw new AssayError("NOT_DEPLOYED", `there is no contract at ${deployment.inferenceMarket}`, {
      hint: "was the local chain restarted? then run `assay deploy` again",
    });
}

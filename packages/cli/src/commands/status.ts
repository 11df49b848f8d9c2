import { Command, Option } from "commander";
import { balanceOf, getTerms, stakeOf } from "@assay/protocol";
import { type Address, formatEther } from "viem";
import { getBalance, getBlock } from "viem/actions";
import { accountOf } from "../accounts.ts";
import { connect } from "../connect.ts";
import { openClaims, openOrders, workOf } from "../open-work.ts";
import {
  type AccountOptions,
  address,
  amountOption,
  type ChainOptions,
  integer,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, table, time } from "../output.ts";
import { versions } from "../versions.ts";

interface Options extends ChainOptions, AccountOptions {
  blocks?: number;
  minBalance: bigint;
  maxLag: number;
}

/** For monitoring: 0 is fine, 1 the command itself failed. */
const WARNING = 3;
const CRITICAL = 4;

export function statusCommand(): Command {
  const command = new Command("status")
    .description(
      "how an account stands: stake, open claims, batches and challenges, their next deadlines, balances",
    )
    .argument("[address]", "whose; default: the account of --keystore, --signer, --key or --account", address)
    .addOption(
      new Option(
        "--blocks <n>",
        "look for claims in the last n blocks only; default: all since the deployment",
      ).argParser(integer(1)),
    )
    .addOption(
      amountOption(
        "--min-balance <wei>",
        "warn when less of the chain's own currency is left",
        50_000_000_000_000_000n,
      ),
    )
    .option(
      "--max-lag <seconds>",
      "warn when the newest block is older (not on chain 31337)",
      integer(),
      180,
    );
  return withExample(
    withAccount(withChain(command)),
    "assay status --account 3",
    "assay status 0x90F7… --json   # exit code 0: fine, 3: warning, 4: critical, 1: could not be told",
  ).action(runStatus);
}

async function runStatus(whose: Address | undefined, options: Options): Promise<void> {
  const { client, chain, deployment } = await connect(options);
  const account = whose ?? (await accountOf(options, chain.id)).address;
  const block = await getBlock(client);
  const since = options.blocks === undefined ? 0n : block.number - BigInt(options.blocks);
  const fromBlock = since > BigInt(deployment.block) ? since : BigInt(deployment.block);
  const [terms, stake, tokens, balance, events] = await Promise.all([
    getTerms(client, { deployment }),
    stakeOf(client, { deployment, account }),
    balanceOf(client, { deployment, account }),
    getBalance(client, { address: account }),
    workOf(client, deployment, account, { fromBlock, toBlock: block.number }),
  ]);
  const open = await openClaims(client, deployment, events, account, block.timestamp);
  const { batches, demands } = openOrders(events, account, block.timestamp);
  const age = Math.floor(Date.now() / 1000) - Number(block.timestamp);
  const isExecutor = stake.free + stake.locked + stake.withdrawing > 0n;
  const problems = [
    ...open
      .filter(({ todo }) => todo !== null)
      .map(({ claimId, todo }) => ({ level: "critical", what: `${claimId}: ${todo}` })),
    ...demands.map(({ receiptHash, todo }) => ({
      level: "critical",
      what: `receipt ${receiptHash}: ${todo}`,
    })),
    ...(balance < options.minBalance
      ? [{ level: "warning", what: `only ${formatEther(balance)} of the chain's currency is left for gas` }]
      : []),
    ...(isExecutor && stake.free < terms.collateral
      ? [
          {
            level: "warning",
            what: `the free stake, ${stake.free}, does not cover another claim (${terms.collateral})`,
          },
        ]
      : []),
    ...(chain.id !== 31337 && age > options.maxLag
      ? [{ level: "warning", what: `the newest block is ${age} s old: does the node lag?` }]
      : []),
  ];
  const critical = problems.some(({ level }) => level === "critical");
  const result = {
    status: critical ? "critical" : problems.length > 0 ? "warning" : "ok",
    problems,
    account,
    chain: { chainId: chain.id, block: block.number, blockTime: block.timestamp, ageSeconds: age },
    deployment,
    stake,
    balances: { native: balance, tokens },
    open,
    batches,
    demands,
    versions: versions(),
  };
  print(options.json, result, () => [
    ...table([
      ["status", result.status],
      ["account", account],
      ["chain", `${chain.id}, block ${block.number} of ${time(block.timestamp)}`],
      ["market", deployment.inferenceMarket],
      ["free stake", String(stake.free)],
      ["locked in claims", String(stake.locked)],
      [
        "being withdrawn",
        stake.withdrawing === 0n ? "0" : `${stake.withdrawing} from ${time(stake.withdrawableAt)}`,
      ],
      ["payout to collect", String(stake.payout)],
      ["tokens", String(tokens)],
      ["for gas", formatEther(balance)],
      [
        "versions",
        Object.entries(result.versions)
          .map((each) => each.join(" "))
          .join(", "),
      ],
    ]),
    "",
    open.length + batches.length === 0 ? "nothing is open" : "open:",
    ...open.map(
      ({ claimId, role, phase, deadline }) =>
        `  ${claimId}  ${role}  ${phase}  ${deadline === null ? "to be settled" : `until ${time(deadline)}`}`,
    ),
    ...batches.map(
      ({ batchId, claims, deadline }) => `  ${batchId}  batch of ${claims}  until ${time(deadline)}`,
    ),
    ...problems.map(({ level, what }) => `${level}: ${what}`),
  ]);
  if (problems.length > 0) process.exitCode = critical ? CRITICAL : WARNING;
}

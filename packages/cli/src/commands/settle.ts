import { Command } from "commander";
import { expire, getClaim, getRequest, ZERO_ROOT } from "@assay/protocol";
import type { Hash } from "viem";
import { connectAccount } from "../connect.ts";
import {
  type AccountOptions,
  type ChainOptions,
  hash,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print } from "../output.ts";
import { settleClaim } from "../settle-claim.ts";

export function settleCommand(): Command {
  const command = new Command("settle")
    .description("end a request whose deadlines have passed: finalise, void, slash or refund it; anyone may")
    .argument("<request-id>", "the request", hash);
  return withExample(withAccount(withChain(command)), "assay settle 0x12ab… --account 2").action(runSettle);
}

async function runSettle(requestId: Hash, options: ChainOptions & AccountOptions): Promise<void> {
  const { client, deployment } = await connectAccount(options);
  const { claimId } = await getRequest(client, { deployment, requestId });
  if (claimId === ZERO_ROOT) await expire(client, { deployment, requestId });
  else await settleClaim(client, deployment, claimId);
  const { status } = await getRequest(client, { deployment, requestId });
  const phase = claimId === ZERO_ROOT ? undefined : (await getClaim(client, { deployment, claimId })).phase;
  print(options.json, { requestId, claimId, status, phase }, () => [
    phase === undefined ? `the request is ${status}` : `claim ${claimId} is ${phase}`,
    "`assay payout` collects what it credited",
  ]);
}

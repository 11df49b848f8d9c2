import { Command } from "commander";
import {
  expire,
  finalise,
  getClaim,
  getRequest,
  settleImprecise,
  settleUnrevealed,
  ZERO_ROOT,
  demandsIn,
  getHistory,
  settleWithheld,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
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
  else await settleClaim();
  const { status } = await getRequest(client, { deployment, requestId });
  const phase = claimId === ZERO_ROOT ? undefined : (await getClaim(client, { deployment, claimId })).phase;
  print(options.json, { requestId, claimId, status, phase }, () => [
    phase === undefined ? `the request is ${status}` : `claim ${claimId} is ${phase}`,
    "`assay payout` collects what it credited",
  ]);

  async function settleClaim(): Promise<void> {
    const { phase } = await getClaim(client, { deployment, claimId });
    if (phase === "Finalisable") await finalise(client, { deployment, claimId });
    else if (phase === "Voidable") await settleImprecise(client, { deployment, claimId });
    else if (phase === "Unrevealed") await settleUnrevealed(client, { deployment, claimId });
    else if (phase === "Withheld") {
      const demands = demandsIn(await getHistory(client, { deployment, id: claimId }));
      const { page } = demands.find(({ status }) => status === "open")!;
      await settleWithheld(client, { deployment, claimId, page });
    } else
      throw new AssayError("NOT_SETTLEABLE", `claim ${claimId} is ${phase}: there is nothing to settle`, {
        hint: "`assay claim show` lists what can be done now and by when",
      });
  }
}

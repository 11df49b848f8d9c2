import {
  type AssayClient,
  demandsIn,
  type Deployment,
  finalise,
  getClaim,
  getHistory,
  settleImprecise,
  settleUnrevealed,
  settleWithheld,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Hash } from "viem";

/** Ends a claim whose deadlines have passed, whichever way it ends; throws `NOT_SETTLEABLE`. */
export async function settleClaim(client: AssayClient, deployment: Deployment, claimId: Hash): Promise<void> {
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

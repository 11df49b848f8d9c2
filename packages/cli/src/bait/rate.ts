import { randomInt } from "node:crypto";
import { type AssayClient, blockAt, type Deployment, getEvents } from "@assay/protocol";
import { getBlock } from "viem/actions";

/** How many baits are a share of the claims of the last hours; whether the rest is one more is drawn. */
export async function baitsAtRate(
  client: AssayClient,
  deployment: Deployment,
  { rate, hours }: { rate: number; hours: number },
): Promise<{ claims: number; baits: number }> {
  const { timestamp } = await getBlock(client);
  const fromBlock = await blockAt(client, deployment, timestamp - BigInt(hours * 3600));
  const posted = await getEvents(client, { deployment, fromBlock, eventNames: ["ClaimPosted"] });
  const claims = posted.length;
  const wanted = rate * claims;
  const more = randomInt(2 ** 32) / 2 ** 32 < wanted % 1 ? 1 : 0;
  return { claims, baits: Math.floor(wanted) + more };
}

import type { Deployment } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { readNote, writeNote } from "./follow.ts";
import type { Store } from "./store.ts";

interface Owner {
  /** Address of the account. */
  self: string;
  deployment: Pick<Deployment, "chainId" | "inferenceMarket">;
}

/** Makes a new store `me`'s: one belongs to one account on one deployment. Throws `STORE_FOREIGN` if it has another. */
export async function checkOwner(store: Store, me: Owner): Promise<void> {
  const mine = `${me.deployment.chainId}:${me.deployment.inferenceMarket}:${me.self}`.toLowerCase();
  const owner = await readNote(store, "owner");
  if (owner === undefined) await writeNote(store, "owner", mine);
  else if (owner !== mine)
    throw new AssayError("STORE_FOREIGN", `the data folder belongs to ${owner}, not ${mine}`, {
      hint: "use another data folder, or database, for each account and deployment",
    });
}

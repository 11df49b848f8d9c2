import {
  Data,
  type Demand,
  demandData,
  demandsIn,
  getDemandPrice,
  type PageArgs,
  reclaimDemand,
  ROOTS,
  settleWithheld,
} from "@assay/protocol";
import type { Program } from "@assay/program";
import {
  type Chain,
  dataSizes,
  hasCode,
  type Logger,
  pageArgs,
  pageInstruction,
  placeOf,
  rootOf,
  samePage,
  type Serial,
  shownData,
} from "@assay/service";
import { AssayError, chunkPages, CHUNK, KnownNodes, pageNodes, PatchedTree } from "@assay/tensor";
import type { Hex } from "viem";

export interface DemandContext {
  chain: Chain;
  /** Most token units to have in demands of one claim, answered ones included; undefined: half of its bounty. */
  maxDemandSpend: bigint | undefined;
  /** One demand at a time, so that no two count on the same rest of what may be spent. */
  bonding: Serial;
  log: Logger;
}

/** The demands of a claim so far. */
export async function demandsOf(chain: Chain, claimId: Hex): Promise<Demand[]> {
  return demandsIn(await chain.history(claimId));
}

/**
 * Demands pages of a claim that nobody has demanded yet, as far as the limit on spending goes. What others have demanded
 * serves as well. Throws `DEMAND_LIMIT` when not even the first one may be paid.
 */
export async function demandPages(
  { chain, maxDemandSpend, bonding, log }: DemandContext,
  program: Program,
  claimId: Hex,
  pages: readonly PageArgs[],
): Promise<void> {
  await bonding.run(async () => {
    const claim = await chain.claim(claimId);
    if (claim === undefined) return;
    const { collateral, bountyBps } = claim.terms;
    const limit = maxDemandSpend ?? (collateral * BigInt(bountyBps)) / 20_000n;
    const demands = await demandsOf(chain, claimId);
    const missing = pages.filter((page) => !demands.some((demand) => samePage(demand.page, page)));
    let spent = demands
      .filter(({ demander, status }) => sameAddress(demander, chain.self) && status !== "returned")
      .reduce((sum, { reward, burned }) => sum + reward + burned, 0n);
    for (const [i, page] of missing.entries()) {
      const nodes = pageNodes(treeSize(program, page), placeOf(page));
      const { reward, burned } = await getDemandPrice(chain.client, {
        deployment: chain.deployment,
        claimId,
        nodes,
      });
      if (spent + reward + burned > limit) {
        // What could be paid is demanded; its answers may be enough.
        if (i > 0) return;
        throw new AssayError(
          "DEMAND_LIMIT",
          `a demand for ${reward + burned} would exceed the limit, ${limit}`,
          {
            hint: "tried again until the window ends: the price falls, and others may demand; raise maxDemandSpend",
          },
        );
      }
      try {
        const maxBond = limit - spent;
        const transaction = await chain.send(demandData, {
          claimId,
          page,
          ...pageInstruction(program, page),
          maxBond,
        });
        log.warn({ transaction, ...describe(page), bond: (reward + burned).toString() }, "data demanded");
        spent += reward + burned;
      } catch (error) {
        if (!hasCode(error, "AlreadyDemanded")) throw error;
      }
    }
  });
}

function describe({ data, tensor, height, index }: PageArgs) {
  const tree = tensor === ROOTS ? "roots" : tensor;
  return { data: Object.keys(Data)[data], tree, height, page: index.toString() };
}

function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function treeSize(program: Program, { data, tensor }: PageArgs): number {
  const sizes = dataSizes(program, data);
  return tensor === ROOTS ? sizes.length * CHUNK : sizes[tensor]!;
}

/** Slashes the claim if any demand of it, whoever's, is overdue. Returns whether one is. */
export async function settleOverdue(
  { chain, log }: DemandContext,
  claimId: Hex,
  demands: readonly Demand[],
): Promise<boolean> {
  const now = await chain.now();
  const overdue = demands.find(({ status, answerBy }) => status === "open" && answerBy <= now);
  if (overdue === undefined) return false;
  try {
    const transaction = await chain.send(settleWithheld, { claimId, page: overdue.page });
    log.warn({ transaction, ...describe(overdue.page) }, "demanded data never shown: slashed");
  } catch (error) {
    // The chain's time runs a little behind, or somebody else was first.
    if (!hasCode(error, "AnswerNotOverdue", "DemandNotOpen", "WrongPhase")) throw error;
  }
  return true;
}

/** Fetches back the bonds of our demands that were open when their claim was slashed. */
export async function reclaimDemands({ chain, log }: DemandContext, claimId: Hex): Promise<void> {
  for (const { page, demander, status } of await demandsOf(chain, claimId)) {
    if (status !== "open" || !sameAddress(demander, chain.self)) continue;
    try {
      const transaction = await chain.send(reclaimDemand, { claimId, page });
      log.info({ transaction, ...describe(page) }, "bond of a demand reclaimed");
    } catch (error) {
      if (!hasCode(error, "DemandNotOpen")) throw error;
    }
  }
}

/** Chain time from which data are demanded that nobody serves, in a window that ends at `end` and is `window` seconds long. */
export function demandedFrom(end: bigint, window: number, demandAfter = Math.floor(window / 8)): bigint {
  return end - BigInt(window) + BigInt(demandAfter);
}

/** For an error's hint. */
export function untilDemanded(from: bigint): string {
  return `tried again, and demanded on-chain from ${new Date(Number(from) * 1000).toISOString()} on`;
}

/** The input's pages that nobody has shown, and the input once there are none. */
export function shownInputs(
  program: Program,
  inputRoot: Hex,
  demands: readonly Demand[],
): { missing: PageArgs[]; inputs: Uint8Array[] | undefined } {
  const sizes = dataSizes(program, Data.Input);
  const shown = shownData(demands, Data.Input, sizes, inputRoot);
  const missing = sizes.flatMap((size, tensor) =>
    chunkPages(size)
      .map((place) => pageArgs(Data.Input, tensor, place))
      .filter((page) => !demands.some((d) => d.answer !== undefined && samePage(d.page, page))),
  );
  if (missing.length > 0) return { missing, inputs: undefined };
  const inputs = sizes.map(
    (size, tensor) =>
      new PatchedTree(new Uint8Array(size), shown.tensors.get(tensor) ?? new KnownNodes()).stored,
  );
  if (rootOf(inputs) !== inputRoot)
    throw new AssayError("ANSWER_MISMATCH", "the input that was shown is not what the claim commits to");
  return { missing, inputs };
}

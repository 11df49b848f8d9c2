import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "@assay/service";
import { afterAll, beforeAll } from "vitest";
import type { PosterBook } from "../src/poster.ts";
import { openGatewayStore } from "../src/state.ts";

/** Opens a gateway's store, in a folder of its own, for the tests of one file. */
export function storeForTests(assign: (store: Store) => void): void {
  let folder: string;
  let store: Store | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-gateway-"));
    store = await openGatewayStore({ dataDir: folder });
    assign(store);
  });
  afterAll(async () => {
    await store?.close();
    await rm(folder, { recursive: true, force: true });
  });
}

const never = () => Promise.reject(new Error("not asked for here"));

/** A chain on which nothing may be asked for, or done, but what is given. */
export function bookWith(given: Partial<PosterBook>): PosterBook {
  return {
    plan: never,
    capacity: () => Promise.resolve(100),
    blobsRefused: () => false,
    find: never,
    post: never,
    finalise: never,
    drawn: never,
    redeem: never,
    now: () => Promise.resolve(0n),
    demanded: never,
    answer: never,
    ...given,
  };
}

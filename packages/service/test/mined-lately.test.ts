/** What is kept of mined transactions is bounded by their number, their size and their blobs; the newest always stays. */
import type { BlobSidecar } from "@assay/protocol";
import { expect, test } from "vitest";
import { MinedLately, type Resendable } from "../src/mined-lately.ts";

function transaction(nonce: number, bytes = 100): Resendable {
  return { nonce, functionName: "postBatch", raw: `0x${"00".repeat(bytes)}`, hashes: [] };
}

/** Nonces below `most` that are kept. */
function nonces(kept: MinedLately, most: number): number[] {
  return Array.from({ length: most }, (_, nonce) => nonce).filter((nonce) => kept.get(nonce) !== undefined);
}

test("the newest 256 are kept, as they were sent", () => {
  const kept = new MinedLately();
  for (let nonce = 0; nonce < 300; nonce++) kept.keep(transaction(nonce));
  expect(nonces(kept, 300)).toEqual(Array.from({ length: 256 }, (_, i) => i + 44));
  expect(kept.get(299)).toEqual(transaction(299));
});

test("large ones go sooner, but never the newest; one that is mined again counts once", () => {
  const kept = new MinedLately();
  for (let nonce = 0; nonce < 20; nonce++) kept.keep(transaction(nonce, 250_000));
  expect(nonces(kept, 20)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
  for (let again = 0; again < 50; again++) kept.keep(transaction(19, 250_000));
  expect(nonces(kept, 20)).toHaveLength(8);
  kept.keep(transaction(20, 3_000_000));
  expect(nonces(kept, 21)).toEqual([20]);
  kept.keep(transaction(21));
  expect(nonces(kept, 22)).toEqual([21]);
});

test("of those with blobs two are kept, beside the others", () => {
  const kept = new MinedLately();
  const sidecar = {} as BlobSidecar;
  for (let nonce = 0; nonce < 8; nonce++)
    kept.keep(nonce % 2 === 0 ? transaction(nonce) : { ...transaction(nonce), sidecar });
  expect(nonces(kept, 8)).toEqual([0, 2, 4, 5, 6, 7]);
});

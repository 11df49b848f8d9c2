import type { Store } from "@assay/service";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, numberToHex } from "viem";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  insertJobs,
  jobOf,
  type JobChange,
  openExecutorStore,
  reopenJobs,
  updateJob,
  wakeClaims,
} from "../src/state.ts";

const hash = (n: number): Hex => numberToHex(n, { size: 32 });

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-executor-"));
  store = await openExecutorStore({ dataDir: folder });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Jobs 1, 2, ... with these changes. */
async function jobs(...changes: JobChange[]): Promise<void> {
  const job = { kind: "request" as const, programRoot: hash(900), inputRoot: hash(901), inputsUri: "" };
  for (const [i, change] of changes.entries()) {
    const id = hash(i + 1);
    await insertJobs(store, [{ ...job, id }], "seen");
    await updateJob(store, { id, state: "seen" }, change);
  }
}
const stateOf = async (n: number) => (await jobOf(store, hash(n)))?.state;

test("a reorg opens again what the replaced blocks had ended; what no block had ended stays", async () => {
  await jobs(
    { state: "settled", claimId: hash(101), endedBlock: "10" },
    { state: "settled", claimId: hash(102), endedBlock: "11" },
    { state: "ignored", reason: "it is not open any more", endedBlock: "12" },
    { state: "ignored", reason: "its deadline has passed", claimId: hash(104), endedBlock: "12" },
    { state: "ignored", reason: "its fee is too low" },
  );
  await reopenJobs(store, 11n);
  expect(await Promise.all([1, 2, 3, 4, 5].map(stateOf))).toEqual(["settled", "posted", "seen", "signed", "ignored"]); // prettier-ignore
});

test("a job that was given up is taken up again when its claim is on the chain after all", async () => {
  await jobs(
    { state: "ignored", reason: "its deadline has passed", claimId: hash(101), endedBlock: "12" },
    { state: "challenged", claimId: hash(102) },
    { state: "ignored", reason: "its fee is too low" },
  );
  await wakeClaims(store, [hash(101), hash(102), hash(103)]);
  expect(await Promise.all([1, 2, 3].map(stateOf))).toEqual(["posted", "challenged", "ignored"]);
  expect((await jobOf(store, hash(1)))?.reason).toBeNull();
});

/**
 * `node bench/rollup.ts`: deployment and one dispute, services and all, on anvil set up like a rollup: a block every two
 * seconds, a low base fee, 400M gas a block; and what the OP stack would charge for the transactions' bytes (Fjord:
 * https://specs.optimism.io/protocol/fjord/exec-engine.html#fjord-l1-cost-fee-changes-fastlz-estimator).
 */
import { join } from "node:path";
import { startChallenger } from "@assay/challenger";
import { startExecutor } from "@assay/executor";
import { decodeEvents, getClaim, getRequest } from "@assay/protocol";
import { defaultLogger } from "@assay/service";
import { type Hex, hexToBytes, size } from "viem";
import { getBlock, getTransactionReceipt } from "viem/actions";
import { mnemonicToAccount } from "viem/accounts";
import { nudged } from "../test/actors/backends.ts";
import { startAnvil } from "../test/actors/anvil.ts";
import { MNEMONIC, openScene, SHAPES, until } from "../test/actors/scene.ts";

/** Assumed: gas prices of L1 in wei, scalars of an OP-stack chain that posts blobs. */
const L1 = {
  baseFee: 10n ** 9n,
  blobBaseFee: 10n ** 6n,
  baseFeeScalar: 5227n,
  blobBaseFeeScalar: 1_014_213n,
};
/** The execution fee is told at this price; anvil's own tip of 1 gwei is no rollup's. */
const L2_BASE_FEE = 1_000_000n;

/** Bytes of a FastLZ compression (level 1), as op-geth's FlzCompressLen counts them. */
export function fastLzSize(bytes: Uint8Array): number {
  let total = 0;
  const table = new Uint32Array(8192);
  const word = (i: number) => bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16);
  const hash = (value: number) => (Math.imul(2654435769, value) >>> 19) & 0x1fff;
  const literals = (count: number) => {
    total += 33 * Math.floor(count / 32) + (count % 32 > 0 ? (count % 32) + 1 : 0);
  };
  const limit = Math.max(bytes.length - 13, 0);
  let anchor = 0;
  for (let i = 2; i < limit;) {
    let from: number;
    for (;;) {
      const value = word(i);
      from = table[hash(value)]!;
      table[hash(value)] = i;
      if (i >= limit) break;
      i++;
      if (i - 1 - from <= 0x1fff && value === word(from)) break;
    }
    if (i >= limit) break;
    i--;
    if (i > anchor) literals(i - anchor);
    let length = 0;
    for (const end = limit + 9; i + 3 + length < end; length++)
      if (bytes[from + 3 + length] !== bytes[i + 3 + length]) {
        length++;
        break;
      }
    total += 3 * Math.floor((length - 1) / 262) + ((length - 1) % 262 >= 6 ? 3 : 2);
    for (const next of [i + length, i + length + 1]) table[hash(word(next))] = next;
    i += length + 2;
    anchor = i;
  }
  literals(bytes.length - anchor);
  return total;
}

/** Wei for a signed transaction's bytes. */
function dataFee(raw: Uint8Array): bigint {
  const estimate = 836_500n * BigInt(fastLzSize(raw)) - 42_585_600n;
  const scaled = estimate < 100_000_000n ? 100_000_000n : estimate;
  const { baseFee, blobBaseFee, baseFeeScalar, blobBaseFeeScalar } = L1;
  return (scaled * (baseFeeScalar * 16n * baseFee + blobBaseFeeScalar * blobBaseFee)) / 10n ** 12n;
}

const repeated = fastLzSize(new Uint8Array(1000).fill(1));
if (repeated !== 21) throw new Error(`FastLZ makes 21 bytes of 1,000 equal ones, not ${repeated}`);

const node = await startAnvil(
  400_000_000,
  ...`--block-time 2 --block-base-fee-per-gas ${L2_BASE_FEE}`.split(" "),
);
const started = performance.now();
const scene = await openScene({ node });
const opened = performance.now();
const { rpc, deployment, people, folder } = scene;
const client = people.other.client;
const log = defaultLogger("bench", "silent");
const common = { rpc, deployment, models: [{ onnx: scene.onnx, shapes: SHAPES }], pollInterval: 200, log };
const cheat = nudged(scene.model, { instruction: 1, element: 77, recompute: true });
const executor = await startExecutor({
  ...common,
  account: people.executor.account,
  dataDir: join(folder, "executor"),
  http: { port: 0 },
  backend: () => cheat,
});
const challenger = await startChallenger({
  ...common,
  account: people.challenger.account,
  dataDir: join(folder, "challenger"),
});
const asked = performance.now();
const requestId = await scene.ask();
await until(
  "the slash",
  async () => {
    const { claimId } = await getRequest(client, { deployment, requestId });
    return BigInt(claimId) !== 0n && (await getClaim(client, { deployment, claimId })).phase === "Slashed";
  },
  180,
);
const slashed = performance.now();
await executor.stop();
await challenger.stop();

interface Cost {
  transactions: number;
  gas: number;
  bytes: number;
  dataFee: bigint;
  fee: bigint;
}
const STEPS = ["ClaimPosted", "Challenged", "TraceRevealed", "ProofCommitted", "ClaimSlashed"] as const;
const costs = new Map<string, Cost>();
const deployer = mnemonicToAccount(MNEMONIC).address.toLowerCase();
const latest = (await getBlock(client)).number;
for (let number = 1n; number <= latest; number++) {
  const { transactions } = await getBlock(client, { blockNumber: number });
  for (const hash of transactions) {
    const receipt = await getTransactionReceipt(client, { hash });
    const events = new Set<string>(decodeEvents(receipt.logs).map(({ eventName }) => eventName));
    const deploys = receipt.from.toLowerCase() === deployer ? "deployment and its wiring" : undefined;
    const step = deploys ?? STEPS.findLast((name) => events.has(name));
    if (step === undefined) continue;
    const raw: Hex = await client.request({ method: "eth_getRawTransactionByHash", params: [hash] } as never);
    const bytes = hexToBytes(raw);
    const cost = costs.get(step) ?? { transactions: 0, gas: 0, bytes: 0, dataFee: 0n, fee: 0n };
    cost.transactions++;
    cost.gas += Number(receipt.gasUsed);
    cost.bytes += size(raw);
    cost.dataFee += dataFee(bytes);
    cost.fee += receipt.gasUsed * L2_BASE_FEE;
    costs.set(step, cost);
  }
}

const gwei = (wei: bigint) => (Number(wei) / 1e9).toFixed(1);
console.log(
  `deployment and scene ${((opened - started) / 1000).toFixed(0)} s, request to slash ${((slashed - asked) / 1000).toFixed(1)} s`,
);
console.log("| step | transactions | gas | bytes | execution, gwei | L1 data, gwei |");
console.log("| ---- | -----------: | --: | ----: | --------------: | ------------: |");
for (const [step, { transactions, gas, bytes, fee, dataFee }] of costs)
  console.log(
    `| ${step} | ${transactions} | ${gas.toLocaleString("en")} | ${bytes.toLocaleString("en")} | ${gwei(fee)} | ${gwei(dataFee)} |`,
  );
await scene.close();

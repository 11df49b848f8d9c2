/** Orders through gateways that are killed meanwhile, and what has become of each of them in the end. */
import { type OrderAnswer, parseReceipt } from "@assay/gateway";
import {
  type AssayEvent,
  decodeEntries,
  fundChannel,
  getChannel,
  ofBatches,
  type Receipt,
  receiptTypedData,
} from "@assay/protocol";
import { type Hex, recoverTypedDataAddress } from "viem";
import { expect } from "vitest";
import { sendOrder, type SignedOrder, signedOrder } from "./orders.ts";
import type { Person, Scene } from "./scene.ts";

export const ORDER_PRICE = 10n ** 12n;

/** "No" of a gateway that is in trouble, or asked too much at once: the same order is sent again. */
const PASSING = new Set([
  "BUSY",
  "NOT_ACCEPTING",
  "RECEIPT_PENDING",
  "CHAIN_UNREACHABLE",
  "INTERNAL",
  "RATE_LIMITED",
  "RPC_UNREACHABLE",
]);

interface Taken extends SignedOrder {
  receipt: Receipt;
  signature: Hex;
  /** The answer, byte for byte. */
  text: string;
}

export interface OrderFlow {
  /** Sends one more order until it is answered. */
  send(): void;
  /** Orders sent so far, and those of them that have their receipt. */
  readonly sent: number;
  readonly answered: number;
  /** Resolves once all are answered; throws what a gateway said that it must not. */
  idle(): Promise<void>;
  /** How often an order had to be sent again, by the gateway's error code; `GONE`: it was not there, or died. */
  readonly retries: Readonly<Record<string, number>>;
  /** Claims of this flow that are in posted batches. */
  posted(all: readonly AssayEvent[]): number;
  /** Every order has one receipt, and one claim in one batch, which says what the receipt says. */
  check(all: readonly AssayEvent[]): Promise<void>;
  /** What the executor has drawn from the requester's vouchers. */
  paid(): Promise<bigint>;
}

/** Sends orders of `by` to the gateway of `executor`, at one of its addresses after the other. */
export async function orderFlow(
  scene: Scene,
  given: { by: Person; executor: Hex; urls: readonly string[]; most: number; seconds: number },
): Promise<OrderFlow> {
  const { by, executor, urls, most, seconds } = given;
  const { deployment } = scene;
  await fundChannel(by.client, { deployment, executor, amount: BigInt(most) * ORDER_PRICE });
  const taken: Taken[] = [];
  const running = new Set<Promise<void>>();
  let failed: Error | undefined;
  let sent = 0;
  const retries: Record<string, number> = {};
  const domain = { chainId: deployment.chainId, batchMarket: deployment.batchMarket };

  async function answer(body: string): Promise<string> {
    const end = Date.now() + seconds * 1000;
    for (let tries = 0; ; tries++) {
      let why = "GONE";
      try {
        const { status, text } = await sendOrder(urls[tries % urls.length]!, body);
        if (status === 200) return text;
        const { code, message } = (JSON.parse(text) as { error: { code: string; message: string } }).error;
        why = code;
        if (!PASSING.has(code)) throw new Error(`an order was refused: ${code}, ${message}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // not there, or gone in the middle of it
      }
      if (Date.now() > end) throw new Error(`an order had no answer in ${seconds} s`);
      retries[why] = (retries[why] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  async function place(nonce: number): Promise<void> {
    const cumulative = ORDER_PRICE * BigInt(nonce + 1);
    const order = await signedOrder(scene, {
      by,
      nonce,
      price: ORDER_PRICE,
      cumulative,
      executor,
      seconds: 80_000,
    });
    const text = await answer(order.body);
    const { receipt, signature } = JSON.parse(text) as OrderAnswer;
    taken.push({ ...order, receipt: parseReceipt(receipt), signature, text });
  }
  /** Entries of this executor's batches, with the batch they are in. */
  function entries(all: readonly AssayEvent[]) {
    const own = new Set(
      all.flatMap(({ eventName, args }) =>
        eventName === "BatchPosted" && args.executor === executor ? [args.batchId] : [],
      ),
    );
    return all.flatMap(({ eventName, args }) =>
      eventName === "BatchDataPublished" && own.has(args.batchId) ? decodeEntries(args.data) : [],
    );
  }
  return {
    get sent() {
      return sent;
    },
    get answered() {
      return taken.length;
    },
    retries,
    send() {
      const one = place(sent++).catch((error: unknown) => void (failed ??= error as Error));
      running.add(one);
      void one.finally(() => running.delete(one));
    },
    async idle() {
      await Promise.all(running);
      if (failed !== undefined) throw failed;
    },
    posted: (all) => entries(all).length,
    async check(all) {
      expect(taken).toHaveLength(sent);
      const claims = new Map(entries(all).map((entry) => [entry.orderHash, entry]));
      expect(
        entries(all)
          .map(({ orderHash }) => orderHash)
          .toSorted(),
      ).toEqual(taken.map(({ hash }) => hash).toSorted());
      for (const { hash, order, receipt, signature, body, text } of taken) {
        expect(receipt.orderHash).toBe(hash);
        const typed = receiptTypedData(domain, receipt);
        expect(await recoverTypedDataAddress({ ...typed, signature })).toBe(executor);
        const { outputRoot, inputRoot } = claims.get(hash)!;
        expect({ outputRoot, inputRoot }).toEqual({
          outputRoot: receipt.outputRoot,
          inputRoot: order.inputRoot,
        });
        // Whoever asks again, whatever died since, is told the same.
        expect(await answer(body)).toBe(text);
      }
    },
    async paid() {
      const { settled } = await getChannel(by.client, {
        deployment: ofBatches(deployment),
        requester: by.account.address,
        executor,
      });
      return settled;
    },
  };
}

import { claimId, type Claim, ZERO_ROOT } from "@assay/protocol";
import {
  errorFields,
  join,
  type Logger,
  outputSizes,
  rootOf,
  split,
  type Store,
  type StoredValues,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Account, Address, Hex } from "viem";
import type { Admission, Offer } from "./admission.ts";
import type { Channels } from "./channels.ts";
import { Group } from "./group.ts";
import { type OrderDomain, type Order, type Receipt, receiptTypedData } from "@assay/protocol";
import { insertPlaced, type Placed, placedByHash, type Placing } from "./state.ts";
import type { Values } from "./values.ts";
import type { OrderAnswer, SubmittedOrder } from "./wire.ts";

export interface DeskContext {
  store: Store;
  values: Values;
  channels: Channels;
  admission: Admission;
  offers: ReadonlyMap<Hex, Offer>;
  domain: OrderDomain;
  account: Account;
  /** Outputs' stored bytes. */
  run(programRoot: Hex, inputs: StoredValues): Promise<Uint8Array[]>;
  /** Seconds after its receipt by which a claim is on the chain. */
  claimSeconds: bigint;
  now: () => bigint;
  /** Orders worked on or waiting at a time. */
  pending: number;
  /** Told of each receipt that was stored. */
  placed: () => void;
  log: Logger;
}

/** Errors that say what is wrong with the inputs; anything else that a run throws is ours. */
const BAD_INPUT = new Set(["INPUT_NAN", "INPUT_BOOL", "INPUT_DTYPE", "INPUT_SHAPE"]);

/** The claim that a receipt promises. */
export function claimOfOrder(orderHash: Hex, order: Order, outputRoot: Hex): Claim {
  const { programRoot, inputRoot, executor } = order;
  return { requestId: orderHash, programRoot, inputRoot, outputRoot, traceRoot: ZERO_ROOT, executor };
}

/**
 * Takes orders and gives outputs and receipts. A receipt is stored, with all that is needed to keep its promise, before
 * anybody sees it, and an order has one receipt for ever: the first one stored.
 */
export class Desk {
  readonly #context: DeskContext;
  readonly #underWay = new Map<Hex, Promise<OrderAnswer>>();
  readonly #group: Group<Placing, boolean>;

  constructor(context: DeskContext) {
    this.#context = context;
    this.#group = new Group((items) => this.#write(items));
  }

  get pending(): number {
    return this.#underWay.size;
  }

  async answer(submitted: SubmittedOrder, address: string): Promise<OrderAnswer> {
    const { admission, store, pending } = this.#context;
    const hash = await admission.authenticate(submitted, address);
    const underWay = this.#underWay.get(hash);
    if (underWay !== undefined) return underWay;
    const placed = await placedByHash(store, hash);
    if (placed !== undefined) return this.stored(placed);
    if (this.#underWay.size >= pending)
      throw new AssayError("BUSY", `${pending} orders are waiting already`, {
        hint: "try again in a moment",
      });
    // Somebody may have come in while the store was read.
    const answer = this.#underWay.get(hash) ?? this.#place(hash, submitted, address);
    this.#underWay.set(hash, answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(hash);
    }
  }

  /** The answer that was given before, byte for byte. */
  async stored(placed: Placed): Promise<OrderAnswer> {
    const outputs = await this.outputs(placed);
    const { orderHash, receipt, receiptSignature } = placed;
    return answerOf(orderHash, receipt, receiptSignature, outputs);
  }

  /** Outputs of an order with a receipt, checked. */
  async outputs({ order, receipt }: Placed): Promise<Uint8Array> {
    const { values, offers } = this.#context;
    const bytes = await values.read(receipt.outputRoot);
    const program = offers.get(order.programRoot)?.program;
    const outputs = bytes && program && split(bytes, outputSizes(program));
    if (bytes === undefined || (outputs && rootOf(outputs) !== receipt.outputRoot))
      throw new AssayError("OUTPUTS_GONE", `the outputs ${receipt.outputRoot} are not stored here any more`);
    return bytes;
  }

  async #place(hash: Hex, submitted: SubmittedOrder, address: string): Promise<OrderAnswer> {
    const { admission, channels, values, account, domain, now, claimSeconds, log, store } = this.#context;
    const { order, signature, inputs, voucher, voucherSignature } = submitted;
    const stored = await admission.admit(submitted, address);
    const reservation = await channels.reserve(order.requester, order.price, {
      cumulative: voucher.cumulative,
      signature: voucherSignature,
    });
    try {
      const outputs = await this.#run(order, stored);
      const outputRoot = rootOf(outputs);
      const bytes = join(outputs);
      const receipt: Receipt = { orderHash: hash, outputRoot, claimBy: now() + claimSeconds };
      const typed = receiptTypedData(domain, receipt);
      const [receiptSignature] = await Promise.all([
        account.signTypedData!(typed),
        values.write(order.inputRoot, inputs),
        values.write(outputRoot, bytes),
      ]);
      const id = claimId(
        { chainId: domain.chainId, inferenceMarket: domain.batchMarket },
        claimOfOrder(hash, order, outputRoot),
      );
      const placed = {
        orderHash: hash,
        order,
        orderSignature: signature,
        receipt,
        receiptSignature,
        claimId: id,
      };
      if (await this.#group.add({ placed, voucher, voucherSignature })) {
        reservation.owe();
        this.#context.placed();
        return answerOf(hash, receipt, receiptSignature, bytes);
      }
      // Another process was first: its receipt is the one, ours never leaves this function.
      const first = await placedByHash(store, hash);
      if (first !== undefined) return await this.stored(first);
      throw new AssayError(
        "NONCE_USED",
        `${order.requester} has used nonce ${order.nonce} for another order`,
        {
          hint: "every order needs a nonce of its own",
        },
      );
    } catch (error) {
      if (!(error instanceof AssayError))
        log.error({ orderHash: hash, ...errorFields(error) }, "order failed");
      throw error;
    } finally {
      reservation.release();
    }
  }

  async #run(order: Order, inputs: StoredValues): Promise<Uint8Array[]> {
    try {
      return await this.#context.run(order.programRoot, inputs);
    } catch (error) {
      if (error instanceof AssayError && BAD_INPUT.has(error.code)) throw error;
      this.#context.log.error({ programRoot: order.programRoot, ...errorFields(error) }, "the model failed");
      throw new AssayError("MODEL_FAILED", "the model could not be run on these inputs", {
        hint: "nothing is owed for this order",
        cause: error,
      });
    }
  }

  /** Writes orders in one statement; one that would break its channel's voucher fails alone. */
  async #write(items: Placing[]): Promise<boolean[]> {
    const { store, channels } = this.#context;
    const held = new Map<Address, { cumulative: bigint; signature: Hex }>();
    for (const { voucher } of items) {
      const best = await channels.voucherOf(voucher.requester);
      if (best !== undefined) held.set(voucher.requester, best);
    }
    const write = (some: Placing[]) => insertPlaced(store, some, (requester) => held.get(requester));
    try {
      const written = await write(items);
      return items.map(({ placed }) => written.has(placed.orderHash));
    } catch (error) {
      if (!isOverdrawn(error)) throw error;
    }
    // Another gateway on the same database has spent the voucher meanwhile.
    const results: boolean[] = [];
    for (const item of items)
      try {
        results.push((await write([item])).size > 0);
      } catch (error) {
        if (!isOverdrawn(error)) throw error;
        await channels.reload(item.voucher.requester);
        throw new AssayError("VOUCHER_TOO_LOW", `the voucher ${item.voucher.cumulative} is spent`, {
          hint: "sign one for all orders so far and this one",
        });
      }
    return results;
  }

  /** Resolves once no order is being worked on. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
    await this.#group.idle();
  }
}

function isOverdrawn(error: unknown): boolean {
  return error instanceof Error && error.message.includes("voucher_covers");
}

function answerOf(orderHash: Hex, receipt: Receipt, signature: Hex, outputs: Uint8Array): OrderAnswer {
  const { outputRoot, claimBy } = receipt;
  return {
    orderHash,
    receipt: { orderHash, outputRoot, claimBy: claimBy.toString() },
    signature,
    outputs: Buffer.from(outputs.buffer, outputs.byteOffset, outputs.length).toString("base64"),
  };
}

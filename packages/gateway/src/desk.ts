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
import type { Address, Hex } from "viem";
import type { Admission, Offer, Visitor } from "./admission.ts";
import type { Channels } from "./channels.ts";
import { Group } from "./group.ts";
import type { OrderDomain, Order, Receipt } from "@assay/protocol";
import type { ReceiptWatch, Sign } from "./receipts.ts";
import { insertPlaced, type Placed, placedByHash, type Placing, whichPlaced } from "./state.ts";
import type { Values } from "./values.ts";
import type { AnsweredOrder, SubmittedOrder } from "./wire.ts";

export interface DeskContext {
  store: Store;
  values: Values;
  channels: Channels;
  admission: Admission;
  offers: ReadonlyMap<Hex, Offer>;
  domain: OrderDomain;
  /** Signs receipts in this process; or, where the key is elsewhere or processes share the orders, waits for them. */
  receipts: { sign: Sign } | { watch: ReceiptWatch };
  /** Outputs' stored bytes. */
  run(programRoot: Hex, inputs: StoredValues): Promise<Uint8Array[]>;
  /** Orders worked on or waiting at a time. */
  pending: number;
  /** Runs that wait for workers, whichever process asked for them. */
  load?: () => number;
  /** Told of each receipt that was stored. */
  placed: () => void;
  log: Logger;
}

/** Milliseconds that an order waits for the process that signs: another takes over within seconds. */
const PATIENCE = 20_000;
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
  readonly #underWay = new Map<Hex, Promise<AnsweredOrder>>();
  readonly #group: Group<Placing, boolean | AssayError>;
  readonly #answered: Group<Hex, boolean>;

  constructor(context: DeskContext) {
    this.#context = context;
    this.#group = new Group((items) => this.#write(items));
    this.#answered = new Group(async (hashes) => {
      const placed = await whichPlaced(context.store, hashes, "signed");
      return hashes.map((hash) => placed.has(hash));
    });
  }

  get pending(): number {
    return this.#underWay.size;
  }

  async answer(submitted: SubmittedOrder, address: string): Promise<AnsweredOrder> {
    const { admission, store, pending } = this.#context;
    const visitor = { address, checks: 0, calls: 0 };
    const hash = await admission.authenticate(submitted, visitor);
    const underWay = this.#underWay.get(hash);
    if (underWay !== undefined) return underWay;
    if (await this.#answered.add(hash)) return this.stored((await placedByHash(store, hash))!);
    if (Math.max(this.#underWay.size, this.#context.load?.() ?? 0) >= pending)
      throw new AssayError("BUSY", `${pending} orders are waiting already`, {
        hint: "try again in a moment",
      });
    // Somebody may have come in while the store was read.
    const answer = this.#underWay.get(hash) ?? this.#place(hash, submitted, visitor);
    this.#underWay.set(hash, answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(hash);
    }
  }

  /** The answer that was given before. */
  async stored(placed: Placed): Promise<AnsweredOrder> {
    const outputs = await this.outputs(placed);
    const { orderHash, receipt, receiptSignature } = placed;
    return answerOf(orderHash, receipt, receiptSignature, outputs);
  }

  /** Outputs of an order with a receipt, checked. */
  async outputs({ order, receipt }: Placed): Promise<Uint8Array> {
    const { store, values, offers } = this.#context;
    const bytes = await values.read(receipt.outputRoot, store);
    const program = offers.get(order.programRoot)?.program;
    const outputs = bytes && program && split(bytes, outputSizes(program));
    if (bytes === undefined || (outputs && rootOf(outputs) !== receipt.outputRoot))
      throw new AssayError("OUTPUTS_GONE", `the outputs ${receipt.outputRoot} are not stored here any more`);
    return bytes;
  }

  async #place(hash: Hex, submitted: SubmittedOrder, visitor: Visitor): Promise<AnsweredOrder> {
    const { admission, channels, values, receipts, domain, log } = this.#context;
    const { order, signature, inputs, voucher, voucherSignature } = submitted;
    // Answered already, here or elsewhere, and only to be signed.
    if ("watch" in receipts && (await this.#isPlaced(hash))) return this.stored(await this.#signed(hash));
    const stored = await admission.admit(submitted, visitor);
    const reservation = await channels.reserve(order.requester, order.price, {
      cumulative: voucher.cumulative,
      signature: voucherSignature,
    });
    try {
      const outputs = await this.#run(order, stored);
      const outputRoot = rootOf(outputs);
      const bytes = join(outputs);
      const promise = { orderHash: hash, outputRoot };
      const [signed, { funds }] = await Promise.all([
        "sign" in receipts ? receipts.sign(promise) : undefined,
        channels.onChain(order.requester),
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
        receipt: signed?.receipt ?? promise,
        ...(signed && { receiptSignature: signed.signature }),
        claimId: id,
      };
      const written = await this.#group.add({ placed, voucher, voucherSignature, funds });
      if (written instanceof AssayError) throw written;
      if (written) {
        reservation.owe();
        admission.paid(visitor);
        this.#context.placed();
        if (signed !== undefined) return answerOf(hash, signed.receipt, signed.signature, bytes);
      }
      // Another process may have been first: its answer is the one, ours never leaves this function.
      if (!written && !(await this.#isPlaced(hash)))
        throw new AssayError(
          "NONCE_USED",
          `${order.requester} has used nonce ${order.nonce} for another order`,
          {
            hint: "every order needs a nonce of its own",
          },
        );
      return await this.stored(await this.#signed(hash));
    } catch (error) {
      if (!(error instanceof AssayError))
        log.error({ orderHash: hash, ...errorFields(error) }, "order failed");
      throw error;
    } finally {
      reservation.release();
    }
  }

  /** Whether it is answered, with a receipt or about to get one. */
  async #isPlaced(hash: Hex): Promise<boolean> {
    return (await whichPlaced(this.#context.store, [hash])).has(hash);
  }

  /** An answered order, once it has its receipt. */
  async #signed(hash: Hex): Promise<Placed> {
    const { receipts, store } = this.#context;
    const placed = await ("watch" in receipts
      ? receipts.watch.until(hash, PATIENCE)
      : placedByHash(store, hash));
    if (placed !== undefined) return placed;
    throw new AssayError("RECEIPT_PENDING", "the receipt of this order is not signed yet", {
      hint: "send the same order again: it gets its receipt, or is given up at its deadline",
    });
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
  async #write(items: Placing[]): Promise<(boolean | AssayError)[]> {
    const { receipts } = this.#context;
    const results = await this.#insert(items);
    if ("watch" in receipts && results.includes(true)) await receipts.watch.want();
    return results;
  }

  async #insert(items: Placing[]): Promise<(boolean | AssayError)[]> {
    const { store, channels } = this.#context;
    const held = new Map<Address, { cumulative: bigint; signature: Hex }>();
    const hold = async (requester: Address) => {
      const best = await channels.voucherOf(requester);
      if (best !== undefined) held.set(requester, best);
    };
    for (const { voucher } of items) await hold(voucher.requester);
    const write = (some: Placing[]) => insertPlaced(store, some, (requester) => held.get(requester));
    try {
      const written = await write(items);
      return items.map(({ placed }) => written.has(placed.orderHash));
    } catch (error) {
      if (overdrawn(error) === undefined) throw error;
    }
    // Another gateway on the same database has written to a channel meanwhile.
    const results: (boolean | AssayError)[] = [];
    for (const item of items)
      try {
        const { requester, cumulative } = item.voucher;
        await channels.reload(requester);
        await hold(requester);
        const { funds } = await channels.onChain(requester, 0);
        results.push(
          await write([{ ...item, funds }]).then(
            (written) => written.size > 0,
            (error: unknown) => refusal(error, cumulative, funds),
          ),
        );
      } catch (error) {
        if (!(error instanceof AssayError)) throw error;
        results.push(error);
      }
    return results;
  }

  /** Resolves once no order is being worked on. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
    await this.#group.idle();
  }
}

/** The constraint of a channel that was broken; undefined: it is something else. */
function overdrawn(error: unknown): "voucher_covers" | "balance_covers" | undefined {
  const { message } = error as Error;
  return (["voucher_covers", "balance_covers"] as const).find((name) => message.includes(name));
}

function refusal(error: unknown, cumulative: bigint, funds: bigint): AssayError {
  switch (overdrawn(error)) {
    case "voucher_covers":
      return new AssayError("VOUCHER_TOO_LOW", `the voucher ${cumulative} is spent`, {
        hint: "sign one for all orders so far and this one",
      });
    case "balance_covers":
      return new AssayError("BALANCE_TOO_LOW", `the channel holds ${funds}, and all of it is owed`, {
        hint: "add to the prepaid balance, then send the order again",
      });
    case undefined:
      throw error;
  }
}

function answerOf(orderHash: Hex, receipt: Receipt, signature: Hex, outputs: Uint8Array): AnsweredOrder {
  const { outputRoot, claimBy } = receipt;
  return { orderHash, receipt: { orderHash, outputRoot, claimBy: claimBy.toString() }, signature, outputs };
}

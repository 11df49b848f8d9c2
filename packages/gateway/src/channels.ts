import { pause } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Address, Hex } from "viem";
import { channelOf } from "./state.ts";
import type { Queryable, Store } from "@assay/service";

/** A requester's channel to this executor as the chain has it. */
export interface ChainChannel {
  /** Token units that vouchers can draw, those that were redeemed included. */
  funds: bigint;
  redeemed: bigint;
}

interface Entry {
  /** For orders with receipts. */
  owed: bigint;
  /** For orders that are being worked on. */
  reserved: bigint;
  cumulative: bigint;
  signature: Hex | undefined;
}

interface Cached {
  at: number;
  channel: Promise<ChainChannel>;
}

/** The chain is asked again about a channel after this long, and once a second where what it said was not enough. */
const FRESH = 10_000;
const RETRY = 1_000;
const MOST_CACHED = 10_000;

/**
 * Who owes what: the receipts given out, the work under way and the vouchers held, against the chain's balances. An
 * order is taken only when both the voucher and the balance behind it cover everything so far and this order.
 */
export class Channels {
  readonly #store: Queryable;
  readonly #shared: boolean;
  readonly #read: (requester: Address) => Promise<ChainChannel>;
  readonly #entries = new Map<Address, Promise<Entry>>();
  readonly #cache = new Map<Address, Cached>();

  constructor(store: Store, read: (requester: Address) => Promise<ChainChannel>) {
    this.#store = store;
    this.#shared = store.shared;
    this.#read = read;
  }

  /** What the chain says, at most ten seconds old. */
  onChain(requester: Address, maxAge = FRESH): Promise<ChainChannel> {
    const cached = this.#cache.get(requester);
    if (cached !== undefined && Date.now() - cached.at < maxAge) return cached.channel;
    const channel = this.#read(requester);
    channel.catch(() => this.#cache.delete(requester));
    this.#cache.delete(requester);
    this.#cache.set(requester, { at: Date.now(), channel });
    if (this.#cache.size > MOST_CACHED) this.#cache.delete(this.#cache.keys().next().value!);
    return channel;
  }

  async #entry(requester: Address): Promise<Entry> {
    let entry = this.#entries.get(requester);
    if (entry === undefined) {
      entry = channelOf(this.#store, requester).then((row) => ({
        owed: row?.owed ?? 0n,
        reserved: 0n,
        cumulative: row?.cumulative ?? 0n,
        signature: row?.signature,
      }));
      entry.catch(() => this.#entries.delete(requester));
      this.#entries.set(requester, entry);
    }
    return entry;
  }

  /** The best voucher held. */
  async voucherOf(requester: Address): Promise<{ cumulative: bigint; signature: Hex } | undefined> {
    const { cumulative, signature } = await this.#entry(requester);
    return signature === undefined ? undefined : { cumulative, signature };
  }

  /**
   * Sets aside the price of an order and keeps its voucher, whose signature has been checked, where it is the best; throws `VOUCHER_TOO_LOW` or `BALANCE_TOO_LOW`.
   */
  async reserve(
    requester: Address,
    price: bigint,
    voucher: { cumulative: bigint; signature: Hex },
  ): Promise<Reservation> {
    const entry = await this.#entry(requester);
    let funds = await this.#funds(requester, entry, price);
    const falls = () => owing(entry) + price > funds || owing(entry) + price > best();
    const best = () => (voucher.cumulative > entry.cumulative ? voucher.cumulative : entry.cumulative);
    // What is stored may count twice until this process knows that it is, and others may have given something up.
    for (let looks = 0; this.#shared && falls() && looks < 5; looks++) {
      if (looks > 0) await pause(50);
      await this.reload(requester);
      funds = await this.#funds(requester, entry, price);
    }
    // Nothing is awaited between these checks and the reservation.
    const total = owing(entry) + price;
    if (voucher.cumulative > entry.cumulative) Object.assign(entry, voucher);
    if (total > entry.cumulative)
      throw new AssayError(
        "VOUCHER_TOO_LOW",
        `the best voucher says ${entry.cumulative}, ${total} are owed with this order`,
        {
          hint: `sign a voucher for ${total}: all orders so far and this one`,
        },
      );
    if (total > funds)
      throw new AssayError(
        "BALANCE_TOO_LOW",
        `the channel holds ${funds}, ${total} are owed with this order`,
        {
          hint: "add to the prepaid balance, then send the order again",
        },
      );
    entry.reserved += price;
    let open = true;
    const end = (change: () => void) => {
      if (!open) return;
      open = false;
      entry.reserved -= price;
      change();
    };
    return {
      release: () => end(() => undefined),
      owe: () =>
        end(() => {
          entry.owed += price;
        }),
    };
  }

  async #funds(requester: Address, entry: Entry, price: bigint): Promise<bigint> {
    const { funds } = await this.onChain(requester);
    if (owing(entry) + price <= funds) return funds;
    return (await this.onChain(requester, RETRY)).funds;
  }

  /** Reads a requester's account again: another process may have written to it. */
  async reload(requester: Address): Promise<void> {
    const entry = await this.#entry(requester);
    const row = await channelOf(this.#store, requester);
    if (row === undefined) return;
    entry.owed = row.owed;
    if (row.cumulative <= entry.cumulative) return;
    entry.cumulative = row.cumulative;
    entry.signature = row.signature;
  }
}

/** The price of an order under way: given up, or owed from now on. */
export interface Reservation {
  release(): void;
  owe(): void;
}

function owing({ owed, reserved }: Entry): bigint {
  return owed + reserved;
}

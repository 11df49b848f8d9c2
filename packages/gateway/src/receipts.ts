import { type OrderDomain, type Receipt, receiptHash, receiptTypedData } from "@assay/protocol";
import { errorFields, type Logger, notify, type Store, waitFor } from "@assay/service";
import type { Address, Hex, LocalAccount } from "viem";
import { type Placed, placedByHash } from "./state.ts";

/** Told when an order waits for its receipt, and, with its hash, when it has it. */
export const WANTED_CHANNEL = "assay_gateway_wanted";
const GIVEN_CHANNEL = "assay_gateway_given";
/** Milliseconds between two looks for what no message told of. */
const POLL = 500;
/** Receipts signed at a time. */
const MOST = 256;

export interface Signing {
  store: Store;
  domain: OrderDomain;
  account: LocalAccount;
  /** Seconds after its receipt by which a claim is on the chain. */
  claimSeconds: bigint;
  now: () => bigint;
  /** Receipts that stake backs now, and what is told of each that is given. */
  backing: { readonly room: number; take(): void };
  /** Whether receipts are given now. */
  accepting: () => boolean;
  log: Logger;
}

export type Sign = (receipt: Omit<Receipt, "claimBy">) => Promise<{ receipt: Receipt; signature: Hex }>;

export function signer({
  account,
  domain,
  claimSeconds,
  now,
}: Pick<Signing, "account" | "domain" | "claimSeconds" | "now">): Sign {
  return async (promise) => {
    const receipt = { ...promise, claimBy: now() + claimSeconds };
    // A key at hand signs the digest, which is made for every order; a signer elsewhere wants to see what it signs.
    const signature = await (account.sign?.({ hash: receiptHash(domain, receipt) }) ??
      account.signTypedData(receiptTypedData(domain, receipt)));
    return { receipt, signature };
  };
}

interface Unsigned {
  orderHash: Hex;
  outputRoot: Hex;
}

/**
 * Signs the receipts of orders that other processes have answered. The outputs were fixed when the order was stored, and
 * what is signed counts once it is stored: of two processes that both think they are the one, one wins, and what the
 * other has signed is never seen.
 */
export async function signReceipts(signing: Signing, signal: AbortSignal): Promise<void> {
  const { store, log } = signing;
  let wake = Promise.withResolvers<void>();
  const silence = await store.listen(WANTED_CHANNEL, () => wake.resolve());
  try {
    while (!signal.aborted) {
      try {
        if (await signSome(signing)) continue;
      } catch (error) {
        log.warn(errorFields(error), "receipts could not be signed; trying again");
      }
      await waitFor(wake.promise, POLL, signal);
      wake = Promise.withResolvers();
    }
  } finally {
    await silence();
  }
}

/** Resolves to whether there may be more to sign. */
async function signSome(signing: Signing): Promise<boolean> {
  const { store, backing, log, now } = signing;
  const { rows } = await store.query<Unsigned & { late: boolean }>(
    `select order_hash as "orderHash", output_root as "outputRoot", deadline < $2 as late from placed
     where state = 'unsigned' order by number limit $1`,
    [MOST, now().toString()],
  );
  const late = rows.filter((row) => row.late).map(({ orderHash }) => orderHash);
  if (late.length > 0) await drop(store, late);
  // A receipt whose claim could not be posted would cost its executor a collateral.
  const room = signing.accepting() ? Math.max(0, backing.room) : 0;
  const timely = rows.filter((row) => !row.late).slice(0, room);
  if (timely.length === 0) return late.length > 0;
  const sign = signer(signing);
  const signed = await Promise.all(
    timely.map(({ orderHash, outputRoot }) => sign({ orderHash, outputRoot })),
  );
  for (const _ of signed) backing.take();
  const given = await store.query(
    `with signed as (
       update placed set state = 'signed', claim_by = item.claim_by, receipt_signature = item.signature
       from unnest($1::text[], $2::bigint[], $3::text[]) as item (order_hash, claim_by, signature)
       where placed.order_hash = item.order_hash and placed.state = 'unsigned'
       returning placed.order_hash
     )
     select pg_notify($4, order_hash) from signed`,
    [
      signed.map(({ receipt }) => receipt.orderHash),
      signed.map(({ receipt }) => receipt.claimBy.toString()),
      signed.map(({ signature }) => signature),
      GIVEN_CHANNEL,
    ],
  );
  log.debug({ receipts: given.rows.length }, "receipts signed");
  return rows.length === MOST;
}

/** Orders whose deadline has passed without a receipt: nothing was promised, nothing is owed. */
async function drop(store: Store, orderHashes: readonly Hex[]): Promise<void> {
  await store.query(
    `with dropped as (
       delete from placed where order_hash = any($1) and state = 'unsigned' returning requester, price
     )
     update channel set owed = owed - gone.price
     from (select requester, sum(price) as price from dropped group by requester) as gone
     where channel.requester = gone.requester`,
    [orderHashes],
  );
}

/** Waits for receipts that the process with the key signs. */
export class ReceiptWatch {
  readonly #store: Store;
  readonly #waiters = new Map<Hex, Set<(placed: Placed) => void>>();
  #silence: (() => Promise<void>) | undefined;
  #poll: NodeJS.Timeout | undefined;

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(store: Store): Promise<ReceiptWatch> {
    const watch = new ReceiptWatch(store);
    watch.#silence = await store.listen(GIVEN_CHANNEL, (hash) => void watch.#look(hash as Hex));
    // A message can get lost with its connection.
    watch.#poll = setInterval(() => {
      for (const hash of watch.#waiters.keys()) void watch.#look(hash);
    }, POLL);
    return watch;
  }

  /** Asks for receipts to be signed. */
  want(): Promise<void> {
    return notify(this.#store, WANTED_CHANNEL);
  }

  /** Resolves to the order with its receipt; undefined: nobody has signed it in that time. */
  async until(orderHash: Hex, milliseconds: number): Promise<Placed | undefined> {
    const done = Promise.withResolvers<Placed | undefined>();
    const waiters = this.#waiters.get(orderHash) ?? new Set();
    this.#waiters.set(orderHash, waiters.add(done.resolve));
    const timer = setTimeout(() => done.resolve(undefined), milliseconds);
    try {
      void this.#look(orderHash);
      return await done.promise;
    } finally {
      clearTimeout(timer);
      waiters.delete(done.resolve);
      if (waiters.size === 0) this.#waiters.delete(orderHash);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#poll);
    await this.#silence?.();
  }

  async #look(orderHash: Hex): Promise<void> {
    if (!this.#waiters.has(orderHash)) return;
    const placed = await placedByHash(this.#store, orderHash).catch(() => undefined); // the next look may come through
    if (placed !== undefined) for (const resolve of this.#waiters.get(orderHash) ?? []) resolve(placed);
  }
}

/** Budgets that hold over all processes of a database: a token for `key`; resolves to the seconds to wait, 0 when given. */
export function sharedBudget(store: Store, budget: { burst: number; perSecond: number }) {
  return async (requester: Address): Promise<number> => {
    const { rows } = await store.query(
      `insert into bucket as held (key, tokens, at) values ($1, $2::float8 - 1, clock_timestamp())
       on conflict (key) do update set at = clock_timestamp(), tokens = least($2::float8,
         held.tokens + extract(epoch from clock_timestamp() - held.at)::float8 * $3::float8) - 1
       where least($2::float8,
         held.tokens + extract(epoch from clock_timestamp() - held.at)::float8 * $3::float8) >= 1
       returning 1`,
      [`signer ${requester}`, budget.burst, budget.perSecond],
    );
    return rows.length > 0 ? 0 : 1 / budget.perSecond;
  };
}

/** Forgets budgets that nobody has drawn on for an hour: they are full again. */
export async function forgetBudgets(store: Store): Promise<void> {
  await store.query("delete from bucket where at < now() - interval '1 hour'");
}

import { NOTE_SCHEMA, openStore, type Queryable, type Store } from "@assay/service";
import type { Address, Hex } from "viem";
import type { Order, Receipt, Voucher } from "@assay/protocol";

/**
 * How far an order with a receipt has come: `signed` (in no batch yet) → `batched` → `settled`, with the outcome. Where
 * processes share the database, one that is answered waits `unsigned` for the process that has the key; nobody but this
 * package sees it, for nothing was promised.
 */
export type OrderState = "signed" | "batched" | "settled";

/** An order with its receipt. */
export interface Placed {
  orderHash: Hex;
  order: Order;
  orderSignature: Hex;
  receipt: Receipt;
  receiptSignature: Hex;
  /** Of the claim that the receipt promises. */
  claimId: Hex;
  state: OrderState;
  batchId: Hex | null;
  /** Where in its batch. */
  position: number | null;
  /** Whether its claim was taken out of its batch, to be challenged. */
  opened: boolean;
  /** How its claim was settled. */
  outcome: string | null;
}

export const GATEWAY_MIGRATIONS = [
  NOTE_SCHEMA,
  `create table placed (
    number bigserial primary key,
    order_hash text not null unique,
    requester text not null,
    executor text not null,
    program_root text not null,
    input_root text not null,
    price numeric not null,
    deadline bigint not null,
    nonce numeric not null,
    order_signature text not null,
    output_root text not null,
    claim_by bigint not null,
    receipt_signature text not null,
    claim_id text not null unique,
    state text not null default 'signed',
    batch_id text,
    position int,
    opened boolean not null default false,
    outcome text,
    created_at timestamptz not null default now(),
    unique (requester, nonce)
  );
  create index placed_open on placed (number) where state = 'signed';
  create index placed_batch on placed (batch_id, position);
  create index placed_input on placed (input_root);
  create table channel (
    requester text primary key,
    owed numeric not null,
    cumulative numeric not null,
    signature text not null,
    redeemed numeric not null default 0,
    constraint voucher_covers check (owed <= cumulative)
  );
  create table batch (
    batch_id text primary key,
    number bigserial,
    state text not null,
    claims int not null,
    transaction text,
    window_end bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create index batch_state on batch (state);
  create table demand (
    receipt_hash text primary key,
    order_hash text not null
  )`,
  `alter table placed alter column claim_by drop not null, alter column receipt_signature drop not null,
    add constraint signed_or_not check ((state = 'unsigned') = (receipt_signature is null));
  create index placed_unsigned on placed (number) where state = 'unsigned';
  alter table channel add column funds numeric, add constraint balance_covers check (owed <= funds);
  create table bucket (
    key text primary key,
    tokens double precision not null,
    at timestamptz not null
  )`,
  `create table batch_blob (
    versioned_hash text primary key,
    batch_id text not null,
    position int not null,
    commitment text not null
  );
  create index batch_blob_batch on batch_blob (batch_id, position)`,
  `alter table demand add column created_at timestamptz not null default now()`,
  `alter table channel add column redeemed_at timestamptz`,
  // A function, for its plan is made once: planning takes ten times as long as running it.
  `create function place(text[], text[], text[], text[], text[], numeric[], bigint[], numeric[], text[], text[], bigint[],
    text[], text[], text[], voucher_of text[], vouchers numeric[], signatures text[], all_funds numeric[])
  returns setof text language plpgsql as $$
  #variable_conflict use_column
  begin
    return query with written as (
      insert into placed (order_hash, requester, executor, program_root, input_root, price, deadline, nonce,
        order_signature, output_root, claim_by, receipt_signature, claim_id, state)
      select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
      on conflict do nothing returning order_hash, requester, price
    ), paid as (
      insert into channel as held (requester, owed, cumulative, signature, funds)
      select v.requester, coalesce((select sum(price) from written w where w.requester = v.requester), 0),
        v.cumulative, v.signature, v.funds
      from unnest(voucher_of, vouchers, signatures, all_funds) as v (requester, cumulative, signature, funds)
      on conflict (requester) do update set owed = held.owed + excluded.owed,
        funds = case when excluded.owed > 0 then excluded.funds else held.funds end,
        signature = case when excluded.cumulative > held.cumulative then excluded.signature else held.signature end,
        cumulative = greatest(held.cumulative, excluded.cumulative)
    ) select order_hash from written;
  end $$`,
  `alter table placed add column opened_block bigint, add column settled_block bigint;
  alter table batch add column settled_block bigint;
  alter table demand add column ended_block bigint`,
  `alter table batch add column seen_block bigint`,
];

/** A database of its own in a folder, or the PostgreSQL that all gateways of an executor share. */
export function openGatewayStore(where: { dataDir: string } | { databaseUrl: string }): Promise<Store> {
  return openStore({ ...where, schema: "assay_gateway", migrations: GATEWAY_MIGRATIONS });
}

const COLUMNS = `order_hash as "orderHash", requester, executor, program_root as "programRoot",
  input_root as "inputRoot", price::text, deadline::text, nonce::text, order_signature as "orderSignature",
  output_root as "outputRoot", claim_by::text as "claimBy", receipt_signature as "receiptSignature",
  claim_id as "claimId", state, batch_id as "batchId", position, opened, outcome`;

interface PlacedRow extends Omit<Placed, "order" | "receipt"> {
  requester: Address;
  executor: Address;
  programRoot: Hex;
  inputRoot: Hex;
  price: string;
  deadline: string;
  nonce: string;
  outputRoot: Hex;
  claimBy: string;
}

function placedOf(row: PlacedRow): Placed {
  const {
    requester,
    executor,
    programRoot,
    inputRoot,
    price,
    deadline,
    nonce,
    outputRoot,
    claimBy,
    ...rest
  } = row;
  return {
    ...rest,
    order: {
      requester,
      executor,
      programRoot,
      inputRoot,
      price: BigInt(price),
      deadline: BigInt(deadline),
      nonce: BigInt(nonce),
    },
    receipt: { orderHash: row.orderHash, outputRoot, claimBy: BigInt(claimBy) },
  };
}

async function select(store: Queryable, where: string, params: unknown[] = []): Promise<Placed[]> {
  const found = await store.query<PlacedRow>(`select ${COLUMNS} from placed ${where}`, params);
  return found.rows.map(placedOf);
}

export async function placedByHash(store: Queryable, orderHash: Hex): Promise<Placed | undefined> {
  return (await select(store, "where order_hash = $1 and state <> 'unsigned'", [orderHash]))[0];
}

export async function placedByClaim(store: Queryable, claimId: Hex): Promise<Placed | undefined> {
  return (await select(store, "where claim_id = $1", [claimId]))[0];
}

export function placedInBatch(store: Queryable, batchId: Hex): Promise<Placed[]> {
  return select(store, "where batch_id = $1 order by position", [batchId]);
}

/** Oldest first: the ones to go into the next batch. */
export function unbatched(store: Queryable, most: number): Promise<Placed[]> {
  return select(store, "where state = 'signed' order by number limit $1", [most]);
}

/** An order's answer to be written, with its requester's voucher. */
export interface Placing {
  placed: Pick<Placed, "orderHash" | "order" | "orderSignature" | "claimId"> & {
    /** Without claimBy, and a signature: the process that has the key makes it a receipt. */
    receipt: Omit<Receipt, "claimBy"> & Partial<Receipt>;
    receiptSignature?: Hex;
  };
  voucher: Voucher;
  voucherSignature: Hex;
  /** What the chain says is behind the vouchers; absent: not asked. */
  funds?: bigint;
}

/**
 * Writes orders with their receipts, and what their requesters owe, in one statement: all of it or, with a vouchers too
 * low for what they pay, nothing (`voucher_covers` is violated, or `balance_covers`). Returns the hashes of the orders that are new; what is
 * missing was written before, or uses a nonce of another order.
 */
export async function insertPlaced(
  store: Queryable,
  items: readonly Placing[],
  held: (requester: Address) => { cumulative: bigint; signature: Hex } | undefined,
): Promise<Set<Hex>> {
  const best = new Map<Address, { cumulative: bigint; signature: Hex }>();
  for (const { voucher, voucherSignature: signature } of items) {
    const before = best.get(voucher.requester) ?? held(voucher.requester);
    const better = before === undefined || voucher.cumulative > before.cumulative;
    best.set(voucher.requester, better ? { cumulative: voucher.cumulative, signature } : before);
  }
  const column = (of: (item: Placing) => string | bigint | undefined) =>
    items.map((item) => textOf(of(item)));
  const funds = new Map(items.map(({ voucher, funds }) => [voucher.requester, funds]));
  const vouchers = [...best];
  const values = Array.from({ length: 18 }, (_, i) => `$${i + 1}`).join(", ");
  const inserted = await store.query<{ orderHash: Hex }>(
    `select * from place(${values}) as placed ("orderHash")`,
    [
      column(({ placed }) => placed.orderHash),
      column(({ placed }) => placed.order.requester),
      column(({ placed }) => placed.order.executor),
      column(({ placed }) => placed.order.programRoot),
      column(({ placed }) => placed.order.inputRoot),
      column(({ placed }) => placed.order.price),
      column(({ placed }) => placed.order.deadline),
      column(({ placed }) => placed.order.nonce),
      column(({ placed }) => placed.orderSignature),
      column(({ placed }) => placed.receipt.outputRoot),
      column(({ placed }) => placed.receipt.claimBy),
      column(({ placed }) => placed.receiptSignature),
      column(({ placed }) => placed.claimId),
      column(({ placed }) => (placed.receiptSignature === undefined ? "unsigned" : "signed")),
      vouchers.map(([requester]) => requester),
      vouchers.map(([, { cumulative }]) => String(cumulative)),
      vouchers.map(([, { signature }]) => signature),
      vouchers.map(([requester]) => textOf(funds.get(requester))),
    ],
  );
  return new Set(inserted.rows.map(({ orderHash }) => orderHash));
}

function textOf(value: string | bigint | undefined): string | null {
  return value === undefined ? null : String(value);
}

/** Which of these orders are answered: with a receipt, or (default) about to get one. */
export async function whichPlaced(
  store: Queryable,
  orderHashes: readonly Hex[],
  how?: "signed",
): Promise<Set<Hex>> {
  const signed = how === undefined ? "" : " and state <> 'unsigned'";
  const { rows } = await store.query<{ orderHash: Hex }>(
    `select order_hash as "orderHash" from placed where order_hash = any($1)${signed}`,
    [orderHashes],
  );
  return new Set(rows.map(({ orderHash }) => orderHash));
}

/** What a requester owes, and the best voucher for it. */
export interface ChannelRow {
  requester: Address;
  owed: bigint;
  cumulative: bigint;
  signature: Hex;
  /** What the chain has paid out of the voucher, as far as we know. */
  redeemed: bigint;
}

export async function channelOf(store: Queryable, requester: Address): Promise<ChannelRow | undefined> {
  return (await channels(store, "where requester = $1", [requester]))[0];
}

/** Channels with more to redeem than this. */
export function redeemable(store: Queryable, atLeast: bigint): Promise<ChannelRow[]> {
  return channels(store, "where owed - redeemed >= $1 and owed > redeemed order by requester", [
    String(atLeast),
  ]);
}

async function channels(store: Queryable, where: string, params: unknown[]): Promise<ChannelRow[]> {
  const found = await store.query<Record<"owed" | "cumulative" | "redeemed", string> & ChannelRow>(
    `select requester, owed::text, cumulative::text, signature, redeemed::text from channel ${where}`,
    params,
  );
  return found.rows.map((row) => ({
    requester: row.requester,
    owed: BigInt(row.owed),
    cumulative: BigInt(row.cumulative),
    signature: row.signature,
    redeemed: BigInt(row.redeemed),
  }));
}

export async function writeRedeemed(store: Queryable, requester: Address, redeemed: bigint): Promise<void> {
  await store.query("update channel set redeemed = $2, redeemed_at = now() where requester = $1", [
    requester,
    String(redeemed),
  ]);
}

/** Demands on the chain for the claim of a receipt that are not answered yet. */
export async function openDemands(store: Queryable): Promise<{ receiptHash: Hex; orderHash: Hex }[]> {
  const found = await store.query<{ receiptHash: Hex; orderHash: Hex }>(
    'select receipt_hash as "receiptHash", order_hash as "orderHash" from demand where ended_block is null',
  );
  return found.rows;
}

export async function addDemand(store: Queryable, receiptHash: Hex, orderHash: Hex): Promise<void> {
  await store.query(
    `insert into demand (receipt_hash, order_hash) values ($1, $2)
     on conflict (receipt_hash) do update set ended_block = null`,
    [receiptHash.toLowerCase(), orderHash.toLowerCase()],
  );
}

/** A demand is none any more in `block`. */
export async function endDemand(store: Queryable, receiptHash: Hex, block: bigint): Promise<void> {
  await store.query("update demand set ended_block = $2 where receipt_hash = $1", [
    receiptHash,
    block.toString(),
  ]);
}

/** Receipts whose claims have no stake locked yet, those about to be given included. */
export async function countUnposted(store: Queryable, unsigned = true): Promise<number> {
  // Each part by an index: this is asked every second, of millions of orders.
  const found = await store.query<{ count: number }>(
    `select ((select count(*) from placed where state = 'signed')
       + (select count(*) from placed where state = 'unsigned' and $1)
       + (select coalesce(sum(claims), 0) from batch where state = 'sealed'))::int as count`,
    [unsigned],
  );
  return found.rows[0]!.count;
}

/** Things that wait: how many, and for how many seconds the oldest of them does (0: none). */
export interface Pile {
  count: number;
  age: number;
}

/** What is owed to requesters now. */
export interface DutiesNow {
  /** Orders without a signature under their receipt. */
  unsigned: Pile;
  /** Demands for claims that are not answered. */
  demanded: Pile;
  /** The first promise to fall due of those whose claim is in no posted batch, in Unix seconds. */
  unposted: bigint | undefined;
}

export async function duties(store: Queryable): Promise<DutiesNow> {
  const age = (what: string) =>
    `count(*)::int as count, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as age from ${what}`;
  const [unsigned, demanded, unposted] = await Promise.all([
    store.query<Pile>(`select ${age("placed where state = 'unsigned'")}`),
    store.query<Pile>(`select ${age("demand where ended_block is null")}`),
    store.query<{ claimBy: string | null }>(
      `select least((select min(claim_by) from placed where state = 'signed'),
         (select min(claim_by) from placed join batch using (batch_id) where batch.state = 'sealed'))::text as "claimBy"`,
    ),
  ]);
  const { claimBy } = unposted.rows[0]!;
  return {
    unsigned: unsigned.rows[0]!,
    demanded: demanded.rows[0]!,
    unposted: claimBy === null ? undefined : BigInt(claimBy),
  };
}

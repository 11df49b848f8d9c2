import {
  type Book,
  type ClaimSeen,
  NOTE_SCHEMA,
  openStore,
  type Queryable,
  type Store,
} from "@assay/service";
import type { Proof } from "./proofs.ts";
import type { Address, Hex } from "viem";

/**
 * How far the work on a claim has come. `seen` → `suspect` (its outputs are not ours, or it was sampled) → `challenged`
 * (a trace is owed or known) → `proving` (salt and proof stored, nothing committed yet) → `proven` → `settled`; or
 * `agreed`, `skipped` or `unproven`, with the reason. Every step can be taken again after a crash: it looks at the chain
 * first, and the stored proof is the one that is committed to.
 */
export type CaseState =
  "seen" | "suspect" | "challenged" | "proving" | "proven" | "unproven" | "settled" | "agreed" | "skipped";

export interface Case {
  claimId: Hex;
  requestId: Hex;
  /** Which market's claim it is. */
  book: Book;
  /** Where it was seen, if in a batch. */
  batchId: Hex | null;
  position: number | null;
  executor: Address;
  programRoot: Hex;
  inputRoot: Hex;
  outputRoot: Hex;
  state: CaseState;
  /** Why nothing (more) was done, or how the claim was settled. */
  reason: string | null;
  /** Bond of ours in it, in token units; null: none. */
  bond: string | null;
  bondedAt: Date | null;
  proofKind: Proof["kind"] | null;
  salt: Hex | null;
  /** ABI-encoded proof. */
  proof: Uint8Array | null;
  /** Of the trace that the proof is about. */
  traceRoot: Hex | null;
  /** What the proof shows, for people. */
  finding: Record<string, unknown> | null;
  /** A block in which it is settled. */
  settledBlock: string | null;
  /** Since when its claim has not been on the chain any more, after a reorg. */
  goneSince: Date | null;
}

const MIGRATIONS = [
  NOTE_SCHEMA,
  `create table dispute (
    claim_id text primary key,
    request_id text not null,
    executor text not null,
    program_root text not null,
    input_root text not null,
    output_root text not null,
    state text not null,
    reason text,
    bond text,
    proof_kind text,
    salt text,
    proof bytea,
    finding jsonb,
    updated_at timestamptz not null default now()
  );
  create index dispute_state on dispute (state)`,
  "alter table dispute add column bonded_at timestamptz",
  `alter table dispute add column book text not null default 'requests';
  alter table dispute add column batch_id text;
  alter table dispute add column position int;
  create table batch (
    batch_id text primary key,
    header jsonb not null,
    data text not null
  )`,
  `alter table batch add column block text;
  alter table batch add column window_end bigint;
  alter table batch add column pending boolean not null default false;
  create table blob (
    versioned_hash text primary key,
    commitment text not null,
    bytes bytea not null,
    window_end bigint not null
  )`,
  `alter table dispute add column trace_root text, add column settled_block bigint, add column gone_since timestamptz;
  create index dispute_batch on dispute (batch_id)`,
];

const COLUMNS = `claim_id as "claimId", request_id as "requestId", book, batch_id as "batchId", position, executor, program_root as "programRoot",
  input_root as "inputRoot", output_root as "outputRoot", state, reason, bond, bonded_at as "bondedAt", proof_kind as "proofKind", salt, proof,
  trace_root as "traceRoot", finding, settled_block::text as "settledBlock",
  gone_since as "goneSince"`;

/** Without a folder: in memory, for one dispute from a script. */
export function openChallengerStore(dataDir?: string): Promise<Store> {
  return openStore({ ...(dataDir === undefined ? {} : { dataDir }), migrations: MIGRATIONS });
}

/** What a case needs to know of its claim. */
export type ClaimToCheck = Pick<
  ClaimSeen,
  "claimId" | "requestId" | "executor" | "programRoot" | "inputRoot" | "outputRoot"
>;

/**
 * Adds a claim; true: it was new. One already known stays as it is, but for the batch it is in: the same entry comes in
 * another batch when a reorg has undone the first, and only that one can be opened. (Once it is, its event names no batch.)
 */
export async function addCase(
  store: Queryable,
  claim: ClaimToCheck,
  place: { book: Book; batchId?: Hex; position?: number } = { book: "requests" },
): Promise<boolean> {
  // `xmax` is 0 in a row that was not there before.
  const written = await store.query<{ added: boolean }>(
    `insert into dispute (claim_id, request_id, executor, program_root, input_root, output_root, state, book, batch_id,
       position)
     values ($1, $2, $3, $4, $5, $6, 'seen', $7, $8, $9)
     on conflict (claim_id) do update set batch_id = coalesce(excluded.batch_id, dispute.batch_id),
       position = coalesce(excluded.position, dispute.position), gone_since = null
     returning xmax = 0 as added`,
    [
      claim.claimId,
      claim.requestId,
      claim.executor,
      claim.programRoot,
      claim.inputRoot,
      claim.outputRoot,
      place.book,
      place.batchId ?? null,
      place.position ?? null,
    ],
  );
  return written.rows[0]!.added;
}

const CLOSED = "('settled', 'agreed', 'skipped')";

/** Cases beyond the check that are not closed. */
export async function openDisputes(store: Queryable): Promise<Case[]> {
  const cases = await store.query<Case>(
    `select ${COLUMNS} from dispute where state <> 'seen' and state not in ${CLOSED} order by updated_at`,
  );
  return cases.rows;
}

/** Claims to be checked, but for these: the first in turn, no more than `most`. See {@link endTurn}. */
export async function uncheckedCases(
  store: Queryable,
  except: readonly string[],
  most: number,
): Promise<Case[]> {
  const cases = await store.query<Case>(
    `select ${COLUMNS} from dispute where state = 'seen' and claim_id <> all($1)
     order by updated_at, claim_id limit $2`,
    [except, most],
  );
  return cases.rows;
}

/** A claim that could not be checked yet (its input is demanded, say) lets the others go first. */
export async function endTurn(store: Queryable, claimId: Hex): Promise<void> {
  await store.query("update dispute set updated_at = now() where claim_id = $1 and state = 'seen'", [
    claimId,
  ]);
}

/** Opens again what was settled in block `from` or later: a reorg may have undone that. What still holds is settled again. */
export async function reopenCases(store: Queryable, from: bigint): Promise<void> {
  await store.query(
    `update dispute set reason = null, updated_at = now(),
       state = case when proof is null then 'seen' else 'proven' end
     where state = 'settled' and settled_block >= $1`,
    [from.toString()],
  );
}

/**
 * Forgets claims whose checking ended so many days ago and those that a reorg took away a day ago, and then batches of which no
 * claim is left. Resolves to whether there may be more.
 */
export async function forgetCases(store: Queryable, days: number): Promise<boolean> {
  const { rows } = await store.query(
    `delete from dispute where claim_id in (
       select claim_id from dispute
       where (state in ${CLOSED} and updated_at < now() - make_interval(days => $1))
         or gone_since < now() - interval '1 day'
       limit 500)
     returning 1`,
    [days],
  );
  if (rows.length > 0) return true;
  await store.query(
    `delete from batch where not exists (select 1 from dispute where dispute.batch_id = batch.batch_id)
       and (not pending or window_end < extract(epoch from now()) - $1 * 86400)`,
    [days],
  );
  return false;
}

export async function caseOf(store: Queryable, claimId: Hex): Promise<Case | undefined> {
  return (await store.query<Case>(`select ${COLUMNS} from dispute where claim_id = $1`, [claimId])).rows[0];
}

export async function countCases(store: Queryable): Promise<Partial<Record<CaseState, number>>> {
  const counts = await store.query<{ state: CaseState; count: number }>(
    "select state, count(*)::int as count from dispute group by state",
  );
  return Object.fromEntries(counts.rows.map(({ state, count }) => [state, count]));
}

/** Sum of the bonds that are out, in token units. */
export async function bondsOut(store: Queryable): Promise<bigint> {
  const sum = await store.query<{ sum: string }>(
    `select coalesce(sum(bond::numeric), 0)::text as sum from dispute where state not in ${CLOSED}`,
  );
  return BigInt(sum.rows[0]!.sum);
}

/** Sum of the bonds posted within the last 24 hours, in token units. */
export async function bondsOfDay(store: Queryable): Promise<bigint> {
  const sum = await store.query<{ sum: string }>(
    `select coalesce(sum(bond::numeric), 0)::text as sum from dispute where bonded_at > now() - interval '1 day'`,
  );
  return BigInt(sum.rows[0]!.sum);
}

const FIELDS = {
  state: "state",
  reason: "reason",
  bond: "bond",
  bondedAt: "bonded_at",
  proofKind: "proof_kind",
  salt: "salt",
  proof: "proof",
  traceRoot: "trace_root",
  finding: "finding",
  settledBlock: "settled_block",
  goneSince: "gone_since",
} as const;

/** Changes a case in one statement, so that a crash leaves either all of it or nothing. */
export async function updateCase(
  store: Queryable,
  claimId: Hex,
  change: Partial<Pick<Case, keyof typeof FIELDS>>,
): Promise<void> {
  const keys = Object.keys(change) as (keyof typeof FIELDS)[];
  const set = keys.map((key, i) => `${FIELDS[key]} = $${i + 2}`).join(", ");
  await store.query(`update dispute set ${set}, updated_at = now() where claim_id = $1`, [
    claimId,
    ...keys.map((key) => (key === "finding" ? JSON.stringify(change[key]) : change[key])),
  ]);
}

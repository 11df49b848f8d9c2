import {
  type Book,
  NOTE_SCHEMA,
  openStore,
  type Queryable,
  type RequestSeen,
  type Store,
} from "@assay/service";
import type { Hex } from "viem";

/**
 * How far a request has come. `seen` → `running` → `signed` (claim and signature stored, nothing sent yet) → `posted` →
 * `challenged` → `revealed` → `settled`; or `ignored`, with the reason. Every step can be taken again after a crash: it
 * looks at the chain first, and a claim once signed is never made anew.
 */
export type JobState =
  "seen" | "running" | "signed" | "posted" | "challenged" | "revealed" | "settled" | "ignored";

export interface Job {
  requestId: Hex;
  /** Which market's claim it is. */
  book: Book;
  programRoot: Hex;
  inputRoot: Hex;
  inputs: Uint8Array;
  inputsUri: string;
  state: JobState;
  /** Why it was ignored, or how it was settled. */
  reason: string | null;
  /** Stored bytes of the outputs, one after the other; from `signed` on. */
  outputs: Uint8Array | null;
  outputRoot: Hex | null;
  signature: Hex | null;
  claimId: Hex | null;
  traceRoot: Hex | null;
}

const MIGRATIONS = [
  NOTE_SCHEMA,
  `create table job (
    request_id text primary key,
    program_root text not null,
    input_root text not null,
    inputs bytea not null,
    inputs_uri text not null,
    state text not null,
    reason text,
    outputs bytea,
    output_root text,
    signature text,
    claim_id text unique,
    trace_root text,
    updated_at timestamptz not null default now()
  );
  create index job_state on job (state)`,
  "alter table job add column book text not null default 'requests'",
];

const COLUMNS = `request_id as "requestId", book, program_root as "programRoot", input_root as "inputRoot", inputs,
  inputs_uri as "inputsUri", state, reason, outputs, output_root as "outputRoot", signature, claim_id as "claimId",
  trace_root as "traceRoot"`;

export function openExecutorStore(dataDir: string): Promise<Store> {
  return openStore({ dataDir, migrations: MIGRATIONS });
}

/** Adds a request; one already known stays as it is. */
export async function addJob(store: Queryable, request: RequestSeen): Promise<boolean> {
  const inserted = await store.query(
    `insert into job (request_id, program_root, input_root, inputs, inputs_uri, state)
     values ($1, $2, $3, $4, $5, 'seen') on conflict do nothing returning 1`,
    [
      request.requestId,
      request.programRoot,
      request.inputRoot,
      Buffer.from(request.inputs.slice(2), "hex"),
      request.inputsUri,
    ],
  );
  return inserted.rows.length > 0;
}

/** A claim that somebody else has put on the chain for this executor: to be defended and ended like its own. */
export interface Adopted {
  book: Book;
  requestId: Hex;
  claimId: Hex;
  programRoot: Hex;
  inputRoot: Hex;
  outputRoot: Hex;
  /** Stored bytes, one after the other. */
  inputs: Uint8Array;
  outputs: Uint8Array;
}

/** Adds a claim that is on the chain; one already known stays as it is. */
export async function adoptJob(store: Queryable, claim: Adopted): Promise<boolean> {
  const inserted = await store.query(
    `insert into job (request_id, book, program_root, input_root, inputs, inputs_uri, state, outputs, output_root, claim_id)
     values ($1, $2, $3, $4, $5, '', 'posted', $6, $7, $8) on conflict do nothing returning 1`,
    [
      claim.requestId,
      claim.book,
      claim.programRoot,
      claim.inputRoot,
      claim.inputs,
      claim.outputs,
      claim.outputRoot,
      claim.claimId.toLowerCase(),
    ],
  );
  return inserted.rows.length > 0;
}

export async function openJobs(store: Queryable): Promise<Job[]> {
  const jobs = await store.query<Job>(
    `select ${COLUMNS} from job where state not in ('settled', 'ignored') order by updated_at`,
  );
  return jobs.rows;
}

/** Opens what ended lately again, for a reorg may have undone that; what still holds ends again at once. */
export async function reopenJobs(store: Queryable): Promise<void> {
  await store.query(
    `update job set reason = null, updated_at = now(),
       state = case when claim_id is null then 'seen' when state = 'settled' or book <> 'requests' then 'posted' else 'signed' end
     where state in ('settled', 'ignored') and updated_at > now() - interval '1 day'`,
  );
}

export async function jobOfClaim(store: Queryable, claimId: string): Promise<Job | undefined> {
  return (await store.query<Job>(`select ${COLUMNS} from job where claim_id = $1`, [claimId])).rows[0];
}

export async function countJobs(store: Queryable): Promise<Partial<Record<JobState, number>>> {
  const counts = await store.query<{ state: JobState; count: number }>(
    "select state, count(*)::int as count from job group by state",
  );
  return Object.fromEntries(counts.rows.map(({ state, count }) => [state, count]));
}

const FIELDS = {
  inputs: "inputs",
  state: "state",
  reason: "reason",
  outputs: "outputs",
  outputRoot: "output_root",
  signature: "signature",
  claimId: "claim_id",
  traceRoot: "trace_root",
} as const;

/** Changes a job in one statement, so that a crash leaves either all of it or nothing. */
export async function updateJob(
  store: Queryable,
  requestId: Hex,
  change: Partial<Pick<Job, keyof typeof FIELDS>>,
): Promise<void> {
  const keys = Object.keys(change) as (keyof typeof FIELDS)[];
  const set = keys.map((key, i) => `${FIELDS[key]} = $${i + 2}`).join(", ");
  await store.query(`update job set ${set}, updated_at = now() where request_id = $1`, [
    requestId,
    ...keys.map((key) => change[key]),
  ]);
}

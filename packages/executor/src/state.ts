import {
  type Book,
  NOTE_SCHEMA,
  notify,
  openStore,
  type Queryable,
  type RequestSeen,
  type Store,
  type StoreOptions,
} from "@assay/service";
import type { Hex } from "viem";

/** A request comes from the chain, an order from its requester, signed, through a gateway. */
export type JobKind = "request" | "order";

/**
 * How far a job has come. `seen` → `running` (a worker's turn) → `computed` (outputs stored: they are what will be
 * claimed, whatever happens) → `signed` (nothing sent yet) → `posted` → `challenged` (a trace is owed) → `revealed` →
 * `settled`; or `ignored` or `failed`, with the reason. An order stays `computed` until its gateway has its claim on the
 * chain. Every step can be taken again after a crash, and by any process: it looks at the chain first, and changes the
 * job only if that is still in the state it began in.
 */
export type JobState =
  | "seen"
  | "running"
  | "computed"
  | "signed"
  | "posted"
  | "challenged"
  | "revealed"
  | "settled"
  | "ignored"
  | "failed";

/** A tensor in the blob store, with its root and size. */
export interface StoredTensor {
  hash: Hex;
  root: Hex;
  size: number;
}

export interface Job {
  /** The request's id, or the order's hash. */
  id: Hex;
  kind: JobKind;
  programRoot: Hex;
  inputRoot: Hex;
  inputsUri: string;
  state: JobState;
  /** Why it was ignored, failed, or how it was settled. */
  reason: string | null;
  /** Root of the stored outputs; from `computed` on. */
  outputRoot: Hex | null;
  signature: Hex | null;
  claimId: Hex | null;
  traceRoot: Hex | null;
  /** The trace in the blob store, once a challenge has made it needed. */
  trace: StoredTensor[] | null;
  /** What kind of machine computed the outputs; see machine.ts. Null: this one's, as far as anybody knows. */
  machine: string | null;
  /** A block in which it has ended as far as the chain goes; null: nothing on the chain has ended it. */
  endedBlock: string | null;
  /** How often something has happened to its claim. */
  woken: number;
}

/** A job to begin with. */
export interface NewJob {
  id: Hex;
  kind: JobKind;
  programRoot: Hex;
  inputRoot: Hex;
  /** Stored bytes of the inputs one after the other; empty: they are at `inputsUri`. */
  inputs: Uint8Array;
  inputsUri?: string;
}

const MIGRATIONS = [
  NOTE_SCHEMA,
  `create table job (
    id text primary key,
    kind text not null,
    program_root text not null,
    input_root text not null,
    inputs_uri text not null,
    state text not null,
    reason text,
    output_root text,
    signature text,
    claim_id text unique,
    trace_root text,
    trace jsonb,
    machine text,
    due bigint not null default 0,
    woken int not null default 0,
    updated_at timestamptz not null default now()
  );
  create index job_due on job (due) where state not in ('running', 'settled', 'ignored', 'failed');
  create index job_state on job (state, updated_at);
  create table payload (
    job_id text not null references job on delete cascade,
    part text not null,
    bytes bytea,
    hash text,
    primary key (job_id, part)
  )`,
  "alter table job add column ended_block bigint",
];

const COLUMNS = `id, kind, program_root as "programRoot", input_root as "inputRoot", inputs_uri as "inputsUri", state,
  reason, output_root as "outputRoot", signature, claim_id as "claimId", trace_root as "traceRoot", trace, machine,
  ended_block::text as "endedBlock", woken`;

/** Where an executor keeps its state: a PostgreSQL that its processes share, or a folder. */
export function openExecutorStore(where: Pick<StoreOptions, "databaseUrl" | "dataDir">): Promise<Store> {
  return openStore({ ...where, schema: "assay_executor", migrations: MIGRATIONS });
}

/** Channel on which every change of a job's state is told, as `<id> <state>`. */
export const JOB_CHANNEL = "assay_executor_job";

/** Adds jobs in `state`; resolves to the ids of those that were not known yet. Their inputs are stored by the caller. */
export async function insertJobs(
  store: Queryable,
  jobs: readonly Omit<NewJob, "inputs">[],
  state: JobState,
): Promise<Set<Hex>> {
  if (jobs.length === 0) return new Set();
  const inserted = await store.query<{ id: Hex }>(
    `insert into job (id, kind, program_root, input_root, inputs_uri, state)
     select id, kind, program_root, input_root, inputs_uri, $2
     from jsonb_to_recordset($1::jsonb)
       as new (id text, kind text, program_root text, input_root text, inputs_uri text)
     on conflict do nothing returning id`,
    [
      JSON.stringify(
        jobs.map(({ id, kind, programRoot, inputRoot, inputsUri = "" }) => ({
          id,
          kind,
          program_root: programRoot,
          input_root: inputRoot,
          inputs_uri: inputsUri,
        })),
      ),
      state,
    ],
  );
  for (const { id } of inserted.rows) await notify(store, JOB_CHANNEL, `${id} ${state}`);
  return new Set(inserted.rows.map(({ id }) => id));
}

/** A request's event as a job. */
export function requestJob(request: RequestSeen): NewJob {
  const { requestId, programRoot, inputRoot, inputsUri } = request;
  const inputs = new Uint8Array(Buffer.from(request.inputs.slice(2), "hex"));
  return { id: requestId, kind: "request", programRoot, inputRoot, inputs, inputsUri };
}

/** A claim that a gateway has put on the chain for this executor: to be defended and ended like its own. */
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

/** Adds an order's claim that is on the chain; resolves to whether it was not known yet. */
export async function adoptJob(
  store: Queryable,
  claim: Omit<Adopted, "inputs" | "outputs">,
): Promise<boolean> {
  const { book, requestId, claimId, programRoot, inputRoot, outputRoot } = claim;
  // The machine of the run that gave these outputs.
  const { rows } = await store.query(
    `insert into job (id, kind, program_root, input_root, inputs_uri, state, output_root, claim_id, machine)
     values ($1, $6, $2, $3, '', 'posted', $4, $5,
       (select machine from job where kind = 'order' and program_root = $2 and input_root = $3 and output_root = $4
        order by updated_at desc limit 1))
     on conflict do nothing returning 1`,
    [
      requestId,
      programRoot,
      inputRoot,
      outputRoot,
      claimId.toLowerCase(),
      (book === "orders" ? "order" : "request") satisfies JobKind,
    ],
  );
  return rows.length > 0;
}

/** Jobs that the poster has something to do for at a time of the chain, those due longest first. */
export async function dueJobs(store: Queryable, now: bigint, except: readonly string[]): Promise<Job[]> {
  const jobs = await store.query<Job>(
    `select ${COLUMNS} from job
     where state not in ('running', 'settled', 'ignored', 'failed') and due <= $1 and id <> all($2)
       and not (kind = 'order' and state = 'computed')
     order by due, updated_at limit 256`,
    [now.toString(), except],
  );
  return jobs.rows;
}

/**
 * Makes the jobs of these claims due: something has happened to them. One that was given up, but whose claim is on the
 * chain after all (a node was behind, a transaction was late), is followed and defended.
 */
export async function wakeClaims(store: Queryable, claimIds: readonly string[]): Promise<void> {
  if (claimIds.length === 0) return;
  await store.query("update job set due = 0, woken = woken + 1 where claim_id = any($1)", [claimIds]);
  await store.query(
    "update job set state = 'posted', reason = null where claim_id = any($1) and state in ('ignored', 'failed')",
    [claimIds],
  );
}

/** Leaves a job alone until a time of the chain, or until something happens to its claim, or has since it was read. */
export async function deferJob(
  store: Queryable,
  job: Pick<Job, "id" | "woken">,
  until: bigint,
): Promise<void> {
  const { id, woken } = job;
  await store.query("update job set due = $2 where id = $1 and woken = $3", [id, until.toString(), woken]);
}

/**
 * Opens again what the chain had ended in block `from` or later, for a reorg may have undone that; what still holds ends
 * again at once. Traces were removed when their claims ended.
 */
export async function reopenJobs(store: Queryable, from: bigint): Promise<void> {
  await store.query(
    `update job set reason = null, trace = null, due = 0, updated_at = now(),
       state = case when state = 'settled' or kind = 'order' then 'posted' when claim_id is not null then 'signed'
         when output_root is not null then 'computed' else 'seen' end
     where state in ('settled', 'ignored') and ended_block >= $1`,
    [from.toString()],
  );
  await store.query("update job set due = 0 where due > 0 and state not in ('settled', 'ignored', 'failed')");
}

export async function jobOf(store: Queryable, id: string): Promise<Job | undefined> {
  return (await store.query<Job>(`select ${COLUMNS} from job where id = $1`, [id])).rows[0];
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

/** Runs that wait for a worker or are with one. */
export async function countRunning(store: Queryable): Promise<number> {
  const { rows } = await store.query<{ count: number }>(
    "select count(*)::int as count from job where state = 'running'",
  );
  return rows[0]!.count;
}

const FIELDS = {
  state: "state",
  reason: "reason",
  outputRoot: "output_root",
  signature: "signature",
  claimId: "claim_id",
  traceRoot: "trace_root",
  trace: "trace",
  machine: "machine",
  endedBlock: "ended_block",
} as const;

export type JobChange = Partial<Pick<Job, keyof typeof FIELDS>>;

/**
 * Changes a job in one statement if it is still in the state that `job` has, and makes it due; resolves to whether it
 * was. A crash leaves either all of the change or nothing, and of two processes one changes it.
 */
export async function updateJob(
  store: Queryable,
  job: Pick<Job, "id" | "state">,
  change: JobChange,
): Promise<boolean> {
  const keys = Object.keys(change) as (keyof typeof FIELDS)[];
  const set = keys.map((key, i) => `${FIELDS[key]} = $${i + 3}`).join(", ");
  const { rows } = await store.query(
    `update job set ${set}, due = 0, updated_at = now() where id = $1 and state = $2 returning 1`,
    [job.id, job.state, ...keys.map((key) => (key === "trace" ? JSON.stringify(change[key]) : change[key]))],
  );
  if (rows.length > 0 && change.state !== undefined && change.state !== job.state)
    await notify(store, JOB_CHANNEL, `${job.id} ${change.state}`);
  return rows.length > 0;
}

/** Forgets what nobody can ask for any more: jobs that ended so many days ago, runs of orders that came to nothing. */
export async function forgetJobs(store: Queryable, days: number): Promise<Hex[]> {
  const forgotten = await store.query<{ id: Hex }>(
    `delete from job where id in (
       select id from job
       where (state in ('settled', 'ignored', 'failed') and updated_at < now() - make_interval(days => $1))
         or (kind = 'order' and claim_id is null and updated_at < now() - interval '1 hour')
       limit 500)
     returning id`,
    [days],
  );
  return forgotten.rows.map(({ id }) => id);
}

import { randomUUID } from "node:crypto";
import { AssayError } from "@assay/tensor";
import { type Db, PgBoss } from "pg-boss";
import { errorFields, type Logger } from "./log.ts";
import { Commits } from "./commits.ts";
import { lockFor, notify, type Queryable, type Scriptable, type Store } from "./store.ts";
import { backoff, pause, waitFor } from "./time.ts";

/** A piece of work in a line. */
export interface Task<Data extends object = object> {
  readonly id: string;
  readonly data: Data;
  /** Tries before this one. */
  readonly retries: number;
}

/** What a task's result changes in the store: part of the transaction that ends the task. */
export type Write = (tx: Queryable) => Promise<unknown>;

export interface LineOptions {
  /** How often one process sees a task fail before it has failed. Default 3. */
  tries?: number;
  /**
   * Tries in all, those that ended with their process or took too long among them: it may be the task that brings the
   * process down, but mostly it is not. Default 10, and no less than `tries`.
   */
  attempts?: number;
  /** Seconds that one try may take. Default 900. */
  seconds?: number;
}

export interface WorkOptions<Data extends object> {
  /** Tasks at a time. */
  parallel: number;
  /** Does the work; resolves to what its result changes. A rejection is tried again, until the tries are used up. */
  handle: (task: Task<Data>, signal: AbortSignal) => Promise<Write>;
  /** What changes when a task has failed for good, with why; also for tasks whose last try killed its process. */
  failed: (data: Data, reason: string, error?: unknown) => Write;
  /** Whether new tasks may be taken now. Default: always. */
  accepting?: () => boolean;
  /** Whether trying again is in vain. */
  hopeless?: (error: unknown) => boolean;
}

/** Seconds without a sign of life after which a task goes to another worker; pg-boss allows no fewer. */
const HEARTBEAT_SECONDS = 10;
/** Failures that are remembered: other processes may end the tasks. */
const MOST_FAILURES = 10_000;
/** Milliseconds between two looks for tasks when nobody has called. */
const POLL = 2000;

/**
 * Lines of tasks, in the store: pg-boss on PostgreSQL or PGlite. A task is one worker's at a time; it goes to another
 * when its worker dies. It is ended in the transaction that stores its result, so that a result is stored once.
 */
export class Queue {
  readonly #boss: PgBoss;
  readonly #store: Store;
  readonly #log: Logger;
  readonly #limits = new Map<string, Required<Pick<LineOptions, "tries" | "attempts">>>();
  /** How often tasks that are not ended have failed here. */
  readonly #failures = new Map<string, number>();

  private constructor(boss: PgBoss, store: Store, log: Logger) {
    this.#boss = boss;
    this.#store = store;
    this.#log = log;
  }

  static async open(store: Store, log: Logger): Promise<Queue> {
    const boss = new PgBoss({
      db: databaseOf(store),
      backend: store.shared ? "postgres" : "pglite",
      schema: `${store.schema}_queue`,
      schedule: false,
      superviseIntervalSeconds: 2,
      monitorIntervalSeconds: 2,
    });
    boss.on("error", (error) => log.warn(errorFields(error), "queue maintenance failed; trying again"));
    if (!store.shared) await boss.start();
    // pg-boss makes its tables under a lock, but what two processes that start at once know of schemas may be older.
    else
      await store.transaction(async (tx) => {
        await lockFor(tx, `migrate ${store.schema}_queue`);
        await boss.start();
      });
    return new Queue(boss, store, log);
  }

  /** Makes a line, or finds it as another process has made it. Before anything else is done with it. */
  async declare(line: string, options: LineOptions = {}): Promise<void> {
    const { tries = 3, seconds = 900 } = options;
    const attempts = Math.max(tries, options.attempts ?? 10);
    await this.#boss.createQueue(dead(line), { retryLimit: 1_000_000, deleteAfterSeconds: 3600 });
    await this.#boss.createQueue(line, {
      retryLimit: attempts - 1,
      retryDelay: 1,
      retryBackoff: true,
      retryDelayMax: 60,
      expireInSeconds: seconds,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      deleteAfterSeconds: 3600,
      deadLetter: dead(line),
    });
    // pg-boss looks lines up once, outside of transactions; a PGlite could not do that during one.
    for (const name of [line, dead(line)]) await this.#boss.touch(name, [randomUUID()]);
    this.#limits.set(line, { tries, attempts });
  }

  /** Puts tasks in line, once `tx` commits. Those with a higher priority come first. */
  async send(
    tx: Scriptable,
    line: string,
    tasks: readonly { data: object; priority?: number }[],
  ): Promise<void> {
    if (tasks.length === 0) return;
    this.#limitsOf(line);
    await this.#boss.insert(line, [...tasks], { db: databaseOf(tx) });
    await notify(tx, this.#channel, line);
  }

  /** Tasks that wait for a worker or are with one. */
  async open(line: string): Promise<number> {
    const { rows } = await this.#store.query<{ count: number }>(
      `select count(*)::int as count from ${this.#store.schema}_queue.job where name = $1 and state in ('created', 'retry', 'active')`,
      [line],
    );
    return rows[0]!.count;
  }

  /** Works on a line until `signal` aborts; what is under way is then finished. */
  async work<Data extends object>(
    line: string,
    options: WorkOptions<Data>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#limitsOf(line);
    if (!this.#store.shared) await this.#reclaim(line);
    const running = new Map<string, Promise<void>>();
    const commits = new Commits(this.#store);
    let wake = Promise.withResolvers<void>();
    const silence = await this.#store.listen(this.#channel, (about) => about === line && wake.resolve());
    const stop = () => wake.resolve();
    signal.addEventListener("abort", stop, { once: true });
    const beat = setInterval(
      () => {
        const ids = [...running.keys()];
        if (ids.length > 0) this.#boss.touch(line, ids).catch(() => undefined); // the next one may come through
      },
      (HEARTBEAT_SECONDS * 1000) / 4,
    );
    try {
      for (let failures = 0; !signal.aborted;) {
        const accepting = options.accepting?.() ?? true;
        const free = accepting ? options.parallel - running.size : 0;
        try {
          const tasks = free > 0 ? await this.#fetch<Data>(line, free) : [];
          for (const task of tasks) {
            const done = this.#try(line, task, options, commits, signal).finally(() => {
              running.delete(task.id);
              wake.resolve();
            });
            running.set(task.id, done);
          }
          if (tasks.length === 0) await this.#bury(line, options);
          failures = 0;
          if (tasks.length === free && free > 0) continue;
          await waitFor(wake.promise, POLL, signal);
        } catch (error) {
          this.#log.warn({ line, ...errorFields(error) }, "cannot fetch tasks; trying again");
          await pause(backoff(++failures), signal);
        }
        wake = Promise.withResolvers();
      }
      await Promise.all(running.values());
    } finally {
      clearInterval(beat);
      signal.removeEventListener("abort", stop);
      await silence();
    }
  }

  async close(): Promise<void> {
    await this.#boss.stop({ graceful: false, close: false });
  }

  get #channel(): string {
    return `${this.#store.schema}_queue`;
  }

  #limitsOf(line: string) {
    const limits = this.#limits.get(line);
    if (limits === undefined) throw new AssayError("LINE_UNKNOWN", `the line ${line} has not been declared`);
    return limits;
  }

  async #fetch<Data extends object>(line: string, most: number): Promise<Task<Data>[]> {
    const jobs = await this.#boss.fetch<Data>(line, { batchSize: most, includeMetadata: true });
    return jobs.map(({ id, data, retryCount }) => ({ id, data, retries: retryCount }));
  }

  /** Notes that a task has failed here; whether it is given up. */
  #hasFailed(line: string, { id, retries }: Task): boolean {
    const { tries, attempts } = this.#limitsOf(line);
    const failures = (this.#failures.get(id) ?? 0) + 1;
    if (this.#failures.size > MOST_FAILURES) this.#failures.clear();
    this.#failures.set(id, failures);
    return failures >= tries || retries + 1 >= attempts;
  }

  /** Never rejects. */
  async #try<Data extends object>(
    line: string,
    task: Task<Data>,
    { handle, failed, hopeless }: WorkOptions<Data>,
    commits: Commits,
    signal: AbortSignal,
  ): Promise<void> {
    const end = (write: Write) =>
      commits.add(async (tx) => {
        // Only who still has the task may store what came of it.
        const { rows } = await tx.query(
          `select 1 from ${this.#store.schema}_queue.job where name = $1 and id = $2 and state = 'active' and retry_count = $3 for update`,
          [line, task.id, task.retries],
        );
        if (rows.length === 0) return;
        await write(tx);
        await this.#boss.complete(line, task.id, undefined, { db: databaseOf(tx) });
      });
    try {
      await end(await handle(task, signal));
      this.#failures.delete(task.id);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const final = this.#hasFailed(line, task) || (hopeless?.(error) ?? false);
      if (final) this.#failures.delete(task.id);
      const about = { line, task: task.id, ...errorFields(error) };
      this.#log.warn(about, final ? "task failed" : "task failed; it will be tried again");
      try {
        if (final) await end(failed(task.data, reason, error));
        else await this.#boss.fail(line, task.id, { reason });
      } catch (failure) {
        // It goes to somebody else when its heartbeat stops.
        this.#log.warn({ line, task: task.id, ...errorFields(failure) }, "cannot say that a task failed");
      }
    }
  }

  /** Ends tasks whose last try took its worker with it, or too long. */
  async #bury<Data extends object>(line: string, { failed }: WorkOptions<Data>): Promise<void> {
    const jobs = await this.#boss.fetch<Data>(dead(line), { batchSize: 10 });
    for (const { id, data } of jobs) {
      this.#log.error({ line, task: id }, "task failed: its last try never ended");
      await this.#store.transaction(async (tx) => {
        await failed(data, "every try ended with its process, or took too long")(tx);
        await this.#boss.complete(dead(line), id, undefined, { db: databaseOf(tx) });
      });
    }
  }

  /** In a store of one process, tasks that are being worked on at the start are those of a process that died. */
  async #reclaim(line: string): Promise<void> {
    const { rows } = await this.#store.query<{ id: string }>(
      `select id::text from ${this.#store.schema}_queue.job where name = $1 and state = 'active'`,
      [line],
    );
    if (rows.length > 0)
      await this.#boss.fail(
        line,
        rows.map(({ id }) => id),
        { reason: "the process ended" },
      );
  }
}

/** A line's tasks that have failed without their worker saying so. */
function dead(line: string): string {
  return `${line}/dead`;
}

function databaseOf(store: Scriptable & { listen?: unknown }): Db {
  return {
    // Statements without parameters may be several in one text.
    async executeSql(text, values) {
      try {
        return await (values?.length ? store.query(text, values) : store.exec(text));
      } catch (error) {
        // A PGlite has one connection: what failed halfway must not leave it in a transaction.
        if (store.listen !== undefined) await store.exec("rollback").catch(() => undefined);
        throw error;
      }
    },
  };
}

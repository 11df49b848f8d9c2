import { AssayError } from "@assay/tensor";
import pg from "pg";
import type { Scriptable, Store } from "./store.ts";
import { backoff, pause } from "./time.ts";

/** Milliseconds between two signs of life on a connection that must not be lost unnoticed, and for each to come back. */
const HEARTBEAT = 2000;
const HEARTBEAT_TIMEOUT = 5000;

/** The store that processes on many machines share: a PostgreSQL. */
export async function sharedStore(url: string, schema: string): Promise<Store> {
  const config: pg.PoolConfig = {
    connectionString: url,
    // A parameter of the connection, so that no query can come before it.
    options: `-c search_path=${schema}`,
    application_name: schema,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    max: 8,
  };
  const pool = new pg.Pool(config);
  // A connection that breaks while idle is replaced at the next query.
  pool.on("error", () => undefined);
  const closing = new AbortController();
  try {
    (await pool.connect()).release();
  } catch (cause) {
    await pool.end();
    throw new AssayError("STORE_UNREACHABLE", `no PostgreSQL to be used: ${(cause as Error).message}`, {
      hint: "check DATABASE_URL and that the server is running",
      cause,
    });
  }
  return {
    ...scriptable(pool),
    shared: true,
    schema,
    async transaction(body) {
      const client = await pool.connect();
      let broken: Error | undefined;
      // Without a listener, a connection that breaks between two queries would end the process.
      const onError = (error: Error) => (broken = error);
      client.on("error", onError);
      try {
        await client.query("begin");
        const result = await body(scriptable(client));
        await client.query("commit");
        return result;
      } catch (error) {
        await client.query("rollback").catch((failed: unknown) => (broken ??= failed as Error));
        throw error;
      } finally {
        client.off("error", onError);
        client.release(broken);
      }
    },
    async listen(channel, hear) {
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, closing.signal]);
      const ready = Promise.withResolvers<void>();
      void keepConnected(config, signal, async (client, lost) => {
        client.on("notification", (message) => hear(message.payload ?? ""));
        await client.query(`listen "${channel}"`);
        ready.resolve();
        await untilAborted(lost);
      });
      await ready.promise;
      return () => {
        ended.abort();
        return Promise.resolve();
      };
    },
    lead: (name, body, signal) =>
      keepConnected(config, AbortSignal.any([signal, closing.signal]), async (client, lost) => {
        // The lock is the connection's: PostgreSQL gives it to the next when this process dies.
        while (!lost.aborted) {
          const { rows } = await client.query<{ held: boolean }>(
            "select pg_try_advisory_lock(hashtextextended($1, 0)) as held",
            [`lead ${schema} ${name}`],
          );
          if (rows[0]!.held) return body(lost);
          await pause(1000, lost);
        }
      }),
    async close() {
      closing.abort();
      await pool.end();
    },
  };
}

/**
 * Runs `body` on a connection of its own, with a signal that aborts when the connection is lost; connects and runs it
 * again until `signal` aborts.
 */
async function keepConnected(
  config: pg.ClientConfig,
  signal: AbortSignal,
  body: (client: pg.Client, lost: AbortSignal) => Promise<void>,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    const lost = new AbortController();
    const client = new pg.Client({ ...config, query_timeout: HEARTBEAT_TIMEOUT });
    client.on("error", () => lost.abort());
    client.on("end", () => lost.abort());
    const heartbeat = setInterval(() => {
      client.query("select 1").catch(() => lost.abort());
    }, HEARTBEAT);
    try {
      await client.connect();
      failures = 0;
      await body(client, AbortSignal.any([signal, lost.signal]));
    } catch {
      await pause(backoff(++failures, 500, 10_000), signal);
    } finally {
      clearInterval(heartbeat);
      await client.end().catch(() => undefined);
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function scriptable(client: pg.Pool | pg.ClientBase): Scriptable {
  return {
    query: async <Row>(sql: string, params?: unknown[]) => ({
      rows: (await client.query(sql, params)).rows as Row[],
    }),
    async exec(sql) {
      // node-postgres gives an array for several statements, which its types do not say.
      const results = (await client.query(sql)) as pg.QueryResult | pg.QueryResult[];
      return { rows: [results].flat().flatMap(({ rows }) => rows as Record<string, unknown>[]) };
    },
  };
}

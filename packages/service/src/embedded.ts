import { AsyncLocalStorage } from "node:async_hooks";
import type { PGlite, Transaction } from "@electric-sql/pglite";
import type { Scriptable, Store } from "./store.ts";

/** The store of one process: a PGlite. */
export async function embeddedStore(
  database: PGlite,
  schema: string,
  release: (() => Promise<void>) | undefined,
): Promise<Store> {
  await database.exec(`set search_path to ${schema}`);
  const within = new AsyncLocalStorage<{ open: boolean }>();
  /** A transaction has the database for itself: whoever waits for it inside of one waits for ever. */
  const outside = () => {
    if (within.getStore()?.open) throw new Error("inside a transaction, ask the transaction, not its store");
  };
  return {
    ...scriptable(database, outside),
    shared: false,
    schema,
    async transaction(body) {
      outside();
      const one = { open: true };
      try {
        return await database.transaction((tx) => within.run(one, () => body(scriptable(tx))));
      } finally {
        one.open = false;
      }
    },
    listen: (channel, hear) => database.listen(channel, hear),
    lead: (_name, body, signal) => body(signal),
    async close() {
      await database.close();
      await release?.();
    },
  };
}

function scriptable(database: PGlite | Transaction, check?: () => void): Scriptable {
  return {
    async query(sql, params) {
      check?.();
      return database.query(sql, params);
    },
    async exec(sql) {
      check?.();
      return { rows: (await database.exec(sql)).flatMap(({ rows }) => rows) };
    },
  };
}

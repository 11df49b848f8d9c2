import type { PGlite, Transaction } from "@electric-sql/pglite";
import type { Scriptable, Store } from "./store.ts";

/** The store of one process: a PGlite. */
export async function embeddedStore(
  database: PGlite,
  schema: string,
  release: (() => Promise<void>) | undefined,
): Promise<Store> {
  await database.exec(`set search_path to ${schema}`);
  return {
    ...scriptable(database),
    shared: false,
    schema,
    transaction: (body) => database.transaction((tx) => body(scriptable(tx))),
    listen: (channel, hear) => database.listen(channel, hear),
    lead: (_name, body, signal) => body(signal),
    async close() {
      await database.close();
      await release?.();
    },
  };
}

function scriptable(database: PGlite | Transaction): Scriptable {
  return {
    query: (sql, params) => database.query(sql, params),
    async exec(sql) {
      return { rows: (await database.exec(sql)).flatMap(({ rows }) => rows) };
    },
  };
}

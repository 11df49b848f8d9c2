import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { openDatabase } from "./cluster.ts";
import { embeddedStore } from "./embedded.ts";
import { lockFolder } from "./folder-lock.ts";
import { sharedStore } from "./shared.ts";

/** What runs SQL: the store itself, or a transaction of it. */
export interface Queryable {
  /** One statement. */
  query<Row = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<{ rows: Row[] }>;
}

/** What runs SQL of several statements, without parameters. */
export interface Scriptable extends Queryable {
  exec(sql: string): Promise<{ rows: Record<string, unknown>[] }>;
}

/**
 * A service's state in PostgreSQL: its own, in a folder (PGlite), or one that several processes share. The same SQL
 * serves both. Survives kill -9 between any two statements.
 */
export interface Store extends Scriptable {
  /** Whether other processes may be using it too. */
  readonly shared: boolean;
  /** Schema that holds the tables. */
  readonly schema: string;
  transaction<T>(body: (tx: Scriptable) => Promise<T>): Promise<T>;
  /** Hears every {@link notify} on a channel, of any process; resolves to what ends it. Messages may get lost. */
  listen(channel: string, hear: (message: string) => void): Promise<() => Promise<void>>;
  /**
   * Runs `body` while this process alone holds `name`, and again whenever it has lost it and got it back, until `signal`
   * aborts. The signal that `body` gets aborts when the name is lost: another process may then hold it.
   */
  lead(name: string, body: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** URL of a PostgreSQL that several processes share. */
  databaseUrl?: string;
  /** Folder of a database of its own; absent too: in memory (for one-off work). */
  dataDir?: string;
  /** Schema for the tables; two services in one database need two. Default `assay`. */
  schema?: string;
  /** Statements that bring an empty database to the present schema, in order; only ever append. */
  migrations: readonly string[];
}

/**
 * Opens (and creates or migrates) a store. A folder is for one process at a time: throws `STORE_LOCKED` otherwise;
 * `STORE_UNREACHABLE` when there is no PostgreSQL at the URL.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { dataDir, databaseUrl, schema = "assay" } = options;
  if (databaseUrl !== undefined) {
    const store = await sharedStore(databaseUrl, schema);
    return migrated(store, options.migrations);
  }
  const release = dataDir === undefined ? undefined : await lockFolder(dataDir);
  try {
    const database = await (dataDir === undefined
      ? PGlite.create("memory://")
      : openDatabase(join(dataDir, "state")));
    return await migrated(await embeddedStore(database, schema, release), options.migrations);
  } catch (error) {
    await release?.();
    throw error;
  }
}

/** Sends `message` to all that {@link Store.listen}; in a transaction, when and if it commits. */
export async function notify(store: Queryable, channel: string, message = ""): Promise<void> {
  await store.query("select pg_notify($1, $2)", [channel, message]);
}

/** Holds a name of the database's until the transaction ends. */
export async function lockFor(tx: Queryable, name: string): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [name]);
}

async function migrated(store: Store, migrations: readonly string[]): Promise<Store> {
  try {
    await store.transaction(async (tx) => {
      // Several processes may start at once.
      await lockFor(tx, `migrate ${store.schema}`);
      await tx.exec(`create schema if not exists ${store.schema};
        create table if not exists ${store.schema}.migration (number int primary key)`);
      const done = await tx.query<{ count: number }>("select count(*)::int as count from migration");
      for (let number = done.rows[0]!.count; number < migrations.length; number++) {
        await tx.exec(migrations[number]!);
        await tx.query("insert into migration values ($1)", [number]);
      }
    });
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PGlite, type Transaction } from "@electric-sql/pglite";
import { AssayError } from "@assay/tensor";
import { openDatabase } from "./cluster.ts";

/** What runs SQL: the store itself, or a transaction of it. */
export type Queryable = Pick<Transaction, "query">;

/** A service's state: a PostgreSQL of its own, in a folder. Survives kill -9 between any two statements. */
export interface Store extends Queryable {
  transaction<T>(body: (tx: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** Folder of the database; absent: in memory (for one-off work). */
  dataDir?: string;
  /** Statements that bring an empty database to the present schema, in order; only ever append. */
  migrations: readonly string[];
}

/** Opens (and creates or migrates) a store. One process at a time: throws `STORE_LOCKED` otherwise. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { dataDir } = options;
  const release = dataDir === undefined ? undefined : await lock(dataDir);
  try {
    const database = await (dataDir === undefined
      ? PGlite.create("memory://")
      : openDatabase(join(dataDir, "state")));
    await migrate(database, options.migrations);
    return {
      query: (sql, params, queryOptions) => database.query(sql, params, queryOptions),
      transaction: (body) => database.transaction((tx) => body(tx)),
      async close() {
        await database.close();
        await release?.();
      },
    };
  } catch (error) {
    await release?.();
    throw error;
  }
}

async function migrate(database: PGlite, migrations: readonly string[]): Promise<void> {
  await database.exec("create table if not exists migration (number int primary key)");
  const done = await database.query<{ count: number }>("select count(*)::int as count from migration");
  for (let number = done.rows[0]!.count; number < migrations.length; number++)
    await database.transaction(async (tx) => {
      await tx.exec(migrations[number]!);
      await tx.query("insert into migration values ($1)", [number]);
    });
}

/** Folders this process has open: its own pid in any other lock file was a dead predecessor's. */
const open = new Set<string>();

/** PGlite does not stop a second process from opening (and ruining) the same folder, so a pid file does. */
async function lock(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true });
  const file = resolve(dataDir, "lock");
  if (open.has(file)) throw new AssayError("STORE_LOCKED", `this process has already opened ${dataDir}`);
  const pid = Number(await readFile(file, "utf8").catch(() => "0"));
  if (pid !== process.pid && isAlive(pid))
    throw new AssayError("STORE_LOCKED", `process ${pid} is using ${dataDir}`, {
      hint: `stop it, or delete ${file} if that process is not an Assay service`,
    });
  await rm(file, { force: true }); // left behind by a process that was killed
  await writeFile(file, String(process.pid), { flag: "wx" });
  open.add(file);
  return async () => {
    open.delete(file);
    await rm(file, { force: true });
  };
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

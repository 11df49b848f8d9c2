/** A real PostgreSQL (Debian's package) in a folder of its own, for tests. */
import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

export interface TestPostgres {
  /** Makes an empty database; resolves to its URL. */
  database(): Promise<string>;
  /** Process id of the server. */
  readonly pid: number;
  close(): Promise<void>;
}

const ROOT = "/usr/lib/postgresql";

function binaries(): string | undefined {
  if (!existsSync(ROOT)) return undefined;
  const versions = readdirSync(ROOT)
    .filter((name) => existsSync(join(ROOT, name, "bin/initdb")))
    .sort((a, b) => Number(b) - Number(a));
  return versions[0] === undefined ? undefined : join(ROOT, versions[0], "bin");
}

/** Whether there is a PostgreSQL to start; says so once when not. */
export function postgresInstalled(): boolean {
  const found = binaries() !== undefined;
  if (!found) console.warn(`skipped: no PostgreSQL under ${ROOT} (apt-get install postgresql)`);
  return found;
}

/** PostgreSQL does not run as root: as `nobody` then. */
function identity(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

export async function openPostgres(): Promise<TestPostgres> {
  const bin = binaries()!;
  const who = identity();
  const folder = await mkdtemp(join(tmpdir(), "assay-postgres-"));
  if (who.uid !== undefined) chownSync(folder, who.uid, who.gid!);
  const data = join(folder, "data");
  execFileSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "assay", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    { ...who, cwd: folder, stdio: "ignore" },
  );
  // Only on a socket in the folder: nobody else's, and no port to collide on.
  const server = spawn(join(bin, "postgres"), ["-D", data, "-k", folder, "-c", "listen_addresses="], {
    ...who,
    cwd: folder,
    stdio: "ignore",
  });
  const exited = new Promise((resolve) => server.once("exit", resolve));
  const url = (name: string) => `postgres://assay@/${name}?host=${encodeURIComponent(folder)}`;
  const admin = async (sql: string) => {
    const client = new pg.Client({ connectionString: url("postgres") });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  for (let tries = 0; ; tries++)
    try {
      await admin("select 1");
      break;
    } catch (error) {
      if (tries > 200 || server.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  let databases = 0;
  return {
    pid: server.pid!,
    async database() {
      const name = `test_${databases++}`;
      await admin(`create database ${name}`);
      return url(name);
    },
    async close() {
      server.kill("SIGINT");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

import { access, cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { PGlite } from "@electric-sql/pglite";

/**
 * Opens the database in `folder`, or makes it. PostgreSQL's initdb takes seconds of CPU in WebAssembly, so an empty
 * database is made once for each user and version, in the cache folder, and copied from then on.
 */
export async function openDatabase(folder: string): Promise<PGlite> {
  // A database is there, or what initdb had made of one: PGlite knows what to do with either.
  if (!(await exists(folder))) await copyTemplate(folder);
  return PGlite.create(folder);
}

/** Puts an empty database into `folder`, all of it or nothing. Without a usable cache folder: nothing. */
async function copyTemplate(folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`;
  try {
    const template = await emptyDatabase();
    await rm(unfinished, { recursive: true, force: true });
    await cp(template, unfinished, { recursive: true });
    await rename(unfinished, folder);
  } catch {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function emptyDatabase(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay");
  const template = join(cache, `pglite-${version()}`);
  if (await exists(template)) return template;
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const making = await mkdtemp(join(cache, "making-"));
  try {
    const state = join(making, "state");
    await (await PGlite.create(state)).close();
    // Another process may have been first: a folder that is not empty is not replaced, and as good as ours.
    await rename(state, template).catch(async (error: unknown) => {
      if (!(await exists(template))) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return template;
}

/** PGlite's version, from the package.json above its entry point. */
function version(): string {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("@electric-sql/pglite");
  return (require(join(dirname(entry), "../package.json")) as { version: string }).version;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

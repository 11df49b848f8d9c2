import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { AssayError } from "@assay/tensor";

/** Folders this process has open: its own pid in any other lock file was a dead predecessor's. */
const open = new Set<string>();

/**
 * Takes a folder for this process; resolves to what gives it back. PGlite does not stop a second process from opening
 * (and ruining) the same folder, so a pid file does. Throws `STORE_LOCKED`.
 */
export async function lockFolder(dataDir: string): Promise<() => Promise<void>> {
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

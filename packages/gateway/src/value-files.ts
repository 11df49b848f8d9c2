import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";

/** Bytes by the root that commits to them, one file each. */
export class ValueFiles {
  readonly #folder: string;
  #made = new Set<string>();
  #temporary = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(root: Hex): string {
    return join(this.#folder, root.slice(2, 4), root);
  }

  /** Stores all of the bytes or, when interrupted, none. */
  async write(root: Hex, bytes: Uint8Array): Promise<void> {
    const path = this.#path(root);
    const folder = join(path, "..");
    if (!this.#made.has(folder)) {
      await mkdir(folder, { recursive: true });
      this.#made.add(folder);
    }
    if (await exists(path)) return;
    const unfinished = `${path}.${process.pid}.${this.#temporary++}`;
    await writeFile(unfinished, bytes);
    await rename(unfinished, path);
  }

  /** Undefined when there is no such value. */
  async read(root: Hex): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(root));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async remove(root: Hex): Promise<void> {
    await rm(this.#path(root), { force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

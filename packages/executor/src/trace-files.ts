import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoredValues } from "@assay/service";

/** Keeps the traces of challenged claims on disk: `<folder>/<claimId>/<index>`, stored bytes each. */
export class TraceFiles {
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, "traces");
  }

  async has(claimId: string): Promise<boolean> {
    return stat(join(this.#folder, claimId)).then(
      () => true,
      () => false,
    );
  }

  /** Stores a whole trace or, when interrupted, nothing. */
  async write(claimId: string, trace: StoredValues): Promise<void> {
    if (await this.has(claimId)) return;
    const unfinished = join(this.#folder, `${claimId}.unfinished`);
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    for (const [index, bytes] of trace.entries()) await writeFile(join(unfinished, String(index)), bytes);
    await rename(unfinished, join(this.#folder, claimId));
  }

  read(claimId: string, index: number): Promise<Uint8Array> {
    return readFile(join(this.#folder, claimId, String(index)));
  }

  async remove(claimId: string): Promise<void> {
    await rm(join(this.#folder, claimId), { recursive: true, force: true });
  }
}

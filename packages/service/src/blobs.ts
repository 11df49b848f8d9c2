import { AssayError } from "@assay/tensor";
import { type Hex, sha256 } from "viem";
import { errorFields, type Logger } from "./log.ts";

/** A place that keeps bytes under keys `folder/name`: a folder on disk, a bucket. It is trusted with nothing. */
export interface BlobPlace {
  /** For messages. */
  readonly name: string;
  /** All of it or, when interrupted, nothing; the same key always gets the same bytes. */
  write(key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is nothing under the key. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** Everything in a folder. */
  remove(folder: string): Promise<void>;
}

/**
 * Models, inputs, outputs and traces, by the SHA-256 of their bytes: what is read is what was stored, whoever kept it.
 * Folders (`models`, `jobs/<id>`) are there to remove things together.
 */
export class BlobStore {
  readonly #places: readonly BlobPlace[];
  readonly #log: Logger;

  /** Blobs are written to all places (one must succeed) and looked for in their order. */
  constructor(places: readonly BlobPlace[], log: Logger) {
    this.#places = places;
    this.#log = log;
  }

  /** Stores bytes; resolves to their SHA-256. Throws `BLOB_NOT_STORED` when no place takes them. */
  async put(folder: string, bytes: Uint8Array): Promise<Hex> {
    const hash = sha256(bytes);
    let stored = false;
    let cause: unknown;
    for (const place of this.#places)
      try {
        await place.write(keyOf(folder, hash), bytes);
        stored = true;
      } catch (error) {
        cause = error;
        this.#log.warn({ place: place.name, folder, hash, ...errorFields(error) }, "blob not stored here");
      }
    if (!stored)
      throw new AssayError(
        "BLOB_NOT_STORED",
        `no place takes a blob: ${(cause as Error | undefined)?.message}`,
        {
          cause,
          hint: "is the disk full, or the bucket out of reach?",
        },
      );
    return hash;
  }

  /**
   * The bytes with this SHA-256. A place that has others is reported and the next one asked. Throws `BLOB_CORRUPT`,
   * `BLOB_MISSING`, or `BLOB_UNREACHABLE` when a place could not answer.
   */
  async get(folder: string, hash: Hex): Promise<Uint8Array> {
    let failure: AssayError | undefined;
    for (const place of this.#places) {
      try {
        const bytes = await place.read(keyOf(folder, hash));
        if (bytes === undefined) continue;
        if (sha256(bytes) === hash) return bytes;
        failure = new AssayError("BLOB_CORRUPT", `${place.name}: ${folder} has other bytes than ${hash}`, {
          hint: "the storage has changed them; restore it from a copy",
        });
      } catch (cause) {
        failure = new AssayError(
          "BLOB_UNREACHABLE",
          `${place.name}: ${folder}, ${hash}: ${(cause as Error).message}`,
          { cause },
        );
      }
      this.#log.error(errorFields(failure), "blob not to be had here");
    }
    throw failure ?? new AssayError("BLOB_MISSING", `there is no ${hash} in ${folder}`);
  }

  /** Removes a folder and all that is in it, wherever that succeeds. */
  async remove(folder: string): Promise<void> {
    for (const place of this.#places)
      await place
        .remove(folder)
        .catch((error: unknown) =>
          this.#log.warn({ place: place.name, folder, ...errorFields(error) }, "not removed"),
        );
  }
}

function keyOf(folder: string, hash: Hex): string {
  return `${folder}/${hash.slice(2)}`;
}

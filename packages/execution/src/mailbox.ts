import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AssayError } from "@assay/tensor";

/** Bytes from which an array travels through the file; shorter ones stay in the message. */
const LEAST = 16_384;
/** Where an array may start: typed arrays of every element type can then be laid over it. */
const ALIGNMENT = 64;

/** Bytes of the file that hold the arrays of one message. */
export interface Region {
  readonly start: number;
  readonly length: number;
}

/** A message without its long arrays, and where those are. */
export interface Parcel {
  readonly value: unknown;
  readonly region?: Region | undefined;
}

interface Reference {
  inRegion: number;
  length: number;
}

/**
 * Long arrays between two processes, by way of a file that both hold open and that has no name any more: two copies in
 * memory, where a channel would serialise them and pass them on in pieces. One side puts, the other takes.
 */
export class Mailbox {
  readonly fd: number;
  readonly #regions: Region[] = [];

  constructor(fd: number) {
    this.fd = fd;
  }

  /** A new one, in the folder for temporary files (`TMPDIR`). */
  static create(): Mailbox {
    const folder = mkdtempSync(join(tmpdir(), "assay-"));
    try {
      return new Mailbox(openSync(join(folder, "mailbox"), "wx+", 0o600));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Writes the long arrays of a message. Throws `MAILBOX` when there is no room for them. */
  put(value: unknown): Parcel {
    const arrays: Uint8Array[] = [];
    let length = 0;
    const pack = (part: unknown): unknown => {
      if (part instanceof Uint8Array) {
        if (part.length < LEAST) return part;
        const reference: Reference = { inRegion: length, length: part.length };
        arrays.push(part);
        length += Math.ceil(part.length / ALIGNMENT) * ALIGNMENT;
        return reference;
      }
      return mapParts(part, pack);
    };
    const packed = pack(value);
    if (arrays.length === 0) return { value };
    const region = this.#reserve(length);
    try {
      let at = region.start;
      for (const array of arrays) {
        for (let done = 0; done < array.length;)
          done += writeSync(this.fd, array, done, array.length - done, at + done);
        at += Math.ceil(array.length / ALIGNMENT) * ALIGNMENT;
      }
    } catch (cause) {
      this.free(region);
      throw new AssayError("MAILBOX", `${length} bytes could not be handed on: ${(cause as Error).message}`, {
        hint: `they go through a file in ${tmpdir()}: set TMPDIR to a folder with room`,
        cause,
      });
    }
    return { value: packed, region };
  }

  /**
   * Reads a message of the other side. Its arrays are views of one buffer: of `into` when that is long enough (then they
   * hold until it is used again).
   */
  take({ value, region }: Parcel, into?: Uint8Array): unknown {
    if (!region) return value;
    const { start, length } = region;
    const bytes = into && into.length >= length ? into : new Uint8Array(length);
    for (let done = 0; done < length;) {
      const read = readSync(this.fd, bytes, done, length - done, start + done);
      // The last array need not reach the end of its region.
      if (read === 0) break;
      done += read;
    }
    const unpack = (part: unknown): unknown => {
      if (part instanceof Uint8Array) return part;
      const { inRegion, length } = (part ?? {}) as Partial<Reference>;
      return typeof inRegion === "number"
        ? bytes.subarray(inRegion, inRegion + length!)
        : mapParts(part, unpack);
    };
    return unpack(value);
  }

  /** What was put there has been taken. */
  free(region: Region | undefined): void {
    const index = this.#regions.findIndex(({ start }) => start === region?.start);
    if (index >= 0) this.#regions.splice(index, 1);
  }

  close(): void {
    closeSync(this.fd);
  }

  /** The first gap that is long enough. */
  #reserve(length: number): Region {
    let start = 0;
    let index = 0;
    for (; index < this.#regions.length; index++) {
      const taken = this.#regions[index]!;
      if (taken.start - start >= length) break;
      start = taken.start + taken.length;
    }
    const region = { start, length };
    this.#regions.splice(index, 0, region);
    return region;
  }
}

/** A message with its arrays' and objects' parts replaced; typed arrays are no parts. */
function mapParts(part: unknown, map: (part: unknown) => unknown): unknown {
  if (Array.isArray(part)) return part.map(map);
  if (typeof part !== "object" || part === null || ArrayBuffer.isView(part)) return part;
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, map(value)]));
}

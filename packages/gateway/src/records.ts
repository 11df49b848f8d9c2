import { appendFile, readFile } from "node:fs/promises";
import type { Hex } from "viem";
import type { Order, Receipt, Voucher } from "@assay/protocol";

/**
 * An order as its requester keeps it: `sent` → `promised` (there is a receipt) → `posted` (the chain has its claim), or
 * `forced` (the receipt was put on the chain), or `refused`.
 */
export interface OrderRecord {
  orderHash: Hex;
  order: Order;
  signature?: Hex;
  voucher: Voucher;
  voucherSignature?: Hex;
  receipt?: Receipt;
  receiptSignature?: Hex;
  state: "sent" | "promised" | "posted" | "forced" | "refused";
}

/** Where a requester keeps its orders: without their receipts it could not prove what it was promised. */
export interface OrderRecords {
  load(): Promise<OrderRecord[]>;
  /** Adds a record or replaces the one of the same order. */
  save(record: OrderRecord): Promise<void>;
}

export function memoryRecords(): OrderRecords {
  return { load: () => Promise.resolve([]), save: () => Promise.resolve() };
}

/** Names of the fields that hold bigints, which JSON has none of. */
const BIGINTS = new Set(["price", "deadline", "nonce", "cumulative", "claimBy"]);

/** Records in a file, a line for every change: what was on disk before a crash is there after it. */
export function fileRecords(path: string): OrderRecords {
  return {
    async load() {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "";
        throw error;
      });
      const records = new Map<Hex, OrderRecord>();
      for (const line of text.split("\n")) {
        const record = parseLine(line);
        if (record !== undefined) records.set(record.orderHash, record);
      }
      return [...records.values()];
    },
    async save(record) {
      const json = JSON.stringify(record, (_, item: unknown) =>
        typeof item === "bigint" ? item.toString() : item,
      );
      // A line that a crash cut off ends at this newline, and is left out when it is read.
      await appendFile(path, `\n${json}`, { flush: true });
    },
  };
}

function parseLine(line: string): OrderRecord | undefined {
  try {
    return JSON.parse(line, (key, item: unknown) =>
      BIGINTS.has(key) && typeof item === "string" ? BigInt(item) : item,
    ) as OrderRecord;
  } catch {
    return undefined;
  }
}

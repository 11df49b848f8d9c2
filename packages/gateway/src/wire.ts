import type { Order, Receipt, Voucher } from "@assay/protocol";
import { AssayError, type Layout } from "@assay/tensor";
import { type Address, getAddress, type Hex, isAddress, isHex } from "viem";

/** `POST /v1/orders` as the gateway works with it. */
export interface SubmittedOrder {
  order: Order;
  signature: Hex;
  /** Stored bytes of the program's inputs, one after the other. */
  inputs: Uint8Array;
  voucher: Voucher;
  voucherSignature: Hex;
}

/** Answer to an order, without its outputs: integers that may be large are decimal strings. */
export interface OrderReceipt {
  orderHash: Hex;
  receipt: { orderHash: Hex; outputRoot: Hex; claimBy: string };
  /** The executor's, over the receipt. */
  signature: Hex;
}

/** Answer to an order. */
export interface AnsweredOrder extends OrderReceipt {
  /** Stored bytes of the outputs, one after the other. */
  outputs: Uint8Array;
}

/** Answer to an order as JSON. */
export interface OrderAnswer extends OrderReceipt {
  /** Stored bytes of the outputs, one after the other, in base64. */
  outputs: string;
}

/** Who accepts this type gets an order's outputs as they are, and an {@link OrderReceipt} in this header. */
export const BYTES_TYPE = "application/octet-stream";
export const RECEIPT_HEADER = "assay-receipt";

/** `GET /v1/programs`. */
export interface ServedProgram {
  programRoot: Hex;
  executor: Address;
  /** Token units for one run. */
  price: string;
  inputs: ServedPort[];
  outputs: ServedPort[];
}

export interface ServedPort {
  name: string;
  dtype: string;
  dims: number[];
  /** The order in which elements are stored. */
  layout: Layout;
  size: number;
}

function malformed(what: string, hint?: string): AssayError {
  return new AssayError("ORDER_MALFORMED", what, hint === undefined ? {} : { hint });
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed(`${name} is no object`);
  return value as Record<string, unknown>;
}

function addressIn(from: Record<string, unknown>, name: string): Address {
  const value = from[name];
  if (typeof value !== "string" || !isAddress(value, { strict: false }))
    throw malformed(`${name} is no address`);
  return getAddress(value);
}

function hashIn(from: Record<string, unknown>, name: string): Hex {
  const value = from[name];
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(value))
    throw malformed(`${name} is not 32 bytes in hex`);
  return value.toLowerCase() as Hex;
}

function integerIn(from: Record<string, unknown>, name: string, bits: number): bigint {
  const value = from[name];
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^(0|[1-9]\d{0,38})$/.test(text) || BigInt(text) >= 1n << BigInt(bits))
    throw malformed(`${name} is no unsigned integer of ${bits} bits`, "write it as a decimal string");
  return BigInt(text);
}

function signatureIn(from: Record<string, unknown>, name: string): Hex {
  const value = from[name];
  // EIP-1271 signatures have any length; 4 KB hold those of every wallet we know.
  if (typeof value !== "string" || !isHex(value) || value.length % 2 !== 0 || value.length > 2 + 8192)
    throw malformed(`${name} is no signature in hex`);
  return value;
}

export function parseOrder(value: unknown): Order {
  const from = record(value, "order");
  return {
    requester: addressIn(from, "requester"),
    executor: addressIn(from, "executor"),
    programRoot: hashIn(from, "programRoot"),
    inputRoot: hashIn(from, "inputRoot"),
    price: integerIn(from, "price", 128),
    deadline: integerIn(from, "deadline", 64),
    nonce: integerIn(from, "nonce", 64),
  };
}

export function parseVoucher(value: unknown): Voucher {
  const from = record(value, "voucher");
  return {
    requester: addressIn(from, "requester"),
    executor: addressIn(from, "executor"),
    cumulative: integerIn(from, "cumulative", 128),
  };
}

export function parseReceipt(value: unknown): Receipt {
  const from = record(value, "receipt");
  return {
    orderHash: hashIn(from, "orderHash"),
    outputRoot: hashIn(from, "outputRoot"),
    claimBy: integerIn(from, "claimBy", 64),
  };
}

/** Bytes of a base64 text; `Buffer.from` alone would skip what is not base64. */
export function parseBase64(value: unknown, name: string): Uint8Array {
  if (typeof value !== "string" || value.length % 4 !== 0) throw malformed(`${name} is no base64`);
  const bytes = Buffer.from(value, "base64");
  const padding = value.endsWith("==") ? 2 : value.endsWith("=") ? 1 : 0;
  if (bytes.length !== (value.length / 4) * 3 - padding) throw malformed(`${name} is no base64`);
  return bytes;
}

/** The body of an order: `inputs` is base64 in it unless the bytes came as a part of their own. */
export function parseSubmission(body: unknown, binary?: Uint8Array): SubmittedOrder {
  const from = record(body, "the body");
  return {
    order: parseOrder(from.order),
    signature: signatureIn(from, "signature"),
    inputs: binary ?? parseBase64(from.inputs, "inputs"),
    voucher: parseVoucher(from.voucher),
    voucherSignature: signatureIn(from, "voucherSignature"),
  };
}

/** JSON of a value with bigints as decimal strings. */
export function wireJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}

import { getDefaultHighWaterMark } from "node:stream";
import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import { errorFields, inputSizes, type Logger, outputSizes, type Store } from "@assay/service";
import { AssayError, dtypeName } from "@assay/tensor";
import type { Program } from "@assay/program";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Address, type Hex, hexToBytes } from "viem";
import type { Offer } from "./admission.ts";
import { type BatchBlob, blobsOfBatch, placeOfBlob } from "./batch-state.ts";
import type { Desk } from "./desk.ts";
import { type Placed, placedByHash, placedInBatch } from "./state.ts";
import type { Values } from "./values.ts";
import {
  BYTES_TYPE,
  type OrderAnswer,
  parseSubmission,
  RECEIPT_HEADER,
  type ServedProgram,
  type SubmittedOrder,
  wireJson,
} from "./wire.ts";

export interface GatewayServerOptions {
  store: Store;
  values: Values;
  desk: Desk;
  offers: ReadonlyMap<Hex, Offer>;
  executor: Address;
  /** Requests of one address in a second. */
  addressRate: number;
  /** Believe X-Forwarded-For: only behind a proxy that sets it. */
  trustProxy: boolean;
  /** Where the claim of `orders[index]` is in their batch. */
  inclusionOf: (orders: readonly Placed[], index: number, blobs: readonly BatchBlob[]) => unknown;
  /** Bytes of a blob of the batch of these orders. */
  blobOf: (orders: readonly Placed[], position: number) => Hex;
  health: () => Promise<Record<string, unknown> & { ok: boolean }>;
  /** Told of every answer to an order: `ok` or the error's code, and the seconds it took. */
  answered: (code: string, seconds: number) => void;
  log: Logger;
}

/** HTTP status of an error; what is not here is ours: 500. */
const STATUS: Record<string, number> = {
  ORDER_MALFORMED: 400,
  WRONG_EXECUTOR: 400,
  DEADLINE_PASSED: 400,
  DEADLINE_TOO_FAR: 400,
  INPUTS_SIZE: 400,
  INPUTS_MISMATCH: 400,
  VOUCHER_MISMATCH: 400,
  SIGNATURE_INVALID: 401,
  VOUCHER_SIGNATURE_INVALID: 401,
  PRICE_NOT_REPRESENTABLE: 400,
  PRICE_TOO_LOW: 402,
  VOUCHER_TOO_LOW: 402,
  BALANCE_TOO_LOW: 402,
  NOT_FOUND: 404,
  PROGRAM_NOT_SERVED: 404,
  NONCE_USED: 409,
  OUTPUTS_GONE: 410,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE: 415,
  INPUT_NAN: 422,
  INPUT_BOOL: 422,
  INPUT_DTYPE: 422,
  INPUT_SHAPE: 422,
  RATE_LIMITED: 429,
  BUSY: 503,
  NOT_ACCEPTING: 503,
  CHAIN_UNREACHABLE: 503,
  RECEIPT_PENDING: 504,
};

const BLOBS_AT_HAND = 12;

/** Bytes of a large body that are read before those before them are taken. */
const READ_AHEAD = 2 ** 20;

/** Room for everything in a body but the inputs. */
const ENVELOPE = 32_768;

interface HashParams {
  hash: string;
}

/** The gateway's HTTP side. Every error is `{error: {code, message, hint}}`. */
export async function createGatewayServer(options: GatewayServerOptions): Promise<FastifyInstance> {
  const { store, values, desk, offers, log } = options;
  const largest = Math.max(0, ...[...offers.values()].map(({ program }) => total(inputSizes(program))));
  const bodyLimit = Math.ceil(largest / 3) * 4 + ENVELOPE;
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    trustProxy: options.trustProxy,
    bodyLimit,
    // In a turn of the event loop, which other orders make long, no more of a body is read than this.
    http: { highWaterMark: Math.min(READ_AHEAD, Math.max(getDefaultHighWaterMark(false), bodyLimit)) },
    // A client that sends its body a byte at a time holds a connection for no longer than this.
    requestTimeout: 30_000,
  });
  const codes = new WeakMap<FastifyRequest, string>();
  server.addHook("onResponse", async (request, reply) => {
    if (request.routeOptions.url === "/v1/orders")
      options.answered(codes.get(request) ?? "ok", reply.elapsedTime / 1000);
  });
  server.setErrorHandler(async (error, request, reply) => {
    const known = httpError(error);
    codes.set(request, known.code);
    const status = STATUS[known.code] ?? 500;
    if (status === 500) log.error({ url: request.url, ...errorFields(error) }, "request failed");
    if (status === 429 || status === 503)
      void reply.header("retry-after", reply.getHeader("retry-after") ?? "1");
    const { code, message, hint } = known;
    return reply.code(status).send({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
  });
  server.setNotFoundHandler(async (request) => {
    throw new AssayError("NOT_FOUND", `there is no ${request.method} ${request.url.slice(0, 200)}`);
  });
  await server.register(rateLimit, { global: true, max: options.addressRate, timeWindow: 1000 });
  await server.register(multipart, {
    limits: { files: 1, fields: 1, parts: 2, fileSize: largest, fieldSize: ENVELOPE, headerPairs: 20 },
  });

  const json = (reply: FastifyReply, value: unknown) =>
    reply.type("application/json; charset=utf-8").send(wireJson(value));
  const bytes = (reply: FastifyReply, data: Uint8Array) =>
    reply.type(BYTES_TYPE).send(Buffer.from(data.buffer, data.byteOffset, data.length));
  const hashOf = ({ params }: FastifyRequest<{ Params: HashParams }>): Hex => {
    const hash = params.hash.toLowerCase();
    if (!/^0x[0-9a-f]{64}$/.test(hash)) throw notFound(params.hash.slice(0, 80));
    return hash as Hex;
  };
  const orderOf = async (request: FastifyRequest<{ Params: HashParams }>) => {
    const hash = hashOf(request);
    const placed = await placedByHash(store, hash);
    if (placed === undefined) throw notFound(`order ${hash}`);
    return placed;
  };

  server.post("/v1/orders", async (request, reply) => {
    const { outputs, ...receipt } = await desk.answer(await submittedOrder(request), request.ip);
    if (request.headers.accept === BYTES_TYPE)
      return bytes(reply.header(RECEIPT_HEADER, wireJson(receipt)), outputs);
    const base64 = Buffer.from(outputs.buffer, outputs.byteOffset, outputs.length).toString("base64");
    return json(reply, { ...receipt, outputs: base64 } satisfies OrderAnswer);
  });
  server.get<{ Params: HashParams }>("/v1/orders/:hash", async (request, reply) =>
    json(reply, await orderOf(request)),
  );
  server.get<{ Params: HashParams }>("/v1/orders/:hash/outputs", async (request, reply) =>
    bytes(reply, await desk.outputs(await orderOf(request))),
  );
  // What shows, to a contract or anybody else, that the claim is in its batch.
  server.get<{ Params: HashParams }>("/v1/orders/:hash/inclusion", async (request, reply) => {
    const { batchId, position, orderHash } = await orderOf(request);
    if (batchId === null || position === null) throw notFound(`the batch of order ${orderHash}`);
    const orders = await placedInBatch(store, batchId);
    const blobs = await blobsOfBatch(store, batchId);
    return json(reply, { batchId, ...(options.inclusionOf(orders, position, blobs) as object) });
  });
  server.get("/v1/programs", async (): Promise<ServedProgram[]> =>
    [...offers].map(([programRoot, { program, price }]) => ({
      programRoot,
      executor: options.executor,
      price: price.toString(),
      inputs: ports(program.inputs, inputSizes(program)),
      outputs: ports(program.outputs, outputSizes(program)),
    })),
  );
  server.get<{ Params: HashParams }>("/v1/batches/:hash", async (request, reply) => {
    const batchId = hashOf(request);
    const orders = await placedInBatch(store, batchId);
    if (orders.length === 0) throw notFound(`batch ${batchId}`);
    return json(reply, { batchId, orders });
  });
  // What batches are about, by the root that commits to it: whoever fetches it can check it.
  server.get<{ Params: HashParams }>("/v1/values/:hash", async (request, reply) => {
    const root = hashOf(request);
    const data = await values.read(root, store);
    if (data === undefined) throw notFound(`value ${root}`);
    return bytes(reply, data);
  });
  // Made from the batch's orders, which stay in the store; whoever fetches it checks it against the hash.
  const blobs = new Map<Hex, Uint8Array>();
  server.get<{ Params: HashParams }>("/v1/blobs/:hash", async (request, reply) => {
    const hash = hashOf(request);
    let data = blobs.get(hash);
    if (data === undefined) {
      const place = await placeOfBlob(store, hash);
      if (place === undefined) throw notFound(`blob ${hash}`);
      data = hexToBytes(options.blobOf(await placedInBatch(store, place.batchId), place.position));
      blobs.set(hash, data);
      if (blobs.size > BLOBS_AT_HAND) blobs.delete(blobs.keys().next().value!);
    }
    return bytes(reply, data);
  });
  server.get("/v1/health", async (_, reply) => {
    const health = await options.health();
    return json(reply.code(health.ok ? 200 : 503), health);
  });
  return server;
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

function ports(list: Program["inputs"], sizes: readonly number[]) {
  return list.map(({ name, dtype, dims, layout }, i) => ({
    name,
    dtype: dtypeName(dtype),
    dims: [...dims],
    layout,
    size: sizes[i]!,
  }));
}

function notFound(what: string): AssayError {
  return new AssayError("NOT_FOUND", `${what} is not known here`);
}

/** JSON with the inputs in base64, or multipart: a field `order` (the same JSON without inputs), a file `inputs`. */
async function submittedOrder(request: FastifyRequest): Promise<SubmittedOrder> {
  if (!request.isMultipart()) return parseSubmission(request.body);
  let order: unknown;
  let inputs: Uint8Array | undefined;
  for await (const part of request.parts())
    if (part.type === "file") inputs = await part.toBuffer();
    else if (part.fieldname === "order") order = JSON.parse(String(part.value));
  if (inputs === undefined)
    throw new AssayError("ORDER_MALFORMED", "the multipart body has no file with the inputs", {
      hint: 'a field "order" with the JSON, a file "inputs" with the bytes',
    });
  return parseSubmission(order, inputs);
}

/** Fastify's and its plugins' errors in our words. */
function httpError(error: unknown): AssayError {
  if (error instanceof AssayError) return error;
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message: string };
  if (statusCode === 413 || code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new AssayError("BODY_TOO_LARGE", "the body is larger than any served program's inputs", {
      hint: "GET /v1/programs has their sizes",
    });
  if (statusCode === 429)
    return new AssayError("RATE_LIMITED", "too many requests from this address", { hint: message });
  if (statusCode === 415)
    return new AssayError("CONTENT_TYPE", "orders are application/json or multipart/form-data");
  if (error instanceof SyntaxError || (statusCode !== undefined && statusCode < 500))
    return new AssayError("ORDER_MALFORMED", `the request cannot be read: ${message}`.slice(0, 300));
  return new AssayError("INTERNAL", "internal error", { cause: error });
}

/** Trace servers that lie, stall or break off: each is refused with an error that names what was asked for. */
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { loadModel, type Model, ModelBackend, rootOf } from "@assay/service";
import { float32Tensor, tensorRoot, toStored } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { fetchTrace } from "../src/fetch-trace.ts";

const digits = new URL("../../../models/digits/", import.meta.url);
const uri = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/claim`;
let model: Model;
let trace: Uint8Array[];
let traceRoot: Hex;
let asked: string[];
/** Answers a request itself, or leaves it to the honest server. */
let instead: (path: string, response: ServerResponse) => boolean;

const server = createServer((request, response) => {
  const path = request.url!;
  asked.push(path);
  if (instead(path, response)) return;
  const index = /^\/claim\/trace\/(\d+)$/.exec(path)?.[1];
  response.end(index === undefined ? JSON.stringify(manifest()) : trace[Number(index)]);
});

function manifest() {
  return { trace: trace.map((bytes) => ({ root: toHex(tensorRoot(bytes)), size: bytes.length })) };
}

const get = (more: object = {}) =>
  fetchTrace({ uri: uri(), program: model.program, traceRoot, timeout: 5_000, ...more });

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  model = await loadModel({
    onnx: new URL("digits.onnx", digits).pathname,
    shapes: { pixels: [1, 1, 8, 8] },
  });
  const samples = JSON.parse(await readFile(new URL("samples.json", digits), "utf8")) as {
    pixels: number[];
  }[];
  const port = model.program.inputs[0]!;
  const pixels = samples[7]!.pixels.map((x) => x / 16);
  const backend = new ModelBackend(model);
  trace = await backend.trace([toStored(float32Tensor(port.dims, pixels), port.layout)]);
  await backend.close();
  traceRoot = rootOf(trace);
});
beforeEach(() => {
  asked = [];
  instead = () => false;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test("an honest server's trace is fetched, less what is already at hand", async () => {
  expect(await get()).toEqual(trace);
  asked = [];
  const own = trace.map((bytes, i) => (i === 2 ? new Uint8Array(bytes.length) : bytes));
  expect(await get({ own })).toEqual(trace);
  expect(asked).toEqual(["/claim", "/claim/trace/2"]);
});

/** Changes the answer to one tensor's address. */
const tensor = (index: number, answer: (response: ServerResponse, honest: Uint8Array) => void) => {
  instead = (path, response) => {
    if (path !== `/claim/trace/${index}`) return false;
    answer(response, trace[index]!);
    return true;
  };
};

test.each<[string, (response: ServerResponse, honest: Uint8Array) => void, string, RegExp]>([
  [
    "one bit is wrong",
    (response, honest) => {
      const bytes = Buffer.from(honest);
      bytes[5]! ^= 1;
      response.end(bytes);
    },
    "TRACE_MISMATCH",
    /trace\/3 is not the tensor that the trace root commits to/,
  ],
  ["too short", (response, honest) => response.end(honest.slice(4)), "TRACE_MISMATCH", /trace\/3 is not/],
  ["nothing", (response) => response.end(), "TRACE_MISMATCH", /trace\/3 is not/],
  [
    "too long",
    (response, honest) => response.end(Buffer.concat([honest, Buffer.alloc(1)])),
    "FETCH_FAILED",
    /trace\/3: more than the expected \d+ bytes/,
  ],
  [
    "endless",
    (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65536)));
      };
      response.on("drain", more);
      more();
    },
    "FETCH_FAILED",
    /trace\/3: more than the expected/,
  ],
  [
    "broken off",
    (response, honest) => {
      response.writeHead(200, { "content-length": honest.length });
      response.write(honest.slice(0, 8), () => response.destroy());
    },
    "FETCH_FAILED",
    /trace\/3: terminated/,
  ],
  [
    "refused",
    (response) => response.writeHead(503).end(),
    "FETCH_FAILED",
    /trace\/3: the server answered 503/,
  ],
  [
    "elsewhere",
    (response) => response.writeHead(302, { location: "/claim/trace/0" }).end(),
    "FETCH_FAILED",
    /trace\/3: .*redirect/,
  ],
])("a tensor that is %s", async (_, answer, code, message) => {
  tensor(3, answer);
  await expect(get()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
});

test("a server that stalls is given up; so is one when the service stops", async () => {
  tensor(3, (response, honest) => void response.write(honest.slice(0, 8)));
  await expect(get({ timeout: 300 })).rejects.toMatchObject({
    code: "FETCH_FAILED",
    message: expect.stringMatching(/trace\/3: .*timeout/) as string,
  });
  const abort = new AbortController();
  const fetching = get({ signal: abort.signal });
  setTimeout(() => abort.abort(), 100);
  await expect(fetching).rejects.toMatchObject({ code: "FETCH_FAILED" });
});

test.each<[string, () => string, string]>([
  ["not JSON", () => "<html>", "TRACE_INCOMPLETE"],
  ["null", () => "null", "TRACE_INCOMPLETE"],
  ["not revealed yet", () => JSON.stringify({ trace: null }), "TRACE_INCOMPLETE"],
  ["one short", () => JSON.stringify({ trace: manifest().trace.slice(1) }), "TRACE_INCOMPLETE"],
  ["without roots", () => JSON.stringify({ trace: trace.map(() => ({ root: 7 })) }), "TRACE_INCOMPLETE"],
  ["in another order", () => JSON.stringify({ trace: manifest().trace.toReversed() }), "TRACE_MISMATCH"],
  ["a novel", () => "x".repeat(1 << 20), "FETCH_FAILED"],
])("a list of tensors that is %s", async (_, body, code) => {
  instead = (_path, response) => {
    response.end(body());
    return true;
  };
  await expect(get()).rejects.toMatchObject({ code });
  expect(asked).toEqual(["/claim"]);
});

test("only HTTP is spoken", async () => {
  await expect(get({ uri: "file:///etc/passwd" })).rejects.toMatchObject({ code: "FETCH_FAILED" });
});

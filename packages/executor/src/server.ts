import type { Program } from "@assay/program";
import {
  type Backend,
  type BlobStore,
  type ClaimManifest,
  errorFields,
  inputSizes,
  type Logger,
  outputSizes,
  split,
  type Store,
  type TensorEntry,
} from "@assay/service";
import { tensorRoot } from "@assay/tensor";
import { fastify, type FastifyInstance, type FastifyReply } from "fastify";
import { type Hex, toHex } from "viem";
import { readPayload } from "./payloads.ts";
import { type Job, jobOfClaim } from "./state.ts";
import { traceFolder } from "./traces.ts";

export interface ServerOptions {
  store: Store;
  blobs: BlobStore;
  backends: ReadonlyMap<Hex, Backend>;
  log: Logger;
}

interface ClaimParams {
  claimId: string;
}

/** The executor's HTTP side: what challengers and requesters fetch of a claim. Read-only, no authentication. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { store, blobs, backends, log } = options;
  const server = fastify({ logger: false, forceCloseConnections: true });

  const entries = (values: readonly Uint8Array[]): TensorEntry[] =>
    values.map((bytes) => ({ root: toHex(tensorRoot(bytes)), size: bytes.length }));
  const notFound = (reply: FastifyReply, what: string) =>
    reply.code(404).send({ error: `${what} not found` });
  const bytes = (reply: FastifyReply, data: Uint8Array) =>
    reply.type("application/octet-stream").send(Buffer.from(data));
  const find = async (claimId: string): Promise<{ job: Job; program: Program } | undefined> => {
    const job = await jobOfClaim(store, claimId.toLowerCase());
    const program = job === undefined ? undefined : backends.get(job.programRoot)?.program;
    return job === undefined || program === undefined ? undefined : { job, program };
  };

  server.get<{ Params: ClaimParams }>("/v1/claims/:claimId", async ({ params }, reply) => {
    const found = await find(params.claimId);
    if (found === undefined) return notFound(reply, "claim");
    const { job, program } = found;
    const inputs = await readPayload(store, blobs, job.id, "inputs");
    const outputs = await readPayload(store, blobs, job.id, "outputs");
    const manifest: ClaimManifest = {
      claimId: job.claimId!,
      requestId: job.id,
      programRoot: job.programRoot,
      inputRoot: job.inputRoot,
      outputRoot: job.outputRoot!,
      traceRoot: job.traceRoot,
      inputs: entries(split(inputs, inputSizes(program)) ?? []),
      outputs: entries(split(outputs, outputSizes(program)) ?? []),
      trace: served(job)?.map(({ root, size }) => ({ root, size })) ?? null,
    };
    return manifest;
  });

  for (const part of ["inputs", "outputs"] as const)
    server.get<{ Params: ClaimParams }>(`/v1/claims/:claimId/${part}`, async ({ params }, reply) => {
      const found = await find(params.claimId);
      return found === undefined
        ? notFound(reply, "claim")
        : bytes(reply, await readPayload(store, blobs, found.job.id, part));
    });

  server.get<{ Params: ClaimParams & { index: string } }>(
    "/v1/claims/:claimId/trace/:index",
    async ({ params }, reply) => {
      const found = await find(params.claimId);
      if (found === undefined) return notFound(reply, "claim");
      const tensor = served(found.job)?.[Number(params.index)];
      if (tensor === undefined) return notFound(reply, "trace value");
      return bytes(reply, await blobs.get(traceFolder(found.job.id), tensor.hash));
    },
  );

  server.setErrorHandler(async (error, request, reply) => {
    log.error({ url: request.url, ...errorFields(error) }, "request failed");
    return reply.code(500).send({ error: "internal error" });
  });
  return server;
}

/** The trace as far as it can be had: it is removed when the claim is settled. */
function served({ state, trace }: Job): Job["trace"] {
  return state === "settled" ? null : trace;
}

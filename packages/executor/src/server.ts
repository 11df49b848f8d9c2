import type { Program } from "@assay/program";
import {
  type Backend,
  type ClaimManifest,
  errorFields,
  inputSizes,
  type Logger,
  outputSizes,
  split,
  type Store,
  type TensorEntry,
  traceSizes,
} from "@assay/service";
import { tensorRoot } from "@assay/tensor";
import { fastify, type FastifyInstance, type FastifyReply } from "fastify";
import { type Hex, toHex } from "viem";
import { type Job, jobOfClaim } from "./state.ts";
import type { TraceFiles } from "./trace-files.ts";

export interface ServerOptions {
  store: Store;
  traces: TraceFiles;
  backends: ReadonlyMap<Hex, Backend>;
  log: Logger;
}

interface ClaimParams {
  claimId: string;
}

/** The executor's HTTP side: what challengers and requesters fetch of a claim. Read-only, no authentication. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { store, traces, backends, log } = options;
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
    let trace: TensorEntry[] | null = null;
    if (await traces.has(job.claimId!)) {
      trace = [];
      for (const index of program.instructions.keys())
        trace.push(...entries([await traces.read(job.claimId!, index)]));
    }
    const manifest: ClaimManifest = {
      claimId: job.claimId!,
      requestId: job.requestId,
      programRoot: job.programRoot,
      inputRoot: job.inputRoot,
      outputRoot: job.outputRoot!,
      traceRoot: trace === null ? null : job.traceRoot,
      inputs: entries(split(job.inputs, inputSizes(program)) ?? []),
      outputs: entries(split(job.outputs!, outputSizes(program)) ?? []),
      trace,
    };
    return manifest;
  });

  server.get<{ Params: ClaimParams }>("/v1/claims/:claimId/inputs", async ({ params }, reply) => {
    const found = await find(params.claimId);
    return found === undefined ? notFound(reply, "claim") : bytes(reply, found.job.inputs);
  });

  server.get<{ Params: ClaimParams }>("/v1/claims/:claimId/outputs", async ({ params }, reply) => {
    const found = await find(params.claimId);
    return found === undefined ? notFound(reply, "claim") : bytes(reply, found.job.outputs!);
  });

  server.get<{ Params: ClaimParams & { index: string } }>(
    "/v1/claims/:claimId/trace/:index",
    async ({ params }, reply) => {
      const found = await find(params.claimId);
      if (found === undefined) return notFound(reply, "claim");
      const index = Number(params.index);
      if (!Number.isSafeInteger(index) || traceSizes(found.program)[index] === undefined)
        return notFound(reply, "trace value");
      if (!(await traces.has(found.job.claimId!))) return notFound(reply, "trace");
      return bytes(reply, await traces.read(found.job.claimId!, index));
    },
  );

  server.setErrorHandler(async (error, request, reply) => {
    log.error({ url: request.url, ...errorFields(error) }, "request failed");
    return reply.code(500).send({ error: "internal error" });
  });
  return server;
}

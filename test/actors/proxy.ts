/** An HTTP proxy in front of a node that does to requests what networks do to them. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a request: passed on, or refused with 500, dropped before or after the node has seen it, held up. */
export type Fault = "pass" | "refuse" | "drop" | "drop answer" | "delay";

export interface Proxy {
  url: string;
  /** Decides for each request, by its JSON-RPC method or path. Default: everything passes. */
  decide(what: string): Fault;
  /** Changes what the node answers: a node that lies. */
  rewrite?: (what: string, answer: string, request: string) => string;
  /** How often each fault was done. */
  done: Record<Fault, number>;
  close(): Promise<void>;
}

export async function openProxy(target: () => string): Promise<Proxy> {
  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const path = request.url ?? "/";
    const what = body.length > 0 && path === "/" ? methodOf(body) : path;
    const fault = proxy.decide(what);
    proxy.done[fault]++;
    if (fault === "drop") return void response.destroy();
    if (fault === "refuse") return void response.writeHead(500).end("no");
    if (fault === "delay") await new Promise((resolve) => setTimeout(resolve, 100));
    const answer = await fetch(
      target() + (path === "/" ? "" : path),
      body.length > 0
        ? {
            method: "POST",
            body,
            headers: { "content-type": request.headers["content-type"] ?? "application/json" },
          }
        : { method: request.method ?? "GET" },
    );
    const honest = Buffer.from(await answer.arrayBuffer());
    const bytes =
      proxy.rewrite === undefined
        ? honest
        : Buffer.from(proxy.rewrite(what, honest.toString(), body.toString()));
    if (fault === "drop answer") return void response.destroy();
    response
      .writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" })
      .end(bytes);
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide: () => "pass",
    done: { pass: 0, refuse: 0, drop: 0, "drop answer": 0, delay: 0 },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

function methodOf(body: Buffer): string {
  const call = JSON.parse(body.toString()) as { method?: string } | { method?: string }[];
  return (Array.isArray(call) ? call[0]?.method : call.method) ?? "";
}

/** Faults at random, about one request in six, the same ones for the same seed. */
export function randomFaults(seed: number): (what: string) => Fault {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    const draw = ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    return (["refuse", "drop", "drop answer", "delay"] as const)[Math.floor(draw * 24)] ?? "pass";
  };
}

import { AssayError, concatBytes } from "@assay/tensor";

export interface FetchOptions {
  /** Most bytes to accept; what is fetched comes from strangers. */
  limit: number;
  timeout?: number;
  signal?: AbortSignal;
}

/** A base address to which paths that begin with a slash are appended. */
export function trimSlash(url: string): string {
  return url.replace(/\/$/, "");
}

/** Fetches bytes over HTTP(S) with a limit on size and time. Throws `FETCH_FAILED` with what went wrong. */
export async function fetchBytes(url: string, options: FetchOptions): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(options.timeout ?? 60_000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const fail = (why: string, cause?: unknown) =>
    new AssayError("FETCH_FAILED", `${url}: ${why}`, cause === undefined ? {} : { cause });
  if (!/^https?:\/\//.test(url)) throw fail("only http and https addresses are fetched");
  try {
    const response = await fetch(url, { signal, redirect: "error" });
    if (!response.ok) throw fail(`the server answered ${response.status}`);
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      const bytes = part as Uint8Array;
      size += bytes.length;
      if (size > options.limit) throw fail(`more than the expected ${options.limit} bytes`);
      parts.push(bytes);
    }
    return concatBytes(parts);
  } catch (error) {
    if (error instanceof AssayError) throw error;
    const { message, cause } = error as Error;
    throw fail(cause instanceof Error ? `${message} (${cause.message})` : message, error);
  }
}

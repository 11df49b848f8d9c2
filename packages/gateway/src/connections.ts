import { trimSlash } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AnsweredOrder,
  BYTES_TYPE,
  type OrderAnswer,
  type OrderReceipt,
  RECEIPT_HEADER,
} from "./wire.ts";

/** How often all gateways are gone through for an order that none of them answers. */
const ROUNDS = 3;

/** Errors that pass: the gateway is not there, or takes nothing now; another may. */
const PASSING = new Set([
  "GATEWAY_UNREACHABLE",
  "BUSY",
  "NOT_ACCEPTING",
  "RECEIPT_PENDING",
  "CHAIN_UNREACHABLE",
]);
/** Errors of 5xx by which an order is refused all the same: nothing is owed for it. */
const REFUSED = new Set(["BUSY", "NOT_ACCEPTING", "MODEL_FAILED", "CHAIN_UNREACHABLE"]);

/** A gateway's own "no". */
class Refusal extends AssayError {
  readonly status: number;
  constructor(code: string, message: string, status: number, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

/** No answer. */
class Unreachable extends AssayError {
  /** Whether the gateway may have read what was sent. */
  readonly delivered: boolean;
  constructor(message: string, delivered: boolean, cause?: unknown) {
    super("GATEWAY_UNREACHABLE", message, {
      hint: "send the same order again: it gets the same receipt",
      cause,
    });
    this.delivered = delivered;
  }
}

/** What `fetch` says when there was no connection. */
const NO_CONNECTION = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Whether an order was refused for good, or never arrived: of one that failed inside a gateway, or got lost, nobody can say. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof Unreachable) return !error.delivered;
  return error instanceof Refusal && (error.status < 500 || REFUSED.has(error.code));
}

/** Whether the same thing may be asked again, here or elsewhere. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof AssayError &&
    (PASSING.has(error.code) ||
      (error instanceof Refusal && error.status >= 500 && error.code !== "MODEL_FAILED"))
  );
}

/** The gateways of one executor. The one that answered last is asked first; the others when it does not. */
export class Connections {
  readonly #urls: string[];
  readonly #timeout: number;

  constructor(urls: readonly string[], timeout: number | undefined) {
    if (urls.length === 0) throw new AssayError("OPTION_MISSING", "there is no gateway to ask");
    this.#urls = urls.map(trimSlash);
    // With another one to go to, one that hangs is given up before the order's time is over.
    this.#timeout = timeout ?? (urls.length === 1 ? 60_000 : 25_000);
  }

  /** The gateways, the one to ask first before the others. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  /** JSON of the first gateway that gives any. A 4xx is an answer, and thrown. */
  async get(path: string): Promise<unknown> {
    let last: unknown;
    for (const url of [...this.#urls])
      try {
        return await this.#ask(url, path);
      } catch (error) {
        if (!isPassing(error)) throw error;
        last = error;
      }
    throw last;
  }

  /**
   * Sends the same order until a gateway answers it, at one after the other, all of them up to three times and until
   * `expired`: the same order gets the same receipt, wherever and however often it is sent. Once a gateway may have taken
   * it, no other one's refusal is the last word: throws `ORDER_UNANSWERED`.
   */
  async send(form: FormData, expired: () => boolean): Promise<AnsweredOrder> {
    let uncertain: unknown;
    for (let round = 1; ; round++) {
      let last: unknown;
      for (const url of [...this.#urls])
        try {
          const init = { method: "POST", body: form, headers: { accept: BYTES_TYPE } };
          const answer = (await this.#ask(url, "/v1/orders", init)) as AnsweredOrder | OrderAnswer;
          const { outputs, ...receipt } = answer;
          // Something between us may have kept what we accept to itself.
          const bytes =
            typeof outputs === "string" ? new Uint8Array(Buffer.from(outputs, "base64")) : outputs;
          return { ...receipt, outputs: bytes };
        } catch (error) {
          if (!isRefusal(error)) uncertain = error;
          if (!isPassing(error) && (uncertain === undefined || uncertain === error)) throw error;
          last = error;
        }
      if (round < ROUNDS && !expired()) await sleep(round * 500);
      else if (uncertain === undefined || last === uncertain) throw last;
      else
        throw new AssayError(
          "ORDER_UNANSWERED",
          `no gateway has answered the order: ${(last as Error).message}`,
          {
            hint: "one of them may have taken it: it stays counted; send it again (resend)",
            cause: uncertain,
          },
        );
    }
  }

  async #ask(gateway: string, path: string, init: RequestInit = {}): Promise<unknown> {
    let response: Response;
    let body: Uint8Array;
    try {
      response = await fetch(gateway + path, { ...init, signal: AbortSignal.timeout(this.#timeout) });
      body = new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      const code = ((cause as Error).cause as { code?: string } | undefined)?.code ?? "";
      throw new Unreachable(
        `${gateway} does not answer: ${(cause as Error).message}`,
        !NO_CONNECTION.has(code),
        cause,
      );
    }
    const receipt = response.headers.get(RECEIPT_HEADER);
    const text = receipt ?? new TextDecoder().decode(body);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new Unreachable(`${gateway} answered ${response.status} and no JSON`, true);
    }
    if (response.ok) {
      this.#prefer(gateway);
      return receipt === null ? value : { ...(value as OrderReceipt), outputs: body };
    }
    const { code, message, hint } =
      (value as { error?: { code?: string; message?: string; hint?: string } }).error ?? {};
    throw new Refusal(
      code ?? `HTTP_${response.status}`,
      message ?? text.slice(0, 200),
      response.status,
      hint,
    );
  }

  #prefer(gateway: string): void {
    const place = this.#urls.indexOf(gateway);
    if (place > 0) this.#urls.unshift(...this.#urls.splice(place, 1));
  }
}

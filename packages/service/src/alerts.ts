import { errorFields, type Logger } from "./log.ts";
import { backoff, pause } from "./time.ts";

/** What an operator should know at once; docs/operate-*.md say what to do about each. */
export type AlertName =
  | "slashed"
  | "reveal_due"
  | "data_due"
  | "bond_lost"
  | "chain"
  | "clock"
  | "disk"
  | "stuck_transaction"
  | "low_balance"
  | "low_stake"
  | "low_tokens"
  | "rpc_disagrees"
  | "bond_limit"
  | "own_runs_differ"
  | "blob_missing"
  | "claim_due"
  | "claim_demanded"
  | "receipts_unsigned";

/** What a webhook gets, as JSON. */
export interface AlertMessage {
  service: string;
  account: string;
  alert: AlertName;
  state: "raised" | "cleared";
  message: string;
  /** ISO 8601. */
  time: string;
  details: Record<string, unknown>;
}

export interface AlertsOptions {
  service: string;
  account: string;
  log: Logger;
  /** Address that each alert is posted to. */
  webhook?: string;
  signal: AbortSignal;
}

const REPEAT_MS = 3_600_000;

/** Alerts go to the log, to the webhook and to a gauge; one that stays raised is told again every hour. */
export class Alerts {
  readonly #options: AlertsOptions;
  readonly #raised = new Map<AlertName, number>();
  readonly #sending = new Set<Promise<void>>();

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  /** Those that are raised now. */
  get raised(): AlertName[] {
    return [...this.#raised.keys()];
  }

  /** Something happened: told once, there is nothing to clear. */
  event(alert: AlertName, message: string, details: Record<string, unknown> = {}): void {
    this.#options.log.error({ alert, ...details }, message);
    this.#send(alert, "raised", message, details);
  }

  /** Something is so, until it is cleared. */
  set(alert: AlertName, so: boolean, message: string, details: Record<string, unknown> = {}): void {
    const told = this.#raised.get(alert);
    if (so && (told === undefined || Date.now() - told >= REPEAT_MS)) {
      this.#raised.set(alert, Date.now());
      this.event(alert, message, details);
    } else if (!so && told !== undefined) {
      this.#raised.delete(alert);
      this.#options.log.info({ alert }, "alert cleared");
      this.#send(alert, "cleared", message, details);
    }
  }

  /** Resolves once what was raised so far has been sent, or given up. */
  async sent(): Promise<void> {
    await Promise.all(this.#sending);
  }

  #send(
    alert: AlertName,
    state: AlertMessage["state"],
    message: string,
    details: Record<string, unknown>,
  ): void {
    const { webhook, service, account } = this.#options;
    if (webhook === undefined) return;
    const time = new Date().toISOString();
    const body: AlertMessage = { service, account, alert, state, message, time, details };
    const sending = this.#post(webhook, JSON.stringify(body)).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #post(webhook: string, body: string): Promise<void> {
    const { log, signal } = this.#options;
    for (let attempt = 1; ; attempt++)
      try {
        const response = await fetch(webhook, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
          signal: AbortSignal.timeout(10_000),
        });
        if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
        return;
      } catch (error) {
        // Its address is a secret more often than not: it is not logged.
        const { error: reason } = errorFields(error);
        if (attempt === 5 || signal.aborted)
          return void log.warn({ reason }, "an alert could not be delivered");
        await pause(backoff(attempt), signal);
      }
  }
}

/** So much at once, so much a second: a bucket that refills. */
export interface Budget {
  burst: number;
  perSecond: number;
}

/**
 * Token buckets by key, and one for everybody together. Keys that have not been seen for as long as a bucket takes to
 * fill are forgotten, so that the table stays small however many strangers come by.
 */
export class Buckets {
  readonly #each: Budget;
  readonly #all: Budget;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  readonly #total: { tokens: number; at: number };
  readonly #now: () => number;

  constructor(each: Budget, all: Budget, now: () => number = () => performance.now()) {
    this.#each = each;
    this.#all = all;
    this.#now = now;
    this.#total = { tokens: all.burst, at: now() };
  }

  /** Takes a token for `key`; returns the seconds to wait before the next try, 0 when it was given. */
  take(key: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#each.burst, at: now };
    refill(bucket, this.#each, now);
    refill(this.#total, this.#all, now);
    // Least recently used first, for `#forget`.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget(now);
    const wait = Math.max(
      (1 - bucket.tokens) / this.#each.perSecond,
      (1 - this.#total.tokens) / this.#all.perSecond,
      0,
    );
    if (wait > 0) return wait;
    bucket.tokens--;
    this.#total.tokens--;
    return 0;
  }

  /** Gives tokens back that were taken for `key`. */
  give(key: string, tokens: number): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#each.burst, bucket.tokens + tokens);
    this.#total.tokens = Math.min(this.#all.burst, this.#total.tokens + tokens);
  }

  #forget(now: number): void {
    const full = (this.#each.burst / this.#each.perSecond) * 1000;
    for (const [key, { at }] of this.#buckets) {
      if (now - at < full) return;
      this.#buckets.delete(key);
    }
  }

  get size(): number {
    return this.#buckets.size;
  }
}

function refill(bucket: { tokens: number; at: number }, { burst, perSecond }: Budget, now: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
  bucket.at = now;
}

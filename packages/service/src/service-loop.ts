import { followEvents, type FollowOptions } from "./follow.ts";
import { JobRunner } from "./jobs.ts";
import { errorFields, type Logger } from "./log.ts";
import { backoff, pause, waitFor } from "./time.ts";

export interface ServiceLoopOptions<Item> extends Omit<FollowOptions, "written"> {
  /** What there is to do at a time of the chain, but for the items named (those under way or to be tried again later). */
  due(now: bigint, except: string[]): Promise<Item[]>;
  idOf(item: Item): string;
  /** Takes an item one step further; true: there is more to do at once. Throws what is worth another try. */
  step(item: Item): Promise<boolean | void>;
  /** Whether steps may be taken now. Default: always. */
  usable?(): boolean;
  /** Told of every step that failed. */
  onFailure?: (error: unknown) => void;
  /** Channel of the store on which others tell that there is something to do. */
  channel?: string;
}

/** Milliseconds that a stop waits for transactions. */
const STOP_MS = 20_000;
/** Steps under way at a time. */
const MOST = 64;

/**
 * What executor and challenger do all day: follow the chain, and take each open item a step further when it is due,
 * until `signal` aborts; the steps under way are then finished.
 */
export async function runServiceLoop<Item>(options: ServiceLoopOptions<Item>): Promise<void> {
  const { chain, store, pollInterval, log, signal } = options;
  const jobs = new JobRunner(log, pollInterval, options.onFailure);
  let wake = Promise.withResolvers<void>();
  const silence = await (options.channel === undefined
    ? undefined
    : store.listen(options.channel, () => wake.resolve()));
  const stop = () => wake.resolve();
  signal.addEventListener("abort", stop, { once: true });
  const following = persist(log, signal, () => followEvents({ ...options, written: () => wake.resolve() }));
  await persist(log, signal, async () => {
    while (!signal.aborted) {
      const usable = options.usable?.() ?? true;
      for (const item of usable ? await options.due(await chain.recently(pollInterval), jobs.busy()) : []) {
        if (signal.aborted || jobs.running >= MOST) break;
        jobs.offer(options.idOf(item), async () => {
          if ((await options.step(item)) === true) wake.resolve();
        });
      }
      await waitFor(wake.promise, pollInterval, signal);
      wake = Promise.withResolvers();
    }
  });
  await following;
  // A transaction that takes longer than this is in the journal, for the next start to go on with.
  await waitFor(jobs.idle(), STOP_MS);
  chain.sender.stop();
  await jobs.idle();
  signal.removeEventListener("abort", stop);
  await silence?.();
}

/** Runs `body` again whenever it fails, until `signal` aborts. */
async function persist(log: Logger, signal: AbortSignal, body: () => Promise<void>): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    const started = Date.now();
    try {
      await body();
    } catch (error) {
      if (Date.now() - started > 60_000) failures = 0;
      const wait = backoff(++failures);
      log.warn({ retryIn: wait, ...errorFields(error) }, "service loop failed; trying again");
      await pause(wait, signal);
    }
  }
}

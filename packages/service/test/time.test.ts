import { expect, test } from "vitest";
import { waitFor } from "../src/time.ts";

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
const HOUR = 3_600_000;

test("a wait ends with what it is for, with its time, or with its signal, and keeps no process alive after", async () => {
  const before = timers();
  await waitFor(Promise.resolve(), HOUR);
  await waitFor(new Promise(() => undefined), 1);
  await waitFor(new Promise(() => undefined), HOUR, AbortSignal.abort());
  const abort = new AbortController();
  const waiting = waitFor(new Promise(() => undefined), HOUR, abort.signal);
  expect(timers()).toBe(before + 1);
  abort.abort();
  await waiting;
  await expect(waitFor(Promise.reject(new Error("failed")), HOUR)).rejects.toThrow("failed");
  expect(timers()).toBe(before);
});

/** What processes have used, from Linux's /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks in a second, in /proc: 100 on every Linux of today. */
const TICKS = 100;

interface Stat {
  parent: number;
  seconds: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    // The name, in brackets, may hold anything.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / TICKS };
  } catch {
    return undefined; // it has ended
  }
}

/** Processor time of a process, and of it with all that it has started and still run, in seconds. */
export function cpuSeconds(pid: number): { own: number; total: number } {
  const all = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat !== undefined) all.set(Number(name), stat);
  }
  const total = (of: number): number =>
    [...all].reduce(
      (sum, [child, { parent }]) => (parent === of ? sum + total(child) : sum),
      all.get(of)?.seconds ?? 0,
    );
  return { own: all.get(pid)?.seconds ?? 0, total: total(pid) };
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(match![1]) / 1024);
}

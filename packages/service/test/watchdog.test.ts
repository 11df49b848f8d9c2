/** A process whose event loop stands still is ended; one that is only busy is not. */
import { spawn } from "node:child_process";
import { expect, test } from "vitest";

const watchdog = new URL("../src/watchdog.ts", import.meta.url).href;

/** Runs code under a watchdog of two seconds; resolves to how it ended, and what it wrote. */
function run(code: string): Promise<{ signal: string | null; status: number | null; text: string }> {
  const script = `import { startWatchdog } from ${JSON.stringify(watchdog)}; await startWatchdog(2); ${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => {
    child.on("close", (status, signal) => resolve({ signal, status, text }));
  });
}

test("one that spins is ended, with a line that says so", async () => {
  const { signal, text } = await run("setTimeout(() => { for (;;); }, 500)");
  expect(signal).toBe("SIGKILL");
  expect(text).toContain("nothing has moved for 2 s");
});

test("one that is busy now and then goes on, and ends by itself", async () => {
  const busy = "const end = Date.now() + 700; while (Date.now() < end);";
  const { signal, status } = await run(
    `let n = 0; const t = setInterval(() => { if (++n > 5) clearInterval(t); ${busy} }, 50)`,
  );
  expect({ signal, status }).toEqual({ signal: null, status: 0 });
});

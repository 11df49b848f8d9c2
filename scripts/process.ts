import { spawn } from "node:child_process";

export interface Finished {
  /** Exit code; 1 when a signal ended the process. */
  code: number;
  output: string;
  seconds: number;
}

/**
 * Runs a command from the repository root; `echo` streams what it prints while it is being collected, and after `limit`
 * seconds it is killed.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: { echo?: boolean; env?: Record<string, string>; limit?: number } = {},
): Promise<Finished> {
  const started = performance.now();
  const child = spawn(command, args, {
    cwd: new URL("..", import.meta.url),
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.limit !== undefined && { timeout: Math.ceil(options.limit * 1000), killSignal: "SIGKILL" }),
  });
  let output = "";
  for (const [stream, target] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
      if (options.echo) target.write(text);
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? 1));
  });
  return { code, output, seconds: (performance.now() - started) / 1000 };
}

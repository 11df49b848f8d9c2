import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { HardhatUserConfig } from "hardhat/config";
import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";

/** Where this repository is, wherever the command was started. */
export const repositoryRoot = fileURLToPath(new URL("../../..", import.meta.url));

let environment: Promise<HardhatRuntimeEnvironment> | undefined;

/** This repository's Hardhat. */
export function hardhat(): Promise<HardhatRuntimeEnvironment> {
  environment ??= create();
  return environment;
}

async function create(): Promise<HardhatRuntimeEnvironment> {
  const config = join(repositoryRoot, "hardhat.config.ts");
  const module = (await import(config)) as { default: HardhatUserConfig };
  return createHardhatRuntimeEnvironment(module.default, { config }, repositoryRoot);
}

/** Hardhat with the contracts compiled; takes little time when they already are. */
export async function hardhatWithContracts(): Promise<HardhatRuntimeEnvironment> {
  const hre = await hardhat();
  // Hardhat prints compiler output on stdout, which is for results.
  const { log } = console;
  console.log = console.error;
  try {
    await alone(() => hre.tasks.getTask("build").run({ quiet: true, noTests: true }));
  } finally {
    console.log = log;
  }
  return hre;
}

/** Two builds at once spoil each other's cache: waits for another process of this repository that is building. */
async function alone(build: () => Promise<unknown>): Promise<void> {
  const folder = join(repositoryRoot, "cache");
  const lock = join(folder, "assay-build.lock");
  await mkdir(folder, { recursive: true });
  while (!(await taken(lock))) await setTimeout(50);
  try {
    await build();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Takes the lock; one whose process is gone is cleared away. */
async function taken(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number(await readFile(lock, "utf8").catch(() => ""));
    // One that names nobody was left by a process that ended while writing it.
    const age = await stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (holder > 0 ? !isRunning(holder) : age > 10_000) await rm(lock, { force: true });
    return false;
  }
}

function isRunning(process_: number): boolean {
  try {
    return process.kill(process_, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

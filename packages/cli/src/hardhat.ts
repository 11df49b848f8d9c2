import { join } from "node:path";
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
    await hre.tasks.getTask("build").run({ quiet: true, noTests: true });
  } finally {
    console.log = log;
  }
  return hre;
}

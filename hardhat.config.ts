import { createRequire } from "node:module";
import hardhatToolboxViem from "@nomicfoundation/hardhat-toolbox-viem";
import { defineConfig } from "hardhat/config";

// The compiler comes from npm: Assay builds on machines that reach nothing but a package registry.
const soljson = createRequire(import.meta.url).resolve("solc/soljson.js");
const compiler = {
  version: "0.8.37",
  path: soljson,
  settings: {
    viaIR: true,
    evmVersion: "osaka",
    optimizer: { enabled: true, runs: 1_000_000 },
    metadata: { bytecodeHash: "none" as const },
  },
};

// `pnpm test:deep`: hours instead of minutes.
const deep = process.env.ASSAY_DEEP === "1";

/** Optimised for size: at most 24,576 bytes fit on a chain (EIP-170). */
const small = (runs: number) => ({
  ...compiler,
  settings: { ...compiler.settings, optimizer: { enabled: true, runs } },
});
const profile = {
  compilers: [compiler],
  overrides: {
    "contracts/protocol/Referee.sol": small(200),
    "contracts/protocol/InferenceMarket.sol": small(200),
    "contracts/protocol/BatchMarket.sol": small(700),
  },
};

export default defineConfig({
  plugins: [hardhatToolboxViem],
  solidity: {
    profiles: { default: profile, production: profile },
    // Deployed as they are.
    npmFilesToBuild: [
      "@openzeppelin/contracts/access/manager/AccessManager.sol",
      "@openzeppelin/contracts/governance/TimelockController.sol",
    ],
  },
  networks: {
    // In-process chain of the tests and of `assay model check`: every protocol limit of a real one.
    hardhat: {
      type: "edr-simulated",
      chainType: "l1",
      hardfork: "osaka",
      blockGasLimit: 60_000_000,
    },
    // Started by `assay chain` (or `hardhat node`).
    localhost: { type: "http", chainType: "l1", url: "http://127.0.0.1:8545" },
  },
  // Solidity tests stand beside the contracts (*.t.sol); what only they use is in test/solidity.
  paths: { tests: { solidity: "./test/solidity" } },
  test: {
    solidity: {
      profiles: {
        default: deep
          ? { fuzz: { runs: 10_000 }, invariant: { runs: 1_000, depth: 256 } }
          : { fuzz: { runs: 256 }, invariant: { runs: 1_000, depth: 64 } },
        // For scripts/mutation.ts, which runs them hundreds of times.
        quick: { fuzz: { runs: 64 }, invariant: { runs: 16, depth: 64 } },
      },
    },
  },
});

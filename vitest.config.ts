import { defineConfig } from "vitest/config";
import { anvilMissing } from "./test/actors/anvil.ts";

/** What also runs on a second EVM every time: dispute and slash, reorgs, batches with their KZG openings. */
const ON_ANVIL = ["packages/protocol/test/{lifecycle,watch-events}.test.ts", "test/batches.test.ts"];

// `pnpm test:anvil` runs everything there.
const missing = process.env.ASSAY_NODE === undefined ? anvilMissing() : undefined;
if (missing !== undefined) console.log(`tests on a second EVM are skipped: ${missing}`);
const twice = process.env.ASSAY_NODE === undefined && missing === undefined;

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more workers than that only fight for them.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: process.env.ASSAY_NODE ?? "hardhat",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
        },
      },
      ...(twice
        ? [
            {
              extends: true as const,
              test: { name: "anvil", include: ON_ANVIL, env: { ASSAY_NODE: "anvil" } },
            },
          ]
        : []),
    ],
  },
});

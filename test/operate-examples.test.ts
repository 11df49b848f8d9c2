/** What docs and examples tell operators is what the commands take. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { challengerSettings } from "@assay/challenger";
import { executorSettings } from "@assay/executor";
import { gatewaySettings } from "@assay/gateway";
import { readSettingsFile, type Settings } from "@assay/service";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { settingsDocs } from "../scripts/settings-docs.ts";

const example = (name: string) => new URL(`../examples/operate/${name}`, import.meta.url).pathname;
const roles: [string, Settings][] = [
  ["executor", executorSettings],
  ["challenger", challengerSettings],
  ["gateway", gatewaySettings],
];

test("the tables of settings are those of the schemas (node scripts/settings-docs.ts)", async () => {
  expect(await settingsDocs(true)).toEqual([]);
});

test.each(roles)("the example settings of the %s are valid", async (role, settings) => {
  const values = await readSettingsFile(example(`${role}.yaml`), settings);
  expect(values).toMatchObject({ metricsPort: expect.any(Number) as number });
});

test.each(roles)(
  "unit and compose file start the %s with its settings file and a password from elsewhere",
  async (role) => {
    const unit = await readFile(example(`assay-${role}.service`), "utf8");
    expect(unit).toContain(`${role} start --config /etc/assay/${role}.yaml`);
    expect(unit).toContain("LoadCredential=password:");
    const compose = parse(await readFile(example("compose.yaml"), "utf8")) as {
      services: Record<string, { command: string[]; secrets: string[] }>;
    };
    expect(compose.services[role]!.command.slice(0, 4)).toEqual([
      role,
      "start",
      "--config",
      `/etc/assay/${role}.yaml`,
    ]);
    expect(compose.services[role]!.secrets).toEqual([`${role}-password`]);
  },
);

const systemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
test.skipIf(!systemd)(
  "systemd knows every line of the units (skipped where there is no systemd-analyze)",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "assay-units-"));
    try {
      const here = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
      for (const [role] of roles) {
        const unit = await readFile(example(`assay-${role}.service`), "utf8");
        const path = join(folder, `assay-${role}.service`);
        // It looks whether the command is there.
        await writeFile(path, unit.replaceAll("/opt/assay", here));
        const { stdout, stderr, status } = spawnSync("systemd-analyze", ["verify", path], {
          encoding: "utf8",
        });
        expect({ said: stdout + stderr, status }).toEqual({ said: "", status: 0 });
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

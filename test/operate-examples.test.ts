/** What docs and examples tell operators is what the commands take. */
import { readFile } from "node:fs/promises";
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

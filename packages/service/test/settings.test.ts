import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accountSettings, chainSettings, modelSettings, operationsSettings } from "../src/common-settings.ts";
import { flagOf, kinds, resolveSettings, settingsTable, variableOf } from "../src/settings.ts";

const settings = {
  ...modelSettings,
  ...chainSettings,
  ...accountSettings,
  ...operationsSettings,
  port: { schema: kinds.integer(0, 65_535), placeholder: "<n>", help: "a port", default: 8700 },
  share: { schema: kinds.share, placeholder: "<share>", help: "a share" },
  strict: { schema: kinds.truth, placeholder: "<true|false>", help: "a truth", default: true },
} as const;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-settings-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function fileOf(text: string): Promise<string> {
  const file = join(folder, `${files++}.yaml`);
  await writeFile(file, text);
  return file;
}

test("a flag is stronger than a variable, that than a file, that than the default", async () => {
  const file = await fileOf("port: 3\nstrict: false\nrpc: http://file:1\n");
  const environment = { ASSAY_PORT: "2", ASSAY_RPC: "http://environment:1", ASSAY_SHARE: "" };
  const all = await resolveSettings(settings, { flags: { port: "1" }, environment, file });
  expect(all.values).toMatchObject({ port: 1, rpc: "http://environment:1", strict: false, logLevel: "info" });
  expect(all.sources).toMatchObject({
    port: "flag",
    rpc: "environment",
    strict: "file",
    logLevel: "default",
  });
  expect(all.values).not.toHaveProperty("share");
  expect((await resolveSettings(settings, { flags: {} })).values.port).toBe(8700);
});

test("YAML and JSON; amounts exact; paths relative to the file", async () => {
  const yaml = await fileOf(
    'minBalance: "123456789012345678901234567890"\nkeystore: keys/a.json\nmodels:\n  - onnx: m.onnx\n    shapes: {x: [1, 2], y: [[1], [2]]}\n',
  );
  expect((await resolveSettings(settings, { flags: {}, file: yaml })).values).toMatchObject({
    minBalance: 123456789012345678901234567890n,
    keystore: join(folder, "keys/a.json"),
    models: [{ onnx: join(folder, "m.onnx"), shapes: { x: [1, 2], y: [[1], [2]] } }],
  });
  const json = await fileOf('{"port": 5, "keystore": "/abs.json"}');
  const { values } = await resolveSettings(settings, { flags: { keystore: "rel.json" }, file: json });
  expect(values).toMatchObject({ port: 5, keystore: "rel.json" });
});

test.each([
  ["port: 70000", "port is 70000: expected an integer from 0 to 65535"],
  ["port: 1.5", "port is 1.5: expected an integer from 0 to 65535"],
  ["share: 2", "share is 2: expected a number from 0 to 1"],
  ["strict: maybe", 'strict is "maybe": expected true or false'],
  ["rpc: localhost:8545", 'rpc is "localhost:8545": expected an address like http://127.0.0.1:8545'],
  ["minBalance: 0.5", "minBalance is 0.5: expected an amount in the smallest unit"],
  ["minBalance: 100000000000000000000", "minBalance is 100000000000000000000: expected an amount"],
  ["signerAddress: '0x12'", 'signerAddress is "0x12": expected an address of 20 bytes in hex'],
  ["logLevel: loud", 'logLevel is "loud": expected one of trace, debug, info, warn, error'],
  ["models: [{onnx: a, shape: {}}]", "models is "],
  ["- a\n- b", "is no list of keys and values"],
  ["a: [", "is neither YAML nor JSON"],
])("a bad file is refused by key, value and what is expected: %s", async (text, message) => {
  const file = await fileOf(text);
  const failure = resolveSettings(settings, { flags: {}, file });
  await expect(failure).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining(message) as string,
  });
  await expect(failure).rejects.toMatchObject({ message: expect.stringContaining(file) as string });
});

test("unknown keys are refused, with the one that was meant; secrets are not read from files", async () => {
  const typo = await fileOf("prot: 1");
  await expect(resolveSettings(settings, { flags: {}, file: typo })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: `${typo}: unknown key "prot"`,
    hint: 'did you mean "port"?',
  });
  const inherited = await fileOf("constructor: 1");
  await expect(resolveSettings(settings, { flags: {}, file: inherited })).rejects.toMatchObject({
    message: `${inherited}: unknown key "constructor"`,
  });
  const secret = await fileOf("key: 0xdeadbeef");
  await expect(resolveSettings(settings, { flags: {}, file: secret })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.not.stringContaining("deadbeef") as string,
    hint: "set ASSAY_PRIVATE_KEY",
  });
  const environment = { ASSAY_ALERT_WEBHOOK: "hooks.example/s3cret" };
  await expect(resolveSettings(settings, { flags: {}, environment })).rejects.toMatchObject({
    message: "ASSAY_ALERT_WEBHOOK is (hidden): expected an address like http://127.0.0.1:8545",
  });
  await expect(resolveSettings(settings, { flags: {}, file: "/missing.yaml" })).rejects.toMatchObject({
    code: "CONFIG_UNREADABLE",
  });
});

test("one name in three spellings, and the docs' table", () => {
  expect([flagOf("maxFeePerGas"), variableOf("maxFeePerGas", settings.maxFeePerGas)]).toEqual([
    "--max-fee-per-gas",
    "ASSAY_MAX_FEE_PER_GAS",
  ]);
  const table = settingsTable(settings);
  expect(table).toHaveLength(2 + Object.keys(settings).length);
  expect(table.find((row) => row.includes("--port"))).toMatch(
    /^\| `port` +\| `--port <n>` +\| `ASSAY_PORT` +\| `8700` +\| a port +\|$/,
  );
  expect(table.find((row) => row.includes("ASSAY_PRIVATE_KEY"))).toMatch(/^\| +\|/);
});

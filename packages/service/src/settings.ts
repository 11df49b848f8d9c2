import { readFile } from "node:fs/promises";
import { dirname, resolve as resolvePath } from "node:path";
import { AssayError } from "@assay/tensor";
import { getAddress, type Hex, isAddress, isHex } from "viem";
import { parse as parseYaml } from "yaml";
import { z } from "zod/v4";

/** One setting of a service: what is known of it makes the flag, the variable, the key in the file and the docs. */
export interface Setting<T = unknown> {
  /** Takes text (of a flag or a variable) or what a file has. */
  schema: z.ZodType<T>;
  /** What its values look like, for help: `<url>`. */
  placeholder: string;
  help: string;
  default?: T;
  /** Not to be put into a file, never to be shown. */
  secret?: boolean;
  /** What a file has with its paths made absolute: they are relative to the file. */
  relative?: (value: never, folder: string) => unknown;
  /** Only in a file: no flag and no variable can hold it. */
  fileOnly?: boolean;
  /** Default: ASSAY_ and the key in capitals. */
  variable?: string;
}

/** Settings by key, in camel case: `dataDir` is the flag --data-dir and the variable ASSAY_DATA_DIR. */
export type Settings = Record<string, Setting>;

/** The values that settings stand for; what has no default may be absent. */
export type SettingValues<S extends Settings> = {
  [K in keyof S as S[K] extends { default: unknown } ? K : never]: z.infer<S[K]["schema"]>;
} & {
  [K in keyof S as S[K] extends { default: unknown } ? never : K]?: z.infer<S[K]["schema"]>;
};

export type SettingSource = "flag" | "environment" | "file" | "default";

function kind<T>(expected: string, parse: (value: unknown) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: `expected ${expected}` });
    return z.NEVER;
  });
}

const textOf = (value: unknown) =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;

function isUrl(value: unknown): value is string {
  return typeof value === "string" && /^https?:\/\//.test(value) && URL.canParse(value);
}

/** Schemas of values that may come as text. */
export const kinds = {
  text: kind("text", (value) => (value === "" ? undefined : textOf(value))),
  integer: (least = 0, most = Number.MAX_SAFE_INTEGER) =>
    kind(`an integer from ${least}${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`, (value) => {
      const text = textOf(value)?.trim() ?? "";
      const number = Number(text);
      return text !== "" && Number.isSafeInteger(number) && number >= least && number <= most
        ? number
        : undefined;
    }),
  /** Token units or wei. A YAML number is exact up to 2^53; larger ones are written as text. */
  amount: kind("an amount in the smallest unit, in decimal digits (in a file: in quotes)", (value) => {
    if (typeof value === "bigint") return value;
    if (typeof value === "number")
      return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
    return typeof value === "string" && /^\d+$/.test(value) ? BigInt(value) : undefined;
  }),
  share: kind("a number from 0 to 1", (value) => {
    const text = textOf(value)?.trim() ?? "";
    return text !== "" && Number(text) >= 0 && Number(text) <= 1 ? Number(text) : undefined;
  }),
  truth: kind("true or false", (value) =>
    typeof value === "boolean" ? value : value === "true" ? true : value === "false" ? false : undefined,
  ),
  url: kind("an address like http://127.0.0.1:8545", (value) => (isUrl(value) ? value : undefined)),
  urls: kind("addresses like http://127.0.0.1:8701, separated by commas", (value) => {
    const list = typeof value === "string" ? value.split(",").map((each) => each.trim()) : value;
    return Array.isArray(list) && list.every(isUrl) ? list : undefined;
  }),
  address: kind("an address of 20 bytes in hex", (value) =>
    typeof value === "string" && isAddress(value) ? getAddress(value) : undefined,
  ),
  hash: kind("32 bytes in hex", (value) =>
    typeof value === "string" && isHex(value) && value.length === 66
      ? (value.toLowerCase() as Hex)
      : undefined,
  ),
  oneOf: <const T extends string>(...values: T[]) =>
    kind(`one of ${values.join(", ")}`, (value) => values.find((each) => each === value)),
};

export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function variableOf(key: string, setting: Setting): string {
  return setting.variable ?? `ASSAY_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** For settings that are a path. */
export const asPath = (value: string, folder: string): string => resolvePath(folder, value);

const invalid = (message: string, hint?: string) =>
  new AssayError("CONFIG_INVALID", message, hint === undefined ? {} : { hint });

function checked(setting: Setting, value: unknown, where: string): unknown {
  const result = setting.schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const shown = setting.secret ? "(hidden)" : JSON.stringify(value);
  const at = issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw invalid(`${where} is ${shown}: ${issue.message}${at}`);
}

/** The likeliest key that was meant; undefined: none is near. */
function nearest(key: string, keys: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++)
        next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
      row = next;
    }
    return row[b.length]!;
  };
  const near = keys.map((each) => ({ each, far: distance(key.toLowerCase(), each.toLowerCase()) }));
  const [best] = near.sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= 3 ? best.each : undefined;
}

/** Reads a settings file, YAML or JSON. Throws `CONFIG_UNREADABLE` or `CONFIG_INVALID`, with the key and its value. */
export async function readSettingsFile(path: string, settings: Settings): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new AssayError("CONFIG_UNREADABLE", `cannot read the settings file ${path}`, { cause });
  }
  let content: unknown;
  try {
    content = parseYaml(text) ?? {};
  } catch (cause) {
    throw invalid(`${path} is neither YAML nor JSON: ${(cause as Error).message.split("\n")[0]}`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw invalid(`${path} is no list of keys and values`);
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(content as Record<string, unknown>)) {
    const setting = Object.hasOwn(settings, key) ? settings[key] : undefined;
    if (setting === undefined) {
      const meant = nearest(key, Object.keys(settings));
      throw invalid(
        `${path}: unknown key "${key}"`,
        meant === undefined ? "--help lists the settings" : `did you mean "${meant}"?`,
      );
    }
    if (setting.secret)
      throw invalid(
        `${path}: ${key} is a secret and does not belong into this file`,
        `set ${variableOf(key, setting)}`,
      );
    const parsed = checked(setting, value, `${path}: ${key}`);
    values[key] =
      setting.relative === undefined ? parsed : setting.relative(parsed as never, dirname(resolvePath(path)));
  }
  return values;
}

/**
 * The values in force, each from the first that has it: flag, environment, file, default. Throws `CONFIG_INVALID` with the
 * key, its value and what is expected.
 */
export async function resolveSettings<S extends Settings>(
  settings: S,
  given: {
    flags: Record<string, unknown>;
    environment?: Record<string, string | undefined>;
    /** The settings file. */
    file?: string;
  },
): Promise<{ values: SettingValues<S>; sources: Record<string, SettingSource> }> {
  const file = given.file === undefined ? {} : await readSettingsFile(given.file, settings);
  const values: Record<string, unknown> = {};
  const sources: Record<string, SettingSource> = {};
  for (const [key, setting] of Object.entries(settings) as [string, Setting][]) {
    const variable = variableOf(key, setting);
    const text = setting.fileOnly === true ? undefined : given.environment?.[variable];
    const [source, value] =
      given.flags[key] !== undefined
        ? (["flag", checked(setting, given.flags[key], flagOf(key))] as const)
        : text !== undefined && text !== ""
          ? (["environment", checked(setting, text, variable)] as const)
          : file[key] !== undefined
            ? (["file", file[key]] as const)
            : (["default", setting.default] as const);
    if (value === undefined) continue;
    values[key] = value;
    sources[key] = source;
  }
  return { values: values as SettingValues<S>, sources };
}

/** A default as it would be written. */
export function defaultText(value: unknown): string {
  return typeof value === "bigint"
    ? value.toString()
    : typeof value === "string"
      ? value
      : JSON.stringify(value);
}

/** A table of settings in Markdown, for the docs. */
export function settingsTable(settings: Settings): string[] {
  const shown = (value: unknown) => (value === undefined ? "" : `\`${defaultText(value)}\``);
  const rows = Object.entries(settings).map(([key, setting]) => [
    setting.secret ? "" : `\`${key}\``,
    setting.fileOnly ? "" : `\`${flagOf(key)} ${setting.placeholder}\``,
    setting.fileOnly ? "" : `\`${variableOf(key, setting)}\``,
    shown(setting.default),
    setting.help,
  ]);
  const header = ["key", "flag", "environment", "default", "what"];
  const all = [header, ...rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))];
  const widths = all[0]!.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(all[0]!), line(widths.map((width) => "-".repeat(width))), ...all.slice(1).map(line)];
}

import { type Command, Option } from "commander";
import {
  defaultText,
  flagOf,
  resolveSettings,
  type Setting,
  type Settings,
  type SettingValues,
  variableOf,
} from "@assay/service";

/** Where the settings file is; not itself a setting. */
const FILE_VARIABLE = "ASSAY_CONFIG";

/** --config and one flag for each setting. Help says where else a value may come from. */
export function withSettings(command: Command, settings: Settings): Command {
  command.option(
    "--config <file>",
    `settings in YAML or JSON (env: ${FILE_VARIABLE}); see docs/operate-*.md`,
  );
  for (const [key, setting] of Object.entries(settings) as [string, Setting][]) {
    if (setting.fileOnly === true) continue;
    const fallback = setting.default === undefined ? "" : `default: ${defaultText(setting.default)}, `;
    const option = new Option(
      `${flagOf(key)} ${setting.placeholder}`,
      `${setting.help} (${fallback}env: ${variableOf(key, setting)})`,
    );
    command.addOption(option);
  }
  return command;
}

/** Keys of which one says who signs: the one that comes first, from the nearest source, is meant. */
const IDENTITIES = ["key", "account", "keystore", "signer"];

/** The values in force for a command's options. */
export async function settingsOf<S extends Settings>(
  settings: S,
  options: Record<string, unknown> & { config?: string },
  environment: Record<string, string | undefined> = process.env,
): Promise<SettingValues<S>> {
  const file = options.config ?? environment[FILE_VARIABLE];
  const flags = Object.fromEntries(Object.entries(options).filter(([key]) => Object.hasOwn(settings, key)));
  const { values, sources } = await resolveSettings(settings, {
    flags,
    environment,
    ...(file !== undefined && file !== "" && { file }),
  });
  // A flag that names an account is stronger than a key in the environment, and that than one in a file.
  for (const source of ["flag", "environment", "file"]) {
    if (!IDENTITIES.some((key) => sources[key] === source)) continue;
    for (const key of IDENTITIES)
      if (sources[key] !== source) delete (values as Record<string, unknown>)[key];
    break;
  }
  return values;
}

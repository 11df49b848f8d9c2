import { Command } from "commander";
import { AssayError } from "@assay/tensor";
import { generatePrivateKey } from "viem/accounts";
import { keystorePassword, writeKeystore } from "../keystore.ts";
import { privateKey } from "../accounts.ts";
import { type JsonOption, withExample, withJson } from "../options.ts";
import { print } from "../output.ts";

interface Options extends JsonOption {
  passwordFile?: string;
}

function keystoreCommand(name: string, description: string, example: string): Command {
  const command = new Command(name)
    .description(description)
    .argument("<file>", "the keystore to write (Web3 Secret Storage v3)")
    .option("--password-file <file>", "its password; default: ASSAY_KEYSTORE_PASSWORD");
  return withExample(withJson(command), example);
}

async function write(file: string, key: `0x${string}`, options: Options): Promise<void> {
  const address = await writeKeystore(file, key, await keystorePassword(options.passwordFile));
  print(options.json, { address, keystore: file }, () => [`${file} holds the key of ${address}`]);
}

export function accountNewCommand(): Command {
  return keystoreCommand(
    "new",
    "make a new key and keep it encrypted",
    "assay account new executor.json --password-file password.txt",
  ).action((file: string, options: Options) => write(file, generatePrivateKey(), options));
}

export function accountImportCommand(): Command {
  return keystoreCommand(
    "import",
    "encrypt the key in ASSAY_PRIVATE_KEY",
    "assay account import executor.json --password-file password.txt",
  ).action((file: string, options: Options) => {
    const key = process.env.ASSAY_PRIVATE_KEY;
    if (key === undefined || key === "")
      throw new AssayError("ACCOUNT_MISSING", "there is no key to import", { hint: "set ASSAY_PRIVATE_KEY" });
    return write(file, privateKey(key), options);
  });
}

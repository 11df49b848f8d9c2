import { type Command, InvalidArgumentError, Option } from "commander";
import { DEPLOYMENT_FILE } from "@assay/protocol";
import type { ShapeOptions } from "./shape-family.ts";
import { type Address, getAddress, type Hash, isAddress, isHash } from "viem";

export interface JsonOption {
  json?: boolean;
}

export interface ChainOptions extends JsonOption {
  rpc: string;
  deployment: string;
}

export interface AccountOptions {
  key?: string;
  account?: number;
  keystore?: string;
  passwordFile?: string;
  signer?: string;
  signerAddress?: Address;
}

export function integer(least = 0) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
    return value;
  };
}

/** Token units; a decimal integer. */
export function amount(text: string): bigint {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected an amount in token units, e.g. 1000.");
  return BigInt(text);
}

/** An option for an amount; its default has to be spelt out, for commander prints defaults as JSON. */
export function amountOption(flags: string, description: string, value: bigint): Option {
  return new Option(flags, description).argParser(amount).default(value, value.toString());
}

export function address(text: string): Address {
  if (!isAddress(text)) throw new InvalidArgumentError("Expected an address, e.g. 0x5FbDB2…");
  return getAddress(text);
}

export function hash(text: string): Hash {
  if (!isHash(text)) throw new InvalidArgumentError("Expected 32 bytes in hex, e.g. 0x12ab…");
  return text.toLowerCase() as Hash;
}

export function rpcUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("Expected an address like http://127.0.0.1:8545.");
  return text;
}

/** Collects `name=1,3,224,224`: given once for each input, or once for each input of each shape to serve. */
export function shape(text: string, before: ShapeOptions = {}): ShapeOptions {
  const at = text.lastIndexOf("=");
  const dims = text.slice(at + 1).split(/[,x]/);
  if (at < 1 || !dims.every((dim) => /^[1-9]\d*$/.test(dim)))
    throw new InvalidArgumentError("Expected name=dims, e.g. image=1,3,224,224.");
  const name = text.slice(0, at);
  return { ...before, [name]: [...(before[name] ?? []), dims.map(Number)] };
}

/** Collects `name=8000`, given once per input: its elements, separated by commas. */
export function pin(text: string, before: Record<string, number[]> = {}): Record<string, number[]> {
  const at = text.lastIndexOf("=");
  const values = text
    .slice(at + 1)
    .split(",")
    .map(Number);
  if (at < 1 || values.some((value) => Number.isNaN(value)))
    throw new InvalidArgumentError("Expected name=values, e.g. sampling_rate=16000.");
  return { ...before, [text.slice(0, at)]: values };
}

export function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

export function withJson(command: Command): Command {
  return command.option("--json", "print the result as JSON (stdout holds nothing else)");
}

/** --rpc, --deployment and --json. */
export function withChain(command: Command): Command {
  command.addOption(
    new Option("--rpc <url>", "RPC server of the chain")
      .env("ASSAY_RPC")
      .default("http://127.0.0.1:8545")
      .argParser(rpcUrl),
  );
  command.addOption(
    new Option("--deployment <file>", "where Assay's contracts are")
      .env("ASSAY_DEPLOYMENT")
      .default(DEPLOYMENT_FILE),
  );
  return withJson(command);
}

/** --key, --account, --keystore and --signer. */
export function withAccount(command: Command): Command {
  command.addOption(
    new Option(
      "--key <hex>",
      "private key to send from; the environment variable keeps it out of the shell's history",
    )
      .env("ASSAY_PRIVATE_KEY")
      .conflicts("account"),
  );
  command.addOption(
    new Option("--keystore <file>", "encrypted key to send with (Web3 Secret Storage v3)")
      .env("ASSAY_KEYSTORE")
      .conflicts(["account", "key"]),
  );
  command.addOption(
    new Option("--password-file <file>", "its password; default: ASSAY_KEYSTORE_PASSWORD").env(
      "ASSAY_PASSWORD_FILE",
    ),
  );
  command.addOption(
    new Option("--signer <url>", "external signer that holds the key (Web3Signer, Clef)")
      .env("ASSAY_SIGNER")
      .argParser(rpcUrl)
      .conflicts(["account", "key", "keystore"]),
  );
  command.addOption(
    new Option("--signer-address <address>", "its account to use")
      .env("ASSAY_SIGNER_ADDRESS")
      .argParser(address),
  );
  return command.option(
    "--account <n>",
    "send from development account n (a public key: chain 31337 only)",
    integer(),
  );
}

/** What an ONNX file leaves open. */
export interface ModelOptions {
  shape?: ShapeOptions;
  pin?: Record<string, number[]>;
}

/** --shape and --pin. */
export function withModel(command: Command): Command {
  return command
    .option(
      "--shape <name=dims>",
      "shape of an input that the model leaves open; given again for the same input, one more shape to serve",
      shape,
    )
    .option(
      "--pin <name=values>",
      "make an input a constant of the program, e.g. a setting that the model branches on",
      pin,
    );
}

/** Help ends with an example. */
export function withExample(command: Command, ...examples: string[]): Command {
  const title = examples.length > 1 ? "Examples:" : "Example:";
  return command.addHelpText("after", `\n${title}\n${examples.map((line) => `  ${line}`).join("\n")}\n`);
}

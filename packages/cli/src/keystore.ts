import { readFile, writeFile } from "node:fs/promises";
import { AssayError } from "@assay/tensor";
import { Keystore } from "ox";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

export const PASSWORD_VARIABLE = "ASSAY_KEYSTORE_PASSWORD";

/** The password in a file (its first line), or in the environment. */
export async function keystorePassword(passwordFile: string | undefined): Promise<string> {
  const fromEnvironment = process.env[PASSWORD_VARIABLE];
  if (passwordFile === undefined) {
    if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
    throw new AssayError("KEYSTORE_PASSWORD", "a keystore needs its password", {
      hint: `give --password-file, or set ${PASSWORD_VARIABLE}`,
    });
  }
  try {
    return (await readFile(passwordFile, "utf8")).split(/\r?\n/)[0]!;
  } catch (cause) {
    throw new AssayError("FILE_UNREADABLE", `cannot read the password file ${passwordFile}`, { cause });
  }
}

/** Decrypts a Web3 Secret Storage v3 file. Throws `KEYSTORE_INVALID` or `KEYSTORE_PASSWORD`; neither shows a secret. */
export async function readKeystore(path: string, password: string): Promise<Hex> {
  let keystore: Keystore.Keystore;
  try {
    // Old files have capitals in their keys.
    keystore = JSON.parse(
      await readFile(path, "utf8"),
      function (this: Record<string, unknown>, key, value: unknown) {
        if (key !== "Crypto") return value;
        this.crypto = value;
        return undefined;
      },
    ) as Keystore.Keystore;
  } catch {
    throw new AssayError("KEYSTORE_INVALID", `${path} cannot be read as JSON`);
  }
  const { version, crypto } = keystore as Partial<Keystore.Keystore>;
  if (version !== 3 || crypto === undefined)
    throw new AssayError("KEYSTORE_INVALID", `${path} is no keystore of version 3`, {
      hint: "`assay account new` makes one; so do geth, Clef and Foundry",
    });
  try {
    return Keystore.decrypt(keystore, await Keystore.toKeyAsync(keystore, { password }));
  } catch {
    throw new AssayError("KEYSTORE_PASSWORD", `the password does not open ${path}, or the file is damaged`);
  }
}

/** Encrypts a key into a new file that only its owner can read; one that exists is left alone. */
export async function writeKeystore(path: string, key: Hex, password: string): Promise<Address> {
  const [derived, options] = await Keystore.scryptAsync({ password, n: 262_144 });
  const { address } = privateKeyToAccount(key);
  const keystore = { ...Keystore.encrypt(key, derived, options), address: address.slice(2).toLowerCase() };
  try {
    await writeFile(path, `${JSON.stringify(keystore, null, 2)}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw new AssayError(
      "FILE_UNWRITABLE",
      `cannot write ${path}: ${(cause as NodeJS.ErrnoException).code}`,
      {
        hint: "a keystore that exists is never overwritten",
      },
    );
  }
  return address;
}

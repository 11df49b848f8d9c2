import { keyAccount } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Hex, isHex, type LocalAccount } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { externalSigner } from "./external-signer.ts";
import { keystorePassword, readKeystore } from "./keystore.ts";
import type { AccountOptions } from "./options.ts";

/** Hardhat's well-known mnemonic: everybody has these keys, so they are refused outside of development chains. */
const DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk";
export const DEVELOPMENT_CHAIN = 31337;
export const DEVELOPMENT_ACCOUNTS = 20;

export function developmentAccount(addressIndex: number): LocalAccount {
  if (addressIndex >= DEVELOPMENT_ACCOUNTS)
    throw new AssayError("ACCOUNT_UNKNOWN", `there is no development account ${addressIndex}`, {
      hint: `they are numbered 0 to ${DEVELOPMENT_ACCOUNTS - 1}`,
    });
  return mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex });
}

/** The account that the options name. Messages never contain a key. */
export async function accountOf(options: AccountOptions, chainId: number): Promise<LocalAccount> {
  const { key, account, keystore, signer, signerAddress } = options;
  if ([key, account, keystore, signer].filter((each) => each !== undefined).length > 1)
    throw new AssayError("ACCOUNT_AMBIGUOUS", "more than one of key, account, keystore and signer is given", {
      hint: "a variable of the environment may be one of them: ASSAY_PRIVATE_KEY, ASSAY_KEYSTORE, ASSAY_SIGNER",
    });
  if (account !== undefined) {
    if (chainId !== DEVELOPMENT_CHAIN)
      throw new AssayError(
        "DEVELOPMENT_ACCOUNT",
        `--account is for development chains, this is chain ${chainId}`,
        {
          hint: "everybody knows the development keys; use a keystore, a signer or ASSAY_PRIVATE_KEY",
        },
      );
    return developmentAccount(account);
  }
  if (signer !== undefined) {
    if (signerAddress === undefined)
      throw new AssayError("ACCOUNT_MISSING", "an external signer needs the address of its account", {
        hint: "give --signer-address",
      });
    return externalSigner(signer, signerAddress);
  }
  if (keystore !== undefined)
    return keyAccount(await readKeystore(keystore, await keystorePassword(options.passwordFile)));
  if (key === undefined)
    throw new AssayError("ACCOUNT_MISSING", "this command needs an account to send from", {
      hint: "give --keystore or --signer, set ASSAY_PRIVATE_KEY, or give --account N on a development chain",
    });
  return keyAccount(privateKey(key));
}

/** A private key as it is written, checked. */
export function privateKey(key: string): Hex {
  const hex = (key.startsWith("0x") ? key : `0x${key}`) as Hex;
  if (!isHex(hex) || hex.length !== 66)
    throw new AssayError("KEY_INVALID", "the private key is not 32 bytes in hex");
  try {
    keyAccount(hex);
    return hex;
  } catch {
    throw new AssayError("KEY_INVALID", "the private key is not a valid secp256k1 key");
  }
}

import { AssayError } from "@assay/tensor";
import { type Hex, isHex, type LocalAccount } from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
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
export function accountOf({ key, account }: AccountOptions, chainId: number): LocalAccount {
  if (account !== undefined) {
    if (chainId !== DEVELOPMENT_CHAIN)
      throw new AssayError(
        "DEVELOPMENT_ACCOUNT",
        `--account is for development chains, this is chain ${chainId}`,
        {
          hint: "everybody knows the development keys; use ASSAY_PRIVATE_KEY",
        },
      );
    return developmentAccount(account);
  }
  if (key === undefined)
    throw new AssayError("ACCOUNT_MISSING", "this command needs an account to send from", {
      hint: "set ASSAY_PRIVATE_KEY, or give --account N on a development chain",
    });
  const hex = (key.startsWith("0x") ? key : `0x${key}`) as Hex;
  if (!isHex(hex) || hex.length !== 66)
    throw new AssayError("KEY_INVALID", "the private key is not 32 bytes in hex");
  try {
    return privateKeyToAccount(hex);
  } catch {
    throw new AssayError("KEY_INVALID", "the private key is not a valid secp256k1 key");
  }
}

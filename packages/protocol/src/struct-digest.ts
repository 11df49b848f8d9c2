import { type Address, type Hash, hashDomain, type Hex, keccak256, stringToHex } from "viem";

interface Domain {
  readonly name: string;
  readonly version: string;
  readonly chainId: number;
  readonly verifyingContract: Address;
}

const DOMAIN_TYPES = {
  EIP712Domain: [
    { name: "name", type: "string" },
    { name: "version", type: "string" },
    { name: "chainId", type: "uint256" },
    { name: "verifyingContract", type: "address" },
  ],
} as const;

interface Field<Name> {
  readonly name: Name;
  readonly type: "address" | "bytes32" | "uint64" | "uint128";
}

/** By their words: the hashes of a domain and of a struct's type, which never change. */
const known = new Map<string, Hash>();

function once(key: string, compute: () => Hash): Hash {
  let hash = known.get(key);
  if (hash === undefined) known.set(key, (hash = compute()));
  return hash;
}

/**
 * EIP-712's digest of a struct without dynamic fields, as viem's `hashTypedData` has it, which takes the types apart each
 * time: a gateway needs four of an order. Throws a `RangeError` for a value that is not of its field's type.
 */
export function structDigest<T extends object>(
  domain: Domain,
  name: string,
  fields: readonly Field<keyof T & string>[],
  struct: T,
): Hash {
  const separator = once(Object.values(domain).join(" "), () =>
    hashDomain({ domain: { ...domain, chainId: BigInt(domain.chainId) }, types: DOMAIN_TYPES }),
  );
  const type = once(name, () => {
    const members = fields.map((field) => `${field.type} ${field.name}`);
    return keccak256(stringToHex(`${name}(${members.join(",")})`));
  });
  const words = fields.map((field) => word(field, struct[field.name] as Hex | bigint));
  return keccak256(`0x1901${separator.slice(2)}${keccak256(`${type}${words.join("")}`).slice(2)}`);
}

/** 32 bytes in hex. */
function word({ name, type }: Field<string>, value: Hex | bigint): string {
  if (typeof value === "bigint") {
    if (value < 0n || value >> BigInt(type.slice(4))) throw new RangeError(`${name} is no ${type}: ${value}`);
    return value.toString(16).padStart(64, "0");
  }
  if (!(type === "address" ? /^0x[0-9a-f]{40}$/i : /^0x[0-9a-f]{64}$/i).test(value))
    throw new RangeError(`${name} is no ${type}: ${value}`);
  return value.slice(2).toLowerCase().padStart(64, "0");
}

import { toAssayError } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import {
  type Address,
  createClient,
  type Hex,
  http,
  type LocalAccount,
  numberToHex,
  parseTransaction,
  recoverTransactionAddress,
  recoverTypedDataAddress,
  type TransactionSerialized,
} from "viem";
import { toAccount } from "viem/accounts";

type Call = (method: string, params: unknown) => Promise<unknown>;

/**
 * An account whose key a signer holds: Web3Signer and nodes (`eth_signTransaction`, `eth_signTypedData_v4`) or Clef
 * (`account_signTransaction`, `account_signTypedData`). It only signs; what it signed is checked before it is used, and
 * sent by ourselves, so that nonces and fees stay in one hand.
 */
export function externalSigner(url: string, address: Address): LocalAccount {
  const client = createClient({ transport: http(url, { timeout: 60_000, retryCount: 1 }) });
  const call: Call = async (method, params) => {
    try {
      return await client.request({ method, params } as never);
    } catch (error) {
      if (isUnknownMethod(error)) throw error;
      const known = toAssayError(error);
      throw new AssayError("SIGNER_FAILED", `the signer does not sign: ${(known as Error).message}`, {
        hint: `does it run, and does it hold the key of ${address}?`,
        cause: error,
      });
    }
  };
  const either = async (eth: [string, unknown], clef: [string, unknown]) => {
    try {
      return await call(...eth);
    } catch (error) {
      if (!isUnknownMethod(error)) throw error;
      return call(...clef);
    }
  };
  const refused = (what: string) =>
    new AssayError("SIGNER_MISMATCH", `the signer has signed ${what}`, {
      hint: "nothing was sent; check which account and which rules the signer uses",
    });
  return toAccount({
    address,
    signMessage: () => Promise.reject(new AssayError("SIGNER_FAILED", "messages are not signed")),
    async signTransaction(transaction) {
      const quantity = (value: bigint | number | undefined) =>
        value === undefined ? undefined : numberToHex(value);
      const { to, data, nonce, gas, gasPrice, maxFeePerGas, maxPriorityFeePerGas, chainId, value } =
        transaction;
      const request = {
        from: address,
        to,
        data: data ?? "0x",
        value: quantity(value ?? 0n),
        nonce: quantity(nonce),
        gas: quantity(gas),
        chainId: quantity(chainId),
        ...(gasPrice === undefined
          ? { maxFeePerGas: quantity(maxFeePerGas), maxPriorityFeePerGas: quantity(maxPriorityFeePerGas) }
          : { gasPrice: quantity(gasPrice) }),
      };
      const answer = await either(["eth_signTransaction", [request]], ["account_signTransaction", [request]]);
      const raw = (typeof answer === "string" ? answer : (answer as { raw?: unknown } | null)?.raw) as Hex;
      const signed = parseTransaction(raw);
      const signer = await recoverTransactionAddress({ serializedTransaction: raw as TransactionSerialized });
      if (signer.toLowerCase() !== address.toLowerCase())
        throw refused(`with another key, that of ${signer}`);
      const same =
        signed.to?.toLowerCase() === to?.toLowerCase() &&
        (signed.data ?? "0x") === (data ?? "0x") &&
        (signed.nonce ?? 0) === (nonce ?? 0) &&
        signed.chainId === chainId &&
        (signed.value ?? 0n) === (value ?? 0n) &&
        signed.gas === gas &&
        (signed.gasPrice ?? signed.maxFeePerGas) === (gasPrice ?? maxFeePerGas);
      if (!same) throw refused("another transaction");
      return raw;
    },
    async signTypedData(typedData) {
      const text = JSON.stringify(withDomainType(typedData as never), (_, value: unknown) =>
        typeof value === "bigint" ? value.toString() : value,
      );
      const parsed = JSON.parse(text) as unknown;
      const signature = (await either(
        ["eth_signTypedData_v4", [address, text]],
        ["account_signTypedData", [address, parsed]],
      )) as Hex;
      const signer = await recoverTypedDataAddress({ ...(typedData as never as object), signature } as never);
      if (signer.toLowerCase() !== address.toLowerCase())
        throw refused(`with another key, that of ${signer}`);
      return signature;
    },
  });
}

const DOMAIN_TYPES = {
  name: "string",
  version: "string",
  chainId: "uint256",
  verifyingContract: "address",
  salt: "bytes32",
} as const;

/** Signers want the domain's own type spelt out. */
function withDomainType(data: { domain?: Record<string, unknown>; types: Record<string, unknown> }) {
  const EIP712Domain = Object.entries(DOMAIN_TYPES)
    .filter(([name]) => data.domain?.[name] !== undefined)
    .map(([name, type]) => ({ name, type }));
  return { ...data, types: { EIP712Domain, ...data.types } };
}

function isUnknownMethod(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (
      (at as { code?: unknown }).code === -32601 ||
      /method .*(not found|not supported|does not exist|not available)/i.test(at.message)
    )
      return true;
  return false;
}

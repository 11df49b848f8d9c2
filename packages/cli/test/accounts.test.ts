/** Keys that are encrypted or elsewhere. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Claim, claimTypedData, type Deployment, ZERO_ROOT } from "@assay/protocol";
import { type Hex, parseTransaction, type TransactionSerializable, verifyTypedData } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accountOf } from "../src/accounts.ts";
import { externalSigner } from "../src/external-signer.ts";
import { readKeystore, writeKeystore } from "../src/keystore.ts";

const key: Hex = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const { address } = privateKeyToAccount(key);
const servers: Server[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-accounts-"));
});
afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The test vectors of the Web3 Secret Storage definition; password "testpassword". */
const vectors = {
  pbkdf2: {
    crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
      ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
      kdf: "pbkdf2",
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: "hmac-sha256",
        salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
      },
      mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    version: 3,
  },
  scrypt: {
    Crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: "83dbcc02d8ccb40e466191a123791e0e" },
      ciphertext: "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
      kdf: "scrypt",
      kdfparams: {
        dklen: 32,
        n: 262144,
        r: 1,
        p: 8,
        salt: "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
      },
      mac: "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    version: 3,
  },
};

test.each(Object.keys(vectors))(
  "the definition's %s vector is opened, with its password only",
  async (name) => {
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(vectors[name as keyof typeof vectors]));
    expect(await readKeystore(file, "testpassword")).toBe(key);
    await expect(readKeystore(file, "testpasswords")).rejects.toMatchObject({ code: "KEYSTORE_PASSWORD" });
  },
);

test("a keystore of ours opens again, is its owner's alone, and is never overwritten", async () => {
  const keystore = join(folder, "mine.json");
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, "correct horse\nsecond line\n");
  expect(await writeKeystore(keystore, key, "correct horse")).toBe(address);
  expect((await stat(keystore)).mode & 0o777).toBe(0o600);
  expect(await readFile(keystore, "utf8")).not.toContain(key.slice(2));
  expect((await accountOf({ keystore, passwordFile }, 1)).address).toBe(address);
  await expect(writeKeystore(keystore, key, "other")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  await expect(accountOf({ keystore: passwordFile, passwordFile }, 1)).rejects.toMatchObject({
    code: "KEYSTORE_INVALID",
  });
  await expect(accountOf({ keystore, key }, 1)).rejects.toMatchObject({ code: "ACCOUNT_AMBIGUOUS" });
});

interface Call {
  id: number;
  method: string;
  params: unknown[];
}

/** A signer that holds `signing`, and speaks as Web3Signer does (`eth`) or as Clef does (`account`). */
async function signer(
  dialect: "eth" | "account",
  signing: Hex,
  change = (tx: TransactionSerializable) => tx,
) {
  const holder = privateKeyToAccount(signing);
  const answer = async ({ method, params }: Call): Promise<unknown> => {
    if (method === `${dialect}_signTransaction`) {
      const { from: _, gas, nonce, value, ...given } = params[0] as Record<string, Hex>;
      const raw = await holder.signTransaction(
        change({
          type: "eip1559",
          to: given.to!,
          data: given.data!,
          chainId: Number(given.chainId),
          gas: BigInt(gas!),
          nonce: Number(nonce),
          value: BigInt(value!),
          maxFeePerGas: BigInt(given.maxFeePerGas!),
          maxPriorityFeePerGas: BigInt(given.maxPriorityFeePerGas!),
        }),
      );
      return dialect === "eth" ? raw : { raw, tx: {} };
    }
    if (method === (dialect === "eth" ? "eth_signTypedData_v4" : "account_signTypedData")) {
      const data = (dialect === "eth" ? JSON.parse(params[1] as string) : params[1]) as never;
      return holder.signTypedData(data);
    }
    return undefined;
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const call = JSON.parse(Buffer.concat(parts).toString()) as Call;
      void answer(call).then((result) =>
        response.setHeader("content-type", "application/json").end(
          JSON.stringify({
            jsonrpc: "2.0",
            id: call.id,
            ...(result === undefined ? { error: { code: -32601, message: "method not found" } } : { result }),
          }),
        ),
      );
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return externalSigner(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, address);
}

const transaction = {
  type: "eip1559",
  chainId: 1,
  to: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  data: "0x1234",
  nonce: 7,
  gas: 100_000n,
  maxFeePerGas: 10n ** 10n,
  maxPriorityFeePerGas: 10n ** 9n,
} as const;
const deployment = { chainId: 1, inferenceMarket: transaction.to } as unknown as Deployment;
const claim: Claim = {
  requestId: ZERO_ROOT,
  programRoot: ZERO_ROOT,
  inputRoot: ZERO_ROOT,
  outputRoot: ZERO_ROOT,
  traceRoot: ZERO_ROOT,
  executor: address,
};

test.each(["eth", "account"] as const)(
  "an external signer with %s_* methods signs as its key would",
  async (dialect) => {
    const account = await signer(dialect, key);
    const typedData = claimTypedData(deployment, claim);
    const signature = await account.signTypedData(typedData);
    expect(signature).toBe(await privateKeyToAccount(key).signTypedData(typedData));
    expect(await verifyTypedData({ address, signature, ...typedData })).toBe(true);
    const raw = await account.signTransaction(transaction);
    expect(raw).toBe(await privateKeyToAccount(key).signTransaction(transaction));
  },
);

test("a signer that signs something else, or with another key, is found out; one that is gone is named", async () => {
  const other = await signer("eth", "0x0123456789012345678901234567890123456789012345678901234567890123");
  await expect(other.signTransaction(transaction)).rejects.toMatchObject({ code: "SIGNER_MISMATCH" });
  await expect(other.signTypedData(claimTypedData(deployment, claim))).rejects.toMatchObject({
    code: "SIGNER_MISMATCH",
  });
  const thief = await signer("eth", key, (tx) => ({ ...tx, to: address }));
  await expect(thief.signTransaction(transaction)).rejects.toMatchObject({
    code: "SIGNER_MISMATCH",
    message: "the signer has signed another transaction",
  });
  const dearer = await signer("account", key, (tx) => ({ ...tx, maxFeePerGas: 10n ** 12n }) as never);
  await expect(dearer.signTransaction(transaction)).rejects.toMatchObject({ code: "SIGNER_MISMATCH" });
  expect(parseTransaction(await (await signer("eth", key)).signTransaction(transaction)).nonce).toBe(7);
  const gone = externalSigner("http://127.0.0.1:9", address);
  await expect(gone.signTransaction(transaction)).rejects.toMatchObject({ code: "SIGNER_FAILED" });
});

import { keyAccount, recoverSigner } from "@assay/service";
import { concat, type Hex, hashTypedData, isHex, keccak256, numberToHex, parseSignature, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { native, portable } from "../src/secp256k1.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const key = keccak256(toHex("secp256k1 test"));
const digest = (name: string) => keccak256(toHex(name));

describe.each([
  ["native", native],
  ["portable", portable],
])("%s", (name, curve) => {
  test.skipIf(curve === undefined)("signs as viem does, and finds the signer", async () => {
    for (let i = 0; i < 32; i++) {
      const own = generatePrivateKey();
      const viems = privateKeyToAccount(own);
      const signature = await keyAccount(own, curve).sign({ hash: digest(`${i}`) });
      expect(signature).toBe(await viems.sign({ hash: digest(`${i}`) }));
      expect(recoverSigner(digest(`${i}`), signature, curve)).toBe(viems.address);
      expect(recoverSigner(digest(`${i + 1}`), signature, curve)).not.toBe(viems.address);
    }
  });

  test.skipIf(curve === undefined)("takes nobody's signature for somebody's", async () => {
    const hash = digest(name);
    const { address } = privateKeyToAccount(key);
    const good = await keyAccount(key, curve).sign({ hash });
    const { r, s } = parseSignature(good);
    const v: Hex = `0x${good.slice(-2)}`;
    const word = (value: bigint) => numberToHex(value, { size: 32 });
    expect(recoverSigner(hash, good, curve)).toBe(address);
    // The other signature of the same key, which contracts refuse.
    const high = concat([r, word(ORDER - BigInt(s)), v === "0x1b" ? "0x1c" : "0x1b"]);
    const bad: Hex[] = [
      high,
      "0x",
      good.slice(0, -2) as Hex,
      `${good}00`,
      concat([r, s, "0x00"]),
      concat([r, s, "0x1d"]),
      concat([word(0n), s, v]),
      concat([r, word(0n), v]),
      concat([word(ORDER), s, v]),
      concat([word(2n ** 256n - 1n), s, v]),
    ];
    for (const signature of bad) {
      expect(isHex(signature)).toBe(true);
      expect(recoverSigner(hash, signature, curve), signature).toBeUndefined();
    }
  });
});

test("an account of a key signs typed data and messages as viem's", async () => {
  const [own, viems] = [keyAccount(key), privateKeyToAccount(key)];
  const typed = {
    domain: { name: "Assay", version: "1", chainId: 31337 },
    types: { Receipt: [{ name: "claimBy", type: "uint64" }] },
    primaryType: "Receipt",
    message: { claimBy: 7n },
  } as const;
  expect(own.address).toBe(viems.address);
  expect(await own.signTypedData(typed)).toBe(await viems.signTypedData(typed));
  expect(await own.sign({ hash: hashTypedData(typed) })).toBe(await viems.signTypedData(typed));
  expect(await own.signMessage({ message: "x" })).toBe(await viems.signMessage({ message: "x" }));
});

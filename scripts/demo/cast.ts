import { fileURLToPath } from "node:url";

/** Hardhat's well-known mnemonic: everybody has these keys. */
export const DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk";

const models = fileURLToPath(new URL("../../models/digits/", import.meta.url));
const shapes = { pixels: [1, 1, 8, 8] };

/** The model that is published, as the SDK takes it. */
export const MODEL = { onnx: `${models}digits.onnx`, shapes };
/** What one of the cheaters runs instead: a fifth of the weights, less accurate, the same shapes. */
export const CHEAPER_MODEL = { onnx: `${models}digits-small.onnx`, shapes };
export const SAMPLES = `${models}samples.json`;

export type CheatName = "nudged element" | "cheaper model" | "made-up output" | "hidden trace";

/** Development accounts by role. */
export const ACCOUNTS = {
  publisher: 0,
  requester: 1,
  "honest executor": 2,
  "nudged element": 3,
  "cheaper model": 4,
  "made-up output": 5,
  "hidden trace": 6,
  challenger: 7,
  "dishonest challenger": 8,
} as const;

export const CHEATS: readonly CheatName[] = [
  "nudged element",
  "cheaper model",
  "made-up output",
  "hidden trace",
];

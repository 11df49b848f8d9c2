import { bytesToHex, type Hex } from "viem";
import type { Bytes } from "./types.ts";

export function toHex(bytes: Bytes): Hex {
  return typeof bytes === "string" ? bytes : bytesToHex(bytes);
}

/** What references and sweeps need of the 120-bit numbers. */
export { fromBits, isHuge, isNegative, type Real, ZERO } from "./scalar-real.ts";
export { cos, sin } from "./scalar-series.ts";

export { Family, type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

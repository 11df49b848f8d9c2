import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { PINNED_CONFIGURATION } from "@assay/execution";

/**
 * Names the kind of this machine: two of one kind give the same bits. onnxruntime chooses its kernels by the processor,
 * so that another one may round otherwise; the trace of a claim has to come from the kind of machine that made the claim.
 */
export function machineKind(): string {
  const { engine, version } = PINNED_CONFIGURATION;
  const parts = [engine, version, platform(), arch(), cpus()[0]?.model ?? "", processorFlags()];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}

/** What the processor, or the hypervisor above it, says that it can do. */
function processorFlags(): string {
  try {
    return /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import { deployAssay } from "../deployAssay.ts";

/** Everything, on a development token that anyone can mint: for local chains and tests only. */
export default buildModule("Assay", (m) => {
  const token = m.contract("DevToken");
  return { token, ...deployAssay(m, token) };
});

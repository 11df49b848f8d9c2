import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import { deployAssay } from "../deployAssay.ts";

/** Everything, on an ERC-20 that exists: parameter `token` has no default, so that it cannot be forgotten. */
export default buildModule("AssayOnToken", (m) => deployAssay(m, m.getParameter<string>("token")));

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Instruction} from "../program/Program.sol";
import {AccessMap, Gathered, Segment} from "../proof/AccessMap.sol";
import {Opening} from "../proof/IVerifier.sol";
import {OpenedChunks, TensorProof} from "../proof/TensorProof.sol";

/// @notice Shows the libraries under Verifier to tests: what an opening proves, and what an operand reads from it.
contract ProofHarness {
    function root(Opening calldata opening, uint256 chunkCount) external view returns (bytes32 root_) {
        (root_, ) = TensorProof.open(opening, chunkCount);
    }

    function gather(
        bytes calldata instruction,
        uint256 operand,
        uint256 element,
        Opening calldata opening,
        uint256 chunkCount,
        Segment calldata segment,
        Gathered[] calldata earlier
    ) external view returns (bytes memory dense, uint256 valid) {
        Instruction memory decoded = abi.decode(instruction, (Instruction));
        AccessMap.boxSize(decoded.reduction);
        (, OpenedChunks memory opened) = TensorProof.open(opening, chunkCount);
        return
            AccessMap.gather(
                decoded.operands[operand],
                AccessMap.coordinatesOf(element, decoded.dims),
                decoded.reduction,
                segment,
                opened,
                earlier
            );
    }
}

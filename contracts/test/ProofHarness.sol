// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {OutputTolerance} from "../numerics/OutputTolerance.sol";
import {Instruction} from "../program/Program.sol";
import {AccessMap, Gathered, Segment} from "../proof/AccessMap.sol";
import {Opening} from "../proof/IVerifier.sol";
import {OpenedChunks, TensorProof} from "../proof/TensorProof.sol";

/// @notice Shows the libraries under Verifier to tests: what an opening proves, and what an operand reads from it.
contract ProofHarness {
    function root(Opening calldata opening, uint256 chunkCount) external view returns (bytes32 root_) {
        (root_, ) = TensorProof.open(opening, chunkCount);
    }

    /// @param cases claimed, traced, absolute and relative as float32 bits, 32 of a word each
    function judgeOutputs(uint128[] calldata cases) external pure returns (Verdict[] memory verdicts) {
        verdicts = new Verdict[](cases.length);
        for (uint256 i = 0; i < cases.length; ++i)
            verdicts[i] = OutputTolerance.judge(
                uint32(cases[i] >> 96),
                uint32(cases[i] >> 64),
                uint32(cases[i] >> 32),
                uint32(cases[i])
            );
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

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {KernelInput} from "./IKernel.sol";
import {HintLength, OperandCount, UnsupportedDtype} from "./KernelErrors.sol";

/// @title What kernels ask of the element types they are given
library KernelChecks {
    /// @notice Reverts unless the output and every operand hold elements of one type.
    function requireAll(KernelInput calldata input, uint8 dtype) internal pure {
        requireOutput(input, dtype);
        for (uint256 i; i < input.dtypes.length; ++i) requireOperand(input, i, dtype);
    }

    /// @notice Reverts unless the output's element type is `dtype`.
    function requireOutput(KernelInput calldata input, uint8 dtype) internal pure {
        if (input.dtype != dtype) revert UnsupportedDtype(type(uint256).max, input.dtype);
    }

    /// @notice Reverts unless operand `operand` holds elements of type `dtype`.
    function requireOperand(KernelInput calldata input, uint256 operand, uint8 dtype) internal pure {
        uint8 actual = dtypeOf(input, operand);
        if (actual != dtype) revert UnsupportedDtype(operand, actual);
    }

    /// @notice The hint of a family whose hints are one word.
    function hintOf(KernelInput calldata input) internal pure returns (uint256) {
        if (input.hint.length != 32) revert HintLength(32, input.hint.length);
        return uint256(bytes32(input.hint));
    }

    /// @notice The element type of an operand.
    function dtypeOf(KernelInput calldata input, uint256 operand) internal pure returns (uint8) {
        if (input.dtypes.length != input.operands.length)
            revert OperandCount(input.operands.length, input.dtypes.length);
        return uint8(input.dtypes[operand]);
    }
}

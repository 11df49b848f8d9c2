// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ONNX TensorProto.DataType codes that Assay knows
library Dtype {
    /// @notice Bytes per element; 0 for an unknown code.
    function sizeOf(uint8 dtype) internal pure returns (uint256) {
        if (dtype == 1 || dtype == 6) return 4; // float32, int32
        if (dtype == 2 || dtype == 3 || dtype == 9) return 1; // uint8, int8, bool
        if (dtype == 7 || dtype == 11) return 8; // int64, float64
        if (dtype == 10) return 2; // float16
        return 0;
    }
}

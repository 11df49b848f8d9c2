// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title InferenceConsumer
/// @notice A contract that is told of finalised inferences.
interface IInferenceConsumer {
    /// @notice Called once by the market after the request's claim is final, with the gas that the request asked for.
    ///         A revert changes nothing but the callback. Check msg.sender.
    /// @param outputRoot over the tensor roots of the outputs; bytes can be checked against it with TensorTree
    function onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) external;
}

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IInferenceConsumer} from "./IInferenceConsumer.sol";
import {IInferenceMarket, Request, RequestStatus} from "./IInferenceMarket.sol";
import {IModelRegistry, PortRecord} from "./IModelRegistry.sol";
import {TensorTree} from "./TensorTree.sol";

/// @title Base of contracts that use inferences
/// @notice Checks that the caller is the market, and reads output values that anyone brings against a finalised root.
abstract contract InferenceConsumer is IInferenceConsumer {
    IInferenceMarket public immutable market;

    error NotMarket(address caller);
    error ZeroMarket();
    /// @notice The request has no finalised claim.
    error NotFulfilled(bytes32 requestId);
    /// @notice The bytes are not the request's finalised outputs.
    error NotTheOutputs(bytes32 requestId);
    error ElementOutOfRange(uint256 element, uint256 length);

    constructor(address market_) {
        if (market_ == address(0)) revert ZeroMarket();
        market = IInferenceMarket(market_);
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) external {
        if (msg.sender != address(market)) revert NotMarket(msg.sender);
        _onInference(requestId, claimId, outputRoot);
    }

    /// @dev Override to be told; anyone can name any contract as a callback, so check that the request is one of yours.
    function _onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) internal virtual;

    /// @dev Reverts unless `outputs` are exactly the stored output bytes of the request's finalised claim.
    function _requireOutputs(bytes32 requestId, bytes calldata outputs) internal view {
        Request memory req = market.requestOf(requestId);
        if (req.status != RequestStatus.Fulfilled) revert NotFulfilled(requestId);
        PortRecord[] memory ports = IModelRegistry(market.modelRegistry()).outputsOf(req.programRoot);
        uint256[] memory sizes = new uint256[](ports.length);
        for (uint256 i; i < ports.length; ++i) sizes[i] = ports[i].size;
        if (TensorTree.rootOf(outputs, sizes) != market.claimOf(req.claimId).outputRoot)
            revert NotTheOutputs(requestId);
    }

    /// @dev IEEE-754 bits of a float32 in little-endian bytes.
    function _float32Bits(bytes calldata outputs, uint256 element) internal pure returns (uint32) {
        uint256 start = element * 4;
        if (start + 4 > outputs.length) revert ElementOutOfRange(element, outputs.length / 4);
        return
            uint32(uint8(outputs[start])) |
            (uint32(uint8(outputs[start + 1])) << 8) |
            (uint32(uint8(outputs[start + 2])) << 16) |
            (uint32(uint8(outputs[start + 3])) << 24);
    }
}

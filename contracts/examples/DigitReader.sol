// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {RequestParams} from "../protocol/IInferenceMarket.sol";
import {InferenceConsumer} from "../protocol/InferenceConsumer.sol";
import {IStakeManager} from "../protocol/IStakeManager.sol";

/// @title Example of a contract that uses inferences: asks which digit a picture shows
contract DigitReader is InferenceConsumer {
    using SafeERC20 for IERC20;

    uint256 private constant DIGITS = 10;

    bytes32 public immutable modelId;
    bytes32 public immutable programRoot;
    /// @notice Requests of this contract whose result is final.
    mapping(bytes32 requestId => bool) public isFinal;
    mapping(bytes32 requestId => bool) private _mine;

    event Asked(bytes32 indexed requestId);
    event Answered(bytes32 indexed requestId, uint256 digit);

    error NotMine(bytes32 requestId);

    constructor(address market_, bytes32 modelId_, bytes32 programRoot_) InferenceConsumer(market_) {
        modelId = modelId_;
        programRoot = programRoot_;
    }

    /// @notice Asks about a picture; the caller pays, and has approved this contract.
    function ask(bytes calldata pixels, bytes32 inputRoot, uint128 fee) external returns (bytes32 requestId) {
        IStakeManager stakes = IStakeManager(market.stakeManager());
        IERC20 token = IERC20(stakes.token());
        token.safeTransferFrom(msg.sender, address(this), fee);
        token.forceApprove(address(stakes), fee);
        requestId = market.request(
            RequestParams({
                modelId: modelId,
                programRoot: programRoot,
                inputRoot: inputRoot,
                inputs: pixels,
                inputsUri: "",
                fee: fee,
                maxRoyalty: 0,
                executor: address(0),
                deadline: uint64(block.timestamp + 1 hours),
                outputsInline: true,
                callback: address(this),
                callbackGas: 100_000
            })
        );
        _mine[requestId] = true;
        emit Asked(requestId);
    }

    /// @notice Reads the digit from the outputs that the claim carried; anyone may bring them, they are checked.
    function answer(bytes32 requestId, bytes calldata outputs) external returns (uint256 digit) {
        if (!_mine[requestId]) revert NotMine(requestId);
        _requireOutputs(requestId, outputs);
        // Probabilities are not negative, and the bits of such floats are ordered as they are.
        uint32 best;
        for (uint256 i; i < DIGITS; ++i) {
            uint32 bits = _float32Bits(outputs, i);
            if (bits > best) (best, digit) = (bits, i);
        }
        emit Answered(requestId, digit);
    }

    /// @inheritdoc InferenceConsumer
    function _onInference(bytes32 requestId, bytes32, bytes32) internal override {
        if (!_mine[requestId]) revert NotMine(requestId);
        isFinal[requestId] = true;
    }
}

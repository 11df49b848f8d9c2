// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IClaimBook} from "../../../contracts/protocol/IClaimBook.sol";
import {RequestParams} from "../../../contracts/protocol/IInferenceMarket.sol";

import {InferenceConsumer} from "../../../contracts/protocol/InferenceConsumer.sol";

enum Mood {
    Calm,
    Revert,
    Bomb,
    BurnGas,
    Reenter,
    AskAgain
}

/// @notice A consumer that misbehaves in a chosen way, and records what it was told and given.
contract HostileConsumer is InferenceConsumer {
    Mood private immutable _mood;
    RequestParams private _next;

    bytes32 public toldOf;
    bytes32 public toldRoot;
    uint256 public given;
    bytes public reentered;
    bytes32 public askedAgain;

    error Sulking();

    constructor(address market_, Mood mood) InferenceConsumer(market_) {
        _mood = mood;
    }

    function prepare(RequestParams calldata next) external {
        _next = next;
    }

    function read(bytes32 requestId, bytes calldata outputs, uint256 element) external view returns (uint32) {
        _requireOutputs(requestId, outputs);
        return _float32Bits(outputs, element);
    }

    function _onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) internal override {
        uint256 gasAtEntry = gasleft();
        if (_mood == Mood.Revert) revert Sulking();
        if (_mood == Mood.BurnGas) while (true) {}
        if (_mood == Mood.Bomb) {
            assembly ("memory-safe") {
                // As much return data as half a million gas pays for.
                revert(0, 400000)
            }
        }
        if (_mood == Mood.Reenter) {
            (, reentered) = address(market).call(abi.encodeCall(IClaimBook.finalise, (claimId)));
        }
        if (_mood == Mood.AskAgain) askedAgain = market.request(_next);
        given = gasAtEntry;
        toldOf = requestId;
        toldRoot = outputRoot;
    }
}

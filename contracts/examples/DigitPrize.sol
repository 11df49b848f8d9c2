// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {BatchEntry, BatchHeader} from "../protocol/BatchData.sol";
import {IBatchMarket} from "../protocol/IBatchMarket.sol";
import {IClaimBook} from "../protocol/IClaimBook.sol";
import {RequestParams} from "../protocol/IInferenceMarket.sol";
import {InferenceConsumer} from "../protocol/InferenceConsumer.sol";
import {IStakeManager} from "../protocol/IStakeManager.sol";

/// @title Example of a contract that acts before a result is final: a prize for pictures of one digit
/// @notice Who submits a picture pays for its inference. As soon as a claim says that it shows the digit, the prize can be
///         drawn, without waiting for the challenge window: should the claim be slashed later, the compensation, which is
///         this contract's as the requester, makes up for the prize. Anybody else's finalised claim about the picture, by
///         itself or in a batch, serves as well.
contract DigitPrize is InferenceConsumer {
    using SafeERC20 for IERC20;

    uint256 private constant DIGITS = 10;

    bytes32 public immutable modelId;
    bytes32 public immutable programRoot;
    uint256 public immutable digit;
    uint256 public immutable prize;

    mapping(bytes32 requestId => address) public submitterOf;
    mapping(bytes32 inputRoot => bool) public isPaid;
    mapping(bytes32 requestId => bytes32) private _inputOf;

    event Submitted(bytes32 indexed requestId, address indexed submitter);
    event PrizePaid(bytes32 indexed inputRoot, address indexed to);

    error UnknownSubmission(bytes32 requestId);
    error AlreadyPaid(bytes32 inputRoot);
    error AnotherDigit(uint256 shown);

    constructor(
        address market_,
        bytes32 modelId_,
        bytes32 programRoot_,
        uint256 digit_,
        uint256 prize_
    ) InferenceConsumer(market_) {
        modelId = modelId_;
        programRoot = programRoot_;
        digit = digit_;
        prize = prize_;
    }

    /// @notice Submits a picture; the caller pays the fee, and has approved this contract.
    function submit(
        bytes calldata pixels,
        bytes32 inputRoot,
        uint128 fee
    ) external returns (bytes32 requestId) {
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
                callback: address(0),
                callbackGas: 0
            })
        );
        submitterOf[requestId] = msg.sender;
        _inputOf[requestId] = inputRoot;
        emit Submitted(requestId, msg.sender);
    }

    /// @notice Pays on an undisputed claim, with the prize as stated stake at risk.
    function drawEarly(bytes32 requestId, bytes calldata outputs) external {
        address submitter = submitterOf[requestId];
        if (submitter == address(0)) revert UnknownSubmission(requestId);
        _requireCovered(requestId, outputs, prize);
        _pay(_inputOf[requestId], submitter, outputs);
    }

    /// @notice Pays the caller on any finalised claim about a picture that nobody has been paid for.
    function drawFinal(IClaimBook book, bytes32 claimId, bytes32 inputRoot, bytes calldata outputs) external {
        _requireFinal(book, claimId, programRoot, inputRoot, outputs);
        _pay(inputRoot, msg.sender, outputs);
    }

    /// @notice Pays the caller on an entry of a finalised batch about a picture that nobody has been paid for.
    function drawFromBatch(
        IBatchMarket batches,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening,
        bytes calldata outputs
    ) external {
        bytes32 inputRoot = _requireFinalInBatch(
            batches,
            header,
            index,
            entry,
            opening,
            programRoot,
            outputs
        );
        _pay(inputRoot, msg.sender, outputs);
    }

    /// @inheritdoc InferenceConsumer
    function _onInference(bytes32 requestId, bytes32, bytes32) internal pure override {
        // No callback is asked for.
        revert UnknownSubmission(requestId);
    }

    function _pay(bytes32 inputRoot, address to, bytes calldata outputs) private {
        if (isPaid[inputRoot]) revert AlreadyPaid(inputRoot);
        isPaid[inputRoot] = true;
        // Probabilities are not negative, and the bits of such floats are ordered as they are.
        (uint32 best, uint256 shown) = (0, 0);
        for (uint256 i; i < DIGITS; ++i) {
            uint32 bits = _float32Bits(outputs, i);
            if (bits > best) (best, shown) = (bits, i);
        }
        if (shown != digit) revert AnotherDigit(shown);
        emit PrizePaid(inputRoot, to);
        IERC20(IStakeManager(market.stakeManager()).token()).safeTransfer(to, prize);
    }
}

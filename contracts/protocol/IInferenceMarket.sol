// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Claim, IClaimBook} from "./IClaimBook.sol";

/// @notice How a request stands.
enum RequestStatus {
    None, // no such request
    Open, // waits for a claim
    Claimed, // has a claim that is not settled
    Fulfilled, // its claim was finalised
    Refunded, // its claim was voided or slashed
    Expired // never answered, refunded
}

/// @notice What a requester asks for. Amounts in token units, times in seconds of block time.
struct RequestParams {
    bytes32 modelId;
    bytes32 programRoot; // one of the model's versions
    bytes32 inputRoot; // over the tensor roots of the inputs
    bytes inputs; // the inputs' stored bytes, one after the other; checked against inputRoot. Empty: see inputsUri
    string inputsUri; // where the inputs are; needed when `inputs` is empty
    uint128 fee; // to the executor
    uint128 maxRoyalty; // the request reverts when the owner asks for more
    address executor; // who must answer; 0: anyone
    uint64 deadline; // a claim must come before it
    bool outputsInline; // true: a claim must carry the output bytes
    address callback; // IInferenceConsumer told of the result; 0: nobody
    uint32 callbackGas; // gas for the callback, given whole
}

/// @notice A request as the market stores it.
struct Request {
    address requester;
    uint64 deadline;
    RequestStatus status;
    bool outputsInline;
    bytes32 programRoot;
    bytes32 inputRoot;
    address executor; // designated; 0: anyone
    address royaltyTo; // the model's owner when the request was made
    uint128 fee;
    uint128 royalty;
    address callback;
    uint32 callbackGas;
    uint16 termsId; // of its claim: the terms of the time of the request, so that both sides know them
    bytes32 claimId; // 0 until claimed
}

/// @title On-chain requests, the claims that answer them and their settlement
/// @notice The requester's fee and royalty are in escrow from the request on. A request without a claim is refunded at its
///         deadline by `expire`; with one, the claim's end decides (IClaimBook).
/// @dev Known limit: an executor may see another's claim for an open request in the mempool and sign the same output (name
///      an executor to prevent it).
interface IInferenceMarket is IClaimBook {
    /// @notice A request came in, its terms for the executor; see InferenceRequested for the input.
    event RequestMade(
        bytes32 indexed requestId,
        bytes32 indexed modelId,
        address indexed requester,
        bytes32 programRoot,
        bytes32 inputRoot,
        address executor,
        uint128 fee,
        address royaltyTo,
        uint128 royalty,
        uint64 deadline,
        bool outputsInline
    );
    /// @notice With RequestMade, what an executor and a challenger need to run the request.
    event InferenceRequested(
        bytes32 indexed requestId,
        bytes32 indexed programRoot,
        bytes32 inputRoot,
        bytes inputs,
        string inputsUri
    );
    /// @notice A request without a claim was refunded.
    event RequestExpired(bytes32 indexed requestId, address indexed requester, uint256 refund);

    /// @notice The consumer's callback ran out of the gas it asked for, or reverted. The claim is final all the same.
    event CallbackFailed(bytes32 indexed requestId, address indexed callback);

    error CallbackGasCapOutOfRange(uint256 cap, uint256 max);

    error RoyaltyAboveMax(uint256 royalty, uint256 maxRoyalty);
    error DeadlineOutOfRange(uint256 deadline, uint256 min, uint256 max);
    /// @notice Neither bytes nor a URI: nobody could run, or check, the request.
    error InputsMissing();
    /// @notice The bytes are not those that the input root commits to.
    error InputsMismatch(bytes32 inputRoot, bytes32 actual);
    error CallbackGasAboveCap(uint256 gas, uint256 cap);
    /// @notice A callback without gas, gas without a callback, or a callback to a contract of the protocol.
    error CallbackRefused(address callback);

    error UnknownRequest(bytes32 requestId);
    error RequestNotOpen(bytes32 requestId, RequestStatus status);
    error DeadlinePassed(uint256 time, uint256 deadline);
    error DeadlineNotReached(uint256 time, uint256 deadline);
    error WrongProgram(bytes32 expected, bytes32 actual);
    error WrongInput(bytes32 expected, bytes32 actual);
    error WrongExecutor(address expected, address actual);
    error InvalidSignature(address executor, bytes32 claimId);
    /// @notice The request wants the output bytes in the claim.
    error OutputsMissing();
    /// @notice The bytes are not those that the output root commits to.
    error OutputsMismatch(bytes32 outputRoot, bytes32 actual);

    /// @notice The transaction has too little gas left to give the callback what it was promised; call again with more.
    error InsufficientCallbackGas(uint256 available, uint256 needed);

    // --- anyone ---

    /// @notice Asks for an inference; pulls fee and royalty from the caller (who has approved the StakeManager).
    /// @return requestId hash of chain, market, caller, the caller's nonce and the request: a reorg cannot give the id to
    ///         another request
    function request(RequestParams calldata params) external returns (bytes32 requestId);

    /// @notice Posts a claim that `claim.executor` has signed (ECDSA or EIP-1271); locks the collateral.
    /// @param outputs the outputs' stored bytes, one after the other; checked against the output root. May be empty unless
    ///        the request wants them inline.
    /// @return claimId the EIP-712 digest
    function postClaim(
        Claim calldata claim,
        bytes calldata signature,
        bytes calldata outputs
    ) external returns (bytes32 claimId);

    /// @notice Refunds a request that has no claim at its deadline.
    function expire(bytes32 requestId) external;

    // --- views ---

    /// @notice A request; reverts with UnknownRequest.
    function requestOf(bytes32 requestId) external view returns (Request memory);

    /// @notice Most gas a callback may ask for.
    function callbackGasCap() external view returns (uint256);

    /// @notice The id that `requester`'s next request with these parameters will get.
    function requestIdOf(address requester, RequestParams calldata params) external view returns (bytes32);
}

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ClaimBook} from "./ClaimBook.sol";
import {ClaimState} from "./ClaimLife.sol";
import {Claim, IClaimBook} from "./IClaimBook.sol";
import {IInferenceConsumer} from "./IInferenceConsumer.sol";
import {IInferenceMarket, Request, RequestParams, RequestStatus} from "./IInferenceMarket.sol";
import {IModelRegistry, PortRecord} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Signatures} from "./Signatures.sol";
import {TensorTree} from "./TensorTree.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title InferenceMarket
/// @notice See IInferenceMarket, which is the specification.
/// @dev Entry points: validate, write, emit, then move balances. No settlement calls the token; the only foreign code a
///      settlement runs is the consumer's callback, last, after the guard is released: a consumer may make its next
///      request from there.
contract InferenceMarket is IInferenceMarket, ClaimBook {
    using TermsLib for Terms;

    /// @dev A request's money is not held longer than this without a claim.
    uint256 private constant MAX_REQUEST_LIFE = 30 days;
    /// @dev Half of what one transaction may use (EIP-7825), so that no callback can make a claim impossible to finalise.
    uint256 private constant MAX_CALLBACK_GAS_CAP = 1 << 23;
    /// @dev For the call itself and what follows it.
    uint256 private constant CALLBACK_OVERHEAD = 15_000;

    /// @inheritdoc IInferenceMarket
    uint256 public immutable callbackGasCap;

    mapping(bytes32 requestId => Request) private _requests;
    mapping(address requester => uint256) private _nonces;

    constructor(
        address modelRegistry_,
        address stakeManager_,
        Terms memory terms_,
        uint256 callbackGasCap_
    ) ClaimBook(modelRegistry_, stakeManager_, terms_) {
        if (callbackGasCap_ > MAX_CALLBACK_GAS_CAP)
            revert CallbackGasCapOutOfRange(callbackGasCap_, MAX_CALLBACK_GAS_CAP);
        callbackGasCap = callbackGasCap_;
    }

    // --- anyone ---

    /// @inheritdoc IInferenceMarket
    function request(RequestParams calldata params) external nonReentrant returns (bytes32 requestId) {
        (address royaltyTo, uint128 royalty) = IModelRegistry(modelRegistry).royaltyOf(
            params.modelId,
            params.programRoot
        );
        if (royalty > params.maxRoyalty) revert RoyaltyAboveMax(royalty, params.maxRoyalty);
        uint256 latest = block.timestamp + MAX_REQUEST_LIFE;
        if (params.deadline <= block.timestamp || params.deadline > latest)
            revert DeadlineOutOfRange(params.deadline, block.timestamp + 1, latest);
        _checkInputs(params);
        _checkCallback(params.callback, params.callbackGas);

        uint16 termsId = _current.termsId;
        requestId = requestIdOf(msg.sender, params);
        ++_nonces[msg.sender];
        _requests[requestId] = Request({
            requester: msg.sender,
            deadline: params.deadline,
            status: RequestStatus.Open,
            outputsInline: params.outputsInline,
            programRoot: params.programRoot,
            inputRoot: params.inputRoot,
            executor: params.executor,
            royaltyTo: royaltyTo,
            fee: params.fee,
            royalty: royalty,
            callback: params.callback,
            callbackGas: params.callbackGas,
            termsId: termsId,
            claimId: 0
        });
        emit RequestMade(
            requestId,
            params.modelId,
            msg.sender,
            params.programRoot,
            params.inputRoot,
            params.executor,
            params.fee,
            royaltyTo,
            royalty,
            params.deadline,
            params.outputsInline
        );
        emit InferenceRequested(
            requestId,
            params.programRoot,
            params.inputRoot,
            params.inputs,
            params.inputsUri
        );
        uint256 escrow = uint256(params.fee) + royalty;
        if (escrow != 0) IStakeManager(stakeManager).takeEscrow(requestId, msg.sender, escrow);
    }

    /// @inheritdoc IInferenceMarket
    function postClaim(
        Claim calldata claim,
        bytes calldata signature,
        bytes calldata outputs
    ) external nonReentrant returns (bytes32 claimId) {
        Request storage req = _requireOpen(claim.requestId);
        if (block.timestamp >= req.deadline) revert DeadlinePassed(block.timestamp, req.deadline);
        if (claim.programRoot != req.programRoot) revert WrongProgram(req.programRoot, claim.programRoot);
        if (claim.inputRoot != req.inputRoot) revert WrongInput(req.inputRoot, claim.inputRoot);
        if (claim.executor == address(0)) revert ZeroAddress();
        if (req.executor != address(0) && claim.executor != req.executor)
            revert WrongExecutor(req.executor, claim.executor);
        _checkOutputs(claim, req.outputsInline, outputs);

        claimId = claimIdOf(claim);
        if (!Signatures.isSignedBy(claim.executor, claimId, signature))
            revert InvalidSignature(claim.executor, claimId);

        // INVARIANT I4: one claim per request, and the digest names the request, so a claim cannot be posted twice.
        req.status = RequestStatus.Claimed;
        req.claimId = claimId;
        Terms storage t = _termsAt(req.termsId);
        _record(claimId, claim, req.termsId, uint64(block.timestamp + t.challengeWindow), outputs);
        // INVARIANT I3: no claim without its collateral.
        IStakeManager(stakeManager).lock(claim.executor, t.collateral);
    }

    /// @inheritdoc IClaimBook
    function finalise(bytes32 claimId) external override(ClaimBook, IClaimBook) {
        ClaimState storage claim = _finalise(claimId);
        Request storage req = _requests[claim.requestId];
        if (req.callback != address(0))
            _callBack(claim.requestId, claimId, req.callback, req.callbackGas, claim.outputRoot);
    }

    /// @inheritdoc IInferenceMarket
    function expire(bytes32 requestId) external nonReentrant {
        Request storage req = _requireOpen(requestId);
        if (block.timestamp < req.deadline) revert DeadlineNotReached(block.timestamp, req.deadline);
        // INVARIANT I4
        req.status = RequestStatus.Expired;
        uint256 refund = uint256(req.fee) + req.royalty;
        emit RequestExpired(requestId, req.requester, refund);
        _payEscrow(requestId, req.requester, refund);
    }

    // --- views ---

    /// @inheritdoc IClaimBook
    function subjectOf(bytes32 claimId) external view returns (bytes32 programRoot, bytes32 inputRoot) {
        // Only claims of the request's program and input are accepted.
        Request storage req = _requests[_requireClaim(claimId).requestId];
        return (req.programRoot, req.inputRoot);
    }

    /// @inheritdoc IInferenceMarket
    function requestOf(bytes32 requestId) external view returns (Request memory) {
        return _requireRequest(requestId);
    }

    /// @inheritdoc IInferenceMarket
    function requestIdOf(address requester, RequestParams calldata params) public view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    block.chainid,
                    address(this),
                    requester,
                    _nonces[requester],
                    keccak256(abi.encode(params))
                )
            );
    }

    // --- what claims' ends pay ---

    /// @inheritdoc ClaimBook
    function _onFinalised(
        bytes32,
        ClaimState storage claim
    ) internal override returns (uint256 fee, address royaltyTo, uint256 royalty) {
        bytes32 requestId = claim.requestId;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Fulfilled;
        (fee, royalty, royaltyTo) = (req.fee, req.royalty, req.royaltyTo);
        _payEscrow(requestId, claim.executor, fee);
        _payEscrow(requestId, royaltyTo, royalty);
    }

    /// @inheritdoc ClaimBook
    function _onVoided(
        bytes32,
        ClaimState storage claim,
        Terms memory t
    ) internal override returns (uint256 cost, address requester, uint256 refund) {
        bytes32 requestId = claim.requestId;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Refunded;
        requester = req.requester;
        (cost, refund) = t.splitVoid(req.fee, req.royalty);
        _payEscrow(requestId, claim.imprecisionProver, cost);
        _payEscrow(requestId, requester, refund);
    }

    /// @inheritdoc ClaimBook
    function _onSlashed(
        bytes32,
        ClaimState storage claim
    ) internal override returns (address requester, uint256 refund) {
        bytes32 requestId = claim.requestId;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Refunded;
        requester = req.requester;
        refund = uint256(req.fee) + req.royalty;
        _payEscrow(requestId, requester, refund);
    }

    // --- parts ---

    /// @dev Gives the callback exactly the gas it was promised or reverts (an under-gassed call would else be recorded as
    ///      the consumer's failure), and copies none of its return data.
    function _callBack(
        bytes32 requestId,
        bytes32 claimId,
        address target,
        uint256 gas_,
        bytes32 outputRoot
    ) private {
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInference, (requestId, claimId, outputRoot));
        // EIP-150: a call gets at most 63/64 of what is left.
        uint256 needed = (gas_ * 64 + 62) / 63 + CALLBACK_OVERHEAD;
        uint256 available = gasleft();
        if (available < needed) revert InsufficientCallbackGas(available, needed);
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas_, target, 0, add(data, 32), mload(data), 0, 0)
        }
        if (!ok) emit CallbackFailed(requestId, target);
    }

    function _payEscrow(bytes32 requestId, address to, uint256 amount) private {
        if (amount != 0) IStakeManager(stakeManager).payEscrow(requestId, to, amount);
    }

    function _requireRequest(bytes32 requestId) private view returns (Request storage req) {
        req = _requests[requestId];
        if (req.status == RequestStatus.None) revert UnknownRequest(requestId);
    }

    function _requireOpen(bytes32 requestId) private view returns (Request storage req) {
        req = _requireRequest(requestId);
        if (req.status != RequestStatus.Open) revert RequestNotOpen(requestId, req.status);
    }

    function _checkInputs(RequestParams calldata params) private view {
        if (params.inputs.length != 0) {
            PortRecord[] memory ports = IModelRegistry(modelRegistry).inputsOf(params.programRoot);
            bytes32 actual = TensorTree.rootOf(params.inputs, _sizes(ports));
            if (actual != params.inputRoot) revert InputsMismatch(params.inputRoot, actual);
        } else if (bytes(params.inputsUri).length == 0) {
            revert InputsMissing();
        }
    }

    function _checkOutputs(Claim calldata claim, bool needed, bytes calldata outputs) private view {
        if (outputs.length != 0) {
            PortRecord[] memory ports = IModelRegistry(modelRegistry).outputsOf(claim.programRoot);
            bytes32 actual = TensorTree.rootOf(outputs, _sizes(ports));
            if (actual != claim.outputRoot) revert OutputsMismatch(claim.outputRoot, actual);
        } else if (needed) {
            revert OutputsMissing();
        }
    }

    function _checkCallback(address callback, uint256 gas_) private view {
        if (gas_ > callbackGasCap) revert CallbackGasAboveCap(gas_, callbackGasCap);
        if ((callback == address(0)) != (gas_ == 0)) revert CallbackRefused(callback);
        // The market is trusted by the StakeManager, so it calls none of the protocol's contracts on a requester's word.
        IStakeManager stakes = IStakeManager(stakeManager);
        if (callback == address(0)) return;
        if (
            callback == address(this) ||
            callback == address(stakes) ||
            callback == stakes.token() ||
            stakes.refereeOf(callback) != address(0) ||
            stakes.marketOf(callback) != address(0) ||
            callback == modelRegistry
        ) revert CallbackRefused(callback);
    }

    function _sizes(PortRecord[] memory ports) private pure returns (uint256[] memory sizes) {
        sizes = new uint256[](ports.length);
        for (uint256 i; i < ports.length; ++i) sizes[i] = ports[i].size;
    }
}

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ClaimLife, ClaimState, Phase, Settlement} from "./ClaimLife.sol";
import {IInferenceConsumer} from "./IInferenceConsumer.sol";
import {Claim, IInferenceMarket, Request, RequestParams, RequestStatus} from "./IInferenceMarket.sol";
import {IModelRegistry, PortRecord} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {TensorTree} from "./TensorTree.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title InferenceMarket
/// @notice See IInferenceMarket, which is the specification.
/// @dev Entry points: validate, write, emit, then move balances. No settlement calls the token; the only foreign code a
///      settlement runs is the consumer's callback, last, after the guard is released: a consumer may make its next
///      request from there.
contract InferenceMarket is IInferenceMarket, EIP712, ReentrancyGuardTransient {
    using ClaimLife for ClaimState;
    using TermsLib for Terms;

    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "Claim(bytes32 requestId,bytes32 programRoot,bytes32 inputRoot,bytes32 outputRoot,bytes32 traceRoot,address executor)"
    );

    /// @dev A request's money is not held longer than this without a claim.
    uint256 private constant MAX_REQUEST_LIFE = 30 days;
    /// @dev Half of what one transaction may use (EIP-7825), so that no callback can make a claim impossible to finalise.
    uint256 private constant MAX_CALLBACK_GAS_CAP = 1 << 23;
    /// @dev For the call itself and what follows it.
    uint256 private constant CALLBACK_OVERHEAD = 15_000;

    /// @inheritdoc IInferenceMarket
    address public immutable modelRegistry;
    /// @inheritdoc IInferenceMarket
    address public immutable stakeManager;
    /// @inheritdoc IInferenceMarket
    uint256 public immutable callbackGasCap;

    /// @dev Append-only: claims refer to their terms by index. Governance would append here, after checking the new
    ///      terms against the withdrawal delay.
    Terms[] private _terms;
    mapping(bytes32 requestId => Request) private _requests;
    mapping(bytes32 claimId => ClaimState) private _claims;
    mapping(address requester => uint256) private _nonces;

    modifier onlyReferee() {
        if (msg.sender != IStakeManager(stakeManager).referee()) revert NotReferee(msg.sender);
        _;
    }

    constructor(
        address modelRegistry_,
        address stakeManager_,
        Terms memory terms_,
        uint256 callbackGasCap_
    ) EIP712("Assay", "1") {
        if (modelRegistry_ == address(0) || stakeManager_ == address(0)) revert ZeroAddress();
        if (callbackGasCap_ > MAX_CALLBACK_GAS_CAP)
            revert CallbackGasCapOutOfRange(callbackGasCap_, MAX_CALLBACK_GAS_CAP);
        terms_.validate();
        modelRegistry = modelRegistry_;
        stakeManager = stakeManager_;
        callbackGasCap = callbackGasCap_;
        _terms.push(terms_);
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
        if (!SignatureChecker.isValidSignatureNowCalldata(claim.executor, claimId, signature))
            revert InvalidSignature(claim.executor, claimId);

        // INVARIANT I4: one claim per request, and the digest names the request, so a claim cannot be posted twice.
        req.status = RequestStatus.Claimed;
        req.claimId = claimId;
        uint16 termsId = uint16(_terms.length - 1);
        Terms memory t = _terms[termsId];
        uint64 challengeEnd = uint64(block.timestamp + t.challengeWindow);
        ClaimState storage state = _claims[claimId];
        state.requestId = claim.requestId;
        state.outputRoot = claim.outputRoot;
        state.executor = claim.executor;
        state.settlement = Settlement.Pending;
        state.termsId = termsId;
        state.challengeEnd = challengeEnd;
        uint64 proofEnd;
        if (claim.traceRoot != 0) {
            proofEnd = ClaimLife.proofEndOf(challengeEnd, block.timestamp, t.proofWindow);
            state.traceRoot = claim.traceRoot;
            state.proofEnd = proofEnd;
        }
        emit ClaimPosted(
            claimId,
            claim.requestId,
            claim.executor,
            claim.programRoot,
            claim.inputRoot,
            claim.outputRoot,
            claim.traceRoot,
            termsId,
            challengeEnd,
            proofEnd,
            outputs
        );
        // INVARIANT I3: no claim without its collateral.
        IStakeManager(stakeManager).lock(claim.executor, t.collateral);
    }

    /// @inheritdoc IInferenceMarket
    function finalise(bytes32 claimId) external {
        bytes32 requestId = _finalise(claimId);
        Request storage req = _requests[requestId];
        if (req.callback != address(0)) _callBack(requestId, claimId, req.callback, req.callbackGas);
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

    // --- referee ---

    /// @inheritdoc IInferenceMarket
    function recordChallenge(
        bytes32 claimId,
        address challenger
    ) external onlyReferee nonReentrant returns (uint256 bond, uint64 revealEnd) {
        ClaimState storage claim = _claims[claimId];
        Phase phase = _phase(claimId, claim);
        if (phase != Phase.Open && phase != Phase.AwaitingReveal && phase != Phase.Provable)
            revert WrongPhase(claimId, phase);
        if (block.timestamp >= claim.challengeEnd)
            revert ChallengeWindowOver(claimId, block.timestamp, claim.challengeEnd);
        Terms storage t = _terms[claim.termsId];
        bond = t.challengeBond;
        if (claim.firstChallenger == address(0)) claim.firstChallenger = challenger;
        // Only the first challenge of a lazy claim starts the reveal window: later ones cannot prolong it.
        if (phase == Phase.Open) claim.revealEnd = uint64(block.timestamp + t.revealWindow);
        if (phase != Phase.Provable) revealEnd = claim.revealEnd;
    }

    /// @inheritdoc IInferenceMarket
    function recordTrace(
        bytes32 claimId,
        bytes32 traceRoot
    ) external onlyReferee nonReentrant returns (uint64 proofEnd) {
        ClaimState storage claim = _claims[claimId];
        _requirePhase(claimId, claim, Phase.AwaitingReveal);
        proofEnd = ClaimLife.proofEndOf(
            claim.challengeEnd,
            block.timestamp,
            _terms[claim.termsId].proofWindow
        );
        claim.traceRoot = traceRoot;
        claim.proofEnd = proofEnd;
    }

    /// @inheritdoc IInferenceMarket
    function recordImprecision(bytes32 claimId, address prover) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        _requirePhase(claimId, claim, Phase.Provable);
        if (claim.imprecisionProver != address(0)) revert AlreadyImprecise(claimId, claim.imprecisionProver);
        claim.imprecisionProver = prover;
    }

    /// @inheritdoc IInferenceMarket
    function settleSlashed(bytes32 claimId, address prover) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        address beneficiary = prover;
        if (prover == address(0)) {
            _requirePhase(claimId, claim, Phase.Unrevealed);
            beneficiary = claim.firstChallenger;
        } else {
            _requirePhase(claimId, claim, Phase.Provable);
        }
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Slashed;
        bytes32 requestId = claim.requestId;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Refunded;
        uint256 refund = uint256(req.fee) + req.royalty;
        address requester = req.requester;
        address executor = claim.executor;
        (uint256 bounty, uint256 compensation, uint256 burned) = _terms[claim.termsId].splitSlash();
        emit ClaimSlashed(
            claimId,
            requestId,
            executor,
            beneficiary,
            bounty,
            requester,
            compensation,
            refund,
            burned
        );
        IStakeManager(stakeManager).slash(executor, beneficiary, bounty, requester, compensation, burned);
        _payEscrow(requestId, requester, refund);
    }

    /// @inheritdoc IInferenceMarket
    function settleVoided(bytes32 claimId) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        _requirePhase(claimId, claim, Phase.Voidable);
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Voided;
        bytes32 requestId = claim.requestId;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Refunded;
        Terms memory t = _terms[claim.termsId];
        (uint256 cost, uint256 refund) = t.splitVoid(req.fee, req.royalty);
        address prover = claim.imprecisionProver;
        emit ClaimVoided(claimId, requestId, prover, cost, req.requester, refund);
        // INVARIANT I2: an imprecise claim costs no stake.
        IStakeManager(stakeManager).unlock(claim.executor, t.collateral);
        _payEscrow(requestId, prover, cost);
        _payEscrow(requestId, req.requester, refund);
    }

    // --- views ---

    /// @inheritdoc IInferenceMarket
    function phaseOf(bytes32 claimId) external view returns (Phase) {
        return _claims[claimId].phaseAt(block.timestamp);
    }

    /// @inheritdoc IInferenceMarket
    function claimOf(bytes32 claimId) external view returns (ClaimState memory) {
        return _requireClaim(claimId);
    }

    /// @inheritdoc IInferenceMarket
    function requestOf(bytes32 requestId) external view returns (Request memory) {
        return _requireRequest(requestId);
    }

    /// @inheritdoc IInferenceMarket
    function terms() external view returns (Terms memory) {
        return _terms[_terms.length - 1];
    }

    /// @inheritdoc IInferenceMarket
    function termsOf(bytes32 claimId) external view returns (Terms memory) {
        return _terms[_requireClaim(claimId).termsId];
    }

    /// @inheritdoc IInferenceMarket
    function termsById(uint16 termsId) external view returns (Terms memory) {
        if (termsId >= _terms.length) revert UnknownTerms(termsId);
        return _terms[termsId];
    }

    /// @inheritdoc IInferenceMarket
    function longestClaimLife() external view returns (uint256) {
        return _terms[_terms.length - 1].longestLife();
    }

    /// @inheritdoc IInferenceMarket
    function claimIdOf(Claim calldata claim) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CLAIM_TYPEHASH, claim)));
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

    // --- parts ---

    function _finalise(bytes32 claimId) private nonReentrant returns (bytes32 requestId) {
        ClaimState storage claim = _claims[claimId];
        // INVARIANT I5: Finalisable is never before the challenge window ends.
        _requirePhase(claimId, claim, Phase.Finalisable);
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Finalised;
        requestId = claim.requestId;
        address executor = claim.executor;
        Request storage req = _requests[requestId];
        req.status = RequestStatus.Fulfilled;
        (uint256 fee, uint256 royalty, address royaltyTo) = (req.fee, req.royalty, req.royaltyTo);
        uint256 bonds;
        // Unchallenged claims, nearly all, are spared the call.
        if (claim.firstChallenger != address(0))
            bonds = IStakeManager(stakeManager).forfeitBonds(claimId, executor);
        IStakeManager(stakeManager).unlock(executor, _terms[claim.termsId].collateral);
        _payEscrow(requestId, executor, fee);
        _payEscrow(requestId, royaltyTo, royalty);
        emit ClaimFinalised(claimId, requestId, executor, fee, bonds, royaltyTo, royalty);
    }

    /// @dev Gives the callback exactly the gas it was promised or reverts (an under-gassed call would else be recorded as
    ///      the consumer's failure), and copies none of its return data.
    function _callBack(bytes32 requestId, bytes32 claimId, address target, uint256 gas_) private {
        bytes memory data = abi.encodeCall(
            IInferenceConsumer.onInference,
            (requestId, claimId, _claims[claimId].outputRoot)
        );
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

    function _phase(bytes32 claimId, ClaimState storage claim) private view returns (Phase phase) {
        phase = claim.phaseAt(block.timestamp);
        if (phase == Phase.Unknown) revert UnknownClaim(claimId);
    }

    function _requirePhase(bytes32 claimId, ClaimState storage claim, Phase expected) private view {
        Phase phase = _phase(claimId, claim);
        if (phase != expected) revert WrongPhase(claimId, phase);
    }

    function _requireClaim(bytes32 claimId) private view returns (ClaimState storage claim) {
        claim = _claims[claimId];
        if (claim.settlement == Settlement.None) revert UnknownClaim(claimId);
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
            callback == stakes.referee() ||
            callback == modelRegistry
        ) revert CallbackRefused(callback);
    }

    function _sizes(PortRecord[] memory ports) private pure returns (uint256[] memory sizes) {
        sizes = new uint256[](ports.length);
        for (uint256 i; i < ports.length; ++i) sizes[i] = ports[i].size;
    }
}

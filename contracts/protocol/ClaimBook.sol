// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Governed} from "../governance/Governed.sol";
import {IKernelVersions} from "../proof/IKernelVersions.sol";
import {ClaimLife, ClaimState, Phase, Settlement} from "./ClaimLife.sol";
import {Claim, IClaimBook} from "./IClaimBook.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title ClaimBook
/// @notice See IClaimBook, which is the specification.
/// @dev Claims, their terms and their ends; what a market adds are the ways in and the three hooks at the bottom.
///      Entry points: validate, write, then emit and move balances. No settlement calls the token.
abstract contract ClaimBook is IClaimBook, Governed, EIP712, ReentrancyGuardTransient {
    using ClaimLife for ClaimState;
    using TermsLib for Terms;

    /// @dev What new claims are made under, in one word: the last terms' number, and what a batch needs of them.
    struct Current {
        uint16 termsId;
        uint32 challengeWindow;
        uint128 collateral;
    }

    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "Claim(bytes32 requestId,bytes32 programRoot,bytes32 inputRoot,bytes32 outputRoot,bytes32 traceRoot,address executor)"
    );

    /// @inheritdoc IClaimBook
    address public immutable modelRegistry;
    /// @inheritdoc IClaimBook
    address public immutable stakeManager;

    /// @dev Append-only: claims refer to their terms by number.
    Terms[] private _terms;
    Current internal _current;
    mapping(bytes32 claimId => ClaimState) internal _claims;

    modifier onlyReferee() {
        if (msg.sender != IStakeManager(stakeManager).refereeOf(address(this))) revert NotReferee(msg.sender);
        _;
    }

    /// @dev Who may append terms is who may add kernel versions: the authority of the registry's KernelVersions.
    constructor(
        address modelRegistry_,
        address stakeManager_,
        Terms memory terms_
    ) Governed(_authorityOf(modelRegistry_)) EIP712("Assay", "1") {
        if (stakeManager_ == address(0)) revert ZeroAddress();
        terms_.validate();
        modelRegistry = modelRegistry_;
        stakeManager = stakeManager_;
        _append(0, terms_);
    }

    /// @inheritdoc IClaimBook
    function finalise(bytes32 claimId) external virtual {
        _finalise(claimId);
    }

    // --- governance ---

    /// @inheritdoc IClaimBook
    function appendTerms(Terms calldata next) external onlyGovernance returns (uint16 termsId) {
        Terms memory t = next;
        t.validateAfter(_terms[0]);
        termsId = _current.termsId;
        if (termsId == type(uint16).max) revert TooManyTerms();
        ++termsId;
        _append(termsId, t);
        // Stake in withdrawal backs no claim, so this is a second fence around locked stake.
        uint256 delay = IStakeManager(stakeManager).withdrawalDelay();
        uint256 longest = IClaimBook(address(this)).longestClaimLife();
        if (longest >= delay) revert ClaimLifeTooLong(longest, delay);
        emit TermsAppended(termsId, t);
    }

    // --- referee ---

    /// @inheritdoc IClaimBook
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

    /// @inheritdoc IClaimBook
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
        // From here on it speaks of proofEnd.
        if (claim.extended) claim.extended = false;
    }

    /// @inheritdoc IClaimBook
    function recordDemand(
        bytes32 claimId,
        bool ofTrace
    ) external onlyReferee nonReentrant returns (uint64 answerBy) {
        ClaimState storage claim = _claims[claimId];
        Phase phase = _phase(claimId, claim);
        Terms memory t = _terms[claim.termsId];
        uint64 demandEnd = claim.demandEndOf(phase, t);
        if (demandEnd == 0 || (ofTrace && phase != Phase.Provable)) revert WrongPhase(claimId, phase);
        if (block.timestamp >= demandEnd) revert DemandWindowOver(claimId, block.timestamp, demandEnd);
        if (!claim.extended && phase != Phase.AwaitingReveal) {
            claim.extended = true;
            if (phase == Phase.Open) claim.challengeEnd += uint64(ClaimLife.challengeExtension(t));
            else claim.proofEnd += uint64(ClaimLife.proofExtension(t));
        }
        ++claim.openDemands;
        answerBy = uint64(block.timestamp + t.answerWindow);
    }

    /// @inheritdoc IClaimBook
    function recordAnswer(bytes32 claimId) external onlyReferee nonReentrant {
        --_requirePending(claimId).openDemands;
    }

    /// @inheritdoc IClaimBook
    function recordImprecision(bytes32 claimId, address prover) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        _requirePhase(claimId, claim, Phase.Provable);
        if (claim.imprecisionProver != address(0)) revert AlreadyImprecise(claimId, claim.imprecisionProver);
        claim.imprecisionProver = prover;
    }

    /// @inheritdoc IClaimBook
    function settleSlashed(bytes32 claimId, address prover) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        address beneficiary = prover;
        if (prover == address(0)) {
            _requirePhase(claimId, claim, Phase.Unrevealed);
            beneficiary = claim.firstChallenger;
        } else {
            _requirePhase(claimId, claim, Phase.Provable);
        }
        _slash(claimId, claim, beneficiary);
    }

    /// @inheritdoc IClaimBook
    function settleWithheld(bytes32 claimId, address demander) external onlyReferee nonReentrant {
        _slash(claimId, _requirePending(claimId), demander);
    }

    /// @inheritdoc IClaimBook
    function settleVoided(bytes32 claimId) external onlyReferee nonReentrant {
        ClaimState storage claim = _claims[claimId];
        _requirePhase(claimId, claim, Phase.Voidable);
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Voided;
        Terms memory t = _terms[claim.termsId];
        address prover = claim.imprecisionProver;
        (uint256 cost, address requester, uint256 refund) = _onVoided(claimId, claim, t);
        emit ClaimVoided(claimId, claim.requestId, prover, cost, requester, refund);
        // INVARIANT I2: an imprecise claim costs no stake.
        IStakeManager(stakeManager).unlock(claim.executor, t.collateral);
    }

    // --- views ---

    /// @inheritdoc IClaimBook
    function phaseOf(bytes32 claimId) external view returns (Phase) {
        return _claims[claimId].phaseAt(block.timestamp);
    }

    /// @inheritdoc IClaimBook
    function claimOf(bytes32 claimId) external view returns (ClaimState memory) {
        return _requireClaim(claimId);
    }

    /// @inheritdoc IClaimBook
    function terms() external view returns (Terms memory) {
        return _terms[_current.termsId];
    }

    /// @inheritdoc IClaimBook
    function termsOf(bytes32 claimId) external view returns (Terms memory) {
        return _terms[_requireClaim(claimId).termsId];
    }

    /// @inheritdoc IClaimBook
    function termsById(uint16 termsId) external view returns (Terms memory) {
        if (termsId > _current.termsId) revert UnknownTerms(termsId);
        return _terms[termsId];
    }

    /// @inheritdoc IClaimBook
    function longestClaimLife() external view virtual returns (uint256) {
        return _terms[_current.termsId].longestLife();
    }

    /// @inheritdoc IClaimBook
    function claimIdOf(Claim memory claim) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CLAIM_TYPEHASH, claim)));
    }

    // --- what a market pays at a claim's end ---

    /// @dev Pays the executor and whoever else earns by a claim that stood.
    function _onFinalised(
        bytes32 claimId,
        ClaimState storage claim
    ) internal virtual returns (uint256 fee, address royaltyTo, uint256 royalty);

    /// @dev Pays the prover's cost, at most `t.voidCostCap` and never out of stake, and gives back the rest of the fee.
    function _onVoided(
        bytes32 claimId,
        ClaimState storage claim,
        Terms memory t
    ) internal virtual returns (uint256 cost, address requester, uint256 refund);

    /// @dev Gives back what was paid for a claim that was wrong, and names who is compensated.
    function _onSlashed(
        bytes32 claimId,
        ClaimState storage claim
    ) internal virtual returns (address requester, uint256 refund);

    // --- for markets ---

    /// @dev Puts a claim on record; its collateral is the caller's to lock.
    function _record(
        bytes32 claimId,
        Claim memory claim,
        uint16 termsId,
        uint64 challengeEnd,
        bytes memory outputs
    ) internal {
        ClaimState storage state = _claims[claimId];
        state.requestId = claim.requestId;
        state.outputRoot = claim.outputRoot;
        state.executor = claim.executor;
        state.settlement = Settlement.Pending;
        state.termsId = termsId;
        state.challengeEnd = challengeEnd;
        uint64 proofEnd;
        if (claim.traceRoot != 0) {
            proofEnd = ClaimLife.proofEndOf(challengeEnd, block.timestamp, _terms[termsId].proofWindow);
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
    }

    function _finalise(bytes32 claimId) internal nonReentrant returns (ClaimState storage claim) {
        claim = _claims[claimId];
        // INVARIANT I5: Finalisable is never before the challenge window ends.
        _requirePhase(claimId, claim, Phase.Finalisable);
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Finalised;
        address executor = claim.executor;
        uint256 bonds;
        // Unchallenged claims, nearly all, are spared the call.
        if (claim.firstChallenger != address(0))
            bonds = IStakeManager(stakeManager).forfeitBonds(claimId, executor);
        IStakeManager(stakeManager).unlock(executor, _terms[claim.termsId].collateral);
        (uint256 fee, address royaltyTo, uint256 royalty) = _onFinalised(claimId, claim);
        emit ClaimFinalised(claimId, claim.requestId, executor, fee, bonds, royaltyTo, royalty);
    }

    function _termsAt(uint16 termsId) internal view returns (Terms storage) {
        return _terms[termsId];
    }

    function _phase(bytes32 claimId, ClaimState storage claim) internal view returns (Phase phase) {
        phase = claim.phaseAt(block.timestamp);
        if (phase == Phase.Unknown) revert UnknownClaim(claimId);
    }

    function _requirePhase(bytes32 claimId, ClaimState storage claim, Phase expected) internal view {
        Phase phase = _phase(claimId, claim);
        if (phase != expected) revert WrongPhase(claimId, phase);
    }

    function _requireClaim(bytes32 claimId) internal view returns (ClaimState storage claim) {
        claim = _claims[claimId];
        if (claim.settlement == Settlement.None) revert UnknownClaim(claimId);
    }

    function _requirePending(bytes32 claimId) internal view returns (ClaimState storage claim) {
        claim = _requireClaim(claimId);
        if (claim.settlement != Settlement.Pending) revert WrongPhase(claimId, _phase(claimId, claim));
    }

    function _slash(bytes32 claimId, ClaimState storage claim, address beneficiary) private {
        // INVARIANT I4: settled from here on.
        claim.settlement = Settlement.Slashed;
        address executor = claim.executor;
        (uint256 bounty, uint256 compensation, uint256 burned) = _terms[claim.termsId].splitSlash();
        (address requester, uint256 refund) = _onSlashed(claimId, claim);
        emit ClaimSlashed(
            claimId,
            claim.requestId,
            executor,
            beneficiary,
            bounty,
            requester,
            compensation,
            refund,
            burned
        );
        IStakeManager(stakeManager).slash(executor, beneficiary, bounty, requester, compensation, burned);
    }

    function _append(uint16 termsId, Terms memory t) private {
        _terms.push(t);
        _current = Current(termsId, t.challengeWindow, t.collateral);
    }

    function _authorityOf(address modelRegistry_) private view returns (address) {
        if (modelRegistry_ == address(0)) revert ZeroAddress();
        return IKernelVersions(IModelRegistry(modelRegistry_).kernelVersions()).authority();
    }
}

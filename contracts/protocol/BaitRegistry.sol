// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {ClaimLife, ClaimState, Phase} from "./ClaimLife.sol";
import {BaitCommitment, BaitOpening, BaitOutcome, BaitTally, IBaitRegistry} from "./IBaitRegistry.sol";
import {IInferenceMarket} from "./IInferenceMarket.sol";
import {Signatures} from "./Signatures.sol";
import {Terms} from "./Terms.sol";

/// @title BaitRegistry
/// @notice See IBaitRegistry, which is the specification.
/// @dev Reads the market and writes only here; there is no call that could come back.
contract BaitRegistry is IBaitRegistry, EIP712 {
    using BitMaps for BitMaps.BitMap;

    /// @dev A revealed bait.
    struct Bait {
        address layer;
        BaitOutcome outcome;
    }

    bytes32 private constant BAIT_TYPEHASH = keccak256("Bait(bytes32 claimId,address layer)");
    uint256 private constant MAX_COUNT = 1 << 16;
    uint256 private constant MAX_DELAY = 365 days;

    /// @inheritdoc IBaitRegistry
    address public immutable market;

    mapping(address layer => mapping(bytes32 root => BaitCommitment)) private _commitments;
    mapping(address layer => mapping(bytes32 root => BitMaps.BitMap)) private _revealed;
    mapping(address layer => BaitTally) private _tallies;
    mapping(bytes32 claimId => Bait) private _baits;

    constructor(address market_) EIP712("Assay", "1") {
        if (market_ == address(0)) revert ZeroAddress();
        market = market_;
    }

    /// @inheritdoc IBaitRegistry
    function commitBaits(bytes32 root, uint32 count, uint64 revealBy) external {
        if (count == 0 || count > MAX_COUNT) revert BaitCountOutOfRange(count, MAX_COUNT);
        uint256 latest = block.timestamp + MAX_DELAY;
        if (revealBy <= block.timestamp || revealBy > latest)
            revert RevealByOutOfRange(revealBy, block.timestamp + 1, latest);
        // By layer, so that nobody can take a root from the mempool and be first.
        BaitCommitment storage commitment = _commitments[msg.sender][root];
        if (commitment.committedAt != 0) revert AlreadyCommitted(msg.sender, root);
        (commitment.committedAt, commitment.revealBy) = (uint64(block.timestamp), revealBy);
        commitment.count = count;
        _tallies[msg.sender].committed += count;
        emit BaitsCommitted(msg.sender, root, count, revealBy);
    }

    /// @inheritdoc IBaitRegistry
    function revealBait(
        address layer,
        bytes32 root,
        BaitOpening calldata opening
    ) external returns (BaitOutcome outcome) {
        BaitCommitment storage commitment = _commitments[layer][root];
        uint256 committedAt = commitment.committedAt;
        if (committedAt == 0) revert UnknownCommitment(layer, root);
        bytes32 claimId = opening.claimId;
        _requireLeaf(root, commitment.count, opening);
        // A leaf has one place and a place one leaf, so no bait is counted twice and none beyond `count`.
        BitMaps.BitMap storage revealed = _revealed[layer][root];
        if (revealed.get(opening.index) || _baits[claimId].outcome != BaitOutcome.None)
            revert AlreadyRevealed(claimId);
        outcome = _outcomeOf(layer, committedAt, opening);

        revealed.set(opening.index);
        ++commitment.revealed;
        BaitTally storage tally = _tallies[layer];
        if (outcome == BaitOutcome.Caught) ++tally.caught;
        else if (outcome == BaitOutcome.Missed) ++tally.missed;
        else if (outcome == BaitOutcome.Voided) ++tally.voided;
        else ++tally.unlaid;
        // What was never posted marks no claim, for nobody has consented.
        if (outcome != BaitOutcome.Unlaid) _baits[claimId] = Bait(layer, outcome);
        emit BaitRevealed(claimId, layer, root, opening.index, outcome);
    }

    // --- views ---

    /// @inheritdoc IBaitRegistry
    function isBait(bytes32 claimId) external view returns (bool) {
        return _baits[claimId].outcome != BaitOutcome.None;
    }

    /// @inheritdoc IBaitRegistry
    function baitOf(bytes32 claimId) external view returns (BaitOutcome outcome, address layer) {
        Bait storage bait = _baits[claimId];
        return (bait.outcome, bait.layer);
    }

    /// @inheritdoc IBaitRegistry
    function tallyOf(address layer) external view returns (BaitTally memory) {
        return _tallies[layer];
    }

    /// @inheritdoc IBaitRegistry
    function commitmentOf(address layer, bytes32 root) external view returns (BaitCommitment memory) {
        return _commitments[layer][root];
    }

    /// @inheritdoc IBaitRegistry
    function isRevealed(address layer, bytes32 root, uint256 index) external view returns (bool) {
        return _revealed[layer][root].get(index);
    }

    /// @inheritdoc IBaitRegistry
    function consentOf(bytes32 claimId, address layer) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(BAIT_TYPEHASH, claimId, layer)));
    }

    // --- parts ---

    /// @dev Reverts where the claim's end is still open, or it is no bait of this layer.
    function _outcomeOf(
        address layer,
        uint256 committedAt,
        BaitOpening calldata opening
    ) private view returns (BaitOutcome outcome) {
        bytes32 claimId = opening.claimId;
        IInferenceMarket market_ = IInferenceMarket(market);
        Phase phase = market_.phaseOf(claimId);
        if (phase == Phase.Unknown) return BaitOutcome.Unlaid;
        if (phase == Phase.Slashed) outcome = BaitOutcome.Caught;
        else if (phase == Phase.Voided)
            outcome = BaitOutcome.Voided;
            // Out of Finalisable there is one way, and revealing first leaves no time in which the lie is final and unmarked.
        else if (phase == Phase.Finalised || phase == Phase.Finalisable) outcome = BaitOutcome.Missed;
        else revert BaitNotEnded(claimId, phase);

        ClaimState memory claim = market_.claimOf(claimId);
        uint256 postedAt = _postedAt(claim, market_.termsById(claim.termsId));
        if (committedAt >= postedAt) revert CommittedTooLate(claimId, committedAt, postedAt);
        bytes32 consent = consentOf(claimId, layer);
        _requireConsent(
            claimId,
            consent,
            market_.requestOf(claim.requestId).requester,
            opening.requesterSignature
        );
        _requireConsent(claimId, consent, claim.executor, opening.executorSignature);
    }

    function _requireConsent(
        bytes32 claimId,
        bytes32 consent,
        address party,
        bytes calldata signature
    ) private view {
        if (!Signatures.isSignedBy(party, consent, signature)) revert NoConsent(claimId, party);
    }

    /// @dev When a claim was posted, or somewhat before: a trace that was revealed hides whether data was demanded before
    ///      and the challenge window put off.
    function _postedAt(ClaimState memory claim, Terms memory terms) private pure returns (uint256) {
        bool putOff = claim.proofEnd == 0 ? claim.extended : claim.revealEnd != 0;
        uint256 window = terms.challengeWindow + (putOff ? ClaimLife.challengeExtension(terms) : 0);
        return claim.challengeEnd - window;
    }

    /// @dev Reverts unless the opening's leaf is at its index of the tree.
    function _requireLeaf(bytes32 root, uint256 count, BaitOpening calldata opening) private pure {
        uint256 index = opening.index;
        if (index >= count) revert BaitIndexOutOfRange(index, count);
        uint256 depth;
        while ((1 << depth) < count) ++depth;
        if (opening.path.length != depth) revert PathLengthMismatch(opening.path.length, depth);
        bytes32 node = keccak256(abi.encode(opening.claimId, opening.salt));
        for (uint256 i; i < depth; ++i) {
            bytes32 sibling = opening.path[i];
            node =
                (index >> i) & 1 == 0
                    ? keccak256(abi.encode(node, sibling))
                    : keccak256(abi.encode(sibling, node));
        }
        if (node != root) revert RootMismatch(root, node);
    }
}

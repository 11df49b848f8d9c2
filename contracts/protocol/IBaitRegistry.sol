// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Phase} from "./ClaimLife.sol";

/// @notice What became of a bait.
enum BaitOutcome {
    None, // not revealed
    Caught, // slashed: whoever caught it has the ordinary bounty
    Missed, // nobody proved it wrong in time: final, or about to be
    Voided, // only an imprecision was proven
    Unlaid // the claim was never posted
}

/// @notice Claims that their layer announced to be wrong on purpose, before they were posted.
struct BaitCommitment {
    uint64 committedAt; // 0: no such commitment
    uint64 revealBy; // when the layer says that all of them will have been revealed
    uint32 count;
    uint32 revealed;
}

/// @notice All of a layer's baits. What is committed and in none of the other four is open, or hidden.
struct BaitTally {
    uint64 committed;
    uint64 caught;
    uint64 missed;
    uint64 voided;
    uint64 unlaid;
}

/// @notice Shows that leaf `index` of a commitment is this claim.
struct BaitOpening {
    uint32 index;
    bytes32 claimId;
    bytes32 salt;
    bytes32[] path; // leaf to root
    bytes requesterSignature; // both under consentOf(claimId, layer); of no interest where the claim was never posted
    bytes executorSignature;
}

/// @title A public record of baits: claims that are wrong on purpose, so that checking pays while nobody cheats
/// @notice A layer commits to the ids of claims that do not exist yet (a claim's id is a digest that whoever asks and whoever
///         answers can compute in advance), by one Merkle root over keccak256(abi.encode(claimId, salt)) for many baits:
///         the root tells neither which claims they are nor when they come. When a claim has ended, its leaf is revealed.
///         A leaf has one place, and a commitment so many places, so a layer that shows only some of its baits shows that.
///         The share caught / (caught + missed) estimates, without bias as far as the layer is honest, the share of
///         wrong claims that are caught.
/// @dev Holds no money, and nothing asks it: no settlement, payout or verdict depends on what is in here. Requester and
///      executor of a bait must both consent, so that nobody can call another's claim a bait, and an executor cannot pass
///      off a lie to somebody else as one. For claims of requests on the chain only, not for those in batches.
interface IBaitRegistry {
    /// @notice `count` claims, still to be posted, will be wrong on purpose.
    event BaitsCommitted(address indexed layer, bytes32 indexed root, uint32 count, uint64 revealBy);
    /// @notice A claim was a bait (or, Unlaid, was to be one and was never posted).
    event BaitRevealed(
        bytes32 indexed claimId,
        address indexed layer,
        bytes32 indexed root,
        uint32 index,
        BaitOutcome outcome
    );

    error ZeroAddress();
    error BaitCountOutOfRange(uint256 count, uint256 max);
    error RevealByOutOfRange(uint256 revealBy, uint256 min, uint256 max);
    error AlreadyCommitted(address prover, bytes32 commitment);
    error UnknownCommitment(address layer, bytes32 root);
    error BaitIndexOutOfRange(uint256 index, uint256 count);
    error PathLengthMismatch(uint256 length, uint256 expected);
    /// @notice The path does not lead to the commitment: another claim, salt or place.
    error RootMismatch(bytes32 expected, bytes32 actual);
    /// @notice This leaf, or this claim, was revealed before.
    error AlreadyRevealed(bytes32 claimId);
    /// @notice The claim was (or may have been) posted before the commitment was made.
    error CommittedTooLate(bytes32 claimId, uint256 committedAt, uint256 postedAt);
    /// @notice What becomes of the claim is still open.
    error BaitNotEnded(bytes32 claimId, Phase phase);
    /// @notice The claim's requester or executor has not signed that it is a bait of this layer.
    error NoConsent(bytes32 claimId, address party);

    /// @notice Commits the caller to `count` baits.
    /// @param root of the Merkle tree over keccak256(abi.encode(claimId, salt)): keccak256(left, right), padded with zero
    ///        leaves to the next power of two
    /// @param revealBy when all will have been revealed; later ones still count, but look hidden until then
    function commitBaits(bytes32 root, uint32 count, uint64 revealBy) external;

    /// @notice Shows that a claim was a bait, once what becomes of it is settled; anyone who knows the opening may. A bait that
    ///         nobody caught can be shown as soon as it is Finalisable, so that it is marked before it is final.
    function revealBait(
        address layer,
        bytes32 root,
        BaitOpening calldata opening
    ) external returns (BaitOutcome outcome);

    /// @notice For consumers: whether a claim is known to have been wrong on purpose. False says nothing about claims whose
    ///         bait is not revealed.
    function isBait(bytes32 claimId) external view returns (bool);

    /// @notice What became of a bait, and whose it was; None and 0 for every other claim.
    function baitOf(bytes32 claimId) external view returns (BaitOutcome outcome, address layer);

    /// @notice A layer's counts.
    function tallyOf(address layer) external view returns (BaitTally memory);

    /// @notice A commitment; all zero when there is none.
    function commitmentOf(address layer, bytes32 root) external view returns (BaitCommitment memory);

    /// @notice Whether a leaf of a commitment has been revealed.
    function isRevealed(address layer, bytes32 root, uint256 index) external view returns (bool);

    /// @notice The market whose claims are meant.
    function market() external view returns (address);

    /// @notice What requester and executor sign: the EIP-712 digest of `Bait(bytes32 claimId,address layer)` in the domain
    ///         {name "Assay", version "1", chainId, verifyingContract: this registry}.
    function consentOf(bytes32 claimId, address layer) external view returns (bytes32);
}

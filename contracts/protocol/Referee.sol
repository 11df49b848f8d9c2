// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {OutputTolerance} from "../numerics/OutputTolerance.sol";
import {Dtype} from "../program/Dtype.sol";
import {AccessMap, Segment} from "../proof/AccessMap.sol";
import {IKernelVersions} from "../proof/IKernelVersions.sol";
import {ElementProof, IVerifier, Opening, Roots} from "../proof/IVerifier.sol";
import {OpenedChunks, TensorProof} from "../proof/TensorProof.sol";
import {ClaimState, Phase} from "./ClaimLife.sol";
import {DataDemands} from "./DataDemands.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IModelRegistry, PortRecord, ProgramRecord} from "./IModelRegistry.sol";
import {IReferee, OutputElementProof, OutputProof} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {TensorTree} from "./TensorTree.sol";

/// @title Referee
/// @notice See IReferee, which is the specification.
contract Referee is IReferee, DataDemands {
    /// @dev A proof in several steps.
    struct Progress {
        bytes32 stateHash;
        uint64 done;
    }

    /// @dev Who of those that prove an element in several steps committed to it first, and until when that counts.
    struct Precedence {
        address prover;
        uint48 committedAt;
        uint48 until;
    }

    /// @dev Precedence of a first step lasts this share of the proof window.
    uint256 private constant PRECEDENCE_SHARE = 4;

    /// @inheritdoc IReferee
    address public immutable market;
    /// @inheritdoc IReferee
    address public immutable stakeManager;
    /// @inheritdoc IReferee
    address public immutable modelRegistry;
    /// @inheritdoc IReferee
    address public immutable kernelVersions;

    /// @inheritdoc IReferee
    mapping(address prover => mapping(bytes32 commitment => uint64)) public committedAt;
    mapping(bytes32 elementKey => mapping(address prover => Progress)) private _progress;
    mapping(bytes32 elementKey => Precedence) private _precedence;

    constructor(address market_, address kernelVersions_) DataDemands(market_) {
        if (market_ == address(0) || kernelVersions_ == address(0)) revert ZeroAddress();
        market = market_;
        kernelVersions = kernelVersions_;
        stakeManager = IClaimBook(market_).stakeManager();
        modelRegistry = IClaimBook(market_).modelRegistry();
        // Programs are published against these versions, and judged by them.
        if (IModelRegistry(modelRegistry).kernelVersions() != kernelVersions_)
            revert ForeignKernelVersions(kernelVersions_);
    }

    /// @inheritdoc IReferee
    function challenge(bytes32 claimId) external nonReentrant {
        (uint256 bond, uint64 revealEnd) = IClaimBook(market).recordChallenge(claimId, msg.sender);
        emit Challenged(claimId, msg.sender, bond, revealEnd);
        IStakeManager(stakeManager).takeBond(claimId, msg.sender, bond);
    }

    /// @inheritdoc IReferee
    function revealTrace(bytes32 claimId, bytes32 traceRoot, string calldata uri) external nonReentrant {
        ClaimState memory claim = IClaimBook(market).claimOf(claimId);
        if (msg.sender != claim.executor) revert NotExecutor(claimId, msg.sender);
        uint64 proofEnd = IClaimBook(market).recordTrace(claimId, traceRoot);
        emit TraceRevealed(claimId, msg.sender, traceRoot, uri, proofEnd);
    }

    /// @inheritdoc IReferee
    function commitProof(bytes32 claimId, bytes32 commitment) external nonReentrant {
        // Only once the trace is known: an executor must not be able to reveal and prove against itself in one transaction.
        _requirePhase(claimId, Phase.Provable);
        if (committedAt[msg.sender][commitment] != 0) revert AlreadyCommitted(msg.sender, commitment);
        committedAt[msg.sender][commitment] = uint64(block.timestamp);
        emit ProofCommitted(claimId, msg.sender, commitment);
    }

    /// @inheritdoc IReferee
    function proveElement(bytes32 claimId, bytes32 salt, ElementProof calldata proof) external nonReentrant {
        ClaimState memory claim = _requirePhase(claimId, Phase.Provable);
        _requireCommitted(claimId, salt, keccak256(abi.encode(proof)));
        (IVerifier verifier, Roots memory roots) = _courtOf(claimId, claim.traceRoot);
        Judgement memory judgement = verifier.judge(roots, proof);
        _settle(claimId, msg.sender, proof, judgement);
    }

    /// @inheritdoc IReferee
    function proveSegment(
        bytes32 claimId,
        bytes32 salt,
        ElementProof calldata proof,
        Segment calldata segment,
        bytes calldata state
    ) external nonReentrant {
        ClaimState memory claim = _requirePhase(claimId, Phase.Provable);
        bytes32 key = _elementKey(claimId, proof.index, proof.element);
        Progress storage progress = _progress[key][msg.sender];
        if (segment.first == 0) {
            uint256 since = _requireCommitted(claimId, salt, elementHash(proof.index, proof.element));
            if (state.length != 0) revert StateMismatch(keccak256(""), keccak256(state));
            _claimPrecedence(key, since, claim.termsId);
        } else {
            if (segment.first != progress.done) revert SegmentOutOfOrder(segment.first, progress.done);
            if (keccak256(state) != progress.stateHash)
                revert StateMismatch(progress.stateHash, keccak256(state));
        }
        (IVerifier verifier, Roots memory roots) = _courtOf(claimId, claim.traceRoot);
        (bytes memory next, bool complete, Judgement memory judgement) = verifier.fold(
            roots,
            proof,
            segment,
            state
        );
        if (complete) {
            delete _progress[key][msg.sender];
            _settle(claimId, _payee(key), proof, judgement);
        } else {
            uint64 done = segment.first + segment.count;
            (progress.done, progress.stateHash) = (done, keccak256(next));
            emit ProofAdvanced(claimId, msg.sender, proof.index, proof.element, done, next);
        }
    }

    /// @inheritdoc IReferee
    function proveOutput(bytes32 claimId, bytes32 salt, OutputProof calldata proof) external nonReentrant {
        ClaimState memory claim = _requirePhase(claimId, Phase.Provable);
        _requireCommitted(claimId, salt, keccak256(abi.encode(proof)));
        (bytes32 programRoot, ) = IClaimBook(market).subjectOf(claimId);
        ProgramRecord memory program = IModelRegistry(modelRegistry).programs(programRoot);
        if (proof.output >= program.outputCount) revert UnknownOutput(proof.output, program.outputCount);
        PortRecord memory port = IModelRegistry(modelRegistry).outputsOf(programRoot)[proof.output];
        if (_isTolerant(port)) revert OutputTolerant(proof.output);
        uint32 instruction = port.index;
        _requireLeaf(
            claim.outputRoot,
            program.outputCount,
            proof.output,
            proof.claimedRoot,
            proof.claimedPath
        );
        _requireLeaf(
            claim.traceRoot,
            program.instructionCount,
            instruction,
            proof.tracedRoot,
            proof.tracedPath
        );
        // INVARIANT I7
        if (proof.claimedRoot == proof.tracedRoot) revert OutputMatches(proof.output);
        emit OutputJudged(
            claimId,
            msg.sender,
            proof.output,
            instruction,
            proof.claimedRoot,
            proof.tracedRoot
        );
        IClaimBook(market).settleSlashed(claimId, msg.sender);
    }

    /// @inheritdoc IReferee
    function proveOutputElement(
        bytes32 claimId,
        bytes32 salt,
        OutputElementProof calldata proof
    ) external nonReentrant {
        ClaimState memory claim = _requirePhase(claimId, Phase.Provable);
        _requireCommitted(claimId, salt, keccak256(abi.encode(proof)));
        (bytes32 programRoot, ) = IClaimBook(market).subjectOf(claimId);
        ProgramRecord memory program = IModelRegistry(modelRegistry).programs(programRoot);
        if (proof.output >= program.outputCount) revert UnknownOutput(proof.output, program.outputCount);
        PortRecord memory port = IModelRegistry(modelRegistry).outputsOf(programRoot)[proof.output];
        if (!_isTolerant(port)) revert OutputExact(proof.output);
        (uint32 claimed, bytes32 root) = _elementOf(proof.claimed, port.size, proof.element);
        TensorProof.requireLeaf(
            claim.outputRoot,
            program.outputCount,
            proof.output,
            root,
            proof.claimed.path
        );
        uint32 traced;
        (traced, root) = _elementOf(proof.traced, port.size, proof.element);
        TensorProof.requireLeaf(
            claim.traceRoot,
            program.instructionCount,
            port.index,
            root,
            proof.traced.path
        );
        Verdict verdict = OutputTolerance.judge(
            claimed,
            traced,
            port.toleranceAbsolute,
            port.toleranceRelative
        );
        // INVARIANT I7
        if (verdict == Verdict.Acceptable) revert OutputElementAcceptable(proof.output, proof.element);
        emit OutputElementJudged(claimId, msg.sender, verdict, proof.output, proof.element, claimed, traced);
        _conclude(claimId, msg.sender, verdict);
    }

    /// @inheritdoc IReferee
    function settleUnrevealed(bytes32 claimId) external nonReentrant {
        IClaimBook(market).settleSlashed(claimId, address(0));
    }

    /// @inheritdoc IReferee
    function settleImprecise(bytes32 claimId) external nonReentrant {
        IClaimBook(market).settleVoided(claimId);
    }

    /// @inheritdoc IReferee
    function reclaimBond(bytes32 claimId, address challenger) external nonReentrant {
        Phase phase = IClaimBook(market).phaseOf(claimId);
        if (phase == Phase.Unknown) revert UnknownClaim(claimId);
        if (phase != Phase.Slashed && phase != Phase.Voided) revert WrongPhase(claimId, phase);
        uint256 amount = IStakeManager(stakeManager).returnBond(claimId, challenger);
        emit BondReturned(claimId, challenger, amount);
    }

    /// @inheritdoc IReferee
    function progressOf(
        bytes32 claimId,
        address prover,
        uint32 instruction,
        uint64 element
    ) external view returns (uint64 done, bytes32 stateHash) {
        Progress storage progress = _progress[_elementKey(claimId, instruction, element)][prover];
        return (progress.done, progress.stateHash);
    }

    /// @inheritdoc IReferee
    function commitmentOf(
        bytes32 claimId,
        address prover,
        bytes32 salt,
        bytes32 proofHash
    ) public pure returns (bytes32) {
        return keccak256(abi.encode(claimId, prover, salt, proofHash));
    }

    /// @inheritdoc IReferee
    function elementHash(uint32 instruction, uint64 element) public pure returns (bytes32) {
        return keccak256(abi.encode(instruction, element));
    }

    /// @dev Settles a claim by what was found of one element, for the benefit of `prover`.
    function _settle(
        bytes32 claimId,
        address prover,
        ElementProof calldata proof,
        Judgement memory judgement
    ) private {
        // INVARIANT I7
        if (judgement.verdict == Verdict.Acceptable) revert ElementAcceptable(proof.index, proof.element);
        emit ElementJudged(
            claimId,
            prover,
            judgement.verdict,
            proof.index,
            proof.element,
            _claimedBits(proof),
            judgement.exact,
            judgement.provable,
            judgement.integrity,
            judgement.scale
        );
        _conclude(claimId, prover, judgement.verdict);
    }

    /// @param verdict Fraudulent or Imprecise
    function _conclude(bytes32 claimId, address prover, Verdict verdict) private {
        if (verdict == Verdict.Fraudulent) IClaimBook(market).settleSlashed(claimId, prover);
        else IClaimBook(market).recordImprecision(claimId, prover);
    }

    /// @dev The earlier commitment comes first: whoever copies a first step can only have committed after it.
    function _claimPrecedence(bytes32 key, uint256 since, uint16 termsId) private {
        Precedence storage precedence = _precedence[key];
        if (precedence.prover != address(0) && precedence.committedAt <= since) return;
        // It ends with the first of them: whoever comes with ever earlier commitments cannot renew it.
        uint48 until = precedence.until;
        if (until == 0) {
            uint256 proofWindow = IClaimBook(market).termsById(termsId).proofWindow;
            until = uint48(block.timestamp + proofWindow / PRECEDENCE_SHARE);
        }
        _precedence[key] = Precedence(msg.sender, uint48(since), until);
    }

    /// @dev Who gains from the verdict that the caller's last step brought.
    function _payee(bytes32 key) private view returns (address) {
        Precedence storage precedence = _precedence[key];
        return block.timestamp < precedence.until ? precedence.prover : msg.sender;
    }

    function _requirePhase(bytes32 claimId, Phase expected) private view returns (ClaimState memory claim) {
        claim = IClaimBook(market).claimOf(claimId);
        Phase phase = IClaimBook(market).phaseOf(claimId);
        if (phase != expected) revert WrongPhase(claimId, phase);
    }

    /// @return since when the caller committed to this
    function _requireCommitted(
        bytes32 claimId,
        bytes32 salt,
        bytes32 proofHash
    ) private view returns (uint256 since) {
        bytes32 commitment = commitmentOf(claimId, msg.sender, salt, proofHash);
        since = committedAt[msg.sender][commitment];
        if (since == 0) revert NotCommitted(msg.sender, commitment);
        // Time, not block number: on some chains block.number is another chain's. A later time is also a later block.
        if (since >= block.timestamp) revert CommitmentTooYoung(since, block.timestamp);
    }

    /// @dev What judges a claim's elements, for ever named by its program, and against which roots.
    function _courtOf(
        bytes32 claimId,
        bytes32 traceRoot
    ) private view returns (IVerifier verifier, Roots memory roots) {
        (bytes32 programRoot, bytes32 inputRoot) = IClaimBook(market).subjectOf(claimId);
        ProgramRecord memory program = IModelRegistry(modelRegistry).programs(programRoot);
        verifier = IVerifier(IKernelVersions(kernelVersions).verifierOf(program.version));
        roots = Roots({
            instructionsRoot: program.instructionsRoot,
            instructionCount: program.instructionCount,
            constantsRoot: program.constantsRoot,
            constantCount: program.constantCount,
            inputRoot: inputRoot,
            inputCount: program.inputCount,
            traceRoot: traceRoot
        });
    }

    function _requireLeaf(
        bytes32 root,
        uint256 count,
        uint256 index,
        bytes32 leaf,
        bytes32[] calldata path
    ) private view {
        uint256 depth = TensorTree.depth(count);
        if (path.length != depth) revert PathLengthMismatch(path.length, depth);
        bytes32 actual = TensorTree.climb(leaf, index, path);
        if (actual != root) revert RootMismatch(root, actual);
    }

    /// @dev Bits of a float32 element that an opening shows, and the tensor root that it leads to.
    function _elementOf(
        Opening calldata opening,
        uint256 size,
        uint64 element
    ) private view returns (uint32, bytes32) {
        if (element >= size / 4) revert OutputElementOutOfRange(element, size / 4);
        (bytes32 root, OpenedChunks memory opened) = TensorProof.open(opening, (size + 31) / 32);
        return (uint32(AccessMap.elementAt(opened, element, 4)), root);
    }

    function _isTolerant(PortRecord memory port) private pure returns (bool) {
        return port.toleranceAbsolute | port.toleranceRelative != 0;
    }

    function _elementKey(bytes32 claimId, uint32 instruction, uint64 element) private pure returns (bytes32) {
        return keccak256(abi.encode(claimId, instruction, element));
    }

    /// @dev Bits of the judged element, for the event only; the verifier has checked that the opening contains it.
    function _claimedBits(ElementProof calldata proof) private pure returns (uint64 bits) {
        // abi.encode(Instruction): offset, family, op, dtype.
        if (proof.instruction.length < 0x80) return 0;
        uint256 size = Dtype.sizeOf(uint8(proof.instruction[0x7f]));
        uint256 position = uint256(proof.element) * size;
        uint256 chunk = position / 32;
        uint256 before;
        for (uint256 i; i < proof.output.runs.length; ++i) {
            uint256 first = proof.output.runs[i] >> 64;
            uint256 count = uint64(proof.output.runs[i]);
            if (chunk >= first && chunk - first < count) {
                uint256 start = (before + chunk - first) * 32 + (position % 32);
                if (start + size > proof.output.chunks.length) return 0;
                for (uint256 b; b < size; ++b)
                    bits |= uint64(uint8(proof.output.chunks[start + b])) << uint64(8 * b);
                return bits;
            }
            before += count;
        }
    }
}
